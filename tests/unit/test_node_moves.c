/* SPDX-License-Identifier: Apache-2.0 */

/* Renames and exchanges, and the bound of what is kept of values. */

#include "nodes.h"

/* --- rename -------------------------------------------------------------- */

START_TEST(test_move)
{
	struct node *from, *to, *child;
	struct inode *a, *c;
	struct node_table t;

	nodes_init(&t);
	from = node_get(&t, t.root, "from");
	to = node_get(&t, t.root, "to");
	a = nodes_file(&t, from, "a", 5, "v");
	child = node_get(&t, a->node, "child");
	nodes_learn(&t, &child, 6, 6, "c");
	c = node_inode(&t, child, VIEW_MAIN, INODE_FILE);
	node_moved(&t, a->node, to, "b");
	ck_assert(nodes_is(&t, from, "a", NULL));
	ck_assert(nodes_is(&t, to, "b", a->node));
	ck_assert(!a->node->detached && !child->detached);
	nodes_assert_path(child, "/to/b/child");
	/* The numbers stay, what is known does not: they are other znodes. */
	ck_assert_ptr_eq(node_inode(&t, child, VIEW_MAIN, INODE_FILE), c);
	ck_assert(!a->node->known && !child->known && !child->data);
	ck_assert_uint_eq(t.cached_bytes, 0);
	ck_assert_int_eq(nodes_learn(&t, &child, 9, 9, "c"), 0);
	ck_assert_ptr_eq(child, c->node);
	node_put(&t, &from);
	node_put(&t, &to);
	node_put(&t, &child);
	node_table_release(&t);
}
END_TEST

START_TEST(test_move_over_another)
{
	struct inode *a, *b;
	struct node *below;
	struct node_table t;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	b = nodes_file(&t, t.root, "b", 6, "w");
	below = node_get(&t, b->node, "below");
	node_moved(&t, a->node, t.root, "b");
	ck_assert(b->node->detached && b->node->unlinked && below->detached);
	ck_assert(!a->node->detached && !a->node->unlinked);
	ck_assert(nodes_is(&t, t.root, "b", a->node));
	ck_assert(nodes_is(&t, t.root, "a", NULL));
	node_put(&t, &below);
	node_table_release(&t);
}
END_TEST

/* Where nobody holds the node that had the name, it goes altogether. */
START_TEST(test_move_over_nobodys)
{
	struct node_table t;
	struct node *b;
	struct inode *a;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	b = node_get(&t, t.root, "b");
	node_put(&t, &b);
	node_moved(&t, a->node, t.root, "b");
	ck_assert_uint_eq(t.n_nodes, 2);
	ck_assert(nodes_is(&t, t.root, "b", a->node));
	node_table_release(&t);
}
END_TEST

START_TEST(test_move_onto_itself)
{
	struct node_table t;
	struct inode *a;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	node_moved(&t, a->node, t.root, "a");
	ck_assert(!a->node->detached && !a->node->unlinked);
	ck_assert(nodes_is(&t, t.root, "a", a->node));
	ck_assert_uint_eq(t.n_nodes, 2);
	node_table_release(&t);
}
END_TEST

/* The old parent lives by its child alone, and goes when that leaves. */
START_TEST(test_move_frees_the_parent)
{
	struct node_table t;
	struct node *dir;
	struct inode *a;

	nodes_init(&t);
	dir = node_get(&t, t.root, "dir");
	a = nodes_file(&t, dir, "a", 5, "v");
	node_put(&t, &dir);
	node_moved(&t, a->node, t.root, "a");
	ck_assert_uint_eq(t.n_nodes, 2);
	ck_assert(nodes_is(&t, t.root, "dir", NULL));
	node_table_release(&t);
}
END_TEST

/* A target below what moves over it: it was empty at the server. */
START_TEST(test_move_over_an_ancestor)
{
	struct node *dir;
	struct node_table t;
	struct inode *a;

	nodes_init(&t);
	dir = node_get(&t, t.root, "dir");
	a = nodes_file(&t, dir, "a", 5, "v");
	node_moved(&t, a->node, t.root, "dir");
	ck_assert(dir->detached && dir->unlinked);
	ck_assert(!a->node->detached && !a->node->unlinked);
	ck_assert(nodes_is(&t, t.root, "dir", a->node));
	node_put(&t, &dir);
	node_table_release(&t);
}
END_TEST

START_TEST(test_exchange)
{
	struct node *da, *db, *below;
	struct inode *a, *b;
	struct node_table t;

	nodes_init(&t);
	da = node_get(&t, t.root, "da");
	db = node_get(&t, t.root, "db");
	a = nodes_file(&t, da, "a", 5, "v");
	b = nodes_file(&t, db, "b", 6, NULL);
	below = node_get(&t, b->node, "below");
	node_exchanged(&t, a->node, b->node);
	nodes_assert_path(a->node, "/db/b");
	nodes_assert_path(b->node, "/da/a");
	nodes_assert_path(below, "/da/a/below");
	ck_assert(nodes_is(&t, db, "b", a->node));
	ck_assert(nodes_is(&t, da, "a", b->node));
	ck_assert(nodes_is(&t, da, "b", NULL));
	/* Kinds go with the nodes. */
	ck_assert_int_eq(node_kind(a->node), INODE_FILE);
	ck_assert_int_eq(node_kind(b->node), INODE_DIR);
	ck_assert(!a->node->known && !b->node->known);
	node_put(&t, &da);
	node_put(&t, &db);
	node_put(&t, &below);
	node_table_release(&t);
}
END_TEST

START_TEST(test_exchange_of_neighbours)
{
	struct node_table t;
	struct inode *a, *b;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	b = nodes_file(&t, t.root, "b", 6, "w");
	node_exchanged(&t, a->node, b->node);
	ck_assert(nodes_is(&t, t.root, "a", b->node));
	ck_assert(nodes_is(&t, t.root, "b", a->node));
	ck_assert_uint_eq(t.n_nodes, 3);
	node_table_release(&t);
}
END_TEST

START_TEST(test_exchange_with_detached)
{
	struct node_table t;
	struct inode *a, *b;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	b = nodes_file(&t, t.root, "b", 6, "w");
	node_gone(&t, a->node);
	node_exchanged(&t, a->node, b->node);
	ck_assert(a->node->detached);
	ck_assert(nodes_is(&t, t.root, "b", b->node));
	ck_assert(nodes_is(&t, t.root, "a", NULL));
	node_table_release(&t);
}
END_TEST

/* --- the bound of the cache ---------------------------------------------- */

START_TEST(test_cache_drops_the_oldest)
{
	struct inode *f[5];
	struct node *again;
	struct node_table t;

	node_table_init(&t, "/", (struct node_policy){0}, 10);
	for (int i = 0; i < 3; i++)
		f[i] = nodes_file(&t, t.root, (char[]){'a' + i, 0}, 5, "123");
	ck_assert_uint_eq(t.cached_bytes, 9);
	/* The first is fetched anew: now the second is the oldest. */
	again = node_ref(f[0]->node);
	nodes_learn(&t, &again, 5, 5, "123");
	node_put(&t, &again);
	f[3] = nodes_file(&t, t.root, "d", 5, "123");
	ck_assert_uint_eq(t.cached_bytes, 9);
	ck_assert_ptr_null(f[1]->node->data);
	ck_assert_ptr_nonnull(f[0]->node->data);
	ck_assert(f[1]->node->known && !node_is_fresh(f[1]->node, 4711, true));
	f[4] = nodes_file(&t, t.root, "e", 5, "1234567890");
	ck_assert_uint_eq(t.cached_bytes, 10);
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_null(f[i]->node->data);
	ck_assert_ptr_nonnull(f[4]->node->data);
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
	ck_assert_ptr_null(c->node->data);
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
	ck_assert_ptr_null(b->node->data);
	ck_assert_ptr_nonnull(a->node->data);
	ck_assert_uint_eq(t.cached_bytes, 3);
	node_table_release(&t);
}
END_TEST

UNIT_MAIN("node_moves", test_move, test_move_over_another,
	  test_move_over_nobodys, test_move_onto_itself,
	  test_move_frees_the_parent, test_move_over_an_ancestor, test_exchange,
	  test_exchange_of_neighbours, test_exchange_with_detached,
	  test_cache_drops_the_oldest, test_cache_of_nothing,
	  test_cache_of_too_much)
