/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of beliefs when nodes are renamed, gone and replaced. */

#include "nodes.h"
#include "tolds.h"

/* The kernel has it, and everybody has been told, as the server has it. */
static struct node *believed(struct node_table *t, const char *path,
			     struct told_truth truth)
{
	struct node *node = node_at(t, path);

	nodes_learn(t, node, truth.czxid, truth.mzxid, truth.dir ? NULL : "v");
	node_inode(t, node, VIEW_MAIN, node_kind(node))->lookups++;
	told_absent(&node->told);
	tell(&node->told, truth);
	return node;
}

static void put_all(struct node_table *t, struct node **nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		node_put(t, &nodes[i]);
}

/* The kernel has told of the names; what is below has come with them. */
START_TEST(test_move)
{
	struct node_table t;
	struct node *n[5];

	nodes_init(&t);
	n[0] = believed(&t, "/a", dir(5, 5, true));
	n[1] = believed(&t, "/a/x", file(6, 6));
	n[2] = believed(&t, "/b", dir(7, 7, true));
	n[3] = believed(&t, "/b/y", file(8, 8));
	node_moved(&t, n[0], n[2], VIEW_MAIN);
	n[4] = node_find_at(&t, "/b/x");
	assert_told(&n[0]->told, nothing, "");
	assert_told(&n[1]->told, nothing, "");
	assert_told(&n[2]->told, dir(9, 9, true), "");
	assert_told(&n[4]->told, file(9, 9), "");
	/* What was there was empty: somebody has made this since. */
	assert_told(&n[3]->told, file(10, 10), "N");
	put_all(&t, n, ARRAY_SIZE(n));
	node_table_release(&t);
}
END_TEST

START_TEST(test_exchange)
{
	struct node_table t;
	struct node *n[4];

	nodes_init(&t);
	n[0] = believed(&t, "/a", dir(5, 5, true));
	n[1] = believed(&t, "/a/x", file(6, 6));
	n[2] = believed(&t, "/b", file(7, 7));
	node_exchanged(&t, n[0], n[2]);
	n[3] = node_find_at(&t, "/b/x");
	assert_told(&n[0]->told, file(9, 9), "");
	assert_told(&n[1]->told, nothing, "");
	assert_told(&n[2]->told, dir(9, 9, true), "");
	assert_told(&n[3]->told, file(9, 9), "");
	put_all(&t, n, ARRAY_SIZE(n));
	node_table_release(&t);
}
END_TEST

/* What is due of a name is looked for where that has gone. */
START_TEST(test_move_while_something_is_due)
{
	struct node_table t;
	struct node *n[3];

	nodes_init(&t);
	n[0] = believed(&t, "/a", dir(5, 5, true));
	n[1] = believed(&t, "/a/x", file(6, 6));
	told_way(&n[1]->told)->state = TOLD_DUE;
	n[2] = node_at(&t, "/b");
	node_moved(&t, n[0], n[2], VIEW_MAIN);
	ck_assert(!told_take_again(&n[2]->told));
	put_all(&t, &n[2], 1);
	n[2] = node_find_at(&t, "/b/x");
	ck_assert(told_take_again(&n[2]->told));
	put_all(&t, n, ARRAY_SIZE(n));
	node_table_release(&t);
}
END_TEST

/* Told as a file, which it is no more: the kernel has moved a file. */
START_TEST(test_move_of_another_kind)
{
	struct node_table t;
	struct node *n[2];

	nodes_init(&t);
	n[0] = believed(&t, "/a", file(5, 5));
	node_has_child(n[0]);
	n[1] = node_at(&t, "/b");
	node_moved(&t, n[0], n[1], VIEW_MAIN);
	ck_assert(told_take_again(&n[1]->told));
	assert_told(&n[1]->told, dir(9, 9, false), "UD");
	put_all(&t, n, ARRAY_SIZE(n));
	node_table_release(&t);
}
END_TEST

/* Only listed, and then found to be gone or another: that is remembered. */
START_TEST(test_gone_and_replaced)
{
	struct node_table t;
	struct node *a, *b;

	nodes_init(&t);
	a = node_at(&t, "/a");
	told_listed(&a->told);
	node_gone(&t, a);
	assert_told(&a->told, file(9, 9), "UN");
	b = node_at(&t, "/b");
	nodes_learn(&t, b, 5, 5, "v");
	told_listed(&b->told);
	nodes_learn(&t, b, 9, 9, "v");
	assert_told(&b->told, file(9, 9), "UN");
	node_put(&t, &a);
	node_put(&t, &b);
	node_table_release(&t);
}
END_TEST

UNIT_MAIN("node_told", test_move, test_exchange,
	  test_move_while_something_is_due, test_move_of_another_kind,
	  test_gone_and_replaced)
