/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <errno.h>
#include <string.h>

#include "util.h"

/* --- the tree ------------------------------------------------------------ */

static uint64_t name_hash(const struct node *parent, const char *name)
{
	return htab_hash_bytes(name, strlen(name), (uintptr_t)parent);
}

static struct node *node_new(struct node_table *t, struct node *parent,
			     const char *name)
{
	struct node *node = xcalloc(1, sizeof(*node));

	list_init(&node->children);
	list_init(&node->sibling);
	list_init(&node->inodes);
	list_init(&node->cached);
	turn_init(&node->writers);
	told_init(&node->told);
	node->name = xstrdup(name);
	node->null_mzxid = -1;
	node->refs = 1;
	t->n_nodes++;
	if (parent) {
		node->parent = node_ref(parent);
		node->ino_base = htab_hash_bytes(name, strlen(name),
						 parent->ino_base);
	}
	return node;
}

static void attach(struct node_table *t, struct node *node)
{
	node->detached = false;
	htab_add(&t->names, &node->by_name,
		 name_hash(node->parent, node->name));
	list_add_tail(&node->parent->children, &node->sibling);
}

static void unpin(struct node_table *t, struct node *node)
{
	if (!node->pinned)
		return;
	node->pinned = false;
	node_put(t, &node);
}

static void detach_one(struct node_table *t, struct node *node)
{
	if (node->detached || !node->parent)
		return;
	htab_del(&t->names, &node->by_name);
	list_del(&node->sibling);
	node->detached = true;
}

/* The reference that keeps what is below a ghost, as the listing's did. */
static void node_pin_ghost(struct node *node)
{
	if (!node->pinned)
		node_ref(node);
	node->pinned = true;
}

/*
 * The next node after @node in its subtree below @top, parents first; NULL at
 * the end.  No recursion: how deep a tree is, others decide.
 */
struct node *node_next_below(struct node *node, const struct node *top)
{
	if (!list_empty(&node->children))
		return list_first(&node->children, struct node, sibling);
	while (node != top && node->sibling.next == &node->parent->children)
		node = node->parent;
	if (node == top)
		return NULL;
	return list_entry(node->sibling.next, struct node, sibling);
}

void node_own_begin(struct node *node)
{
	told_own_begin(&node->told);
	node_ref(node);
}

void node_own_end(struct node_table *t, struct node *node)
{
	node_put(t, &node);
}

/* Each change that is under way has a reference; the name is no more. */
static void drop_own(struct node_table *t, struct node *node)
{
	int own = node->told.own;

	node_ref(node);
	node->told.own = 0;
	node->refs -= own;
	node_put(t, &node);
}

struct node *node_ghost_leaf(struct node *ghost)
{
	struct node *leaf = ghost;

	while (!list_empty(&leaf->children))
		leaf = list_first(&leaf->children, struct node, sibling);
	return leaf == ghost ? NULL : leaf;
}

void node_ghost_leaf_done(struct node_table *t, struct node *leaf)
{
	node_ref(leaf);
	detach_one(t, leaf);
	list_del(&leaf->sibling);
	drop_own(t, leaf);
	unpin(t, leaf);
	node_put(t, &leaf);
}

/* Leaves first, so that what is detached has no children that are not. */
static void detach_below(struct node_table *t, struct node *top)
{
	struct node *leaf;

	while ((leaf = node_ghost_leaf(top)))
		node_ghost_leaf_done(t, leaf);
}

void node_ghost_put(struct node_table *t, struct node **ghost)
{
	if (*ghost)
		detach_below(t, *ghost);
	node_put(t, ghost);
}

static void detach(struct node_table *t, struct node *top)
{
	detach_below(t, top);
	detach_one(t, top);
	unpin(t, top);
}

/*
 * What is below loses its names, but those that watchers believe in, and what
 * leads to them, stay in the lists of children: see node_ghost_leaf().
 */
static void keep_below(struct node_table *t, struct node *top)
{
	struct node *node = top, *next;

	for (node = top; node; node = next) {
		next = node_next_below(node, top);
		if (node == top)
			continue;
		if (!node->detached)
			htab_del(&t->names, &node->by_name);
		node->detached = true;
		node_pin_ghost(node);
		drop_own(t, node);
	}
}

struct node *node_find(struct node_table *t, struct node *parent,
		       const char *name)
{
	uint64_t hash = name_hash(parent, name);
	struct hlink *l;

	htab_for_each_hash (l, &t->names, hash) {
		struct node *node = container_of(l, struct node, by_name);

		if (node->parent == parent && strcmp(node->name, name) == 0)
			return node_ref(node);
	}
	return NULL;
}

struct node *node_get(struct node_table *t, struct node *parent,
		      const char *name)
{
	struct node *node;

	if (parent->detached)
		return NULL;
	node = node_find(t, parent, name);
	if (!node) {
		node = node_new(t, parent, name);
		attach(t, node);
	}
	return node;
}

struct node *node_ref(struct node *node)
{
	node->refs++;
	return node;
}

static void drop_data(struct node_table *t, struct node *node)
{
	if (!node->data)
		return;
	t->cached_bytes -= node->data->len;
	list_del(&node->cached);
	blob_assign(&node->data, NULL);
}

void node_put(struct node_table *t, struct node **p)
{
	struct node *node = *p;

	*p = NULL;
	while (node && --node->refs == 0) {
		struct node *parent = node->parent;

		detach_one(t, node);
		list_del(&node->sibling);
		drop_data(t, node);
		node_ghost_put(t, &node->told.ghost);
		t->n_nodes--;
		free(node->name);
		free(node);
		node = parent;
	}
}

struct node *node_next(const struct node_table *t, struct node *node)
{
	return node_next_below(node, t->root);
}

void node_hold_watch(struct node *node)
{
	if (!node->watch_asked)
		node_ref(node);
	node->watch_asked = true;
}

void node_drop_watch(struct node_table *t, struct node *node)
{
	if (!node->watch_asked)
		return;
	node->watch_asked = false;
	node_put(t, &node);
}

/* The root's name is the chroot's whole path, "" for "/". */
char *node_path(const struct node *node)
{
	const struct node *n;
	size_t len = 0;
	char *path, *end;

	for (n = node; n; n = n->parent)
		len += strlen(n->name) + (n->parent != NULL);
	if (len == 0)
		return xstrdup("/");
	path = xcalloc(1, len + 1);
	end = path + len;
	for (n = node; n; n = n->parent) {
		size_t part = strlen(n->name);

		end -= part;
		memcpy(end, n->name, part);
		if (n->parent)
			*--end = '/';
	}
	return path;
}

/* --- what is known ------------------------------------------------------- */

static void trim_cache(struct node_table *t)
{
	while (t->cached_bytes > t->cached_max)
		drop_data(t, list_first(&t->cached, struct node, cached));
}

static void set_data(struct node_table *t, struct node *node,
		     struct blob *data)
{
	drop_data(t, node);
	node->null = data->null;
	node->null_mzxid = node->stat.mzxid;
	node->data = blob_ref(data);
	list_add_tail(&t->cached, &node->cached);
	t->cached_bytes += data->len;
	trim_cache(t);
}

/*
 * The kind is decided by what is known first and is stable from then on,
 * except that a file which gets a child becomes a directory.  Of a value that
 * may not be read, null and empty cannot be told apart: a directory, so that
 * one can go on below it.
 */
static void decide_kind(const struct node_table *t, struct node *node)
{
	if (node->is_dir)
		return;
	if (node->parent == NULL)
		node->is_dir = true;
	else if (zstat_is_ephemeral(&node->stat))
		node->is_dir = false;
	else if (t->policy.layout_dir || node->stat.num_children > 0)
		node->is_dir = true;
	else if (node->decided)
		return;
	else if (node_null_known(node))
		node->is_dir = node_is_null(t, node);
	else
		node->is_dir = node->stat.data_length == 0;
	node->decided = true;
}

static bool is_older(const struct zstat *a, const struct zstat *b)
{
	return a->czxid < b->czxid || a->mzxid < b->mzxid ||
	       a->pzxid < b->pzxid;
}

/* What belongs to a name rather than to a znode goes from one node to another. */
static void move_name_state(struct node_table *t, struct node *from,
			    struct node *to)
{
	struct node *held = from;
	int own = from->told.own;

	node_ghost_put(t, &to->told.ghost);
	told_transfer(&to->told, &from->told);
	to->refs += own;
	from->refs -= own; /* the caller has another */
	to->changes = from->changes + 1;
	to->watched = from->watched;
	from->watched = 0;
	if (!from->watch_asked)
		return;
	from->watch_asked = false;
	node_hold_watch(to);
	node_put(t, &held);
}

/* Another znode has the name. */
static struct node *replace(struct node_table *t, struct node *old)
{
	bool pinned = old->pinned;
	struct node *node;

	if (told_anywhere(&old->told) && !old->told.ghost)
		keep_below(t, old);
	else
		detach_below(t, old);
	detach_one(t, old);
	unpin(t, old);
	node = node_get(t, old->parent, old->name);
	move_name_state(t, old, node);
	node->moves = old->moves;
	if (told_anywhere(&node->told) && !node->told.ghost)
		node->told.ghost = node_ref(old);
	if (pinned)
		node_pin(node);
	node_put(t, &old);
	return node;
}

int node_learn(struct node_table *t, struct node **p, struct node_ask ask,
	       const struct zstat *stat, struct blob *data, pid_t thread)
{
	struct node *node = *p;

	if (node->detached || node_ask_moved(node, ask))
		return -ESTALE;
	if (node->known && is_older(stat, &node->stat))
		return 0;
	if (node->known && node->stat.czxid != stat->czxid && node->parent)
		node = *p = replace(t, node);
	if (node->known && node->stat.mzxid != stat->mzxid)
		drop_data(t, node);
	node->stat = *stat;
	node->known = true;
	node->gone = false;
	if (data)
		set_data(t, node, data);
	decide_kind(t, node);
	node->embryo = false;
	node->valid = node_ask_holds(t, node, ask) ? ask.guard : 0;
	node->fresh_for = thread;
	node->fresh_at = now_ms();
	return 0;
}

static struct node *replace_by_none(struct node_table *t, struct node *node)
{
	struct node *place = replace(t, node_ref(node));

	place->gone = true;
	return place;
}

struct node *node_gone(struct node_table *t, struct node *node)
{
	if (node->embryo || node->detached || !node->parent)
		return NULL;
	if (!told_anywhere(&node->told) && node->told.own == 0 &&
	    node->told.recon == RECON_IDLE && !node->watch_asked) {
		detach(t, node);
		return NULL;
	}
	/* A placeholder already? */
	if (!node->known && list_empty(&node->inodes)) {
		node->gone = true;
		return node_ref(node);
	}
	return replace_by_none(t, node);
}

struct node *node_unlinked(struct node_table *t, struct node *node)
{
	bool detached = node->detached;

	node->unlinked = true;
	node->embryo = false;
	if (detached || !node->parent)
		return NULL;
	return replace_by_none(t, node);
}

void node_unknown(struct node_table *t, struct node *node)
{
	struct node *n;

	for (n = node; n; n = node_next_below(n, node)) {
		n->known = n->gone = false;
		n->moves++;
		n->valid = 0;
		n->fresh_for = 0;
		drop_data(t, n);
	}
}

/* Takes @name.  The node is in no name meanwhile, but keeps its children. */
static void reattach(struct node_table *t, struct node *node,
		     struct node *parent, char *name)
{
	struct node *old_parent = node->parent;

	node->parent = node_ref(parent);
	node_put(t, &old_parent);
	free(node->name);
	node->name = name;
	attach(t, node);
	node_unknown(t, node);
}

struct node *node_moved(struct node_table *t, struct node *node,
			struct node *new_parent, const char *new_name)
{
	struct node *target = node_get(t, new_parent, new_name);
	struct node *place;

	detach_one(t, node);
	node_ref(node);
	unpin(t, node);
	place = node_get(t, node->parent, node->name);
	place->gone = true;
	move_name_state(t, node, place);
	target->unlinked = true;
	target->embryo = false;
	detach(t, target);
	reattach(t, node, new_parent, xstrdup(new_name));
	move_name_state(t, target, node);
	node_ghost_put(t, &node->told.ghost);
	if (new_parent->listed)
		node_pin(node);
	node_put(t, &target);
	node_put(t, &node);
	return place;
}

void node_exchanged(struct node_table *t, struct node *a, struct node *b)
{
	struct node *a_parent, *tmp;
	char *a_name, *b_name;

	if (a->detached || b->detached)
		return;
	a_name = xstrdup(a->name);
	b_name = xstrdup(b->name);
	a_parent = node_ref(a->parent);
	tmp = node_new(t, NULL, "");
	move_name_state(t, a, tmp);
	move_name_state(t, b, a);
	move_name_state(t, tmp, b);
	detach_one(t, a);
	detach_one(t, b);
	reattach(t, a, b->parent, b_name);
	reattach(t, b, a_parent, a_name);
	node_put(t, &a_parent);
	node_put(t, &tmp);
}

void node_make_embryo(struct node *node)
{
	if (node->known)
		return;
	node->embryo = true;
	node->gone = false;
	node->decided = true;
	node->stat = (struct zstat){.mtime = (int64_t)time(NULL) * 1000};
}

/* --- what guards it -------------------------------------------------------- */

uint64_t node_guard(const struct node_table *t, const struct node *node)
{
	while (node->parent && node->parent->parent)
		node = node->parent;
	return node->watched == t->guard ? t->guard : 0;
}

struct node_ask node_ask(const struct node_table *t, const struct node *node)
{
	return (struct node_ask){
		.guard = node_guard(t, node),
		.changes = node->changes,
		.moves = node->moves,
	};
}

bool node_ask_moved(const struct node *node, struct node_ask ask)
{
	return ask.moves != node->moves;
}

bool node_ask_holds(const struct node_table *t, const struct node *node,
		    struct node_ask ask)
{
	return ask.guard != 0 && ask.guard == node_guard(t, node) &&
	       ask.changes == node->changes && ask.moves == node->moves &&
	       !node->detached;
}

bool node_is_valid(const struct node_table *t, const struct node *node)
{
	return node->known && !node->detached && node->valid != 0 &&
	       node->valid == node_guard(t, node);
}

void node_changed(struct node *node)
{
	node->changes++;
	node->valid = 0;
	node->fresh_for = 0;
}

void node_pin(struct node *child)
{
	if (!child->pinned && !child->detached)
		node_ref(child);
	child->pinned = !child->detached;
}

void node_unpin_children(struct node_table *t, struct node *dir)
{
	struct node *child, *next;

	if (!dir->listed)
		return;
	dir->listed = false;
	node_ref(dir);
	/* An unpinned child may go; its neighbour does not. */
	list_for_each_safe (child, next, &dir->children, sibling)
		unpin(t, child);
	node_put(t, &dir);
}

/* The node that @path leads to, relative to the root; makes the last one. */
static struct node *walk(struct node_table *t, char *path)
{
	struct node *node = node_ref(t->root), *next;
	char *save, *name = strtok_r(path, "/", &save), *rest;

	for (; name && node; name = rest) {
		rest = strtok_r(NULL, "/", &save);
		next = rest ? node_find(t, node, name)
			    : node_get(t, node, name);
		node_put(t, &node);
		node = next;
	}
	return node;
}

struct node *node_at(struct node_table *t, const char *path)
{
	size_t len = strlen(t->root->name);
	char *relative;
	struct node *node;

	if (strncmp(path, t->root->name, len) ||
	    (path[len] != '/' && path[len] != '\0'))
		return NULL;
	relative = xstrdup(path + len);
	node = walk(t, relative);
	free(relative);
	return node;
}

bool node_is_fresh(const struct node_table *t, const struct node *node,
		   pid_t thread, bool data)
{
	if (!node->known || node->detached || (data && !node->data))
		return false;
	return node_is_valid(t, node) ||
	       (node->fresh_for == thread &&
		now_ms() - node->fresh_at < NODE_FRESH_MS);
}

bool node_null_known(const struct node *node)
{
	return node->known &&
	       (node->stat.data_length > 0 ||
		node->null_mzxid == node->stat.mzxid);
}

bool node_is_null(const struct node_table *t, const struct node *node)
{
	if (node->stat.data_length > 0)
		return false;
	return node->null || t->policy.empty_dir;
}

enum inode_kind node_kind(const struct node *node)
{
	return node->is_dir ? INODE_DIR : INODE_FILE;
}

/* --- inodes -------------------------------------------------------------- */

/* 53 bits, which also programs that count in doubles keep apart; never 1. */
static uint64_t ino_of_base(uint64_t base)
{
	return (base & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
}

uint64_t node_child_ino(const struct node *parent, const char *name)
{
	return ino_of_base(
		htab_hash_bytes(name, strlen(name), parent->ino_base));
}

/* The next free one if the kernel still holds an older face of the name. */
static uint64_t pick_ino(struct node_table *t, struct node *node,
			 enum node_view view, enum inode_kind kind)
{
	uint64_t face = view * 4 + (kind == INODE_DATA ? 1 : 0);
	uint64_t ino = ino_of_base(node->ino_base + face);

	if (!node->parent && face == 0)
		return NODE_ROOT_INO;
	while (inode_find(t, ino))
		ino = ino_of_base(htab_hash_u64(ino));
	return ino;
}

static struct inode *inode_new(struct node_table *t, struct node *node,
			       enum node_view view, enum inode_kind kind)
{
	struct inode *inode = xcalloc(1, sizeof(*inode));

	inode->node = node_ref(node);
	inode->view = view;
	inode->kind = kind;
	inode->ino = pick_ino(t, node, view, kind);
	list_init(&inode->files);
	htab_add(&t->inos, &inode->by_ino, htab_hash_u64(inode->ino));
	list_add_tail(&node->inodes, &inode->in_node);
	return inode;
}

struct inode *node_inode(struct node_table *t, struct node *node,
			 enum node_view view, enum inode_kind kind)
{
	struct inode *inode;

	for_each_inode (inode, node) {
		if (inode->view == view && inode->kind == kind)
			return inode;
	}
	return inode_new(t, node, view, kind);
}

struct inode *inode_find(struct node_table *t, uint64_t ino)
{
	uint64_t hash = htab_hash_u64(ino);
	struct hlink *l;

	htab_for_each_hash (l, &t->inos, hash) {
		struct inode *inode = container_of(l, struct inode, by_ino);

		if (inode->ino == ino)
			return inode;
	}
	return NULL;
}

static void inode_free(struct node_table *t, struct inode *inode)
{
	if (inode->kind == INODE_DIR && inode->view == VIEW_MAIN)
		node_unpin_children(t, inode->node);
	htab_del(&t->inos, &inode->by_ino);
	list_del(&inode->in_node);
	node_put(t, &inode->node);
	free(inode);
}

static void free_if_unused(struct node_table *t, struct inode *inode)
{
	if (inode->lookups == 0 && inode->opens == 0)
		inode_free(t, inode);
}

void inode_forget(struct node_table *t, struct inode *inode, uint64_t n)
{
	inode->lookups -= MIN(n, inode->lookups);
	free_if_unused(t, inode);
}

void inode_open(struct inode *inode)
{
	inode->opens++;
}

void inode_close(struct node_table *t, struct inode *inode)
{
	inode->opens--;
	free_if_unused(t, inode);
}

/* --- the table ----------------------------------------------------------- */

void node_table_init(struct node_table *t, const char *root_path,
		     struct node_policy policy, size_t cached_max)
{
	struct inode *root;

	*t = (struct node_table){
		.policy = policy,
		.cached_max = cached_max,
	};
	htab_init(&t->names);
	htab_init(&t->inos);
	list_init(&t->cached);
	t->root = node_new(t, NULL, strcmp(root_path, "/") ? root_path : "");
	t->root->is_dir = t->root->decided = true;
	root = node_inode(t, t->root, VIEW_MAIN, INODE_DIR);
	root->lookups = 1; /* ours: it is never forgotten */
}

static void forget_all(struct node_table *t)
{
	size_t i = 0;

	/* The table shrinks meanwhile: the mask is not what it was. */
	while (t->inos.count > 0) {
		struct hlink *l = t->inos.buckets[i & t->inos.mask];

		if (l)
			inode_free(t, container_of(l, struct inode, by_ino));
		else
			i++;
	}
}

/* References that belong to names and not to anybody: pins, watches, ghosts. */
static void drop_holds(struct node_table *t)
{
	struct node *node = t->root, *next;

	for (; node; node = next) {
		struct node *held = node;

		node_ref(node);
		if (node->watch_asked) {
			node->watch_asked = false;
			node_put(t, &held);
		}
		node_ghost_put(t, &node->told.ghost);
		next = node_next_below(node, t->root);
		if (next)
			node_ref(next);
		unpin(t, node);
		node_put(t, &node);
		if (next)
			next->refs--;
	}
}

void node_table_release(struct node_table *t)
{
	forget_all(t);
	drop_holds(t);
	node_put(t, &t->root);
	htab_release(&t->names);
	htab_release(&t->inos);
}
