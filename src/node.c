/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <errno.h>
#include <string.h>

#include "util.h"

/* --- the tree ------------------------------------------------------------ */

static uint64_t name_hash(const struct node *parent, const char *name)
{
	return htab_hash_bytes(name, strlen(name), parent->by_name.hash);
}

static struct node *node_new(struct node_table *t, struct node *parent,
			     const char *name, uint64_t hash)
{
	size_t len = strlen(name);
	struct node *node = xcalloc(1, offsetof(struct node, name) + len + 1);

	list_init(&node->sibling);
	memcpy(node->name, name, len);
	node->refs = 1;
	node->by_name.hash = hash;
	t->n_nodes++;
	if (parent)
		node->parent = node_ref(parent);
	return node;
}

struct node *node_unnamed(struct node_table *t, struct node *parent,
			  const char *prefix)
{
	struct node *node =
		node_new(t, parent, prefix, name_hash(parent, prefix));

	node->unnamed = true;
	return node;
}

struct node_dir *node_dir(struct node *node)
{
	if (node->dir)
		return node->dir;
	node->dir = xcalloc(1, sizeof(*node->dir));
	node->dir->queue_pzxid = -1;
	list_init(&node->dir->children);
	return node->dir;
}

const struct node_dir *node_dir_of(const struct node *node)
{
	static const struct node_dir none = {.queue_pzxid = -1};

	return node->dir ? node->dir : &none;
}

struct node *node_next_below(struct node *node, const struct node *top)
{
	struct node *next = node_first_child(node);

	for (; !next && node != top; node = node->parent)
		next = node_next_sibling(node);
	return next;
}

static struct node *find(struct node_table *t, struct node *parent,
			 const char *name, uint64_t hash)
{
	struct hlink *l;

	htab_for_each_hash (l, &t->names, hash) {
		struct node *node = container_of(l, struct node, by_name);

		if (node->parent == parent && strcmp(node->name, name) == 0)
			return node_ref(node);
	}
	return NULL;
}

struct node *node_find(struct node_table *t, struct node *parent,
		       const char *name)
{
	return find(t, parent, name, name_hash(parent, name));
}

struct node *node_get(struct node_table *t, struct node *parent,
		      const char *name)
{
	uint64_t hash = name_hash(parent, name);
	struct node *node = find(t, parent, name, hash);

	if (node)
		return node;
	node = node_new(t, parent, name, hash);
	htab_add(&t->names, &node->by_name, hash);
	list_add_tail(&node_dir(parent)->children, &node->sibling);
	return node;
}

void node_reserve(struct node_table *t, size_t n)
{
	htab_reserve(&t->names, n);
}

void node_expect(const struct node_table *t, const struct node *parent,
		 const char *const *names, size_t n)
{
	uint64_t hashes[NODE_EXPECT_MAX];
	size_t i;

	n = MIN(n, NODE_EXPECT_MAX);
	for (i = 0; i < n; i++)
		hashes[i] = name_hash(parent, names[i]);
	htab_expect(&t->names, hashes, n);
}

struct node *node_ref(struct node *node)
{
	node->refs++;
	return node;
}

static void drop_data(struct node_table *t, struct node *node)
{
	struct node_value *value = steal(node->value);

	if (!value)
		return;
	t->cached_bytes -= value->data->len;
	list_del(&value->cached);
	blob_unref(value->data);
	free(value);
}

void node_put(struct node_table *t, struct node **p)
{
	struct node *node = steal(*p);

	if (node)
		told_rest(&node->told);
	while (node && --node->refs == 0) {
		struct node *parent = node->parent;

		if (parent && !node->unnamed)
			htab_del(&t->names, &node->by_name);
		list_del(&node->sibling);
		drop_data(t, node);
		told_release(&node->told);
		free(node->dir);
		t->n_nodes--;
		free(node);
		node = parent;
	}
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

/* Past the root's own path and a '/'; NULL if that is not where it leads. */
static const char *below_root(const struct node_table *t, const char *path)
{
	size_t len = strlen(t->root->name);

	if (strncmp(path, t->root->name, len) != 0 ||
	    (path[len] != '/' && path[len] != '\0'))
		return NULL;
	return path + len + strspn(path + len, "/");
}

static struct node *walk(struct node_table *t, const char *path,
			 struct node *(*step)(struct node_table *t,
					      struct node *parent,
					      const char *name))
{
	const char *below = below_root(t, path);
	_cleanup_free_ char *copy = below ? xstrdup(below) : NULL;
	struct node *node = below ? node_ref(t->root) : NULL;
	char *name, *rest = copy;

	while (node && rest && *rest) {
		struct node *parent = node;

		name = strsep(&rest, "/");
		node = step(t, parent, name);
		node_put(t, &parent);
	}
	return node;
}

struct node *node_at(struct node_table *t, const char *path)
{
	return walk(t, path, node_get);
}

struct node *node_find_at(struct node_table *t, const char *path)
{
	return walk(t, path, node_find);
}

struct node *node_top(struct node *node)
{
	while (node->parent && node->parent->parent)
		node = node->parent;
	return node;
}

/* --- what is known ------------------------------------------------------- */

static void trim_cache(struct node_table *t)
{
	/* While there are cached bytes, some node has them. */
	while (t->cached_bytes > t->cached_max)
		drop_data(t, list_entry(list_empty(&t->cached) ? t->kept.next
							       : t->cached.next,
					struct node_value, cached)
				     ->node);
}

static struct list *cache_list(struct node_table *t, const struct node *node)
{
	return node->keep_data ? &t->kept : &t->cached;
}

void node_keep_data(struct node_table *t, struct node *node, bool keep)
{
	node->keep_data = keep;
	if (!node->value)
		return;
	list_del(&node->value->cached);
	list_add_tail(cache_list(t, node), &node->value->cached);
}

static void set_data(struct node_table *t, struct node *node,
		     struct blob *data)
{
	struct node_value *value;

	drop_data(t, node);
	node->null = data->null;
	node->null_known = true;
	/* What has no room is not to clear it of everything else. */
	if (data->len > t->cached_max)
		return;
	value = node->value = xcalloc(1, sizeof(*value));
	*value = (struct node_value){.node = node, .data = blob_ref(data)};
	list_add_tail(cache_list(t, node), &value->cached);
	t->cached_bytes += data->len;
	trim_cache(t);
}

/*
 * The kind is decided by what is known first and is stable from then on,
 * except that a file which gets a child becomes a directory, unless that is a
 * lock znode (node_is_doubtful()).  Of a value that
 * may not be read, null and empty cannot be told apart: a directory, so that
 * one can go on below it.
 */
static bool is_dir_unasked(const struct node_table *t, const struct node *node)
{
	const struct zstat *stat = &node->stat;

	if (t->policy.layout_dir || stat->num_children > NODE_QUEUE_MAX)
		return true;
	if (stat->num_children == 0 || node->decided)
		return false;
	return node_null_known(node) ? node_is_null(t, node)
				     : stat->data_length == 0;
}

static void decide_kind(const struct node_table *t, struct node *node)
{
	if (node->is_dir)
		return;
	if (node->parent == NULL)
		node->is_dir = true;
	else if (zstat_is_ephemeral(&node->stat))
		node->is_dir = false;
	else if (is_dir_unasked(t, node))
		node->is_dir = true;
	else if (node->decided || node_is_doubtful(node))
		return;
	else if (node_null_known(node))
		node->is_dir = node_is_null(t, node);
	else
		node->is_dir = node->stat.data_length == 0;
	node->decided = true;
}

/* Answers of one session come in order; of another they need not. */
static bool is_older(const struct zstat *a, const struct zstat *b)
{
	return a->czxid < b->czxid || a->mzxid < b->mzxid ||
	       a->pzxid < b->pzxid;
}

/* Nothing is known of what is here, if anything is. */
static void clear(struct node_table *t, struct node *node)
{
	drop_data(t, node);
	node->known = node->absent = false;
	node->valid = 0;
	node->null_known = false;
	node->fresh_for = 0;
}

/* What was here is no more. */
static void retire(struct node_table *t, struct node *node, bool unlinked)
{
	struct inode *inode;

	for_each_inode (inode, node)
		inode_retire(inode, unlinked);
	clear(t, node);
	node->embryo = node->decided = node->is_dir = false;
	if (node->dir)
		node->dir->queue_pzxid = -1;
	node->queue_guard = 0;
	told_lost(&node->told);
}

static void retire_below(struct node_table *t, struct node *top, bool unlinked)
{
	struct node *node = top;

	while ((node = node_next_below(node, top))) {
		retire(t, node, unlinked);
		node->absent = true;
	}
}

/*
 * A transaction does not tell the zxid of what it makes.  What was moved here
 * has the value that it had, unless it has been set since.
 */
static bool is_what_was_moved(const struct node *node, const struct zstat *stat,
			      const struct blob *data)
{
	if (node->embryo || node->stat.czxid == 0 || stat->version > 0)
		return true;
	return stat->data_length == node->stat.data_length &&
	       (!data || data->null == node->null);
}

/* Another znode has the name, or a znode had none that was known. */
static bool is_replaced(const struct node *node, const struct zstat *stat,
			const struct blob *data)
{
	const struct inode *inode;

	if (node->known)
		return node->stat.czxid != stat->czxid;
	for_each_inode (inode, node) {
		if (inode->gone)
			continue;
		if (inode->czxid ? inode->czxid != stat->czxid
				 : !is_what_was_moved(node, stat, data))
			return true;
	}
	return false;
}

static void identify(struct node *node)
{
	struct inode *inode;

	for_each_inode (inode, node) {
		if (!inode->gone)
			inode->czxid = node->stat.czxid;
	}
}

void node_learn(struct node_table *t, struct node *node,
		const struct zstat *stat, struct blob *data, pid_t thread)
{
	if (node->known && is_older(stat, &node->stat))
		return;
	if (is_replaced(node, stat, data)) {
		/* The root has one inode for ever. */
		if (node->parent)
			retire(t, node, false);
		retire_below(t, node, false);
	}
	if (node->known && node->stat.mzxid != stat->mzxid) {
		drop_data(t, node);
		node->null_known = false;
	}
	/* Somebody else was faster: it is what they have made. */
	if (node->embryo)
		node->decided = false;
	node->embryo = node->absent = false;
	node->stat = *stat;
	node->known = true;
	identify(node);
	if (data)
		set_data(t, node, data);
	decide_kind(t, node);
	node->fresh_for = thread;
	node->fresh_at = now_ms();
}

static void remove_node(struct node_table *t, struct node *node, bool unlinked)
{
	retire_below(t, node, unlinked);
	if (!node->parent)
		return;
	retire(t, node, unlinked);
	node->absent = true;
}

void node_gone(struct node_table *t, struct node *node)
{
	if (!node->embryo)
		remove_node(t, node, false);
}

void node_doubted(struct node_table *t, struct node *node)
{
	const struct inode *inode;

	if (node->known || node->embryo || !node->parent)
		return;
	for_each_inode (inode, node) {
		if (inode->gone || inode->czxid != 0)
			continue;
		retire_below(t, node, false);
		retire(t, node, false);
		return;
	}
}

void node_unlinked(struct node_table *t, struct node *node)
{
	remove_node(t, node, true);
}

void node_forget_value(struct node_table *t, struct node *node)
{
	drop_data(t, node);
}

void node_unknown(struct node_table *t, struct node *node)
{
	struct node *n;

	for (n = node; n; n = node_next_below(n, node))
		clear(t, n);
}

void node_make_embryo(struct node *node)
{
	if (node->known)
		return;
	node->embryo = true;
	node->decided = true;
	node->stat = (struct zstat){.mtime = (int64_t)time(NULL) * 1000};
}

void node_has_child(struct node *parent)
{
	parent->is_dir = parent->decided = true;
}

bool node_is_doubtful(const struct node *node)
{
	return node->known && !node->is_dir &&
	       !zstat_is_ephemeral(&node->stat) &&
	       node->stat.num_children > 0 &&
	       node_dir_of(node)->queue_pzxid != node->stat.pzxid;
}

void node_learn_queue(struct node_table *t, struct node *node, bool all)
{
	if (!all)
		return node_has_child(node);
	node_dir(node)->queue_pzxid = node->stat.pzxid;
	decide_kind(t, node);
}

void node_made_as_file(struct node *node)
{
	node->embryo = false;
	node->decided = true;
}

bool node_is_fresh(const struct node *node, pid_t thread, bool data)
{
	return node->known && (!data || node->value) &&
	       node->fresh_for == thread &&
	       now_ms() - node->fresh_at < NODE_FRESH_MS;
}

bool node_null_known(const struct node *node)
{
	return node->known &&
	       (node->stat.data_length > 0 || node->null_known);
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
	list_init(&t->kept);
	t->root = node_new(t, NULL, strcmp(root_path, "/") ? root_path : "", 0);
	t->root->is_dir = t->root->decided = true;
	root = node_inode(t, t->root, VIEW_MAIN, INODE_DIR);
	root->lookups = 1; /* ours: it is never forgotten */
}

void node_table_release(struct node_table *t)
{
	inode_forget_all(t);
	node_put(t, &t->root);
	htab_release(&t->names);
	htab_release(&t->inos);
}
