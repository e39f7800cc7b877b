/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Znodes that go and others that come in their places: the nodes stay, the
 * inodes of what was there are gone.
 */

#include "nodes.h"

/* An inode of @node in the main view, known to the kernel by one lookup. */
static struct inode *face(struct node_table *t, struct node *node)
{
	struct inode *inode =
		node_inode(t, node, VIEW_MAIN, node_kind(node));

	inode->lookups++;
	return inode;
}

/* --- gone ---------------------------------------------------------------- */

START_TEST(test_gone)
{
	struct inode *ia, *ib, *beside;
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	ia = nodes_file(&t, t.root, "a", 5, NULL);
	a = node_ref(ia->node);
	ib = nodes_file(&t, a, "b", 6, "v");
	beside = nodes_file(&t, t.root, "ab", 7, "w");
	node_gone(&t, a);
	ck_assert(nodes_is_gone(a, false) && nodes_is_gone(ib->node, false));
	ck_assert(!a->decided && !a->is_dir);
	ck_assert(!beside->gone && beside->node->known);
	/* The places stay. */
	nodes_assert_path(ib->node, "/a/b");
	ck_assert(nodes_is(&t, t.root, "a", a));
	ck_assert_ptr_eq(inode_find(&t, inode_number(ia)), ia);
	ck_assert(!node_is_fresh(a, NODES_THREAD, false));
	node_gone(&t, a); /* a second time */
	node_unlinked(&t, a);
	ck_assert(nodes_is_gone(a, false)); /* as it was then */
	node_put(&t, &a);
	inode_forget(&t, ia, 1);
	inode_forget(&t, ib, 1);
	inode_forget(&t, beside, 1);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

START_TEST(test_unlinked)
{
	struct inode *a, *b, *embryo;
	struct node_table t;
	struct node *c;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, NULL);
	b = nodes_file(&t, a->node, "b", 6, "v");
	c = node_get(&t, a->node, "c");
	node_make_embryo(c);
	embryo = face(&t, c);
	node_unlinked(&t, a->node);
	ck_assert(nodes_is_gone(a->node, true));
	ck_assert(nodes_is_gone(b->node, true));
	ck_assert(nodes_is_gone(c, true));
	ck_assert(embryo->gone && embryo->unlinked);
	node_put(&t, &c);
	node_table_release(&t);
}
END_TEST

/* Of an embryo no server knows, but this mount may remove it. */
START_TEST(test_embryo)
{
	struct node_table t;
	struct inode *inode;
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	node_make_embryo(a);
	inode = face(&t, a);
	ck_assert_int_eq(inode->czxid, 0);
	node_gone(&t, a);
	ck_assert(a->embryo && !inode->gone);
	node_unlinked(&t, a);
	ck_assert(!a->embryo && inode->gone && inode->unlinked);
	ck_assert_int_gt(inode_stat(inode)->mtime, 0);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* What is above it is gone, and with that the embryo. */
START_TEST(test_embryo_below)
{
	struct node_table t;
	struct inode *dir, *inode;
	struct node *a;

	nodes_init(&t);
	dir = nodes_file(&t, t.root, "dir", 5, NULL);
	a = node_get(&t, dir->node, "a");
	node_make_embryo(a);
	inode = face(&t, a);
	node_gone(&t, dir->node);
	ck_assert(nodes_is_gone(a, false) && inode->gone);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* The root's znode is gone: nothing is below it, but it is still the root. */
START_TEST(test_root_gone)
{
	struct node_table t;
	struct inode *a;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v");
	node_gone(&t, t.root);
	node_unlinked(&t, t.root);
	ck_assert(nodes_is_gone(a->node, false));
	ck_assert_int_eq(node_kind(t.root), INODE_DIR);
	ck_assert(!inode_find(&t, NODE_ROOT_INO)->gone);
	node_table_release(&t);
}
END_TEST

/* A subtree with branches goes as a whole, and nothing beside it. */
START_TEST(test_gone_subtree)
{
	static const char *const names[] = {"x", "y", "z"};
	struct node *leaf[3][3][3];
	struct node_table t;

	nodes_init(&t);
	for (int i = 0; i < 27; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/%s/%s/%s", names[i / 9],
			 names[i / 3 % 3], names[i % 3]);
		leaf[i / 9][i / 3 % 3][i % 3] = node_at(&t, path);
	}
	node_gone(&t, leaf[1][0][0]->parent->parent);
	for (int i = 0; i < 27; i++) {
		struct node **n = &leaf[i / 9][i / 3 % 3][i % 3];
		bool gone = i / 9 == 1;

		ck_assert_int_eq((*n)->absent, gone);
		ck_assert_int_eq((*n)->parent->absent, gone);
		ck_assert_int_eq((*n)->parent->parent->absent, gone);
	}
	for (int i = 0; i < 27; i++)
		node_put(&t, &leaf[i / 9][i / 3 % 3][i % 3]);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/* --- another znode ------------------------------------------------------- */

/* Deleted and created again: the inodes are others, the node is not. */
START_TEST(test_another_znode)
{
	struct inode *old, *child, *new;
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	old = nodes_file(&t, t.root, "a", 5, NULL);
	a = node_ref(old->node);
	child = nodes_file(&t, a, "child", 6, "c");
	nodes_learn(&t, a, 8, 8, "v2");
	ck_assert(old->gone && !old->unlinked);
	ck_assert(nodes_is_gone(child->node, false) && child->gone);
	ck_assert(a->known && !a->absent);
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	new = face(&t, a);
	ck_assert(!new->gone);
	ck_assert_int_eq(new->czxid, 8);
	ck_assert_int_eq(old->czxid, 5);
	ck_assert_uint_ne(inode_number(new), inode_number(old));
	ck_assert_ptr_eq(old->node, a);
	/* Everybody who asks for the place meets the new one. */
	ck_assert_ptr_eq(node_find_inode(a, VIEW_MAIN, INODE_FILE), new);
	ck_assert_ptr_null(node_find_inode(a, VIEW_MAIN, INODE_DIR));
	ck_assert(!node_is_open_dir(a));
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

START_TEST(test_learn_after_gone)
{
	struct inode *old, *new;
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	old = nodes_file(&t, t.root, "a", 5, "v1");
	a = node_ref(old->node);
	node_gone(&t, a);
	/* Whatever its numbers: there is nothing that is newer. */
	nodes_learn(&t, a, 4, 4, "v2");
	ck_assert(a->known && !a->absent && old->gone);
	new = face(&t, a);
	ck_assert_ptr_ne(new, old);
	ck_assert_mem_eq(node_data(a)->data, "v2", 2);
	ck_assert_mem_eq(old->last->data->data, "v1", 2);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* The inode was there before the first answer: that says which znode it is. */
START_TEST(test_identity_from_the_first_answer)
{
	struct node_table t;
	struct inode *inode;
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	inode = face(&t, a);
	ck_assert_int_eq(inode->czxid, 0);
	nodes_learn(&t, a, 5, 5, "v");
	ck_assert(!inode->gone);
	ck_assert_int_eq(inode->czxid, 5);
	nodes_learn(&t, a, 7, 7, "v");
	ck_assert(inode->gone);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* Nothing is known any more, but what the kernel holds is of one znode. */
START_TEST(test_identity_of_the_unknown)
{
	struct inode *same, *other, *below;
	struct node_table t;

	nodes_init(&t);
	same = nodes_file(&t, t.root, "same", 5, NULL);
	other = nodes_file(&t, t.root, "other", 6, NULL);
	below = nodes_file(&t, other->node, "below", 7, "v");
	node_unknown(&t, t.root);
	ck_assert(!same->node->known && !below->node->known);
	ck_assert(!same->node->absent && !same->gone);
	ck_assert_int_eq(node_kind(same->node), INODE_DIR);
	nodes_learn(&t, same->node, 5, 9, "v");
	ck_assert(!same->gone);
	ck_assert_int_eq(node_kind(same->node), INODE_DIR);
	nodes_learn(&t, other->node, 10, 10, "v");
	ck_assert(other->gone && below->gone);
	ck_assert_int_eq(other->last->stat.czxid, 6);
	ck_assert_int_eq(node_kind(other->node), INODE_FILE);
	node_table_release(&t);
}
END_TEST

/*
 * The znode that is mounted was deleted and created again by somebody else.
 * The root stays the root, with its one inode; what was below is gone.
 */
START_TEST(test_another_root)
{
	struct node_table t;
	struct inode *a, *root;

	node_table_init(&t, "/app", (struct node_policy){0}, NODES_CACHE);
	root = inode_find(&t, NODE_ROOT_INO);
	nodes_learn(&t, t.root, 5, 5, "old");
	a = nodes_file(&t, t.root, "a", 6, "v");
	nodes_learn(&t, t.root, 8, 8, NULL);
	ck_assert(a->gone && !root->gone);
	ck_assert_int_eq(t.root->stat.czxid, 8);
	ck_assert(node_is_null(&t, t.root));
	ck_assert_int_eq(root->czxid, 8);
	ck_assert_int_eq(node_kind(t.root), INODE_DIR);
	ck_assert_ptr_eq(root->node, t.root);
	nodes_assert_path(t.root, "/app");
	node_table_release(&t);
}
END_TEST

/* --- what is left of it -------------------------------------------------- */

/* Who has it open goes on seeing what it was, whatever comes there. */
START_TEST(test_last_stat_and_data)
{
	struct inode *file, *data;
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	file = nodes_file(&t, t.root, "a", 5, "old value");
	a = node_ref(file->node);
	data = node_inode(&t, a, VIEW_MAIN, INODE_DATA);
	data->lookups++;
	ck_assert_ptr_null(file->last);
	ck_assert_ptr_eq(inode_stat(file), &a->stat);
	nodes_learn(&t, a, 8, 8, "new");
	nodes_learn(&t, a, 8, 9, "newer");
	node_unlinked(&t, a);
	ck_assert(file->gone && !file->unlinked);
	ck_assert_int_eq(inode_stat(file)->czxid, 5);
	ck_assert_int_eq(inode_stat(file)->data_length, 9);
	ck_assert_int_eq(inode_stat(data)->czxid, 5);
	ck_assert_mem_eq(file->last->data->data, "old value", 9);
	ck_assert_mem_eq(data->last->data->data, "old value", 9);
	ck_assert_uint_eq(t.cached_bytes, 0); /* not the cache's any more */
	node_put(&t, &a);
	inode_forget(&t, file, 1);
	inode_forget(&t, data, 1);
	ck_assert_uint_eq(t.n_nodes, 1);
	node_table_release(&t);
}
END_TEST

/* The value was read once and dropped: there is none to keep. */
START_TEST(test_last_data_not_known)
{
	struct zstat stat = nodes_stat(5, 6, 2, 0);
	struct node_table t;
	struct inode *a;

	nodes_init(&t);
	a = nodes_file(&t, t.root, "a", 5, "v1");
	node_learn(&t, a->node, &stat, NULL, NODES_THREAD);
	node_gone(&t, a->node);
	ck_assert_ptr_null(a->last->data);
	ck_assert_int_eq(inode_stat(a)->mzxid, 6);
	node_table_release(&t);
}
END_TEST

/* For a deletion that is to be told of what the kernel never asked for. */
START_TEST(test_inode_of_what_is_to_go)
{
	struct inode *gone, *live;
	struct node_table t;
	struct node *a;

	nodes_init(&t);
	a = node_get(&t, t.root, "a");
	nodes_learn(&t, a, 5, 5, "v");
	gone = node_gone_inode(&t, a, VIEW_MAIN, INODE_FILE);
	gone->lookups++;
	ck_assert(gone->gone && !gone->unlinked);
	ck_assert_int_eq(inode_stat(gone)->czxid, 5);
	live = face(&t, a);
	ck_assert_ptr_ne(live, gone);
	ck_assert_uint_ne(inode_number(live), inode_number(gone));
	node_unlinked(&t, a);
	ck_assert(live->unlinked && !gone->unlinked);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

UNIT_MAIN("node_gone", test_gone, test_unlinked, test_embryo,
	  test_embryo_below, test_root_gone, test_gone_subtree,
	  test_another_znode, test_learn_after_gone,
	  test_identity_from_the_first_answer, test_identity_of_the_unknown,
	  test_another_root, test_last_stat_and_data, test_last_data_not_known,
	  test_inode_of_what_is_to_go)
