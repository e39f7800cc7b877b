/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is a file and what a directory, as README.md has it:
 *
 *	has children			directory, unless all are lock znodes
 *	no children, null data		directory
 *	no children, data		file, also of zero length
 *	ephemeral			file, always
 *
 * and that it stays what it is, but that a file may become a directory.
 */

#include "nodes.h"

#define SESSION 0x100000000000001

enum value {
	UNREAD, /* only the Stat is known: reading was denied */
	NONE,   /* null */
	EMPTY,
	SOME,
};

enum policy { NORMAL, LAYOUT_DIR, EMPTY_DIR };

static struct node_policy policy_of(enum policy policy)
{
	return (struct node_policy){
		.layout_dir = policy == LAYOUT_DIR,
		.empty_dir = policy == EMPTY_DIR,
	};
}

static void init(struct node_table *t, enum policy policy)
{
	node_table_init(t, "/", policy_of(policy), NODES_CACHE);
}

/* The server tells of version @mzxid of @node. */
static void learn(struct node_table *t, struct node *node, int64_t mzxid,
		  enum value value, int32_t children, int64_t owner)
{
	struct zstat stat =
		nodes_stat(5, mzxid, value == SOME ? 3 : 0, children);
	struct blob *data = NULL;

	stat.ephemeral_owner = owner;
	if (value != UNREAD)
		data = value == NONE ? blob_new_null()
				     : blob_new("abc", value == SOME ? 3 : 0);
	node_learn(t, node, &stat, data, NODES_THREAD);
	blob_unref(data);
}

struct kind_case {
	enum value value;
	int32_t children;
	int64_t owner;
	char kinds[4]; /* for each policy: f, d, or ? for "list the children" */
};

static const struct kind_case cases[] = {
	{NONE, 0, 0, "ddd"},
	{EMPTY, 0, 0, "fdd"},
	{SOME, 0, 0, "fdf"},
	{NONE, 1, 0, "ddd"},
	{EMPTY, 1, 0, "?dd"},
	{SOME, 1, 0, "?d?"},
	{SOME, NODE_QUEUE_MAX, 0, "?d?"},
	{SOME, NODE_QUEUE_MAX + 1, 0, "ddd"},
	/* Null or empty, one cannot know: a directory leads on. */
	{UNREAD, 0, 0, "ddd"},
	{UNREAD, 1, 0, "ddd"},
	/* Ephemerals have no children. */
	{NONE, 0, SESSION, "fff"},
	{EMPTY, 0, SESSION, "fff"},
	{SOME, 0, SESSION, "fff"},
	{UNREAD, 0, SESSION, "fff"},
	/* Containers and TTL znodes are as any other. */
	{NONE, 0, INT64_MIN, "ddd"},
	{SOME, 0, INT64_MIN, "fdf"},
	{SOME, 1, INT64_MIN, "?d?"},
	{NONE, 0, (int64_t)0xff00000000001000, "ddd"},
	{EMPTY, 0, (int64_t)0xff00000000001000, "fdd"},
	{SOME, 0, (int64_t)0xff00000000001000, "fdf"},
};

START_TEST(test_table)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct kind_case *c = &cases[i];

		for (int policy = NORMAL; policy <= EMPTY_DIR; policy++) {
			struct node_table t;
			struct node *a;
			char kind;

			init(&t, policy);
			a = node_get(&t, t.root, "a");
			learn(&t, a, 5, c->value, c->children, c->owner);
			kind = node_kind(a) == INODE_DIR ? 'd' : 'f';
			if (!a->decided && node_is_doubtful(a))
				kind = '?';
			if (kind != c->kinds[policy])
				ck_abort_msg("case %zu, policy %d", i, policy);
			ck_assert(a->decided || kind == '?');
			node_put(&t, &a);
			node_table_release(&t);
		}
	}
}
END_TEST

/* A length says that there is data, whoever may read it. */
START_TEST(test_unread_with_length)
{
	struct zstat stat = nodes_stat(5, 5, 3, 0);
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	node_learn(&t, a, &stat, NULL, 1);
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	ck_assert(node_null_known(a) && !node_is_null(&t, a));
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

START_TEST(test_root_is_a_directory)
{
	for (int policy = NORMAL; policy <= EMPTY_DIR; policy++) {
		struct node_table t;
		struct node *root;

		init(&t, policy);
		root = node_ref(t.root);
		ck_assert_int_eq(node_kind(root), INODE_DIR);
		learn(&t, root, 5, SOME, 0, 0);
		ck_assert_int_eq(node_kind(root), INODE_DIR);
		node_put(&t, &root);
		node_table_release(&t);
	}
}
END_TEST

/* A file keeps its kind when its value is taken away, and set again. */
START_TEST(test_file_stays_a_file)
{
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	learn(&t, a, 5, SOME, 0, 0);
	learn(&t, a, 6, EMPTY, 0, 0);
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	learn(&t, a, 7, NONE, 0, 0);
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	learn(&t, a, 8, UNREAD, 0, 0);
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* ... until it gets a child; then it is a directory for good. */
START_TEST(test_file_becomes_a_directory)
{
	struct node_table t;
	struct inode *inode;
	struct node *a;

	init(&t, NORMAL);
	inode = nodes_file(&t, t.root, "a", 5, "abc");
	a = node_ref(inode->node);
	learn(&t, a, 5, SOME, 1, 0);
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	ck_assert(node_is_doubtful(a));
	node_learn_queue(&t, a, false);
	ck_assert(!node_is_doubtful(a));
	ck_assert_ptr_eq(a, inode->node);
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	/* Another face, and so another number; the old one lives on. */
	ck_assert_ptr_ne(node_inode(&t, a, VIEW_MAIN, INODE_DIR), inode);
	ck_assert_int_eq(inode->kind, INODE_FILE);
	ck_assert_ptr_eq(inode_find(&t, inode_number(inode)), inode);
	learn(&t, a, 6, SOME, 0, 0);
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* ... which lock znodes are not; and each change of the queue is a question. */
START_TEST(test_locked_file_stays_a_file)
{
	struct zstat stat = nodes_stat(5, 5, 3, 1);
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	learn(&t, a, 5, SOME, 1, 0);
	ck_assert(!a->decided);
	node_learn_queue(&t, a, true);
	ck_assert(a->decided && !node_is_doubtful(a));
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	stat.pzxid++;
	node_learn(&t, a, &stat, NULL, 0);
	ck_assert(node_is_doubtful(a));
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	stat.pzxid++;
	stat.num_children = 0;
	node_learn(&t, a, &stat, NULL, 0);
	ck_assert(!node_is_doubtful(a));
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* Another znode of the name is another question. */
START_TEST(test_queue_is_of_one_znode)
{
	struct zstat stat = nodes_stat(9, 9, 3, 1);
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	learn(&t, a, 5, SOME, 1, 0);
	node_learn_queue(&t, a, true);
	node_learn(&t, a, &stat, NULL, 0);
	ck_assert(!a->decided && node_is_doubtful(a));
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

START_TEST(test_directory_stays_a_directory)
{
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	learn(&t, a, 5, NONE, 0, 0);
	learn(&t, a, 6, SOME, 0, 0); /* its .data */
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	ck_assert(!node_is_null(&t, a));
	learn(&t, a, 7, EMPTY, 0, 0);
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	node_unknown(&t, a);
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	learn(&t, a, 9, SOME, 0, 0);
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* Created anew it is another znode, and may be another kind. */
START_TEST(test_another_znode_another_kind)
{
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	learn(&t, a, 5, NONE, 3, 0);
	nodes_learn(&t, a, 9, 9, "abc");
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

START_TEST(test_null_known)
{
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	ck_assert(!node_null_known(a));
	learn(&t, a, 5, EMPTY, 0, 0);
	ck_assert(node_null_known(a) && !node_is_null(&t, a));
	learn(&t, a, 6, UNREAD, 0, 0); /* another version: who knows */
	ck_assert(!node_null_known(a));
	learn(&t, a, 6, NONE, 0, 0);
	ck_assert(node_null_known(a) && node_is_null(&t, a));
	learn(&t, a, 6, UNREAD, 0, 0); /* the same version */
	ck_assert(node_null_known(a) && node_is_null(&t, a));
	node_unknown(&t, a);
	ck_assert(!node_null_known(a));
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* With empty=dir, no bytes are no data: .data is not listed. */
START_TEST(test_empty_is_null)
{
	struct node_table t;
	struct node *a;

	init(&t, EMPTY_DIR);
	a = node_get(&t, t.root, "a");
	learn(&t, a, 5, EMPTY, 0, 0);
	ck_assert(node_null_known(a) && node_is_null(&t, a));
	learn(&t, a, 6, SOME, 0, 0);
	ck_assert(!node_is_null(&t, a));
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* --- embryos ------------------------------------------------------------- */

START_TEST(test_embryo)
{
	int64_t now = (int64_t)time(NULL) * 1000;
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	node_make_embryo(a);
	ck_assert(a->embryo && a->decided && !a->known);
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	ck_assert_int_eq(a->stat.data_length, 0);
	ck_assert(a->stat.mtime >= now - 1000);
	ck_assert(a->stat.mtime <= now + 100000);
	/* "There is none": that was known. */
	node_gone(&t, a);
	ck_assert(a->embryo && !a->absent);
	/* The first commit. */
	node_made_as_file(a);
	learn(&t, a, 5, NONE, 0, 0);
	ck_assert(!a->embryo && a->known);
	ck_assert_int_eq(node_kind(a), INODE_FILE);
	node_gone(&t, a);
	ck_assert(nodes_is_gone(a, false));
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* Opened for creation here, but made by somebody else as something else. */
START_TEST(test_embryo_made_elsewhere)
{
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	node_make_embryo(a);
	learn(&t, a, 5, NONE, 0, 0);
	ck_assert(!a->embryo && a->known);
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

START_TEST(test_embryo_of_known)
{
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	learn(&t, a, 5, NONE, 0, 0);
	node_make_embryo(a);
	ck_assert(!a->embryo);
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	ck_assert_int_eq(a->stat.czxid, 5);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

/* Somebody else was faster, and has children already. */
START_TEST(test_embryo_was_a_directory)
{
	struct node_table t;
	struct node *a;

	init(&t, NORMAL);
	a = node_get(&t, t.root, "a");
	node_make_embryo(a);
	learn(&t, a, 5, NONE, 2, 0);
	ck_assert(!a->embryo);
	ck_assert_int_eq(node_kind(a), INODE_DIR);
	node_put(&t, &a);
	node_table_release(&t);
}
END_TEST

UNIT_MAIN("node_kinds", test_table, test_unread_with_length,
	  test_root_is_a_directory, test_file_stays_a_file,
	  test_file_becomes_a_directory, test_locked_file_stays_a_file,
	  test_queue_is_of_one_znode, test_directory_stays_a_directory,
	  test_another_znode_another_kind, test_null_known, test_empty_is_null,
	  test_embryo, test_embryo_made_elsewhere, test_embryo_of_known,
	  test_embryo_was_a_directory)
