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

static void detach_one(struct node_table *t, struct node *node)
{
	if (node->detached || !node->parent)
		return;
	htab_del(&t->names, &node->by_name);
	list_del(&node->sibling);
	node->detached = true;
}

/*
 * The next node after @node in its subtree below @top, parents first; NULL at
 * the end.  No recursion: how deep a tree is, others decide.
 */
static struct node *next_below(struct node *node, const struct node *top)
{
	if (!list_empty(&node->children))
		return list_first(&node->children, struct node, sibling);
	while (node != top && node->sibling.next == &node->parent->children)
		node = node->parent;
	if (node == top)
		return NULL;
	return list_entry(node->sibling.next, struct node, sibling);
}

/* Leaves first, so that what is detached has no children that are not. */
static void detach(struct node_table *t, struct node *top)
{
	struct node *node = top;

	for (;;) {
		while (!list_empty(&node->children))
			node = list_first(&node->children, struct node,
					  sibling);
		detach_one(t, node);
		if (node == top)
			return;
		node = node->parent;
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
		drop_data(t, node);
		t->n_nodes--;
		free(node->name);
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
	/* What has no room is not to clear it of everything else. */
	if (data->len > t->cached_max)
		return;
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

int node_learn(struct node_table *t, struct node **p, const struct zstat *stat,
	       struct blob *data, pid_t thread)
{
	struct node *node = *p;

	if (node->detached)
		return -ESTALE;
	if (node->known && is_older(stat, &node->stat))
		return 0;
	if (node->known && node->stat.czxid != stat->czxid && !node->parent) {
		/* The chroot itself was made anew: nothing below is the same. */
		while (!list_empty(&node->children))
			detach(t, list_first(&node->children, struct node,
					     sibling));
		node->known = false;
	}
	if (node->known && node->stat.czxid != stat->czxid) {
		struct node *old = node;

		detach(t, old);
		node = *p = node_get(t, old->parent, old->name);
		node_put(t, &old);
	}
	if (node->known && node->stat.mzxid != stat->mzxid)
		drop_data(t, node);
	/* Somebody else was faster: it is what they have made. */
	if (node->embryo)
		node->decided = false;
	node->embryo = false;
	node->stat = *stat;
	node->known = true;
	if (data)
		set_data(t, node, data);
	decide_kind(t, node);
	node->fresh_for = thread;
	node->fresh_at = now_ms();
	return 0;
}

void node_gone(struct node_table *t, struct node *node)
{
	if (!node->embryo)
		detach(t, node);
}

void node_unlinked(struct node_table *t, struct node *node)
{
	node->unlinked = true;
	node->embryo = false;
	detach(t, node);
}

void node_unknown(struct node_table *t, struct node *node)
{
	struct node *n;

	for (n = node; n; n = next_below(n, node)) {
		n->known = false;
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

void node_moved(struct node_table *t, struct node *node,
		struct node *new_parent, const char *new_name)
{
	struct node *target = node_find(t, new_parent, new_name);
	char *name = xstrdup(new_name);

	if (target && target != node)
		node_unlinked(t, target);
	node_put(t, &target);
	detach_one(t, node);
	reattach(t, node, new_parent, name);
}

void node_exchanged(struct node_table *t, struct node *a, struct node *b)
{
	struct node *a_parent = a->parent;
	char *a_name = xstrdup(a->name), *b_name = xstrdup(b->name);

	if (a->detached || b->detached) {
		free(a_name);
		free(b_name);
		return;
	}
	node_ref(a_parent);
	detach_one(t, a);
	detach_one(t, b);
	reattach(t, a, b->parent, b_name);
	reattach(t, b, a_parent, a_name);
	node_put(t, &a_parent);
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

void node_made_as_file(struct node *node)
{
	node->embryo = false;
	node->decided = true;
}

bool node_is_fresh(const struct node *node, pid_t thread, bool data)
{
	return node->known && !node->detached && (!data || node->data) &&
	       node->fresh_for == thread &&
	       now_ms() - node->fresh_at < NODE_FRESH_MS;
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

void node_table_release(struct node_table *t)
{
	forget_all(t);
	node_put(t, &t->root);
	htab_release(&t->names);
	htab_release(&t->inos);
}
