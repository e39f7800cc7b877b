/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include "util.h"

/* 53 bits, which also programs that count in doubles keep apart; never 1. */
static uint64_t ino_of_base(uint64_t base)
{
	return (base & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
}

uint64_t node_child_ino(const struct node *parent, const char *name)
{
	return ino_of_base(
		htab_hash_bytes(name, strlen(name), parent->by_name.hash));
}

/* The next free one if the kernel still holds an older face of the name. */
static uint64_t pick_ino(struct node_table *t, struct node *node,
			 enum node_view view, enum inode_kind kind)
{
	uint64_t face = (uint64_t)view * 4 + (kind == INODE_DATA ? 1 : 0);
	uint64_t ino = ino_of_base(node->by_name.hash + face);

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
	inode->czxid = node->known ? node->stat.czxid : 0;
	htab_add(&t->inos, &inode->by_ino, pick_ino(t, node, view, kind));
	chain_add_tail(&node->inodes, &inode->in_node);
	return inode;
}

struct inode *node_find_inode(const struct node *node, enum node_view view,
			      enum inode_kind kind)
{
	struct inode *inode;

	for_each_inode (inode, node) {
		if (!inode->gone && inode->view == view && inode->kind == kind)
			return inode;
	}
	return NULL;
}

static bool is_better(const struct inode *inode, const struct inode *best,
		      int64_t czxid)
{
	if (!best)
		return true;
	if (czxid > 0 && (inode->czxid == czxid) != (best->czxid == czxid))
		return inode->czxid == czxid;
	if (inode->gone != best->gone)
		return inode->gone == (czxid == TOLD_OLDER);
	return true; /* the later one */
}

struct inode *node_believed_inode(const struct node *node, enum node_view view,
				  enum inode_kind kind)
{
	struct inode *inode, *best = NULL;

	for_each_inode (inode, node) {
		if (inode->kind != kind ||
		    (kind == INODE_DIR && inode->view != view))
			continue;
		if (is_better(inode, best, node->told.czxid[view]))
			best = inode;
	}
	return best;
}

bool node_is_open_dir(const struct node *node)
{
	const struct inode *inode;

	for_each_inode (inode, node) {
		if (!inode->gone && inode->kind == INODE_DIR)
			return true;
	}
	return false;
}

struct inode *node_inode(struct node_table *t, struct node *node,
			 enum node_view view, enum inode_kind kind)
{
	struct inode *inode = node_find_inode(node, view, kind);

	return inode ? inode : inode_new(t, node, view, kind);
}

struct inode *node_gone_inode(struct node_table *t, struct node *node,
			      enum node_view view, enum inode_kind kind)
{
	struct inode *inode = inode_new(t, node, view, kind);

	inode_retire(inode, false);
	return inode;
}

void inode_retire(struct inode *inode, bool unlinked)
{
	if (inode->gone)
		return;
	inode->gone = true;
	inode->unlinked = unlinked;
	inode->last = xcalloc(1, sizeof(*inode->last));
	inode->last->stat = inode->node->stat;
	inode->last->data = blob_ref(node_data(inode->node));
}

struct inode *inode_find(struct node_table *t, uint64_t ino)
{
	struct hlink *l = htab_first(&t->inos, ino);

	return l ? container_of(l, struct inode, by_ino) : NULL;
}

static void inode_free(struct node_table *t, struct inode *inode)
{
	htab_del(&t->inos, &inode->by_ino);
	chain_del(&inode->in_node);
	node_put(t, &inode->node);
	if (inode->last)
		blob_unref(inode->last->data);
	free(inode->last);
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

void inode_forget_all(struct node_table *t)
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
