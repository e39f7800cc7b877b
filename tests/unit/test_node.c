/* SPDX-License-Identifier: Apache-2.0 */

/* The tree of names, and what is learned of its nodes. */

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
	ck_assert(!a->known && !a->absent && !a->decided);
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
	ck_assert(!node_first_child(t.root));
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

/* --- paths to nodes ------------------------------------------------------ */

/* Where @path leads; the reference is dropped, and so is what was made. */
static bool leads_to(struct node_table *t, const char *path,
		     const struct node *node)
{
	struct node *found = node_find_at(t, path);
	struct node *made = node_at(t, path);
	bool is = found == node && (!node || made == node);

	node_put(t, &found);
	node_put(t, &made);
	return is;
}

START_TEST(test_at_path)
{
	struct node *a, *b, *again;
	struct node_table t;

	nodes_init(&t);
	ck_assert(leads_to(&t, "/", t.root));
	ck_assert(leads_to(&t, "/a", NULL));
	ck_assert_uint_eq(t.n_nodes, 1);
	b = node_at(&t, "/a/b");
	nodes_assert_path(b, "/a/b");
	ck_assert_uint_eq(t.n_nodes, 3);
	again = node_at(&t, "/a/b");
	ck_assert_ptr_eq(again, b);
	a = node_find_at(&t, "/a");
	ck_assert_ptr_eq(a, b->parent);
	ck_assert(nodes_is(&t, t.root, "a", a));
	ck_assert(leads_to(&t, "/a/b/c", NULL));
	ck_assert(leads_to(&t, "/b", NULL));
	ck_assert(leads_to(&t, "/a/bb", NULL));
	ck_assert_uint_eq(t.n_nodes, 3);
	node_put(&t, &a);
	node_put(&t, &b);
	node_put(&t, &again);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/* Paths are the server's: those beside the chroot lead nowhere. */
START_TEST(test_at_path_with_chroot)
{
	static const char *const beside[] = {"/",     "/a",    "/app",
					     "/app/x", "/app/web2",
					     "/app/we", "/b/app/web/x"};
	struct node_table t;
	struct node *y;

	node_table_init(&t, "/app/web", (struct node_policy){0}, 0);
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		ck_assert_ptr_null(node_at(&t, beside[i]));
		ck_assert_ptr_null(node_find_at(&t, beside[i]));
	}
	ck_assert(leads_to(&t, "/app/web", t.root));
	ck_assert(leads_to(&t, "/app/web/x/y", NULL));
	y = node_at(&t, "/app/web/x/y");
	nodes_assert_path(y, "/app/web/x/y");
	ck_assert_ptr_eq(y->parent->parent, t.root);
	ck_assert(leads_to(&t, "/app/web/x/y", y));
	ck_assert(leads_to(&t, "/app/web/x", y->parent));
	ck_assert(leads_to(&t, "/app/web/x/y/z", NULL));
	node_put(&t, &y);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

START_TEST(test_top)
{
	struct node_table t;
	struct node *c;

	node_table_init(&t, "/app", (struct node_policy){0}, 0);
	c = node_at(&t, "/app/a/b/c");
	ck_assert_str_eq(node_top(c)->name, "a");
	ck_assert_ptr_eq(node_top(c->parent->parent), node_top(c));
	ck_assert_ptr_eq(node_top(t.root), t.root);
	node_put(&t, &c);
	node_table_release(&t);
}
END_TEST

/* Every node below the top once, parents before their children. */
START_TEST(test_next_below)
{
	static const char *const order[] = {"/top/a", "/top/a/x", "/top/a/x/y",
					    "/top/a/z", "/top/b"};
	struct node *leaf[3], *beside, *top, *n;
	struct node_table t;
	size_t i = 0;

	nodes_init(&t);
	leaf[0] = node_at(&t, "/top/a/x/y");
	leaf[1] = node_at(&t, "/top/a/z");
	leaf[2] = node_at(&t, "/top/b");
	beside = node_at(&t, "/beside/c");
	top = node_find_at(&t, "/top");
	for (n = top; (n = node_next_below(n, top)); i++) {
		ck_assert_uint_lt(i, ARRAY_SIZE(order));
		nodes_assert_path(n, order[i]);
	}
	ck_assert_uint_eq(i, ARRAY_SIZE(order));
	ck_assert_ptr_null(node_next_below(beside, beside));
	node_put(&t, &top);
	node_put(&t, &beside);
	for (i = 0; i < ARRAY_SIZE(leaf); i++)
		node_put(&t, &leaf[i]);
	node_table_release(&t);
}
END_TEST

/* --- how deep ------------------------------------------------------------ */

/*
 * How deep a tree is, others decide: a request has room for paths of half a
 * million levels, and a program can walk down them one by one.  No recursion,
 * and work that grows with the number of nodes, not with its square: it is
 * done with a lock held that stops the whole mount.
 */
#define DEPTH 100000

START_TEST(test_deep_paths_and_release)
{
	struct node_table t;
	struct node *bottom;
	char *path;

	nodes_init(&t);
	bottom = nodes_chain(&t, DEPTH);
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

START_TEST(test_deep_gone)
{
	struct node *top, *bottom;
	struct node_table t;
	double start;

	nodes_init(&t);
	bottom = nodes_chain(&t, DEPTH);
	top = node_find(&t, t.root, "d");
	start = nodes_cpu_seconds();
	node_gone(&t, top);
	ck_assert_msg(nodes_cpu_seconds() - start < 3, "%d levels took %.1f s", DEPTH,
		      nodes_cpu_seconds() - start);
	ck_assert(top->absent && bottom->absent);
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
	nodes_learn(&t, a, 5, 6, "v1");
	ck_assert(a->known);
	ck_assert_int_eq(a->stat.mzxid, 6);
	ck_assert_mem_eq(node_data(a)->data, "v1", 2);
	ck_assert_uint_eq(t.cached_bytes, 2);
	nodes_learn(&t, a, 5, 7, "three");
	ck_assert_uint_eq(node_data(a)->len, 5);
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
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	node_learn(&t, a, &known, data, 1);
	for (size_t i = 0; i < ARRAY_SIZE(older); i++) {
		node_learn(&t, a, &older[i], stale, 2);
		ck_assert_mem_eq(&a->stat, &known, sizeof(known));
		ck_assert_ptr_eq(node_data(a), data);
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
	nodes_learn(&t, a, 5, 6, "v1");
	stat.pzxid = 9;
	node_learn(&t, a, &stat, NULL, 1);
	ck_assert_ptr_nonnull(node_data(a));
	ck_assert_int_eq(a->stat.pzxid, 9);
	stat.mzxid = 10;
	node_learn(&t, a, &stat, NULL, 1);
	ck_assert_ptr_null(node_data(a));
	ck_assert_uint_eq(t.cached_bytes, 0);
	node_put(&t, &a);
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
	node_learn(&t, a, &stat, NULL, 1);
	ck_assert(node_is_fresh(a, 1, false));
	ck_assert(!node_is_fresh(a, 1, true));  /* no value yet */
	ck_assert(!node_is_fresh(a, 2, false)); /* another's call */
	a->fresh_at = now_ms() - NODE_FRESH_MS;
	ck_assert(!node_is_fresh(a, 1, false));
	nodes_learn(&t, a, 5, 5, "v1");
	ck_assert(node_is_fresh(a, NODES_THREAD, true));
	node_unknown(&t, a);
	ck_assert(!node_is_fresh(a, NODES_THREAD, false));
	ck_assert(!node_is_fresh(a, 0, false));
	ck_assert_ptr_null(node_data(a));
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

UNIT_MAIN("node", test_find_or_create, test_parents_live_as_long_as_children,
	  test_paths, test_many_names, test_at_path, test_at_path_with_chroot,
	  test_top, test_next_below, test_deep_paths_and_release,
	  test_deep_gone, test_learn, test_learn_older,
	  test_learn_without_data, test_fresh)
