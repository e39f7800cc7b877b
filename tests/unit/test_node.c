/* SPDX-License-Identifier: Apache-2.0 */

/* The tree of names, and what is learned of its nodes. */

#include <errno.h>

#include "nodes.h"

/* --- names --------------------------------------------------------------- */

START_TEST(test_find_or_create)
{
	struct node *a, *again, *none;
	struct node_table t;

	nodes_init(&t);
	none = node_find(&t, t.root, "a");
	ck_assert_ptr_null(none);
	a = node_get(&t, t.root, "a");
	ck_assert(!a->known && !a->detached && !a->decided);
	again = node_get(&t, t.root, "a");
	ck_assert_ptr_eq(again, a);
	ck_assert_uint_eq(t.n_nodes, 2);
	ck_assert(nodes_is(&t, t.root, "a", a));
	ck_assert(nodes_is(&t, t.root, "b", NULL));
	ck_assert(nodes_is(&t, a, "a", NULL));
	node_put(&t, &again);
	ck_assert_ptr_null(again);
	ck_assert(nodes_is(&t, t.root, "a", a));
	node_put(&t, &a);
	ck_assert_uint_eq(t.n_nodes, 1);
	ck_assert(nodes_is(&t, t.root, "a", NULL));
	node_put(&t, &none); /* NULL is fine */
	node_table_release(&t);
}
END_TEST

/* A child keeps its parents, and lets them go. */
START_TEST(test_parents_live_as_long_as_children)
{
	struct node *a, *b, *c;
	struct node_table t;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	b = node_get(&t, a, "b");
	c = node_get(&t, b, "c");
	node_put(&t, &a);
	node_put(&t, &b);
	ck_assert_uint_eq(t.n_nodes, 4);
	nodes_assert_path(c, "/a/b/c");
	node_put(&t, &c);
	ck_assert_uint_eq(t.n_nodes, 1);
	ck_assert(list_empty(&t.root->children));
	node_table_release(&t);
}
END_TEST

START_TEST(test_paths)
{
	static const char *const roots[] = {"/", "/app", "/a/very/deep/root"};
	static const char *const below[] = {"/x/y", "/app/x/y",
					    "/a/very/deep/root/x/y"};

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		struct node_table t;
		struct node *x, *y;

		node_table_init(&t, roots[i], (struct node_policy){0}, 0);
		nodes_assert_path(t.root, roots[i]);
		x = node_get(&t, t.root, "x");
		y = node_get(&t, x, "y");
		nodes_assert_path(y, below[i]);
		node_put(&t, &x);
		node_put(&t, &y);
		node_table_release(&t);
	}
}
END_TEST

/* The same name below many parents, and many names below one. */
START_TEST(test_many_names)
{
	enum { COUNT = 3000 };
	static struct node *dirs[COUNT], *files[COUNT];
	struct node_table t;
	char name[16];

	nodes_init(&t);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%d", i);
		dirs[i] = node_get(&t, t.root, name);
		files[i] = node_get(&t, dirs[i], "same");
	}
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (!nodes_is(&t, t.root, name, dirs[i]) ||
		    !nodes_is(&t, dirs[i], "same", files[i]))
			ck_abort_msg("%d is not itself", i);
	}
	for (int i = 0; i < COUNT; i++) {
		node_put(&t, &dirs[i]);
		node_put(&t, &files[i]);
	}
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/* --- detaching ----------------------------------------------------------- */

START_TEST(test_gone)
{
	struct node *a, *b, *again;
	struct node_table t;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	b = node_get(&t, a, "b");
	node_gone(&t, a);
	ck_assert(a->detached && b->detached && !a->unlinked);
	nodes_assert_path(b, "/a/b"); /* still, for messages */
	ck_assert(nodes_is(&t, t.root, "a", NULL));
	ck_assert_ptr_null(node_get(&t, a, "new"));
	again = node_get(&t, t.root, "a");
	ck_assert_ptr_ne(again, a);
	node_gone(&t, a); /* a second time */
	ck_assert(nodes_is(&t, t.root, "a", again));
	node_put(&t, &a);
	node_put(&t, &b);
	node_put(&t, &again);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

START_TEST(test_unlinked)
{
	struct node *a, *b;
	struct node_table t;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	b = node_get(&t, a, "b");
	node_make_embryo(a);
	node_unlinked(&t, a);
	ck_assert(a->detached && a->unlinked && !a->embryo);
	ck_assert(b->detached && !b->unlinked);
	node_put(&t, &a);
	node_put(&t, &b);
	node_table_release(&t);
}
END_TEST

/* The root's znode is gone: nothing is below it, but it is still the root. */
START_TEST(test_root_gone)
{
	struct node *a, *b;
	struct node_table t;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	node_gone(&t, t.root);
	ck_assert(a->detached && !t.root->detached);
	ck_assert_ptr_nonnull(inode_find(&t, NODE_ROOT_INO));
	b = node_get(&t, t.root, "b");
	ck_assert_ptr_nonnull(b);
	node_put(&t, &a);
	node_put(&t, &b);
	node_table_release(&t);
}
END_TEST

/* A subtree with branches goes as a whole, and nothing beside it. */
START_TEST(test_detach_subtree)
{
	static const char *const names[] = {"x", "y", "z"};
	struct node *top[3], *mid[3][3], *leaf[3][3][3];
	struct node_table t;

	nodes_init(&t);
	for (int i = 0; i < 27; i++) {
		int a = i / 9, b = i / 3 % 3, c = i % 3;

		if (b == 0 && c == 0)
			top[a] = node_get(&t, t.root, names[a]);
		if (c == 0)
			mid[a][b] = node_get(&t, top[a], names[b]);
		leaf[a][b][c] = node_get(&t, mid[a][b], names[c]);
	}
	node_gone(&t, top[1]);
	for (int i = 0; i < 27; i++) {
		int a = i / 9, b = i / 3 % 3, c = i % 3;

		ck_assert_int_eq(top[a]->detached, a == 1);
		ck_assert_int_eq(mid[a][b]->detached, a == 1);
		ck_assert_int_eq(leaf[a][b][c]->detached, a == 1);
	}
	for (int i = 0; i < 27; i++) {
		int a = i / 9, b = i / 3 % 3;

		node_put(&t, &leaf[a][b][i % 3]);
		if (i % 3 == 2)
			node_put(&t, &mid[a][b]);
		if (i % 9 == 8)
			node_put(&t, &top[a]);
	}
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/*
 * How deep a tree is, others decide: a request has room for paths of half a
 * million levels, and a program can walk down them one by one.  No recursion,
 * and work that grows with the number of nodes, not with its square: it is
 * done with a lock held that stops the whole mount.
 */
#define DEPTH 100000

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* A chain of nodes; each but the last is held by its child only. */
static struct node *chain(struct node_table *t, int depth)
{
	struct node *node = node_ref(t->root);

	for (int i = 0; i < depth; i++) {
		struct node *child = node_get(t, node, "d");

		node_put(t, &node);
		node = child;
	}
	return node;
}

START_TEST(test_deep_paths_and_release)
{
	struct node_table t;
	struct node *bottom;
	char *path;

	nodes_init(&t);
	bottom = chain(&t, DEPTH);
	ck_assert_uint_eq(t.n_nodes, DEPTH + 1);
	path = node_path(bottom);
	ck_assert_uint_eq(strlen(path), 2 * DEPTH);
	free(path);
	node_unknown(&t, t.root);
	node_put(&t, &bottom);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

START_TEST(test_deep_detach)
{
	struct node *top, *bottom;
	struct node_table t;
	double start;

	nodes_init(&t);
	bottom = chain(&t, DEPTH);
	top = node_find(&t, t.root, "d");
	start = cpu_seconds();
	node_gone(&t, top);
	ck_assert_msg(cpu_seconds() - start < 3, "%d levels took %.1f s", DEPTH,
		      cpu_seconds() - start);
	ck_assert(top->detached && bottom->detached);
	node_put(&t, &top);
	node_put(&t, &bottom);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/* --- learning ------------------------------------------------------------ */

START_TEST(test_learn)
{
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	ck_assert_int_eq(nodes_learn(&t, &a, 5, 6, "v1"), 0);
	ck_assert(a->known);
	ck_assert_int_eq(a->stat.mzxid, 6);
	ck_assert_mem_eq(a->data->data, "v1", 2);
	ck_assert_uint_eq(t.cached_bytes, 2);
	ck_assert_int_eq(nodes_learn(&t, &a, 5, 7, "three"), 0);
	ck_assert_uint_eq(a->data->len, 5);
	ck_assert_uint_eq(t.cached_bytes, 5);
	node_put(&t, &a);
	ck_assert_uint_eq(t.cached_bytes, 0);
	ck_assert(list_empty(&t.cached));
	node_table_release(&t);
}
END_TEST

/* Answers overtake each other: each of the three numbers can tell. */
START_TEST(test_learn_older)
{
	static const struct zstat known = {
		.czxid = 10, .mzxid = 20, .pzxid = 30, .data_length = 3};
	static const struct zstat older[] = {
		{.czxid = 9, .mzxid = 20, .pzxid = 30},
		{.czxid = 10, .mzxid = 19, .pzxid = 30},
		{.czxid = 10, .mzxid = 20, .pzxid = 29},
	};
	struct blob *data = blob_new("new", 3), *stale = blob_new("old!", 4);
	struct node_table t;
	struct node *a, *same;

	nodes_init(&t);
	a = same = node_get(&t, t.root, "a");
	ck_assert_int_eq(node_learn(&t, &a, &known, data, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(older); i++) {
		ck_assert_int_eq(node_learn(&t, &a, &older[i], stale, 2), 0);
		ck_assert_ptr_eq(a, same);
		ck_assert_mem_eq(&a->stat, &known, sizeof(known));
		ck_assert_ptr_eq(a->data, data);
		ck_assert(node_is_fresh(a, 1, true));
	}
	blob_unref(data);
	blob_unref(stale);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* A Stat alone: the value stays if it is of the same version. */
START_TEST(test_learn_without_data)
{
	struct zstat stat = nodes_stat(5, 6, 2, 0);
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	nodes_learn(&t, &a, 5, 6, "v1");
	stat.pzxid = 9;
	ck_assert_int_eq(node_learn(&t, &a, &stat, NULL, 1), 0);
	ck_assert_ptr_nonnull(a->data);
	ck_assert_int_eq(a->stat.pzxid, 9);
	stat.mzxid = 10;
	ck_assert_int_eq(node_learn(&t, &a, &stat, NULL, 1), 0);
	ck_assert_ptr_null(a->data);
	ck_assert_uint_eq(t.cached_bytes, 0);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* Deleted and created again: another node, and the old one's are gone. */
START_TEST(test_learn_another_znode)
{
	struct node *a, *old, *child;
	struct node_table t;
	struct inode *inode;

	nodes_init(&t);
	inode = nodes_file(&t, t.root, "a", 5, "v1");
	old = node_ref(inode->node);
	child = node_get(&t, old, "child");
	a = node_ref(old);
	ck_assert_int_eq(nodes_learn(&t, &a, 8, 8, "v2"), 0);
	ck_assert_ptr_ne(a, old);
	ck_assert(old->detached && !old->unlinked && child->detached);
	ck_assert(!a->detached && a->known);
	ck_assert(nodes_is(&t, t.root, "a", a));
	ck_assert_ptr_eq(inode->node, old);
	ck_assert_ptr_ne(node_inode(&t, a, VIEW_MAIN, INODE_FILE), inode);
	/* What is open of the old one keeps its value. */
	ck_assert_mem_eq(old->data->data, "v1", 2);
	node_put(&t, &a);
	node_put(&t, &old);
	node_put(&t, &child);
	node_table_release(&t);
}
END_TEST

START_TEST(test_learn_of_detached)
{
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	nodes_learn(&t, &a, 5, 5, "v1");
	node_gone(&t, a);
	ck_assert_int_eq(nodes_learn(&t, &a, 8, 8, "v2"), -ESTALE);
	ck_assert_int_eq(a->stat.czxid, 5);
	ck_assert(nodes_is(&t, t.root, "a", NULL));
	ck_assert(!node_is_fresh(a, NODES_THREAD, false));
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/*
 * The znode that is mounted was deleted and created again by somebody else.
 * The root stays the root; what was below is gone.
 */
START_TEST(test_learn_another_root)
{
	struct node *root, *a;
	struct node_table t;

	node_table_init(&t, "/app", (struct node_policy){0}, NODES_CACHE);
	root = node_ref(t.root);
	ck_assert_int_eq(nodes_learn(&t, &root, 5, 5, NULL), 0);
	a = node_get(&t, t.root, "a");
	ck_assert_int_eq(nodes_learn(&t, &root, 8, 8, NULL), 0);
	ck_assert_ptr_eq(root, t.root);
	ck_assert(!root->detached && a->detached);
	ck_assert_int_eq(root->stat.czxid, 8);
	ck_assert_ptr_eq(inode_find(&t, NODE_ROOT_INO)->node, root);
	nodes_assert_path(root, "/app");
	node_put(&t, &a);
	node_put(&t, &root);
	node_table_release(&t);
}
END_TEST

START_TEST(test_fresh)
{
	struct zstat stat = nodes_stat(5, 5, 2, 0);
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	ck_assert(!node_is_fresh(a, 0, false));
	node_learn(&t, &a, &stat, NULL, 1);
	ck_assert(node_is_fresh(a, 1, false));
	ck_assert(!node_is_fresh(a, 1, true));  /* no value yet */
	ck_assert(!node_is_fresh(a, 2, false)); /* another's call */
	a->fresh_at = now_ms() - NODE_FRESH_MS;
	ck_assert(!node_is_fresh(a, 1, false));
	nodes_learn(&t, &a, 5, 5, "v1");
	ck_assert(node_is_fresh(a, NODES_THREAD, true));
	node_unknown(&t, a);
	ck_assert(!node_is_fresh(a, NODES_THREAD, false));
	ck_assert(!node_is_fresh(a, 0, false));
	ck_assert_ptr_null(a->data);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

UNIT_MAIN("node", test_find_or_create, test_parents_live_as_long_as_children,
	  test_paths, test_many_names, test_gone, test_unlinked, test_root_gone,
	  test_detach_subtree, test_deep_paths_and_release, test_deep_detach,
	  test_learn, test_learn_older, test_learn_without_data,
	  test_learn_another_znode, test_learn_of_detached,
	  test_learn_another_root, test_fresh)
