/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Views: what is made in them, what is told of them, and nodes whose names are
 * yet to be chosen.
 */

#include <errno.h>

#include "nodes.h"
#include "tolds.h"
#include "view.h"

START_TEST(test_reserved_entries)
{
	ck_assert_uint_eq(view_of(NAME_PLAIN), VIEW_MAIN);
	ck_assert_uint_eq(view_of(NAME_DATA), VIEW_MAIN);
	ck_assert_uint_eq(view_of(NAME_ZNODEFS), VIEW_MAIN);
	ck_assert_uint_eq(view_of(NAME_EPHEMERAL), VIEW_EPHEMERAL);
	ck_assert_uint_eq(view_of(NAME_SEQUENTIAL), VIEW_SEQUENTIAL);
	ck_assert_uint_eq(view_of(NAME_EPHEMERAL_SEQUENTIAL),
			  VIEW_EPHEMERAL_SEQUENTIAL);
	ck_assert_uint_eq(view_of(NAME_CONTAINER), VIEW_CONTAINER);
	ck_assert_uint_eq(view_of(NAME_TTL), VIEW_TTL);
}
END_TEST

START_TEST(test_seconds)
{
	static const char *const bad[] = {
		"",	"0",	      "00",	    "01",	  "-1",
		"+1",	" 1",	      "1 ",	    "1s",	  "1.5",
		"0x10", "abc",	      ".",	    "..",	  ".data",
		"1\n",	"1099511628", "9999999999", "10995116270",
		"18446744073709551617",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(view_of_ttl(bad[i]) == VIEW_TTL, "%s", bad[i]);
	ck_assert_uint_eq(view_of_ttl("1"), VIEW_TTL + 1);
	ck_assert_uint_eq(view_of_ttl("30"), VIEW_TTL + 30);
	ck_assert_uint_eq(view_of_ttl("1099511627"), VIEW_TTL + VIEW_TTL_MAX);
	ck_assert_int_eq(view_ttl_ms(view_of_ttl("30")), 30000);
	/* The server's limit, and the last whole second below it. */
	ck_assert_int_eq(view_ttl_ms(VIEW_TTL + VIEW_TTL_MAX),
			 1099511627000);
	ck_assert_int_lt((INT64_C(1) << 40) - 1 - 1099511627000, 1000);
	ck_assert_int_eq(view_ttl_ms(VIEW_MAIN), -1);
	ck_assert_int_eq(view_ttl_ms(VIEW_TTL), -1);
}
END_TEST

START_TEST(test_what_is_made)
{
	static const struct {
		enum node_view view;
		int file, dir; /* enum zk_mode, or -errno */
		bool sequential;
	} table[] = {
		{VIEW_MAIN, ZK_PERSISTENT, ZK_PERSISTENT, false},
		{VIEW_EPHEMERAL, ZK_EPHEMERAL, ZK_PERSISTENT, false},
		{VIEW_SEQUENTIAL, ZK_PERSISTENT_SEQUENTIAL, ZK_PERSISTENT,
		 true},
		{VIEW_EPHEMERAL_SEQUENTIAL, ZK_EPHEMERAL_SEQUENTIAL,
		 ZK_PERSISTENT, true},
		{VIEW_CONTAINER, -EPERM, ZK_CONTAINER, false},
		{VIEW_TTL + 1, ZK_TTL, ZK_TTL, false},
		{VIEW_TTL + VIEW_TTL_MAX, ZK_TTL, ZK_TTL, false},
	};
	enum zk_mode mode;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		rc = view_mode(table[i].view, false, &mode);
		ck_assert_int_eq(rc < 0 ? rc : (int)mode, table[i].file);
		rc = view_mode(table[i].view, true, &mode);
		ck_assert_int_eq(rc < 0 ? rc : (int)mode, table[i].dir);
		ck_assert_int_eq(view_is_sequential(table[i].view),
				 table[i].sequential);
	}
}
END_TEST

/* What the kernel has told in another view is due in the main one. */
START_TEST(test_told_elsewhere)
{
	static const enum node_view views[] = {VIEW_SEQUENTIAL, VIEW_CONTAINER,
					       VIEW_TTL + 30};
	struct told_truth made = file(5, 5), made_dir = dir(5, 5, true);

	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		_cleanup_told_ struct told t = told_of(nothing);

		told_made(&t, &made, views[i]);
		assert_would_tell(t, made, "N");
		told_made(&t, &made_dir, views[i]);
		assert_told(&t, made_dir, "D");
		told_removed(&t, views[i]);
		assert_told(&t, nothing, "R");
		/* Its event is none of somebody else's, whatever view. */
		told_credit_begin(&told_way(&t)->credit);
		told_made(&t, &made, views[i]);
		ck_assert(!told_credit_end(&told_way(&t)->credit, 1, 0));
		ck_assert(!told_event(&t, TOLD_CREATED, 0));
			restart(&t, unheard_of());
		told_removed(&t, views[i]);
		assert_told(&t, nothing, "");
	}
}
END_TEST

/* --- unnamed ------------------------------------------------------------- */

static struct inode *open_unnamed(struct node_table *t, struct node *parent)
{
	struct node *node = node_unnamed(t, parent, "task-");
	struct inode *inode;

	node_make_embryo(node);
	inode = node_inode(t, node, VIEW_SEQUENTIAL, INODE_FILE);
	inode->lookups++;
	node_put(t, &node);
	return inode;
}

START_TEST(test_unnamed_is_not_found)
{
	struct node_table t;
	struct inode *a, *b;

	nodes_init(&t);
	a = open_unnamed(&t, t.root);
	b = open_unnamed(&t, t.root);
	ck_assert_ptr_ne(a->node, b->node);
	ck_assert_uint_ne(inode_number(a), inode_number(b));
	nodes_assert_path(a->node, "/task-");
	ck_assert_ptr_null(node_find(&t, t.root, "task-"));
	ck_assert(!node_first_child(t.root));
	/* Nor does it hinder one that is called so. */
	nodes_file(&t, t.root, "task-", 5, "v");
	inode_forget(&t, a, 1);
	ck_assert_uint_eq(t.n_nodes, 3);
	inode_forget(&t, b, 1);
	ck_assert_uint_eq(t.n_nodes, 2);
	node_table_release(&t);
	ck_assert_uint_eq(t.n_nodes, 0);
}
END_TEST

START_TEST(test_named)
{
	struct node *unnamed, *node;
	struct node_table t;
	struct inode *inode;
	uint64_t ino;

	nodes_init(&t);
	inode = open_unnamed(&t, t.root);
	ino = inode_number(inode);
	unnamed = node_ref(inode->node);
	node = node_get(&t, t.root, "task-0000000007");
	nodes_learn(&t, node, 5, 5, "v");
	node_named(&t, unnamed, node);
	ck_assert_ptr_eq(inode->node, node);
	ck_assert_ptr_eq(inode_find(&t, ino), inode);
	ck_assert_int_eq(inode->czxid, 5);
	ck_assert(!unnamed->embryo && !unnamed->inodes.first);
	node_put(&t, &unnamed);
	/* It is a face of its own, and goes with its znode. */
	ck_assert_ptr_ne(node_inode(&t, node, VIEW_MAIN, INODE_FILE), inode);
	nodes_learn(&t, node, 9, 9, "w");
	ck_assert(inode->gone && !inode->unlinked);
	node_put(&t, &node);
	node_table_release(&t);
	ck_assert_uint_eq(t.n_nodes, 0);
}
END_TEST

START_TEST(test_never_named)
{
	struct node_table t;
	struct inode *inode;

	nodes_init(&t);
	inode = open_unnamed(&t, t.root);
	inode->node->embryo = false;
	node_gone(&t, inode->node);
	ck_assert(inode->gone && nodes_is_gone(inode->node, false));
	inode_forget(&t, inode, 1);
	node_table_release(&t);
	ck_assert_uint_eq(t.n_nodes, 0);
}
END_TEST

UNIT_MAIN("view", test_reserved_entries, test_seconds, test_what_is_made,
	  test_told_elsewhere, test_unnamed_is_not_found, test_named,
	  test_never_named)
