/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The node table against a model: random operations on a small tree, and
 * after each few of them everything that can be asked is asked.
 */

#include "node_model.h"

enum {
	STEPS = 20000,
	CACHE = 60,
};

/* --- the operations, on both --------------------------------------------- */

static void value_of(int64_t mzxid, char value[32])
{
	snprintf(value, 32, "%0*d", 1 + (int)(mzxid % 15), (int)mzxid);
}

static size_t length_of(bool null, int64_t mzxid)
{
	char value[32];

	value_of(mzxid, value);
	return null ? 0 : strlen(value);
}

/* By its value: here, all have version 0. */
static bool is_what_was_moved(const struct place *p, int64_t mzxid, bool null)
{
	return p->embryo || p->czxid == 0 ||
	       (p->null == null &&
		length_of(null, mzxid) == length_of(p->null, p->mzxid));
}

static bool is_replaced(const struct model *m, int i, int64_t czxid,
			int64_t mzxid, bool null)
{
	if (m->p[i].known)
		return m->p[i].czxid != czxid;
	for (int k = 0; k < INODES; k++) {
		const struct face *f = &m->f[k];

		if (!f->inode || f->place != i || f->gone)
			continue;
		if (f->czxid ? f->czxid != czxid
			     : !is_what_was_moved(&m->p[i], mzxid, null))
			return true;
	}
	return false;
}

static void model_learn(struct model *m, int i, int64_t czxid, int64_t mzxid,
			bool null)
{
	struct place *p = &m->p[i];

	if (is_replaced(m, i, czxid, mzxid, null)) {
		if (i > 0)
			retire(m, i, false);
		retire_below(m, i, false);
	}
	if (p->embryo)
		p->decided = false;
	if (!p->decided)
		p->is_dir = null;
	p->decided = p->known = true;
	p->embryo = p->absent = false;
	p->czxid = czxid;
	p->mzxid = mzxid;
	p->null = null;
	for (int k = 0; k < INODES; k++)
		if (m->f[k].inode && m->f[k].place == i && !m->f[k].gone)
			m->f[k].czxid = czxid;
}

/* The server's answer: the same znode or another, this version or a newer. */
static void do_learn(struct model *m, int i)
{
	struct place *p = &m->p[i];
	struct node *node = node_of(m, i);
	bool same = p->czxid > 0 && dice(m, 4);
	bool null = dice(m, 3) == 0;
	int64_t mzxid = ++m->zxid;
	int64_t czxid = same ? p->czxid : mzxid;
	char value[32];

	value_of(mzxid, value);
	nodes_learn(&m->t, node, czxid, mzxid, null ? NULL : value);
	model_learn(m, i, czxid, mzxid, null);
	node_put(&m->t, &node);
}

static void do_learn_old(struct model *m, int i)
{
	struct place *p = &m->p[i];
	struct node *node = node_of(m, i);

	if (p->known && p->czxid > 1)
		nodes_learn(&m->t, node, p->czxid - dice(m, 2), p->mzxid - 1,
			    "stale");
	node_put(&m->t, &node);
}

static void do_remove(struct model *m, int i)
{
	struct node *node = node_of(m, i);
	bool unlinked = dice(m, 2);

	if (unlinked)
		node_unlinked(&m->t, node);
	else
		node_gone(&m->t, node);
	if (unlinked || !m->p[i].embryo)
		model_remove(m, i, unlinked);
	node_put(&m->t, &node);
}

static void do_unknown(struct model *m, int i)
{
	struct node *node = node_of(m, i);

	node_unknown(&m->t, node);
	model_unknown(m, i);
	node_put(&m->t, &node);
}

/* Only where no directory was: the kernel opens files. */
static void do_embryo(struct model *m, int i)
{
	struct place *p = &m->p[i];
	struct node *node = node_of(m, i);

	if (!p->is_dir) {
		node_make_embryo(node);
		if (!p->known) {
			p->embryo = p->decided = true;
			p->czxid = p->mzxid = 0;
		}
	}
	node_put(&m->t, &node);
}

static bool fits(const struct model *m, int from, int to)
{
	int deeper = depth_of(to) - depth_of(from);

	for (int i = from; i < PLACES; i++)
		if (m->there[i] && is_below(i, from) &&
		    depth_of(i) + deeper > DEPTH)
			return false;
	return true;
}

/* What the kernel or the server refuse does not come to the table. */
static bool may_move(const struct model *m, int a, int b)
{
	return !is_below(a, b) && !is_below(b, a) && fits(m, a, b);
}

static void do_move(struct model *m, int from, int to)
{
	struct node *a = node_of(m, from), *b = node_of(m, to);

	node_moved(&m->t, a, b, VIEW_MAIN);
	model_remove(m, to, true);
	m->there[from] = true; /* for the move */
	for (int i = from; i < PLACES; i++)
		if (m->there[i] && is_below(i, from))
			model_swap(m, i, mapped(i, from, to));
	model_unknown(m, from);
	model_unknown(m, to);
	for (int i = from; i < PLACES; i++)
		if (is_below(i, from))
			m->p[i].absent = true;
	node_put(&m->t, &a);
	node_put(&m->t, &b);
}

static void do_exchange(struct model *m, int from, int to)
{
	struct node *a = node_of(m, from), *b = node_of(m, to);
	int other;

	node_exchanged(&m->t, a, b);
	for (int i = from; i < PLACES; i++) {
		if (!is_below(i, from))
			continue;
		other = mapped(i, from, to);
		if (other < PLACES)
			model_swap(m, i, other);
	}
	model_unknown(m, from);
	model_unknown(m, to);
	node_put(&m->t, &a);
	node_put(&m->t, &b);
}

static void do_hold(struct model *m, int i)
{
	if (m->held[i])
		node_put(&m->t, &m->held[i]);
	else
		m->held[i] = node_of(m, i);
}

/* --- the kernel ---------------------------------------------------------- */

static void add_face(struct model *m, struct face *f, struct inode *inode,
		     int place)
{
	const struct place *p = &m->p[place];

	for (int k = 0; k < INODES; k++)
		if (m->f[k].inode && (m->f[k].inode == inode ||
				      m->f[k].ino == inode_number(inode)))
			FAIL(m, "the number of an inode that is known");
	inode->lookups++;
	*f = (struct face){
		.inode = inode,
		.ino = inode_number(inode),
		.place = place,
		.view = inode->view,
		.kind = inode->kind,
		.gone = inode->gone,
		.czxid = p->known ? p->czxid : 0,
		.last_czxid = p->czxid,
		.last_mzxid = p->mzxid,
		.lookups = 1,
	};
}

static void do_lookup(struct model *m, int i)
{
	enum node_view view = dice(m, 3) ? VIEW_MAIN : VIEW_EPHEMERAL;
	struct node *node = node_of(m, i);
	enum inode_kind kind = dice(m, 4) ? node_kind(node) : INODE_DATA;
	struct face *f = find_face(m, i, view, kind);
	struct face *new = free_face(m);

	if (i > 0 && new && dice(m, 10) == 0)
		add_face(m, new, node_gone_inode(&m->t, node, view, kind), i);
	else if (f && node_inode(&m->t, node, view, kind) != f->inode)
		FAIL(m, "another inode for the same face of %d", i);
	else if (!f && node_find_inode(node, view, kind))
		FAIL(m, "an old inode for a new face of %d", i);
	else if (!f && new)
		add_face(m, new, node_inode(&m->t, node, view, kind), i);
	node_put(&m->t, &node);
}

/* It opens, closes and forgets, now and then too much. */
static void do_kernel(struct model *m)
{
	struct face *f = &m->f[1 + dice(m, INODES - 1)];
	unsigned n = dice(m, 5);

	if (!f->inode)
		return;
	if (n == 0) {
		inode_open(f->inode);
		f->opens++;
	} else if (n == 1) {
		f->inode->lookups++;
		f->lookups++;
	} else if (n == 2 && f->opens > 0) {
		f->opens--;
		inode_close(&m->t, f->inode);
	} else {
		f->lookups -= MIN((uint64_t)n, f->lookups);
		inode_forget(&m->t, f->inode, n);
	}
	if (f->lookups == 0 && f->opens == 0)
		f->inode = NULL;
}

/* --- comparing ----------------------------------------------------------- */

/* Whether @data, if it is there and not null, is what version @mzxid had. */
static bool is_value(const struct blob *data, int64_t mzxid)
{
	char value[32];

	value_of(mzxid, value);
	return !data || data->null ||
	       (data->len == strlen(value) &&
		memcmp(data->data, value, data->len) == 0);
}

static void check_face(struct model *m, const struct face *f)
{
	const struct inode *inode = f->inode;
	char path[64], *at;

	if (inode_find(&m->t, f->ino) != inode || inode_number(inode) != f->ino)
		FAIL(m, "an inode has lost its number");
	if (inode->lookups != f->lookups || inode->opens != f->opens)
		FAIL(m, "counts");
	if (inode->view != f->view || inode->kind != f->kind)
		FAIL(m, "a face has changed");
	path_of(f->place, path);
	at = node_path(inode->node);
	if (strcmp(at, path) != 0)
		FAIL(m, "an inode is at %s, not at %s", at, path);
	free(at);
	if (inode->gone != f->gone || inode->unlinked != f->unlinked)
		FAIL(m, "%s: gone is %d, unlinked %d", path, inode->gone,
		     inode->unlinked);
	if (!f->gone && inode->czxid != f->czxid)
		FAIL(m, "%s: czxid", path);
	if (f->gone && (inode_stat(inode)->czxid != f->last_czxid ||
			inode_stat(inode)->mzxid != f->last_mzxid))
		FAIL(m, "%s: the last Stat has changed", path);
	if (f->gone != !!inode->last)
		FAIL(m, "%s: what it was at last", path);
	if (f->gone && !is_value(inode->last->data, f->last_mzxid))
		FAIL(m, "%s: the last value has changed", path);
}

/* Every inode of the table is in the list of its node: they add up. */
static void check_inodes(struct model *m, const struct node *node, int i)
{
	const struct inode *a, *b;
	unsigned listed = 0, want = 0;

	for_each_inode (a, node) {
		listed++;
		if (a->node != node)
			FAIL(m, "%d: another's inode", i);
		for_each_inode (b, node) {
			if (a != b && !a->gone && !b->gone &&
			    a->view == b->view && a->kind == b->kind)
				FAIL(m, "%d: two inodes of one face", i);
		}
	}
	for (int k = 0; k < INODES; k++)
		want += m->f[k].inode && m->f[k].place == i;
	if (listed != want)
		FAIL(m, "%d: %u inodes, not %u", i, listed, want);
}

static void check_refs(struct model *m, const struct node *node, int i)
{
	const struct node *child;
	const struct inode *inode;
	int want = (m->held[i] != NULL) + (i == 0);

	for_each_child (child, node)
		want++;
	for_each_inode (inode, node)
		want++;
	if (node->refs != want)
		FAIL(m, "%d: %d references, not %d", i, node->refs, want);
}

static void check_known(struct model *m, const struct node *node, int i)
{
	const struct place *p = &m->p[i];

	if (node->known != p->known || node->absent != p->absent ||
	    node->embryo != p->embryo)
		FAIL(m, "%d: known %d, absent %d, embryo %d", i, node->known,
		     node->absent, node->embryo);
	if (node->decided != p->decided || node->is_dir != p->is_dir)
		FAIL(m, "%d: decided %d, is_dir %d", i, node->decided,
		     node->is_dir);
	if (node->stat.czxid != p->czxid || node->stat.mzxid != p->mzxid)
		FAIL(m, "%d: czxid %d, not %d", i,
		     (int)node->stat.czxid, (int)p->czxid);
	if (node_data(node) && !node->known)
		FAIL(m, "%d: a value of nobody knows what", i);
	if (!is_value(node_data(node), p->mzxid))
		FAIL(m, "%d: another value", i);
}

static void check_cache(struct model *m)
{
	struct node_value *value;
	size_t bytes = 0;

	list_for_each (value, &m->t.cached, cached) {
		if (value->node->value != value)
			FAIL(m, "in the cache, and not of its node");
		bytes += value->data->len;
	}
	if (bytes != m->t.cached_bytes || bytes > CACHE)
		FAIL(m, "%zu bytes, counted %zu", bytes, m->t.cached_bytes);
}

static void check(struct model *m)
{
	size_t nodes = 0, inodes = 0;

	for (int i = 0; i < PLACES; i++) {
		char path[64];
		struct node *node, *found;

		path_of(i, path);
		found = node = node_find_at(&m->t, path);
		if ((node != NULL) != m->there[i])
			FAIL(m, "%s: there is %d", path, node != NULL);
		node_put(&m->t, &found);
		if (!node)
			continue;
		nodes++;
		check_known(m, node, i);
		check_inodes(m, node, i);
		check_refs(m, node, i);
	}
	for (int k = 0; k < INODES; k++) {
		inodes += m->f[k].inode != NULL;
		if (m->f[k].inode)
			check_face(m, &m->f[k]);
	}
	if (m->t.n_nodes != nodes || m->t.names.count != nodes - 1)
		FAIL(m, "%zu nodes, not %zu", m->t.n_nodes, nodes);
	if (m->t.inos.count != inodes)
		FAIL(m, "%zu inodes, not %zu", m->t.inos.count, inodes);
	check_cache(m);
}

/* --- all of it ----------------------------------------------------------- */

static void step(struct model *m)
{
	int i = pick(m), other = pick(m);

	switch (dice(m, 16)) {
	case 0:
	case 1:
		do_hold(m, i);
		break;
	case 2:
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
		if (may_move(m, i, other))
			do_move(m, i, other);
		break;
	case 8:
		if (may_move(m, i, other) && may_move(m, other, i))
			do_exchange(m, i, other);
		break;
	case 9:
		if (dice(m, 5) == 0)
			do_unknown(m, i);
		break;
	case 10:
		do_embryo(m, i);
		break;
	case 11:
	case 12:
		do_lookup(m, i);
		break;
	default:
		do_kernel(m);
	}
	update(m);
}

static void init(struct model *m, uint64_t seed)
{
	*m = (struct model){.rng = seed * 0x9e3779b97f4a7c15u};
	node_table_init(&m->t, "/", (struct node_policy){0}, CACHE);
	m->p[0] = (struct place){.decided = true, .is_dir = true};
	m->f[0] = (struct face){
		.inode = inode_find(&m->t, NODE_ROOT_INO),
		.ino = NODE_ROOT_INO,
		.view = VIEW_MAIN,
		.kind = INODE_DIR,
		.lookups = 1,
	};
	update(m);
}

/* Whatever the kernel holds at the end; a sanitizer sees what stays. */
START_TEST(test_random)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct model m;

		init(&m, seed);
		for (m.step = 0; m.step < STEPS; m.step++) {
			step(&m);
			if (m.step % 7 == 0)
				check(&m);
		}
		for (int i = 0; i < PLACES; i++)
			node_put(&m.t, &m.held[i]);
		node_table_release(&m.t);
		ck_assert_uint_eq(m.t.n_nodes, 0);
		ck_assert_uint_eq(m.t.cached_bytes, 0);
	}
}
END_TEST

UNIT_MAIN("node_random", test_random)
