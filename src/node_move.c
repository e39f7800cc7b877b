/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Renames.  Places stay where they are; what moves is what the kernel holds
 * of them, and their kinds.
 */

#include "node.h"

#include "util.h"

struct pair {
	struct node *a; /* references */
	struct node *b;
};

struct pairs {
	struct pair *v;
	size_t n;
	size_t cap;
};

static void add_pair(struct pairs *pairs, struct node *a, struct node *b)
{
	if (pairs->n == pairs->cap) {
		pairs->cap = pairs->cap ? pairs->cap * 2 : 8;
		pairs->v = reallocarray(pairs->v, pairs->cap,
					sizeof(*pairs->v));
		if (!pairs->v)
			abort();
	}
	pairs->v[pairs->n++] = (struct pair){node_ref(a), node_ref(b)};
}

/*
 * What others have removed is in no transaction that looks at it in the end,
 * and nothing holds it where it has come to.
 */
static void doubt(struct node_table *t, struct node *node)
{
	if (t->doubt && told_is_idle(&node->told) &&
	    told_take_again(&node->told))
		t->doubt(t->arg, node);
}

static void doubt_pairs(struct node_table *t, struct pairs *pairs)
{
	size_t i;

	for (i = 0; i < pairs->n; i++) {
		doubt(t, pairs->v[i].a);
		doubt(t, pairs->v[i].b);
	}
}

static void release_pairs(struct node_table *t, struct pairs *pairs)
{
	size_t i;

	/* Children first: they hold their parents. */
	for (i = pairs->n; i-- > 0;) {
		node_put(t, &pairs->v[i].a);
		node_put(t, &pairs->v[i].b);
	}
	free(pairs->v);
}

/*
 * Every node from @a down with its counterpart from @b down, made if need be.
 * The pairs hold what is made, so a parent's counterpart is there when its
 * children come.
 */
static void pair_up(struct node_table *t, struct node *a, struct node *b,
		    struct pairs *pairs)
{
	struct node *n = a, *m = b, *next, *child;

	add_pair(pairs, n, m);
	while ((next = node_next_below(n, a))) {
		for (; n != next->parent; n = n->parent)
			m = m->parent;
		child = node_get(t, m, next->name);
		add_pair(pairs, next, child);
		n = next;
		m = child;
		node_put(t, &child);
	}
}

static void take_live(struct node *node, struct chain *out)
{
	struct inode *inode, *next;

	*out = (struct chain){0};
	chain_for_each_safe (inode, next, &node->inodes, in_node) {
		if (inode->gone)
			continue;
		chain_del(&inode->in_node);
		chain_add_tail(out, &inode->in_node);
	}
}

/* The references go with the inodes: both nodes are held by their pair. */
static void give(struct node_table *t, struct chain *in, struct node *to)
{
	struct inode *inode;

	chain_for_each (inode, in, in_node) {
		node_put(t, &inode->node);
		inode->node = node_ref(to);
		inode->czxid = 0;
	}
	chain_splice(&to->inodes, in);
}

/* Also of bit-fields, which have no type of their own. */
#define SWAP(a, b)                                                             \
	do {                                                                   \
		__typeof__(1 ? (a) : (a)) swap_ = (a);                         \
		(a) = (b);                                                     \
		(b) = swap_;                                                   \
	} while (0)

typedef void swap_told(struct told *a, struct told *b);

/* The kernel has an inode of what is not there any more. */
static bool is_outdated(const struct node *node, enum node_view view)
{
	const struct told *told = &node->told;
	const struct inode *inode;

	if (!told->in[view] || !told->kind_known)
		return false;
	inode = node_believed_inode(node, view,
				    told->dir ? INODE_DIR : INODE_FILE);
	return inode && inode->gone;
}

/* Somebody else has set it, and that has not been told. */
static bool is_unheard(const struct node *node)
{
	int64_t mzxid = node->told.mzxid[VIEW_MAIN];

	return node->told.in[VIEW_MAIN] && node->known && mzxid != 0 &&
	       mzxid != node->stat.mzxid;
}

/*
 * What is still to be told at one name is to be told at the other.  Its event
 * may still come, but of the one: at the other, nothing else has it looked at.
 */
static void carry(struct told *to, bool outdated, bool unheard)
{
	if (outdated)
		told_lost(to);
	if (unheard)
		told_unheard(to);
	if (outdated || unheard)
		told_way(to)->again = true;
}

static void swap_pair(struct node_table *t, struct pair *p, swap_told *told)
{
	bool a_outdated = is_outdated(p->a, VIEW_MAIN);
	bool b_outdated = is_outdated(p->b, VIEW_MAIN);
	bool a_unheard = is_unheard(p->a), b_unheard = is_unheard(p->b);
	struct chain from_a, from_b;

	take_live(p->a, &from_a);
	take_live(p->b, &from_b);
	give(t, &from_a, p->b);
	give(t, &from_b, p->a);
	SWAP(p->a->decided, p->b->decided);
	SWAP(p->a->is_dir, p->b->is_dir);
	SWAP(p->a->embryo, p->b->embryo);
	SWAP(p->a->made_in, p->b->made_in);
	/* Of an embryo the Stat is all there is; else see node_learn(). */
	SWAP(p->a->stat, p->b->stat);
	SWAP(p->a->null, p->b->null);
	told(&p->a->told, &p->b->told);
	carry(&p->b->told, a_outdated, a_unheard);
	carry(&p->a->told, b_outdated, b_unheard);
	told_is_now(&p->a->told, p->a->is_dir);
	told_is_now(&p->b->told, p->b->is_dir);
}

static void swap(struct node_table *t, struct pairs *pairs, swap_told *told)
{
	size_t i;

	for (i = 0; i < pairs->n; i++)
		swap_pair(t, &pairs->v[i], told);
	if (pairs->n > 0) {
		node_unknown(t, pairs->v[0].a);
		node_unknown(t, pairs->v[0].b);
	}
}

void node_moved(struct node_table *t, struct node *from, struct node *to,
		enum node_view view)
{
	bool outdated = is_outdated(from, view);
	struct pairs pairs = {0};
	struct node *n;

	node_unlinked(t, to);
	/* Whoever watched it has seen it go with the rename. */
	for (n = to; n; n = node_next_below(n, to))
		told_covered(&n->told);
	pair_up(t, from, to, &pairs);
	swap(t, &pairs, told_renamed);
	for (n = from; n; n = node_next_below(n, from))
		n->absent = true;
	told_moved_here(&to->told, view);
	carry(&to->told, outdated, false);
	doubt_pairs(t, &pairs);
	release_pairs(t, &pairs);
}

void node_named(struct node_table *t, struct node *unnamed, struct node *node)
{
	struct inode *inode;
	struct chain live;

	take_live(unnamed, &live);
	give(t, &live, node);
	for_each_inode (inode, node) {
		if (!inode->gone)
			inode->czxid = node->stat.czxid;
	}
	unnamed->embryo = false;
}

/* The first pairing gives all of @a a counterpart, so the second has both. */
void node_exchanged(struct node_table *t, struct node *a, struct node *b)
{
	struct pairs pairs = {0}, both = {0};

	pair_up(t, a, b, &pairs);
	pair_up(t, b, a, &both);
	swap(t, &both, told_exchanged);
	doubt_pairs(t, &both);
	release_pairs(t, &both);
	release_pairs(t, &pairs);
}
