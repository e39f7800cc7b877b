/* SPDX-License-Identifier: Apache-2.0 */

/* Faces of nodes, their numbers, and what the kernel holds of them. */

#include "nodes.h"

START_TEST(test_root)
{
	struct inode *root;
	struct node_table t;

	nodes_init(&t);
	root = inode_find(&t, NODE_ROOT_INO);
	ck_assert_ptr_nonnull(root);
	ck_assert_ptr_eq(root->node, t.root);
	ck_assert_int_eq(root->kind, INODE_DIR);
	ck_assert_ptr_eq(node_inode(&t, t.root, VIEW_MAIN, INODE_DIR), root);
	inode_open(root);
	inode_close(&t, root);
	ck_assert_ptr_eq(inode_find(&t, NODE_ROOT_INO), root);
	node_table_release(&t);
}
END_TEST

/* One inode for each face; the same one when asked again. */
START_TEST(test_faces)
{
	struct inode *faces[2][3];
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	for (int i = 0; i < 6; i++)
		faces[i / 3][i % 3] = node_inode(&t, a, i / 3, i % 3);
	for (int i = 0; i < 6; i++) {
		struct inode *f = faces[i / 3][i % 3];

		ck_assert_ptr_eq(node_inode(&t, a, i / 3, i % 3), f);
		ck_assert_ptr_eq(inode_find(&t, inode_number(f)), f);
		ck_assert_ptr_eq(f->node, a);
		ck_assert_uint_ne(inode_number(f), 0);
		ck_assert_uint_ne(inode_number(f), NODE_ROOT_INO);
		for (int k = 0; k < i; k++)
			ck_assert_uint_ne(inode_number(faces[k / 3][k % 3]),
					  inode_number(f));
	}
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

START_TEST(test_unknown_numbers)
{
	struct node_table t;

	nodes_init(&t);
	ck_assert_ptr_null(inode_find(&t, 0));
	ck_assert_ptr_null(inode_find(&t, 2));
	ck_assert_ptr_null(inode_find(&t, UINT64_MAX));
	node_table_release(&t);
}
END_TEST

START_TEST(test_lookups_keep)
{
	struct node_table t;
	struct inode *a;
	uint64_t ino;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	ino = inode_number(a);
	a->lookups += 9;
	inode_forget(&t, a, 4);
	ck_assert_uint_eq(inode_find(&t, ino)->lookups, 6);
	inode_forget(&t, a, 5);
	ck_assert_ptr_nonnull(inode_find(&t, ino));
	inode_forget(&t, a, 1);
	ck_assert_ptr_null(inode_find(&t, ino));
	ck_assert_uint_eq(t.n_nodes, 1);
	ck_assert_uint_eq(t.cached_bytes, 0);
	node_table_release(&t);
}
END_TEST

/* More than it was told: nothing wraps, and what is open stays. */
START_TEST(test_forgets_too_much)
{
	struct node_table t;
	struct inode *a;
	uint64_t ino;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	ino = inode_number(a);
	inode_open(a);
	inode_forget(&t, a, 1000);
	ck_assert_ptr_eq(inode_find(&t, ino), a);
	ck_assert_uint_eq(a->lookups, 0);
	inode_forget(&t, a, UINT64_MAX);
	ck_assert_uint_eq(a->lookups, 0);
	a->lookups++;
	inode_forget(&t, a, UINT64_MAX);
	ck_assert_ptr_eq(inode_find(&t, ino), a);
	inode_close(&t, a);
	ck_assert_ptr_null(inode_find(&t, ino));
	node_table_release(&t);
}
END_TEST

START_TEST(test_forget_nothing)
{
	struct node_table t;
	struct inode *a;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	inode_forget(&t, a, 0);
	ck_assert_uint_eq(a->lookups, 1);
	inode_forget(&t, a, 1);
	node_table_release(&t);
}
END_TEST

START_TEST(test_handles_keep)
{
	struct node_table t;
	struct inode *a;
	uint64_t ino;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	ino = inode_number(a);
	inode_open(a);
	inode_open(a);
	inode_forget(&t, a, 1);
	inode_close(&t, a);
	ck_assert_ptr_eq(inode_find(&t, ino), a);
	inode_close(&t, a);
	ck_assert_ptr_null(inode_find(&t, ino));
	node_table_release(&t);
}
END_TEST

/* What is gone lives on by number, and goes when it is forgotten. */
START_TEST(test_number_of_what_is_gone)
{
	struct inode *old, *new;
	struct node_table t;

	nodes_init(&t);
	old = nodes_file(&t, t.root, "a", 5, "v");
	node_unlinked(&t, old->node);
	new = nodes_file(&t, t.root, "a", 8, "w");
	ck_assert_ptr_ne(new, old);
	ck_assert_ptr_eq(new->node, old->node);
	ck_assert_ptr_eq(inode_find(&t, inode_number(old)), old);
	ck_assert_uint_ne(inode_number(old), inode_number(new));
	inode_forget(&t, old, 1);
	ck_assert(nodes_is(&t, t.root, "a", new->node));
	ck_assert_uint_eq(t.n_nodes, 2);
	node_table_release(&t);
}
END_TEST

/* Only what is not gone is met at its place. */
START_TEST(test_faces_of_what_is_gone)
{
	struct node_table t;
	struct inode *old;
	struct node *a;

	nodes_init(&t);
	old = nodes_file(&t, t.root, "a", 5, NULL);
	a = node_ref(old->node);
	ck_assert(node_is_open_dir(a));
	ck_assert_ptr_eq(node_find_inode(a, VIEW_MAIN, INODE_DIR), old);
	ck_assert_ptr_null(node_find_inode(a, VIEW_EPHEMERAL, INODE_DIR));
	inode_retire(old, true);
	ck_assert(!node_is_open_dir(a));
	ck_assert_ptr_null(node_find_inode(a, VIEW_MAIN, INODE_DIR));
	inode_retire(old, false); /* a second time: as it was */
	ck_assert(old->gone && old->unlinked);
	inode_open(old);
	inode_forget(&t, old, 1);
	ck_assert_ptr_eq(inode_find(&t, inode_number(old)), old);
	inode_close(&t, old);
	node_put(&t, &a);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/* Made of the name: a listing can tell it before anybody has looked. */
START_TEST(test_numbers_of_names)
{
	struct node_table t;
	struct node *dir;
	struct inode *a;
	uint64_t ino;

	nodes_init(&t);
	dir = node_get(&t, t.root, "dir");
	ino = node_child_ino(dir, "a");
	ck_assert_uint_ne(ino, NODE_ROOT_INO);
	ck_assert_uint_lt(ino, UINT64_C(1) << 53); /* exact as a double */
	ck_assert_uint_ne(ino, node_child_ino(dir, "b"));
	ck_assert_uint_ne(ino, node_child_ino(t.root, "a"));
	a = nodes_file(&t, dir, "a", 5, "v");
	ck_assert_uint_eq(inode_number(a), ino);
	inode_forget(&t, a, 1);
	ck_assert_ptr_null(inode_find(&t, ino));
	/* Once it is forgotten the name has it again, for whatever it is. */
	a = nodes_file(&t, dir, "a", 9, NULL);
	ck_assert_uint_eq(inode_number(a), ino);
	node_put(&t, &dir);
	node_table_release(&t);
}
END_TEST

/* As long as the kernel has a number, it is nobody else's. */
START_TEST(test_numbers_in_use)
{
	struct inode *all[50];
	struct node *elsewhere;
	struct node_table t;

	nodes_init(&t);
	elsewhere = node_get(&t, t.root, "elsewhere");
	for (int i = 0; i < 50; i++) {
		struct node *a;

		all[i] = nodes_file(&t, t.root, "a", 5 + i, "v");
		a = node_ref(all[i]->node);
		for (int k = 0; k < i; k++)
			ck_assert_uint_ne(inode_number(all[k]),
					  inode_number(all[i]));
		if (i % 3 == 0)
			node_unlinked(&t, a);
		else if (i % 3 == 1)
			node_moved(&t, a, elsewhere, VIEW_MAIN);
		node_put(&t, &a); /* else the next czxid replaces it */
	}
	for (int i = 0; i < 50; i++)
		ck_assert_ptr_eq(inode_find(&t, inode_number(all[i])), all[i]);
	node_put(&t, &elsewhere);
	node_table_release(&t);
}
END_TEST

START_TEST(test_many)
{
	enum { COUNT = 20000 };
	uint64_t *inos = xcalloc(COUNT, sizeof(*inos));
	struct node_table t;
	char name[16];

	nodes_init(&t);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%d", i);
		inos[i] = inode_number(nodes_file(&t, t.root, name, 5, "v"));
	}
	ck_assert_uint_eq(t.n_nodes, COUNT + 1);
	for (int i = 0; i < COUNT; i += 2)
		inode_forget(&t, inode_find(&t, inos[i]), 1);
	for (int i = 0; i < COUNT; i++)
		if ((inode_find(&t, inos[i]) != NULL) != i % 2)
			ck_abort_msg("%d", i);
	ck_assert_uint_eq(t.n_nodes, COUNT / 2 + 1);
	ck_assert_uint_eq(t.cached_bytes, COUNT / 2);
	free(inos);
	node_table_release(&t); /* the rest, of all ages and depths */
}
END_TEST

/* An unmount forgets what the kernel did not: nothing is left over. */
START_TEST(test_release_with_everything_held)
{
	struct node *dir;
	struct node_table t;
	char name[16];

	nodes_init(&t);
	dir = node_ref(t.root);
	for (int i = 0; i < 300; i++) {
		struct node *next;
		struct inode *f;

		snprintf(name, sizeof(name), "f%d", i);
		f = nodes_file(&t, dir, name, 5, "v");
		inode_open(f);
		if (i % 3 == 0)
			node_unlinked(&t, f->node);
		next = node_get(&t, dir, "d");
		nodes_learn(&t, next, 6, 6, NULL);
		node_inode(&t, next, VIEW_EPHEMERAL, INODE_DIR)->lookups += 7;
		node_put(&t, &dir);
		dir = next;
	}
	node_put(&t, &dir);
	node_table_release(&t);
	ck_assert_uint_eq(t.n_nodes, 0);
	ck_assert_uint_eq(t.cached_bytes, 0);
}
END_TEST

UNIT_MAIN("inode", test_root, test_faces, test_unknown_numbers,
	  test_lookups_keep, test_forgets_too_much, test_forget_nothing,
	  test_handles_keep, test_number_of_what_is_gone,
	  test_faces_of_what_is_gone, test_numbers_of_names, test_numbers_in_use,
	  test_many, test_release_with_everything_held)
