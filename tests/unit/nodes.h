/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TEST_NODES_H
#define ZNODEFS_TEST_NODES_H

/*
 * What the tests of the node table have in common: tables, and znodes as a
 * server would tell of them.
 *
 * References are held in variables and dropped by node_put() as in the
 * program, so that a sanitizer sees what is not given back.
 */

#include <stdio.h>
#include <time.h>

#include "node.h"
#include "unit.h"

#define NODES_THREAD 4711      /* whose system call it is */
#define NODES_CACHE  (1 << 20) /* bytes; far more than most tests use */

static inline void nodes_init(struct node_table *t)
{
	node_table_init(t, "/", (struct node_policy){0}, NODES_CACHE);
}

/* Created by @czxid, set by @mzxid, its children changed by @mzxid at last. */
static inline struct zstat nodes_stat(int64_t czxid, int64_t mzxid,
				      int32_t length, int32_t children)
{
	return (struct zstat){
		.czxid = czxid,
		.mzxid = mzxid,
		.pzxid = mzxid,
		.data_length = length,
		.num_children = children,
	};
}

/* The server has answered with @data (NULL: with null data). */
static inline void nodes_learn(struct node_table *t, struct node *node,
			       int64_t czxid, int64_t mzxid, const char *data)
{
	int32_t len = data ? (int32_t)strlen(data) : 0;
	struct blob *b = blob_from_wire(data, data ? len : -1);
	struct zstat stat = nodes_stat(czxid, mzxid, len, 0);

	node_learn(t, node, &stat, b, NODES_THREAD);
	blob_unref(b);
}

/* A node with a value, known to the kernel by one lookup. */
static inline struct inode *nodes_file(struct node_table *t,
				       struct node *parent, const char *name,
				       int64_t zxid, const char *data)
{
	struct node *node = node_get(t, parent, name);
	struct inode *inode;

	nodes_learn(t, node, zxid, zxid, data);
	inode = node_inode(t, node, VIEW_MAIN, node_kind(node));
	inode->lookups++;
	node_put(t, &node);
	return inode;
}

/* Whether @name below @parent is @node. */
static inline bool nodes_is(struct node_table *t, struct node *parent,
			    const char *name, const struct node *node)
{
	struct node *found = node_find(t, parent, name);
	bool is = found == node;

	node_put(t, &found);
	return is;
}

/* Whether nothing is at @node any more, and all that the kernel has is gone. */
static inline bool nodes_is_gone(const struct node *node, bool unlinked)
{
	const struct inode *inode;

	for_each_inode (inode, node) {
		if (!inode->gone || inode->unlinked != unlinked)
			return false;
	}
	return node->absent && !node->known && !node->embryo && !node->value;
}

/* A chain of nodes; each but the last is held by its child only. */
static inline struct node *nodes_chain(struct node_table *t, int depth)
{
	struct node *node = node_ref(t->root);

	for (int i = 0; i < depth; i++) {
		struct node *child = node_get(t, node, "d");

		node_put(t, &node);
		node = child;
	}
	return node;
}

static inline double nodes_cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

#define nodes_assert_path(node, expected)                                      \
	do {                                                                   \
		char *path_ = node_path(node);                                 \
                                                                               \
		ck_assert_str_eq(path_, expected);                             \
		free(path_);                                                   \
	} while (0)

#endif
