/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_NODE_H
#define ZNODEFS_NODE_H

/*
 * The node table: what is known of the tree, and what the kernel knows of it.
 *
 * Three kinds of identifier
 *
 *   path   "/services/web".  What the server is asked for.
 *   node   One for each path that is known or asked for: a place in the tree.
 *          It never moves, so that what was asked for its path is about it
 *          whenever the answer comes.  The znode that stands there may come,
 *          go, and be another one, which its czxid tells.
 *   inode  What the kernel holds, by number: one face of one znode.  A znode
 *          has one for each face it shows: a file or a directory in the main
 *          view, `.data` of a directory, a directory in the `.ephemeral` view.
 *          A file that gets a child becomes a directory: the face, and so the
 *          number, is another one, as the kernel demands.  When the znode is
 *          deleted or replaced its inodes are `gone`: they stay as long as
 *          the kernel wants, at the place where they were.  A rename carries
 *          the inodes from one place to the other.
 *
 * Who keeps what alive
 *
 *   An inode lives while the kernel counts lookups of it or a handle is open.
 *   A node lives while it has an inode, a child, or a reference (node_get(),
 *   node_ref()).  The kernel's count is raised before the reply that tells of
 *   the inode and lowered again if that reply fails; a kernel that forgets
 *   more than it was told is not believed.
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
#include "told.h"
#include "turn.h"
#include "zstat.h"

enum inode_kind {
	INODE_FILE,
	INODE_DIR,
	INODE_DATA, /* `.data` of a directory */
};

/* In the order of what fits: there may be millions.  HACKING, Speed. */
struct node {
	/* The tree. */
	struct hlink by_name; /* in table->names; inode numbers come of it */
	struct node *parent;  /* a reference; NULL for the root */
	struct list sibling;
	struct chain inodes;  /* the oldest first */
	struct node_dir *dir; /* node_dir(); NULL: nothing of that */

	/* The znode that is here: known, and stat is its Stat; or absent. */
	struct zstat stat;
	struct node_value *value; /* at stat.mzxid, or NULL; node_data() */
	int64_t fresh_at; /* ms */
	pid_t fresh_for;  /* the thread whose system call fetched all this */

	/* For those who watch; see told.h, listing.h, watch.h. */
	uint32_t mark; /* the number of the list that had it last */
	struct told told;
	uint32_t valid;       /* the guard under which what is known is so */
	uint32_t queue_guard; /* the one under which its kind is; see kind.h */
	uint32_t changes;     /* counts what may have changed it */
	uint32_t given; /* counts versions that openers have been given */

	struct turn writers; /* one commit at a time */
	int refs;
	uint8_t made_in;   /* enum node_view, of an embryo: what it will be */
	bool known : 1;    /* there is one, and stat is its Stat */
	bool absent : 1;   /* there is none; neither: nothing is known */
	bool embryo : 1;   /* opened by a create here, not yet at the server */
	bool decided : 1;  /* is_dir is */
	bool is_dir : 1;   /* once a directory, always one */
	bool null : 1;     /* its data is null ... */
	bool null_known : 1; /* ... at stat.mzxid */
	bool keep_data : 1;  /* the last of all to be dropped */
	bool unread : 1;   /* its data may not be read: no events either */
	bool in_list : 1;  /* held by the parent's list */
	/* Constant, and so read without the lock. */
	bool unnamed; /* its name is the beginning of one */
	char name[];
};

/* A value that is kept. */
struct node_value {
	struct node *node;
	struct blob *data;
	struct list cached; /* in table->cached or kept */
};

/* What a node has that has children, is listed or watched: most are files. */
struct node_dir {
	struct list children; /* of node.sibling */
	int64_t queue_pzxid; /* then, all children were locks'; see kind.h */
	int64_t list_czxid; /* of the znode whose list is held; 0: none, -1: "/" */
	uint64_t list_valid; /* the guard under which that list is complete */
	uint32_t list_changes; /* counts events of children coming and going */
	uint32_t births;   /* the same, own changes included */
	uint32_t counted;  /* births as of which node.stat has them */
	bool watch_asked;  /* of a top-level node: the feed is to watch it */
	uint64_t watched;  /* the feed's epoch in which it does */
};

struct inode {
	struct hlink by_ino; /* the hash is the number: inode_number() */
	struct link in_node;
	struct node *node; /* a reference */
	uint64_t lookups;  /* the kernel's count */
	unsigned opens;    /* handles */
	pid_t entered; /* the thread that has last met it in `.ephemeral` */
	struct chain files; /* of struct file, see file.h */
	int64_t czxid;      /* of its znode; 0 while that is not known */
	struct inode_last *last; /* what it was when it went; only if gone */
	enum node_view view : 8;
	enum inode_kind kind : 8;
	bool gone;     /* its znode is no more, or not here any more */
	bool unlinked; /* ... because this mount removed it */
};

struct inode_last {
	struct zstat stat;
	struct blob *data; /* NULL if that was not known */
};

#define for_each_inode(inode, node)                                            \
	chain_for_each(inode, &(node)->inodes, in_node)

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
	struct list cached; /* of node_value, least recently used first */
	struct list kept;   /* the same, with keep_data */
	size_t cached_bytes;
	size_t cached_max;
	size_t n_nodes;
	uint32_t mark; /* the number of the last list */

	/*
	 * Called by a rename: what is at @node now may not be what was told, and
	 * no change that is under way looks at it when it ends.  May be NULL.
	 */
	void (*doubt)(void *arg, struct node *node);
	void *arg;
};

#define NODE_ROOT_INO 1 /* FUSE_ROOT_ID */

/* What has data and more children than this is taken for a directory unasked. */
#define NODE_QUEUE_MAX 4096

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
 * what is being asked.  Returns a reference.
 */
struct node *node_get(struct node_table *t, struct node *parent,
		      const char *name);
/* The same, but NULL if it is not there. */
struct node *node_find(struct node_table *t, struct node *parent,
		       const char *name);
/* So many nodes will be made: makes room for their names at once. */
void node_reserve(struct node_table *t, size_t n);
/*
 * These names will be asked for next, up to NODE_EXPECT_MAX of them: what
 * node_get() reads to find them is fetched into the CPU's cache together.  Of a
 * large table each would else wait for memory twice or more.
 */
#define NODE_EXPECT_MAX 16u
void node_expect(const struct node_table *t, const struct node *parent,
		 const char *const *names, size_t n);
/*
 * A place below @parent for a znode whose name the server is to choose: nobody
 * finds it.  @prefix is how the name will begin.
 */
struct node *node_unnamed(struct node_table *t, struct node *parent,
			  const char *prefix);
struct node *node_ref(struct node *node);
/* Drop a reference and clear the caller's pointer; NULL is fine. */
void node_put(struct node_table *t, struct node **node);

/* Made if need be; it stays as long as the node. */
struct node_dir *node_dir(struct node *node);
/* All zero, and without a child, if there is none. */
const struct node_dir *node_dir_of(const struct node *node);

static inline struct node *node_first_child(const struct node *node)
{
	if (!node->dir)
		return NULL;
	return list_first(&node->dir->children, struct node, sibling);
}

static inline struct node *node_next_sibling(const struct node *node)
{
	const struct list *next = node->sibling.next;

	return next == &node->parent->dir->children
		       ? NULL
		       : list_entry(next, struct node, sibling);
}

#define for_each_child(child, node)                                            \
	for (child = node_first_child(node); child;                            \
	     child = node_next_sibling(child))

/* As for_each_child, but @child may go in the body. */
#define for_each_child_safe(child, next, node)                                 \
	for (child = node_first_child(node);                                   \
	     child && ((next = node_next_sibling(child)), true); child = next)

/* malloc'ed. */
char *node_path(const struct node *node);
/* A reference, the node made if need be; NULL if @path is not below the root. */
struct node *node_at(struct node_table *t, const char *path);
/* The same, but NULL if it is not there. */
struct node *node_find_at(struct node_table *t, const char *path);
/* The ancestor just below the root, or the node itself; the root for itself. */
struct node *node_top(struct node *node);
/* Whether the kernel can have a directory of it. */
bool node_is_open_dir(const struct node *node);
/*
 * The next node after @node in its subtree below @top, parents first; NULL at
 * the end.  No recursion: how deep a tree is, others decide.
 */
struct node *node_next_below(struct node *node, const struct node *top);

/*
 * The server has answered for @node: @stat, and the value if it was asked for
 * (else NULL).  If the znode is not the one that was known, the inodes of that
 * and of all below it are gone.  An answer that is older than what is known
 * changes nothing.
 */
void node_learn(struct node_table *t, struct node *node,
		const struct zstat *stat, struct blob *data, pid_t thread);
/*
 * The server says that there is no such znode.  Its inodes and those of all
 * below it are gone.  Does nothing to an embryo, of which no server knows.
 */
void node_gone(struct node_table *t, struct node *node);
/*
 * Somebody else has removed what was here, or may have.  Inodes that were moved
 * here, and of whose znode nothing has been learned since, are gone: they are
 * not those of what is found next.
 */
void node_doubted(struct node_table *t, struct node *node);
/* This mount has removed it, be it an embryo. */
void node_unlinked(struct node_table *t, struct node *node);
/*
 * Renamed at the server by this mount: the inodes and kinds of @from and all
 * below it are at @to now, where every znode is a new one of which nothing is
 * known yet.  What was at @to is unlinked; nothing is at @from.  The kernel has
 * done the same in @view.  If what it has moved is gone already, for somebody
 * else has replaced it and that has not been told, it is still to be told: at
 * @to.
 */
void node_moved(struct node_table *t, struct node *from, struct node *to,
		enum node_view view);
/* The same for two that have changed places. */
void node_exchanged(struct node_table *t, struct node *a, struct node *b);
/* The znode of an unnamed node is at @node: there are its inodes now. */
void node_named(struct node_table *t, struct node *unnamed, struct node *node);
/* The value at node->stat.mzxid if it is kept, else NULL; the node's own. */
static inline struct blob *node_data(const struct node *node)
{
	return node->value ? node->value->data : NULL;
}

/* Whether its value is dropped only when all others have been. */
void node_keep_data(struct node_table *t, struct node *node, bool keep);
/* Its value is not known any more. */
void node_forget_value(struct node_table *t, struct node *node);
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
/*
 * Lock znodes do not make a file a directory.  Whether its children have to be
 * listed to know what it is; until then it is what it was.
 */
bool node_is_doubtful(const struct node *node);
/* It has been listed, as of node->stat: all were lock znodes, or not. */
void node_learn_queue(struct node_table *t, struct node *node, bool all);
/* The face in the main view: INODE_FILE or INODE_DIR, once decided. */
enum inode_kind node_kind(const struct node *node);

/* The number that a child called @name gets if it is met as a file or dir. */
uint64_t node_child_ino(const struct node *parent, const char *name);
/* The inode for this face of the znode that is here, made if need be. */
struct inode *node_inode(struct node_table *t, struct node *node,
			 enum node_view view, enum inode_kind kind);
/* The same, but NULL if there is none. */
struct inode *node_find_inode(const struct node *node, enum node_view view,
			      enum inode_kind kind);
/*
 * The one that those who watch in @view believe in (told.h), be it gone; NULL
 * if there is none that the kernel knows.
 */
struct inode *node_believed_inode(const struct node *node, enum node_view view,
				  enum inode_kind kind);
/* One that is gone already, for a znode that was here and is to be removed. */
struct inode *node_gone_inode(struct node_table *t, struct node *node,
			      enum node_view view, enum inode_kind kind);
static inline uint64_t inode_number(const struct inode *inode)
{
	return inode->by_ino.hash;
}

/* NULL if the number is not known. */
struct inode *inode_find(struct node_table *t, uint64_t ino);
void inode_forget(struct node_table *t, struct inode *inode, uint64_t n);
void inode_open(struct inode *inode);
void inode_close(struct node_table *t, struct inode *inode);
/* The kernel forgets everything: the mount is no more. */
void inode_forget_all(struct node_table *t);
/* Its znode is no more. */
void inode_retire(struct inode *inode, bool unlinked);
/* What stat(2) is to be made of. */
static inline const struct zstat *inode_stat(const struct inode *inode)
{
	return inode->last ? &inode->last->stat : &inode->node->stat;
}

#endif
