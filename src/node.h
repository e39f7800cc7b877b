/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_NODE_H
#define ZNODEFS_NODE_H

/*
 * The node table: what is known of the tree, and what the kernel knows of it.
 *
 * Three kinds of identifier
 *
 *   path   "/services/web".  What the server is asked for.  Derived from the
 *          node and its parents when needed, so that a rename of a directory
 *          is one change here.  Inode numbers are made of it once, so that
 *          a listing can name them before anybody has looked.
 *   node   One for each znode that is known or asked for.  Its identity is
 *          the znode's czxid: a name that was deleted and created again is
 *          another node, and the old one is detached.
 *   inode  What the kernel holds, by number.  A node has one for each face it
 *          shows: a file or a directory in the main view, `.data` of a
 *          directory, a directory in the `.ephemeral` view.  A file that gets
 *          a child becomes a directory: the face, and so the number, is
 *          another one, as the kernel demands.
 *
 * Who keeps what alive
 *
 *   An inode lives while the kernel counts lookups of it or a handle is open.
 *   A node lives while it has an inode, a child, or a reference (node_get(),
 *   node_ref()) of an operation that is under way.  Detaching takes a node
 *   out of its name, not out of life.  The kernel's count is raised before the
 *   reply that tells of the inode and lowered again if that reply fails; a
 *   kernel that forgets more than it was told is not believed.
 *
 * What is known may be used only while it is valid: node_is_fresh().
 *
 * Nothing here locks: every function wants the caller to hold the lock that
 * protects the table (fs->lock).  No fuse, no ZooKeeper.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "blob.h"
#include "htab.h"
#include "list.h"
#include "turn.h"
#include "zstat.h"

enum node_view {
	VIEW_MAIN,
	VIEW_EPHEMERAL,
};

enum inode_kind {
	INODE_FILE,
	INODE_DIR,
	INODE_DATA, /* `.data` of a directory */
};

struct node {
	/* The tree.  A detached node keeps its parent, for its path. */
	struct hlink by_name; /* in table->names unless detached */
	struct node *parent;  /* a reference; NULL for the root */
	struct list children; /* of node, attached ones only */
	struct list sibling;
	struct list inodes;
	int refs;

	bool detached; /* its name is no longer its own */
	bool unlinked; /* ... because this mount removed it */
	bool embryo;   /* opened by a create here, not yet at the server */
	bool known;    /* stat is set */
	bool decided;  /* is_dir is */
	bool is_dir;   /* once a directory, always one */
	bool null;     /* data is null, as of null_mzxid */
	int64_t null_mzxid;

	struct zstat stat;
	struct blob *data;  /* the value at stat.mzxid, or NULL */
	struct list cached; /* in table->cached while data is set */
	pid_t fresh_for;    /* the thread whose system call fetched all this */
	int64_t fresh_at;   /* ms */

	struct turn writers; /* one commit at a time */
	uint64_t ino_base;   /* what its inode numbers are made of */
	char *name;
};

struct inode {
	struct hlink by_ino;
	struct list in_node;
	struct node *node; /* a reference */
	uint64_t ino;
	uint64_t lookups; /* the kernel's count */
	unsigned opens;   /* handles */
	struct list files; /* of struct file, see file.h */
	enum node_view view;
	enum inode_kind kind;
};

#define for_each_inode(inode, node)                                            \
	list_for_each(inode, &(node)->inodes, in_node)

/* How kinds are derived; see node_kind(). */
struct node_policy {
	bool layout_dir; /* every znode is a directory */
	bool empty_dir;  /* a childless znode of zero length is one */
};

struct node_table {
	struct node_policy policy;
	struct htab names;
	struct htab inos;
	struct node *root;
	struct list cached; /* of node with data, least recently used first */
	size_t cached_bytes;
	size_t cached_max;
	size_t n_nodes;
};

#define NODE_ROOT_INO 1 /* FUSE_ROOT_ID */

/*
 * How long what one system call has fetched stands for the next step of the
 * same call by the same thread, while nothing guards it.  The kernel looks a
 * name up and then opens what it found; both are one open(2).
 */
#define NODE_FRESH_MS 1000

/* @root_path: the chroot's path, "/" for none.  Copied. */
void node_table_init(struct node_table *t, const char *root_path,
		     struct node_policy policy, size_t cached_max);
/* Everything must have been forgotten or is forgotten now. */
void node_table_release(struct node_table *t);

/*
 * The node at @name below @parent, made if it is not there: a placeholder for
 * what is being asked.  Returns a reference; NULL if @parent is detached.
 */
struct node *node_get(struct node_table *t, struct node *parent,
		      const char *name);
/* The same, but NULL if it is not there. */
struct node *node_find(struct node_table *t, struct node *parent,
		       const char *name);
struct node *node_ref(struct node *node);
/* Drop a reference and clear the caller's pointer; NULL is fine. */
void node_put(struct node_table *t, struct node **node);

/* malloc'ed. */
char *node_path(const struct node *node);

/*
 * The server has answered for *@node: @stat, and the value if it was asked
 * for (else NULL).  If the znode is not the one that was known, *@node is
 * detached and the caller's reference becomes one to the new node, unless the
 * old one was detached already: then -ESTALE, and nothing is learned.
 */
int node_learn(struct node_table *t, struct node **node,
	       const struct zstat *stat, struct blob *data, pid_t thread);
/* The server says that there is no such znode (or has just deleted it). */
void node_gone(struct node_table *t, struct node *node);
/* The same, and it was this mount that removed it. */
void node_unlinked(struct node_table *t, struct node *node);
/*
 * Renamed at the server by this mount: node and all below keep their inodes
 * and kinds, but every znode is a new one of which nothing is known yet.  A
 * node that had the new name is unlinked.
 */
void node_moved(struct node_table *t, struct node *node,
		struct node *new_parent, const char *new_name);

/* The same for two that have changed places. */
void node_exchanged(struct node_table *t, struct node *a, struct node *b);
/* Nothing is known any more of the node and all below. */
void node_unknown(struct node_table *t, struct node *node);

/* Whether stat (and with @data, the value) may be used for @thread. */
bool node_is_fresh(const struct node *node, pid_t thread, bool data);
/* Nullness of the data at the version that is known. */
bool node_null_known(const struct node *node);
/*
 * Whether the data counts as none: null, or of zero length with empty=dir.
 * Only if node_null_known().
 */
bool node_is_null(const struct node_table *t, const struct node *node);

/*
 * Opened for creation: a file with no data, until the server says otherwise.
 * stat has the time of the opening then, and nothing else.
 */
void node_make_embryo(struct node *node);
/*
 * This mount has made the znode as a file: it stays one, also where the policy
 * or null data would make it a directory.  Before node_learn().
 */
void node_made_as_file(struct node *node);
/*
 * A new child of @parent exists, so that is a directory from now on, in
 * whatever view the child was made.
 */
void node_has_child(struct node *parent);
/* The face in the main view: INODE_FILE or INODE_DIR, once decided. */
enum inode_kind node_kind(const struct node *node);

/* The number that a child called @name gets if it is met as a file or dir. */
uint64_t node_child_ino(const struct node *parent, const char *name);
/* The inode for this face, made if need be. */
struct inode *node_inode(struct node_table *t, struct node *node,
			 enum node_view view, enum inode_kind kind);
/* NULL if the number is not known. */
struct inode *inode_find(struct node_table *t, uint64_t ino);
void inode_forget(struct node_table *t, struct inode *inode, uint64_t n);
void inode_open(struct inode *inode);
void inode_close(struct node_table *t, struct inode *inode);

#endif
