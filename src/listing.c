/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include "fs.h"

/* Which znode is there: its czxid.  That of "/", the one without, is 0. */
static int64_t list_id(const struct node *dir)
{
	return dir->stat.czxid ? dir->stat.czxid : -1;
}

bool listing_is_held_locked(const struct node *dir)
{
	int64_t czxid = node_dir_of(dir)->list_czxid;

	return czxid != 0 && dir->known && czxid == list_id(dir);
}

bool listing_is_valid_locked(const struct fs *fs, struct node *dir)
{
	uint64_t valid = node_dir_of(dir)->list_valid;

	return listing_is_held_locked(dir) && valid != 0 &&
	       valid == watch_guard_locked(fs, dir);
}

bool listing_lacks_locked(const struct fs *fs, const struct node *node)
{
	const struct told *told = &node->told;

	return node->parent && listing_is_valid_locked(fs, node->parent) &&
	       !node->in_list && !node->known && !node->embryo &&
	       told_is_idle(told) && !told_anywhere(told);
}

/* --- what is held -------------------------------------------------------- */

static void hold(struct node *child)
{
	if (child->in_list)
		return;
	child->in_list = true;
	node_ref(child);
}

static void let_go(struct fs *fs, struct node *child)
{
	if (!child->in_list)
		return;
	child->in_list = false;
	node_put(&fs->nodes, &child);
}

void listing_drop_locked(struct fs *fs, struct node *dir)
{
	struct node *child, *next;

	if (node_dir_of(dir)->list_czxid == 0)
		return;
	dir->dir->list_czxid = 0;
	dir->dir->list_valid = 0;
	node_ref(dir);
	for_each_child_safe (child, next, dir)
		let_go(fs, child);
	node_put(&fs->nodes, &dir);
}

void listing_settled_locked(struct fs *fs, struct node *node)
{
	if (!listing_is_held_locked(node))
		listing_drop_locked(fs, node);
	if (node->known && node->parent && listing_is_held_locked(node->parent))
		hold(node);
	else if (!told_anywhere(&node->told))
		let_go(fs, node);
}

void listing_believe_locked(struct node *node)
{
	if (!node->told.set && node->parent &&
	    listing_is_held_locked(node->parent))
		told_absent(&node->told);
}

/* --- the first list, and the others -------------------------------------- */

/* The node of names[i], of a list that is gone through from its beginning. */
static struct node *get_locked(struct fs *fs, struct node *dir,
			       const char *const *names, size_t n, size_t i)
{
	if (i % NODE_EXPECT_MAX == 0)
		node_expect(&fs->nodes, dir, names + i, n - i);
	return node_get(&fs->nodes, dir, names[i]);
}

static void adopt_locked(struct fs *fs, struct node *dir,
			 const char *const *names, size_t n)
{
	struct node *child;
	size_t i;

	/* What is held is of a znode that was here before. */
	listing_drop_locked(fs, dir);
	if (!dir->known)
		return;
	node_dir(dir)->list_czxid = list_id(dir);
	node_reserve(&fs->nodes, n);
	for (i = 0; i < n; i++) {
		child = get_locked(fs, dir, names, n, i);
		hold(child);
		if (told_listed(&child->told) || child->absent)
			look_locked(fs, child);
		node_put(&fs->nodes, &child);
	}
}

static void compare_locked(struct fs *fs, struct node *dir,
			   const char *const *names, size_t n)
{
	struct node *child, *next;
	size_t i;

	fs->nodes.mark++;
	for (i = 0; i < n; i++) {
		child = get_locked(fs, dir, names, n, i);
		child->mark = fs->nodes.mark;
		if (!told_anywhere(&child->told))
			told_absent(&child->told);
		if (!told_anywhere(&child->told) ||
		    told_is_disputed(&child->told))
			look_locked(fs, child);
		node_put(&fs->nodes, &child);
	}
	for_each_child_safe (child, next, dir) {
		if (child->mark != fs->nodes.mark &&
		    told_anywhere(&child->told))
			look_locked(fs, child);
	}
}

/* What is listed, and known as absent, has one of the two wrong. */
static void see_locked(struct fs *fs, struct node *dir,
		       const char *const *names, size_t n, bool late)
{
	struct node *child;
	bool owed;
	size_t i;

	for (i = 0; i < n; i++) {
		child = get_locked(fs, dir, names, n, i);
		listing_believe_locked(child);
		hold(child);
		owed = told_listed(&child->told);
		if ((owed && late) || child->absent)
			look_locked(fs, child);
		node_put(&fs->nodes, &child);
	}
}

bool listing_learn_locked(struct fs *fs, struct node *dir,
			  const char *const *names, size_t n, uint32_t changes,
			  uint64_t guard)
{
	uint64_t now = watch_guard_locked(fs, dir);
	bool late = now != 0 && (now != guard ||
				 node_dir_of(dir)->list_changes != changes);

	if (listing_is_held_locked(dir))
		see_locked(fs, dir, names, n, late);
	else
		adopt_locked(fs, dir, names, n);
	if (guard == now)
		node_dir(dir)->list_valid = guard;
	return late && node_dir_of(dir)->list_czxid != 0;
}

/* --- listing again ------------------------------------------------------- */

struct relist {
	struct fs *fs;
	struct node *dir;
};

static void on_relisted(void *arg, const struct zk_result *r)
{
	struct relist *op = arg;
	struct fs *fs = op->fs;

	fs_lock(fs);
	if (r->rc == 0)
		node_learn(&fs->nodes, op->dir, r->stat, NULL, 0);
	if (r->rc == 0 && listing_is_held_locked(op->dir))
		compare_locked(fs, op->dir, r->names, r->n_names);
	else if (r->rc == 0)
		adopt_locked(fs, op->dir, r->names, r->n_names);
	if (op->dir == fs->nodes.root) {
		fs->listing.root_running = false;
		pthread_cond_broadcast(&fs->watch.up);
	}
	node_put(&fs->nodes, &op->dir);
	fs_unlock(fs);
	free(op);
	watch_pump(fs);
}

void listing_relist(struct fs *fs, struct node *dir)
{
	struct relist *op = xcalloc(1, sizeof(*op));
	_cleanup_free_ char *path = NULL;

	op->fs = fs;
	fs_lock(fs);
	op->dir = node_ref(dir);
	path = node_path(dir);
	fs_unlock(fs);
	zk_children(fs->zk, path,
		    (struct zk_to){.cb = on_relisted, .arg = op});
}

void listing_relist_root_locked(struct fs *fs)
{
	fs->listing.root_wanted = true;
}

void listing_pump(struct fs *fs)
{
	struct listing *l = &fs->listing;
	bool now;

	fs_lock(fs);
	now = l->root_wanted && !l->root_running;
	if (now) {
		l->root_wanted = false;
		l->root_running = true;
	}
	fs_unlock(fs);
	if (now)
		listing_relist(fs, fs->nodes.root);
}
