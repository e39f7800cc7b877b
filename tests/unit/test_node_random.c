/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The node table against a model: random operations on a small tree, and
 * after each few of them everything that can be asked is asked.
 *
 * The model holds one reference to each node it knows, so that it can look at
 * nodes that have lost their names; dropping that is one of the operations.
 */

#include <errno.h>

#include "nodes.h"

enum {
	NODES = 40, /* held at the same time */
	NAMES = 4,
	STEPS = 20000,
	CACHE = 60,
	FACES = 2, /* of each node: main view as it is, and `.ephemeral` */
};

struct face {
	struct inode *inode; /* NULL: the kernel does not know it */
	uint64_t ino;
	uint64_t lookups;
	unsigned opens;
};

struct entry {
	struct node *node; /* NULL: free; [0] is the root */
	int parent;        /* index, -1 where the parent is not held */
	int name;
	bool detached;
	bool known;
	bool is_dir;
	int64_t czxid;
	int64_t mzxid;
	struct face faces[FACES];
};

struct model {
	struct node_table t;
	struct entry e[NODES];
	uint64_t rng;
	int64_t zxid;
	int step;
};

static const char *const names[NAMES] = {"a", "b", "ab", ".data"};

#define FAIL(m, ...)                                                           \
	do {                                                                   \
		fprintf(stderr, "step %d: ", (m)->step);                       \
		ck_abort_msg(__VA_ARGS__);                                     \
	} while (0)

static unsigned dice(struct model *m, unsigned n)
{
	return unit_rand(&m->rng, n);
}

/* The entry of @node, or -1. */
static int index_of(const struct model *m, const struct node *node)
{
	for (int i = 0; i < NODES; i++)
		if (m->e[i].node == node)
			return i;
	return -1;
}

static int free_entry(const struct model *m)
{
	return index_of(m, NULL);
}

/* The attached entry with this name, or -1. */
static int lookup(const struct model *m, int parent, int name)
{
	for (int i = 1; i < NODES; i++)
		if (m->e[i].node && !m->e[i].detached &&
		    m->e[i].parent == parent && m->e[i].name == name)
			return i;
	return -1;
}

static bool is_below(const struct model *m, int i, int top)
{
	while (i > 0 && i != top)
		i = m->e[i].parent;
	return i == top;
}

/* An entry that is in use and attached; the root is too. */
static int pick(struct model *m)
{
	int i;

	do {
		i = (int)dice(m, NODES);
	} while (!m->e[i].node || m->e[i].detached);
	return i;
}

/* --- the operations, on both --------------------------------------------- */

static void model_detach(struct model *m, int top)
{
	for (int i = 1; i < NODES; i++)
		if (m->e[i].node && !m->e[i].detached && is_below(m, i, top))
			m->e[i].detached = true;
}

static int do_get(struct model *m, int parent, int name)
{
	int i = lookup(m, parent, name);
	struct node *node;

	if (i < 0 && free_entry(m) < 0)
		return -1;
	node = node_get(&m->t, m->e[parent].node, names[name]);
	if (!node)
		FAIL(m, "no node below an attached one");
	if (i >= 0) {
		if (m->e[i].node != node)
			FAIL(m, "another node for the same name");
		node_put(&m->t, &node);
		return i;
	}
	if (index_of(m, node) >= 0)
		FAIL(m, "an old node for a new name");
	i = free_entry(m);
	m->e[i] = (struct entry){.node = node, .parent = parent, .name = name};
	return i;
}

/* The server's answer: the same znode or another, this version or a newer. */
static void do_learn(struct model *m, int i)
{
	struct entry *e = &m->e[i];
	bool other = e->known && i > 0 && dice(m, 4) == 0;
	struct node *node = node_ref(e->node);
	int64_t czxid, mzxid;
	char value[16] = "0123456789abcde";

	if (other && free_entry(m) < 0)
		other = false;
	value[dice(m, 15)] = '\0';
	m->zxid++;
	czxid = e->known && !other ? e->czxid : m->zxid;
	mzxid = m->zxid;
	if (nodes_learn(&m->t, &node, czxid, mzxid,
			dice(m, 5) ? value : NULL) != 0)
		FAIL(m, "learning failed");
	if ((node != e->node) != other)
		FAIL(m, "identity does not follow czxid");
	if (other) {
		int parent = e->parent, name = e->name;

		model_detach(m, i);
		i = free_entry(m);
		m->e[i] = (struct entry){
			.node = node, .parent = parent, .name = name};
		e = &m->e[i];
	} else {
		node_put(&m->t, &node);
	}
	e->known = true;
	e->czxid = czxid;
	e->mzxid = mzxid;
	e->is_dir = node_kind(e->node) == INODE_DIR;
}

static void do_learn_old(struct model *m, int i)
{
	struct node *node = node_ref(m->e[i].node);
	struct zstat before = node->stat;

	if (m->e[i].known && before.czxid > 1)
		nodes_learn(&m->t, &node, before.czxid - 1, before.mzxid - 1,
			    "stale");
	if (node != m->e[i].node ||
	    memcmp(&before, &node->stat, sizeof(before)))
		FAIL(m, "an older answer was learned");
	node_put(&m->t, &node);
}

static void do_remove(struct model *m, int i)
{
	if (dice(m, 2))
		node_gone(&m->t, m->e[i].node);
	else if (i > 0)
		node_unlinked(&m->t, m->e[i].node);
	else
		return;
	model_detach(m, i);
}

static void model_unknown(struct model *m, int top)
{
	for (int i = 0; i < NODES; i++)
		if (m->e[i].node && !m->e[i].detached && is_below(m, i, top))
			m->e[i].known = false;
}

static void do_move(struct model *m, int i, int parent, int name)
{
	int target = lookup(m, parent, name);

	/* What the kernel or the server refuse before it comes here. */
	if (i == 0 || is_below(m, parent, i))
		return;
	if (target >= 0 && is_below(m, parent, target))
		return;
	node_moved(&m->t, m->e[i].node, m->e[parent].node, names[name]);
	if (target >= 0 && target != i) {
		model_detach(m, target);
		m->e[i].detached = false;
	}
	m->e[i].parent = parent;
	m->e[i].name = name;
	model_unknown(m, i);
}

static void do_exchange(struct model *m, int a, int b)
{
	struct entry *ea = &m->e[a], *eb = &m->e[b];
	struct entry was = *ea;

	if (is_below(m, a, b) || is_below(m, b, a))
		return;
	node_exchanged(&m->t, ea->node, eb->node);
	ea->parent = eb->parent;
	ea->name = eb->name;
	eb->parent = was.parent;
	eb->name = was.name;
	model_unknown(m, a);
	model_unknown(m, b);
}

static void do_unknown(struct model *m, int i)
{
	node_unknown(&m->t, m->e[i].node);
	model_unknown(m, i);
}

/* The kernel looks up, opens, closes and forgets, now and then too much. */
static void do_kernel(struct model *m, int i)
{
	struct face *f = &m->e[i].faces[dice(m, FACES)];
	bool ephemeral = f != m->e[i].faces;
	unsigned n = dice(m, 4);

	if (!f->inode) {
		f->inode = node_inode(&m->t, m->e[i].node,
				      ephemeral ? VIEW_EPHEMERAL : VIEW_MAIN,
				      INODE_FILE);
		f->ino = f->inode->ino;
		f->inode->lookups += n + 1;
		f->lookups = n + 1;
	} else if (n == 0) {
		inode_open(f->inode);
		f->opens++;
	} else if (n == 1 && f->opens > 0) {
		inode_close(&m->t, f->inode);
		f->opens--;
	} else {
		inode_forget(&m->t, f->inode, n);
		f->lookups -= MIN((uint64_t)n, f->lookups);
	}
	if (f->lookups == 0 && f->opens == 0)
		f->inode = NULL;
}

/* Whatever hangs off a node that is dropped from the model. */
static void drop(struct model *m, int i)
{
	struct entry *e = &m->e[i];

	for (int k = 0; k < FACES; k++) {
		struct face *f = &e->faces[k];

		while (f->opens > 0) {
			f->opens--;
			inode_close(&m->t, f->inode);
		}
		if (f->lookups > 0)
			inode_forget(&m->t, f->inode, UINT64_MAX);
	}
	node_put(&m->t, &e->node);
}

/* Only what has no children in the model: their parent must be known. */
static void do_drop(struct model *m, int i)
{
	for (int k = 1; k < NODES; k++)
		if (m->e[k].node && m->e[k].parent == i)
			return;
	if (i > 0)
		drop(m, i);
}

/* --- comparing ----------------------------------------------------------- */

static void check_entry(struct model *m, int i)
{
	const struct entry *e = &m->e[i];
	const struct node *node = e->node;

	if (node->detached != e->detached)
		FAIL(m, "%d: detached is %d", i, node->detached);
	if (!e->detached && node->known != e->known)
		FAIL(m, "%d: known is %d", i, node->known);
	if (e->known && !e->detached && node->stat.mzxid != e->mzxid)
		FAIL(m, "%d: not the newest", i);
	if (e->is_dir && node_kind(node) != INODE_DIR)
		FAIL(m, "%d: a directory became a file", i);
	for (int k = 0; k < FACES; k++) {
		const struct face *f = &e->faces[k];

		if (f->inode && inode_find(&m->t, f->ino) != f->inode)
			FAIL(m, "%d: face %d is not what it was", i, k);
		if (f->inode &&
		    (f->inode->lookups != f->lookups ||
		     f->inode->opens != f->opens || f->inode->node != node))
			FAIL(m, "%d: counts of face %d", i, k);
	}
}

static void check_names(struct model *m, int parent)
{
	unsigned children = 0, listed = 0;
	struct node *child;

	for (int name = 0; name < NAMES; name++) {
		int want = lookup(m, parent, name);

		children += want >= 0;
		if (!nodes_is(&m->t, m->e[parent].node, names[name],
			      want >= 0 ? m->e[want].node : NULL))
			FAIL(m, "%d/%s is not %d", parent, names[name], want);
	}
	list_for_each (child, &m->e[parent].node->children, sibling)
		listed++;
	if (listed != children)
		FAIL(m, "%d has %u children, not %u", parent, listed, children);
}

static void check_path(struct model *m, int i)
{
	char want[512] = "", longer[512];
	char *path = node_path(m->e[i].node);

	for (int k = i; k > 0; k = m->e[k].parent) {
		snprintf(longer, sizeof(longer), "/%.8s%.490s",
			 names[m->e[k].name], want);
		memcpy(want, longer, sizeof(want));
	}
	if (strcmp(path, i ? want : "/") && strlen(want) < 480)
		FAIL(m, "path %s, not %s", path, want);
	free(path);
}

static void check_cache(struct model *m)
{
	size_t bytes = 0;
	struct node *node;

	list_for_each (node, &m->t.cached, cached) {
		if (!node->data)
			FAIL(m, "in the cache without a value");
		bytes += node->data->len;
	}
	if (bytes != m->t.cached_bytes || bytes > CACHE)
		FAIL(m, "%zu bytes, counted %zu", bytes, m->t.cached_bytes);
}

static void check(struct model *m)
{
	size_t in_use = 0;

	for (int i = 0; i < NODES; i++) {
		if (!m->e[i].node)
			continue;
		in_use++;
		check_entry(m, i);
		check_path(m, i);
		if (!m->e[i].detached)
			check_names(m, i);
	}
	if (m->t.n_nodes != in_use)
		FAIL(m, "%zu nodes, not %zu", m->t.n_nodes, in_use);
	check_cache(m);
}

static void step(struct model *m)
{
	int i = pick(m);

	switch (dice(m, 12)) {
	case 0:
	case 1:
	case 2:
		do_get(m, i, (int)dice(m, NAMES));
		break;
	case 3:
	case 4:
		do_learn(m, i);
		break;
	case 5:
		do_learn_old(m, i);
		break;
	case 6:
		if (dice(m, 3) == 0)
			do_remove(m, i);
		break;
	case 7:
		do_move(m, i, pick(m), (int)dice(m, NAMES));
		break;
	case 8:
		do_exchange(m, i, pick(m));
		break;
	case 9:
		if (dice(m, 5) == 0)
			do_unknown(m, i);
		break;
	case 10:
		if (i > 0)
			do_kernel(m, i);
		break;
	case 11:
		i = 1 + (int)dice(m, NODES - 1);
		if (m->e[i].node)
			do_drop(m, i);
		break;
	}
}

START_TEST(test_random)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct model m = {.rng = seed * 0x9e3779b97f4a7c15u};

		node_table_init(&m.t, "/", (struct node_policy){0}, CACHE);
		m.e[0] = (struct entry){.node = node_ref(m.t.root),
					.parent = -1,
					.is_dir = true};
		for (m.step = 0; m.step < STEPS; m.step++) {
			step(&m);
			if (m.step % 7 == 0)
				check(&m);
		}
		for (int i = NODES - 1; i >= 0; i--)
			if (m.e[i].node)
				drop(&m, i);
		ck_assert_uint_eq(m.t.n_nodes, 1);
		node_table_release(&m.t);
	}
}
END_TEST

UNIT_MAIN("node_random", test_random)
