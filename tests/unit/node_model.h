/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TEST_NODE_MODEL_H
#define ZNODEFS_TEST_NODE_MODEL_H

/*
 * The node table as a model, for test_node_random.c.
 *
 * The model knows all places that there can be, by number: the root is 0, and
 * the children of i are from i * NAMES + 1 on.  It says what is known of each,
 * and which inodes the kernel has.  So it also says which nodes there must be:
 * those with an inode, a child, or a reference of the model's own.
 */

#include "nodes.h"

enum {
	NAMES = 3,
	DEPTH = 4,
	PLACES = 1 + 3 + 9 + 27 + 81,
	INODES = 50, /* at the same time */
};

struct place {
	bool known;
	bool absent;
	bool embryo;
	bool decided;
	bool is_dir;
	bool null;     /* of the last value */
	int64_t czxid; /* of the last Stat */
	int64_t mzxid;
};

struct face {
	struct inode *inode; /* NULL: free */
	uint64_t ino;
	int place;
	enum node_view view;
	enum inode_kind kind;
	bool gone;
	bool unlinked;
	int64_t czxid;
	int64_t last_czxid; /* if gone */
	int64_t last_mzxid;
	uint64_t lookups;
	unsigned opens;
};

struct model {
	struct node_table t;
	struct place p[PLACES];
	struct node *held[PLACES];
	struct face f[INODES]; /* [0]: the root's, for ever */
	bool there[PLACES];    /* of the node; see update() */
	uint64_t rng;
	int64_t zxid;
	int step;
};

static const char *const names[NAMES] = {"a", "ab", ".data"};

#define FAIL(m, ...)                                                           \
	do {                                                                   \
		fprintf(stderr, "step %d: ", (m)->step);                       \
		ck_abort_msg(__VA_ARGS__);                                     \
	} while (0)

static inline unsigned dice(struct model *m, unsigned n)
{
	return unit_rand(&m->rng, n);
}

/* --- places -------------------------------------------------------------- */

static inline int parent_of(int i)
{
	return (i - 1) / NAMES;
}

static inline int depth_of(int i)
{
	int depth = 0;

	for (; i > 0; i = parent_of(i))
		depth++;
	return depth;
}

static inline bool is_below(int i, int top)
{
	while (i > top)
		i = parent_of(i);
	return i == top;
}

/* Where @i comes to when @from becomes @to. */
static inline int mapped(int i, int from, int to)
{
	if (i == from)
		return to;
	return mapped(parent_of(i), from, to) * NAMES + 1 + (i - 1) % NAMES;
}

static inline void path_of(int i, char *path)
{
	if (i == 0) {
		strcpy(path, "/");
		return;
	}
	path_of(parent_of(i), path);
	if (parent_of(i) > 0)
		strcat(path, "/");
	strcat(path, names[(i - 1) % NAMES]);
}

static inline struct node *node_of(struct model *m, int i)
{
	char path[64];

	path_of(i, path);
	return node_at(&m->t, path);
}

/* What has no node is not known of either. */
static inline void update(struct model *m)
{
	memset(m->there, 0, sizeof(m->there));
	for (int i = 0; i < INODES; i++)
		if (m->f[i].inode)
			m->there[m->f[i].place] = true;
	for (int i = PLACES - 1; i > 0; i--) {
		m->there[i] |= m->held[i] != NULL;
		if (m->there[i])
			m->there[parent_of(i)] = true;
		else
			m->p[i] = (struct place){0};
	}
}

/* Any, but rather one that there is. */
static inline int pick(struct model *m)
{
	int i = 0;

	for (int tries = 0; tries < 4; tries++) {
		i = (int)dice(m, PLACES);
		if (m->there[i])
			break;
	}
	return i;
}

/* --- inodes -------------------------------------------------------------- */

static inline struct face *find_face(struct model *m, int i, enum node_view view,
			      enum inode_kind kind)
{
	for (int k = 0; k < INODES; k++) {
		struct face *f = &m->f[k];

		if (f->inode && f->place == i && !f->gone && f->view == view &&
		    f->kind == kind)
			return f;
	}
	return NULL;
}

static inline struct face *free_face(struct model *m)
{
	for (int k = 1; k < INODES; k++)
		if (!m->f[k].inode)
			return &m->f[k];
	return NULL;
}

/* --- what becomes of inodes ---------------------------------------------- */

static inline void retire(struct model *m, int i, bool unlinked)
{
	struct place *p = &m->p[i];

	for (int k = 0; k < INODES; k++) {
		struct face *f = &m->f[k];

		if (!f->inode || f->place != i || f->gone)
			continue;
		f->gone = true;
		f->unlinked = unlinked;
		f->last_czxid = p->czxid;
		f->last_mzxid = p->mzxid;
	}
	p->known = p->absent = p->embryo = p->decided = p->is_dir = false;
}

static inline void retire_below(struct model *m, int top, bool unlinked)
{
	for (int i = top + 1; i < PLACES; i++) {
		if (!is_below(i, top))
			continue;
		retire(m, i, unlinked);
		m->p[i].absent = true;
	}
}

static inline void model_remove(struct model *m, int i, bool unlinked)
{
	retire_below(m, i, unlinked);
	if (i > 0) {
		retire(m, i, unlinked);
		/* cppcheck-suppress arrayIndexOutOfBoundsCond */
		m->p[i].absent = true;
	}
}

static inline void model_unknown(struct model *m, int top)
{
	for (int i = top; i < PLACES; i++)
		if (is_below(i, top))
			m->p[i].known = m->p[i].absent = false;
}

/* Two places change what lives there. */
static inline void model_swap(struct model *m, int a, int b)
{
	struct place was = m->p[a];

	m->p[a] = m->p[b];
	m->p[b] = was;
	for (int k = 0; k < INODES; k++) {
		struct face *f = &m->f[k];

		if (!f->inode || f->gone || (f->place != a && f->place != b))
			continue;
		f->place = a + b - f->place;
		f->czxid = 0;
	}
}

#endif
