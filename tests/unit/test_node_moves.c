/* SPDX-License-Identifier: Apache-2.0 */

/* Renames and exchanges, and the bound of what is kept of values. */

#include "nodes.h"

/* Nothing is known, and it may be there. */
static bool is_unknown(const struct node *node)
{
	return !node->known && !node->absent && !node_data(node);
}

/* The live inode of the main view that is at @path; NULL if none is. */
static struct inode *at(struct node_table *t, const char *path)
{
	struct node *node = node_find_at(t, path);
	struct inode *inode = NULL, *i;

	if (!node)
		return NULL;
	for_each_inode (i, node) {
		if (!i->gone && i->view == VIEW_MAIN)
			inode = i;
	}
	node_put(t, &node);
	return inode;
}

/* A value at @path, known to the kernel by one lookup. */
static struct inode *make(struct node_table *t, const char *path, int64_t zxid,
			  const char *data)
{
	struct node *node = node_at(t, path);
	struct inode *inode = nodes_file(t, node->parent, node->name, zxid,
					 data);

	node_put(t, &node);
	return inode;
}

static void move(struct node_table *t, const char *from, const char *to)
{
	struct node *a = node_at(t, from), *b = node_at(t, to);

	node_moved(t, a, b, VIEW_MAIN);
	node_put(t, &a);
	node_put(t, &b);
}

static void exchange(struct node_table *t, const char *from, const char *to)
{
	struct node *a = node_at(t, from), *b = node_at(t, to);

	node_exchanged(t, a, b);
	node_put(t, &a);
	node_put(t, &b);
}

/* A directory has been found there. */
static void seen_dir(struct node *node, int64_t zxid)
{
	const struct told_truth truth = {
		.in = {true},
		.dir = true,
		.null = true,
		.czxid = zxid,
		.mzxid = zxid,
	};

	told_seen(&node->told, &truth, VIEW_MAIN);
}

/* --- rename -------------------------------------------------------------- */

START_TEST(test_move)
{
	struct node *from, *to;
	struct inode *dir, *child, *new;
	struct node_table t;
	uint64_t ino;

	nodes_init(&t);
	dir = make(&t, "/from/a", 5, NULL);
	child = make(&t, "/from/a/child", 6, "c");
	ino = inode_number(child);
	from = node_find_at(&t, "/from/a");
	to = node_at(&t, "/to/b");
	node_moved(&t, from, to, VIEW_MAIN);
	/* The places stay, what the kernel holds moves. */
	nodes_assert_path(from, "/from/a");
	ck_assert(from->absent && !from->known && !from->is_dir);
	ck_assert(!from->inodes.first);
	ck_assert_ptr_eq(at(&t, "/to/b"), dir);
	ck_assert_ptr_eq(at(&t, "/to/b/child"), child);
	ck_assert(!dir->gone && !child->gone);
	ck_assert_uint_eq(inode_number(child), ino);
	/* They are other znodes, of which nothing is known, but the kind. */
	ck_assert(is_unknown(to) && is_unknown(child->node));
	ck_assert_int_eq(node_kind(to), INODE_DIR);
	ck_assert_int_eq(node_kind(child->node), INODE_FILE);
	ck_assert_int_eq(dir->czxid, 0);
	ck_assert_uint_eq(t.cached_bytes, 0);
	nodes_learn(&t, child->node, 9, 9, "c");
	ck_assert(!child->gone);
	ck_assert_int_eq(child->czxid, 9);
	/* What comes at the old place has another number. */
	new = nodes_file(&t, from->parent, "a", 10, NULL);
	ck_assert_ptr_eq(new->node, from);
	ck_assert_uint_ne(inode_number(new), inode_number(dir));
	node_put(&t, &from);
	node_put(&t, &to);
	node_table_release(&t);
}
END_TEST

/* Nobody holds the old places when the inodes have left. */
START_TEST(test_move_frees_the_places)
{
	struct node_table t;
	struct inode *a;

	nodes_init(&t);
	a = make(&t, "/x/y/a", 5, NULL);
	make(&t, "/x/y/a/b/c", 6, "v");
	ck_assert_uint_eq(t.n_nodes, 6);
	move(&t, "/x/y/a", "/a");
	ck_assert_uint_eq(t.n_nodes, 4);
	ck_assert(nodes_is(&t, t.root, "x", NULL));
	ck_assert(nodes_is(&t, t.root, "a", a->node));
	node_table_release(&t);
}
END_TEST

/*
 * The kernel has moved an inode of what somebody else has replaced: those who
 * watch are told at the new name, of all that was so.
 */
START_TEST(test_move_of_what_was_replaced)
{
	const struct told_truth file = {.in = {true}, .czxid = 6, .mzxid = 6};
	struct node *from, *to, *child;
	struct inode *dir, *below;
	struct node_table t;

	nodes_init(&t);
	dir = make(&t, "/a", 5, NULL);
	below = make(&t, "/a/x", 6, "v");
	from = node_find_at(&t, "/a");
	seen_dir(from, 5);
	told_seen(&below->node->told, &file, VIEW_MAIN);
	nodes_learn(&t, below->node, 8, 8, "w");
	ck_assert(below->gone && !dir->gone);
	to = node_at(&t, "/b");
	child = node_at(&t, "/b/x");
	node_moved(&t, from, to, VIEW_MAIN);
	ck_assert_int_eq(to->told.czxid[VIEW_MAIN], 0);
	ck_assert_int_eq(child->told.czxid[VIEW_MAIN], TOLD_OLDER);
	node_put(&t, &child);
	node_put(&t, &from);
	/* The directory itself, too. */
	nodes_learn(&t, to, 9, 9, NULL);
	from = node_at(&t, "/c");
	nodes_learn(&t, to, 11, 11, NULL);
	ck_assert(dir->gone);
	node_moved(&t, to, from, VIEW_MAIN);
	ck_assert_int_eq(from->told.czxid[VIEW_MAIN], TOLD_OLDER);
	node_put(&t, &from);
	node_put(&t, &to);
	node_table_release(&t);
}
END_TEST

/* Found with another value, and never set: it is not what was moved. */
START_TEST(test_moved_and_another_found)
{
	const char *const found[] = {"", NULL, "other"};
	struct node_table t;
	struct inode *inode;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(found); i++) {
		nodes_init(&t);
		inode = make(&t, "/a", 5, "");
		move(&t, "/a", "/b");
		nodes_learn(&t, inode->node, 9, 9, found[i]);
		ck_assert_int_eq(inode->gone, i > 0);
		ck_assert_int_eq(node_kind(inode->node),
				 i == 1 ? INODE_DIR : INODE_FILE);
		node_table_release(&t);
	}
}
END_TEST

/* Deleted by somebody else before anything was learned of it. */
START_TEST(test_moved_and_doubted)
{
	struct node_table t;
	struct inode *inode;

	nodes_init(&t);
	inode = make(&t, "/a", 5, "v");
	node_doubted(&t, inode->node);
	ck_assert(!inode->gone);
	move(&t, "/a", "/b");
	node_doubted(&t, inode->node);
	ck_assert(inode->gone);
	ck_assert_ptr_null(at(&t, "/b"));
	nodes_learn(&t, inode->node, 9, 9, NULL);
	ck_assert_int_eq(node_kind(inode->node), INODE_DIR);
	node_table_release(&t);
}
END_TEST

/* What was there is unlinked, keeps its last state, and stays in its place. */
START_TEST(test_move_over_another)
{
	struct inode *a, *b, *below;
	struct node_table t;

	nodes_init(&t);
	a = make(&t, "/a", 5, "v");
	b = make(&t, "/b", 6, "w");
	below = make(&t, "/b/below", 7, "x");
	move(&t, "/a", "/b");
	ck_assert(b->gone && b->unlinked && below->gone && below->unlinked);
	ck_assert(!a->gone);
	ck_assert_ptr_eq(a->node, b->node);
	ck_assert_ptr_eq(at(&t, "/b"), a);
	ck_assert_ptr_null(at(&t, "/a"));
	ck_assert_ptr_null(at(&t, "/b/below"));
	ck_assert_int_eq(inode_stat(b)->czxid, 6);
	ck_assert_mem_eq(b->last->data->data, "w", 1);
	ck_assert_mem_eq(below->last->data->data, "x", 1);
	nodes_learn(&t, a->node, 9, 9, "v");
	ck_assert_int_eq(inode_stat(a)->czxid, 9);
	ck_assert_int_eq(inode_stat(b)->czxid, 6);
	node_table_release(&t);
}
END_TEST

/* Where nobody holds anything, nothing is left behind. */
START_TEST(test_move_over_nobodys)
{
	struct node_table t;
	struct inode *a;

	nodes_init(&t);
	a = make(&t, "/a", 5, "v");
	move(&t, "/a", "/b");
	ck_assert_uint_eq(t.n_nodes, 2);
	ck_assert(nodes_is(&t, t.root, "b", a->node));
	inode_forget(&t, a, 1);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/* They are of znodes that were there before, not of the one that moves. */
START_TEST(test_move_leaves_what_is_gone)
{
	struct inode *old, *below, *new;
	struct node_table t;

	nodes_init(&t);
	old = make(&t, "/a", 5, NULL);
	below = make(&t, "/a/x", 6, "v");
	new = make(&t, "/a", 8, NULL);
	ck_assert(old->gone && below->gone);
	move(&t, "/a", "/b");
	nodes_assert_path(old->node, "/a");
	nodes_assert_path(below->node, "/a/x");
	nodes_assert_path(new->node, "/b");
	ck_assert(!old->unlinked && old->node->absent);
	ck_assert(below->node->absent);
	ck_assert_int_eq(inode_stat(old)->czxid, 5);
	node_table_release(&t);
}
END_TEST

/* Inodes on both sides, at places that both have and that one has. */
START_TEST(test_move_of_trees)
{
	struct inode *a[4], *b[4];
	struct node_table t;

	nodes_init(&t);
	a[0] = make(&t, "/a", 5, NULL);
	a[1] = make(&t, "/a/both", 5, NULL);
	a[2] = make(&t, "/a/both/x", 5, "v");
	a[3] = make(&t, "/a/mine", 5, "v");
	b[0] = make(&t, "/b", 6, NULL);
	b[1] = make(&t, "/b/both", 6, "w");
	b[2] = make(&t, "/b/both/x", 6, NULL);
	b[3] = make(&t, "/b/yours", 6, "w");
	move(&t, "/a", "/b");
	ck_assert_ptr_eq(at(&t, "/b"), a[0]);
	ck_assert_ptr_eq(at(&t, "/b/both"), a[1]);
	ck_assert_ptr_eq(at(&t, "/b/both/x"), a[2]);
	ck_assert_ptr_eq(at(&t, "/b/mine"), a[3]);
	ck_assert_ptr_null(at(&t, "/b/yours"));
	ck_assert_ptr_null(at(&t, "/a/mine"));
	for (int i = 0; i < 4; i++) {
		ck_assert(!a[i]->gone && is_unknown(a[i]->node));
		ck_assert(b[i]->gone && b[i]->unlinked);
		ck_assert_int_eq(inode_stat(b[i])->czxid, 6);
	}
	ck_assert_int_eq(node_kind(a[1]->node), INODE_DIR);
	ck_assert_int_eq(node_kind(a[2]->node), INODE_FILE);
	for (int i = 0; i < 4; i++) {
		inode_forget(&t, a[i], 1);
		inode_forget(&t, b[i], 1);
	}
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/* All faces go: `.data`, and those of the other view. */
START_TEST(test_move_of_faces)
{
	struct inode *faces[3];
	struct node_table t;
	struct node *a, *b;

	nodes_init(&t);
	a = node_at(&t, "/a");
	b = node_at(&t, "/b");
	faces[0] = node_inode(&t, a, VIEW_MAIN, INODE_DIR);
	faces[1] = node_inode(&t, a, VIEW_MAIN, INODE_DATA);
	faces[2] = node_inode(&t, a, VIEW_EPHEMERAL, INODE_DIR);
	node_moved(&t, a, b, VIEW_MAIN);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_eq(node_find_inode(b, faces[i]->view,
						 faces[i]->kind),
				 faces[i]);
	ck_assert(!node_is_open_dir(a) && node_is_open_dir(b));
	node_put(&t, &a);
	node_put(&t, &b);
	node_table_release(&t);
}
END_TEST

/* Opened by a create, not yet at the server: it is what it was. */
START_TEST(test_move_of_an_embryo)
{
	struct node_table t;
	struct inode *inode;
	struct node *a, *b;

	nodes_init(&t);
	a = node_at(&t, "/a");
	b = node_at(&t, "/b");
	node_make_embryo(a);
	a->stat.mtime = 12345;
	inode = node_inode(&t, a, VIEW_MAIN, INODE_FILE);
	node_moved(&t, a, b, VIEW_MAIN);
	ck_assert(b->embryo && b->decided && !a->embryo);
	ck_assert_int_eq(inode_stat(inode)->mtime, 12345);
	ck_assert_int_eq(node_kind(b), INODE_FILE);
	node_gone(&t, b);
	ck_assert(b->embryo && !inode->gone);
	node_put(&t, &a);
	node_put(&t, &b);
	node_table_release(&t);
}
END_TEST

/* --- exchange ------------------------------------------------------------ */

START_TEST(test_exchange)
{
	struct inode *a, *b, *below;
	struct node_table t;

	nodes_init(&t);
	a = make(&t, "/da/a", 5, "v");
	b = make(&t, "/db/b", 6, NULL);
	below = make(&t, "/db/b/below", 7, "w");
	exchange(&t, "/da/a", "/db/b");
	nodes_assert_path(a->node, "/db/b");
	nodes_assert_path(b->node, "/da/a");
	nodes_assert_path(below->node, "/da/a/below");
	ck_assert(!a->gone && !b->gone && !below->gone);
	ck_assert_ptr_null(at(&t, "/db/b/below"));
	/* Kinds go with the inodes. */
	ck_assert_int_eq(node_kind(a->node), INODE_FILE);
	ck_assert_int_eq(node_kind(b->node), INODE_DIR);
	ck_assert(is_unknown(a->node) && is_unknown(b->node));
	ck_assert(is_unknown(below->node));
	ck_assert_uint_eq(t.cached_bytes, 0);
	node_table_release(&t);
}
END_TEST

START_TEST(test_exchange_of_neighbours)
{
	struct node_table t;
	struct inode *a, *b;

	nodes_init(&t);
	a = make(&t, "/a", 5, "v");
	b = make(&t, "/b", 6, "w");
	exchange(&t, "/a", "/b");
	ck_assert_ptr_eq(at(&t, "/a"), b);
	ck_assert_ptr_eq(at(&t, "/b"), a);
	ck_assert_uint_eq(t.n_nodes, 3);
	exchange(&t, "/a", "/b"); /* and back */
	ck_assert_ptr_eq(at(&t, "/a"), a);
	ck_assert_ptr_eq(at(&t, "/b"), b);
	node_table_release(&t);
}
END_TEST

/* Inodes on both sides, at places that both have and that one has. */
START_TEST(test_exchange_of_trees)
{
	struct inode *a[4], *b[4];
	struct node_table t;

	nodes_init(&t);
	a[0] = make(&t, "/a", 5, NULL);
	a[1] = make(&t, "/a/both", 5, NULL);
	a[2] = make(&t, "/a/both/x/deep", 5, "v");
	a[3] = make(&t, "/a/mine", 5, "v");
	b[0] = make(&t, "/b", 6, NULL);
	b[1] = make(&t, "/b/both", 6, "w");
	b[2] = make(&t, "/b/both/y", 6, NULL);
	b[3] = make(&t, "/b/yours/deep", 6, "w");
	exchange(&t, "/a", "/b");
	ck_assert_ptr_eq(at(&t, "/b"), a[0]);
	ck_assert_ptr_eq(at(&t, "/b/both"), a[1]);
	ck_assert_ptr_eq(at(&t, "/b/both/x/deep"), a[2]);
	ck_assert_ptr_eq(at(&t, "/b/mine"), a[3]);
	ck_assert_ptr_eq(at(&t, "/a"), b[0]);
	ck_assert_ptr_eq(at(&t, "/a/both"), b[1]);
	ck_assert_ptr_eq(at(&t, "/a/both/y"), b[2]);
	ck_assert_ptr_eq(at(&t, "/a/yours/deep"), b[3]);
	ck_assert_ptr_null(at(&t, "/a/mine"));
	ck_assert_ptr_null(at(&t, "/b/yours/deep"));
	ck_assert_int_eq(node_kind(a[1]->node), INODE_DIR);
	ck_assert_int_eq(node_kind(b[1]->node), INODE_FILE);
	/* No place is kept that nobody needs. */
	ck_assert_uint_eq(t.n_nodes, 1 + 8 + 2);
	for (int i = 0; i < 4; i++) {
		ck_assert(!a[i]->gone && !b[i]->gone);
		inode_forget(&t, a[i], 1);
		inode_forget(&t, b[i], 1);
	}
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

START_TEST(test_exchange_leaves_what_is_gone)
{
	struct inode *gone, *a, *b;
	struct node_table t;

	nodes_init(&t);
	gone = make(&t, "/a", 5, "old");
	a = make(&t, "/a", 6, "v");
	b = make(&t, "/b", 7, "w");
	exchange(&t, "/a", "/b");
	ck_assert_ptr_eq(at(&t, "/a"), b);
	ck_assert_ptr_eq(at(&t, "/b"), a);
	nodes_assert_path(gone->node, "/a");
	ck_assert_mem_eq(gone->last->data->data, "old", 3);
	node_table_release(&t);
}
END_TEST

/* --- how deep ------------------------------------------------------------ */

#define DEPTH 100000

/* As in test_node.c: work that grows with the number of nodes. */
START_TEST(test_deep)
{
	struct node *a, *bottom, *b, *other;
	struct node_table t;
	double start;

	nodes_init(&t);
	bottom = nodes_chain(&t, DEPTH);
	node_inode(&t, bottom, VIEW_MAIN, INODE_FILE)->lookups++;
	a = node_find_at(&t, "/d");
	b = node_at(&t, "/b");
	node_put(&t, &bottom);
	start = nodes_cpu_seconds();
	node_moved(&t, a, b, VIEW_MAIN);
	ck_assert_uint_eq(t.n_nodes, DEPTH + 2);
	other = nodes_chain(&t, DEPTH);
	node_exchanged(&t, a, b);
	ck_assert_msg(nodes_cpu_seconds() - start < 6, "it took %.1f s",
		      nodes_cpu_seconds() - start);
	ck_assert(!!other->inodes.first);
	node_put(&t, &a);
	node_put(&t, &b);
	node_put(&t, &other);
	ck_assert_uint_eq(t.n_nodes, DEPTH + 1);
	node_table_release(&t);
}
END_TEST

/* --- the bound of the cache ---------------------------------------------- */

START_TEST(test_cache_drops_the_oldest)
{
	struct inode *f[5];
	struct node_table t;

	node_table_init(&t, "/", (struct node_policy){0}, 10);
	for (int i = 0; i < 3; i++)
		f[i] = nodes_file(&t, t.root, (char[]){'a' + i, 0}, 5, "123");
	ck_assert_uint_eq(t.cached_bytes, 9);
	/* The first is fetched anew: now the second is the oldest. */
	nodes_learn(&t, f[0]->node, 5, 5, "123");
	f[3] = nodes_file(&t, t.root, "d", 5, "123");
	ck_assert_uint_eq(t.cached_bytes, 9);
	ck_assert_ptr_null(node_data(f[1]->node));
	ck_assert_ptr_nonnull(node_data(f[0]->node));
	ck_assert(f[1]->node->known && !node_is_fresh(f[1]->node, 4711, true));
	f[4] = nodes_file(&t, t.root, "e", 5, "1234567890");
	ck_assert_uint_eq(t.cached_bytes, 10);
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_null(node_data(f[i]->node));
	ck_assert_ptr_nonnull(node_data(f[4]->node));
	node_table_release(&t);
}
END_TEST

/* Values of no length take nothing, and null is remembered without one. */
START_TEST(test_cache_of_nothing)
{
	struct inode *a, *b, *c;
	struct node_table t;

	node_table_init(&t, "/", (struct node_policy){0}, 0);
	a = nodes_file(&t, t.root, "a", 5, "");
	b = nodes_file(&t, t.root, "b", 6, NULL);
	c = nodes_file(&t, t.root, "c", 7, "x");
	ck_assert_uint_eq(t.cached_bytes, 0);
	ck_assert_ptr_null(node_data(c->node));
	ck_assert(node_null_known(a->node) && !node_is_null(&t, a->node));
	ck_assert(node_null_known(b->node) && node_is_null(&t, b->node));
	ck_assert(node_null_known(c->node) && !node_is_null(&t, c->node));
	node_table_release(&t);
}
END_TEST

/* What is larger than all the room there is does not clear it of the rest. */
START_TEST(test_cache_of_too_much)
{
	struct inode *a, *b;
	struct node_table t;

	node_table_init(&t, "/", (struct node_policy){0}, 10);
	a = nodes_file(&t, t.root, "a", 5, "123");
	b = nodes_file(&t, t.root, "b", 6, "12345678901");
	ck_assert_ptr_null(node_data(b->node));
	ck_assert_ptr_nonnull(node_data(a->node));
	ck_assert_uint_eq(t.cached_bytes, 3);
	node_table_release(&t);
}
END_TEST

UNIT_MAIN("node_moves", test_move, test_move_frees_the_places,
	  test_move_of_what_was_replaced, test_moved_and_another_found,
	  test_moved_and_doubted, test_move_over_another, test_move_over_nobodys,
	  test_move_leaves_what_is_gone, test_move_of_trees, test_move_of_faces,
	  test_move_of_an_embryo, test_exchange, test_exchange_of_neighbours,
	  test_exchange_of_trees, test_exchange_leaves_what_is_gone, test_deep,
	  test_cache_drops_the_oldest, test_cache_of_nothing,
	  test_cache_of_too_much)
