/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FS_H
#define ZNODEFS_FS_H

/*
 * The mounted filesystem: everything hangs off struct fs, nothing is global.
 *
 * Locks, in the order in which they may be taken:
 *
 *	fs->lock        the node table, inodes, files, the ephemeral set, and
 *	                everything about events
 *	zk->lock        inside zk.c; the feed's, inside feed.c
 *
 * No lock is held across fuse_*(), zoo_*() or a callback; only a list is answered
 * with fs->lock held (op_dir.c): libfuse takes its lock of the request for that
 * and waits for nobody.  Of the zk_*() calls zk_wait() and zk_wake() are made
 * with fs->lock held.
 *
 * Threads: the main thread runs libfuse's loop and the op_*() handlers, the
 * library's completion thread and the keeper of zk.c run the answers, the
 * feed's thread its events, and the announcer has the helper tell of them.
 * None but the last waits for anybody.
 */

#include <pthread.h>

#include "ahead.h"
#include "announce.h"
#include "attr.h"
#include "device.h"
#include "ephemerals.h"
#include "erase.h"
#include "listing.h"
#include "lock.h"
#include "look.h"
#include "node.h"
#include "options.h"
#include "own.h"
#include "renew.h"
#include "req.h"
#include "session.h"
#include "watch.h"
#include "zk.h"

struct fs {
	const struct options *opt;
	struct zk *zk;
	struct fuse_session *se;
	struct device device; /* of the thread that runs the loop */
	struct attr_policy attr;
	atomic_bool serving; /* the mount is there: say what happens */
	void (*ready)(void *arg); /* the kernel has said hello */
	void *ready_arg;
	atomic_ullong messages; /* of the kernel, answered */

	pthread_mutex_t lock; /* for all below */
	struct node_table nodes;
	size_t most_nodes; /* since memory was last given back */
	struct ephemerals eph;
	struct renewals renewals;
	bool views_used; /* somebody has entered another view than the main */
	struct session session;
	int64_t session_id; /* the one whose ephemerals are ours */
	struct watch watch;
	struct listing listing;
	struct look look;
	struct ahead ahead;
	struct own_book own;
	struct announcer announcer;
	struct list files; /* open ones, of struct file */
	struct list dirs;  /* and of struct dir */
	struct list texts; /* and of struct special_text */
	struct list polled; /* of those files: there is news for who polls */
	struct lock_book locks;
	struct erase_book erase;
};

/*
 * How long the kernel may keep what is guarded: until it is told otherwise.
 * Seconds; far below what overflows the kernel's jiffies.
 */
#define FS_TIMEOUT 1e9
/*
 * The same for the root's attributes, which the kernel needs for each path that
 * it walks: for so long stat(1) may not notice that a daemon was killed.
 */
#define FS_ROOT_TIMEOUT 1.0
/*
 * And of a file that an open has just made: the kernel looks at them once more
 * before the open is over.  It counts in ticks of its clock, and takes this for
 * the next.
 */
#define FS_MADE_TIMEOUT 1e-6

/* As zk_open(), which it calls.  fs_stop() and fs_release() in any case. */
int fs_init(struct fs *fs, const struct options *opt);
/*
 * Close the session: every request in flight has been answered when this
 * returns, and no thread but FUSE's is left.  A second call does nothing.
 */
void fs_stop(struct fs *fs);
/* Free the rest, when the FUSE session is no more. */
void fs_release(struct fs *fs);
/* What is known of the root before anybody asks. */
void fs_learn_root(struct fs *fs, const struct zstat *stat);
extern const struct fuse_lowlevel_ops fs_ops;

static inline void fs_lock(struct fs *fs)
{
	pthread_mutex_lock(&fs->lock);
}

static inline void fs_unlock(struct fs *fs)
{
	pthread_mutex_unlock(&fs->lock);
}

/* These two take fs->lock. */
void fs_forget(struct fs *fs, uint64_t ino, uint64_t n);
/* Whether it is the root in some view; a rename moves other inodes only. */
bool fs_is_root(struct fs *fs, const struct inode *inode);

/* --- with fs->lock held --------------------------------------------------- */

/* What stat(2) says of an inode, from what is known of its node. */
void fs_stat(struct fs *fs, struct inode *inode, struct stat *st);
/* The answer to a lookup in @view; counts the lookup. */
void fs_entry(struct fs *fs, struct inode *inode, enum node_view view,
	      struct fuse_entry_param *e);
/*
 * Whether the kernel may keep anything of what it is told: not with -o strict,
 * and not without a helper that can take it back.
 */
bool fs_kernel_keeps(const struct fs *fs);
/* How long attributes may be kept: FS_TIMEOUT, FS_ROOT_TIMEOUT or 0. */
double fs_attr_timeout(struct fs *fs, struct inode *inode);
/* The same for the helper, who does not look but tell. */
void fs_tell_entry(struct fs *fs, struct inode *inode,
		   struct fuse_entry_param *e);

/* What an entry of a directory denotes. */
struct target {
	struct node *node; /* a reference: fs_target_put() */
	enum node_view view;
	bool data;   /* `.data` of node, not node itself */
	bool special; /* a directory of the mount's own at its root */
	bool alias;  /* if there is no such znode: may stand for a long name */
};

/*
 * What is said of a directory that is gone.  -ESTALE where there is another one
 * now: the kernel walks the path again then, without what it has cached.
 */
int fs_gone_error(const struct inode *dir);
/*
 * Find out.  -ENOENT: a reserved name that denotes nothing; the parent is gone,
 * or fs_gone_error() of that.
 * -EINVAL, -EILSEQ, -ENAMETOOLONG: no znode could have this name.
 */
int fs_target(struct fs *fs, fuse_ino_t parent, const char *entry,
	      struct target *target);
void fs_target_put(struct fs *fs, struct target *target);
/* The path of a node in the mount, by entries, no slash in front; malloc'ed. */
char *fs_entry_path(const struct fs *fs, const struct node *node);
/* How long the kernel may keep in mind that there is no such entry. */
double fs_negative_timeout(struct fs *fs, const struct target *target);
/* The same for something that is about to be made or removed: never special. */
int fs_target_plain(struct fs *fs, fuse_ino_t parent, const char *entry,
		    struct target *target);

/* Whether an ephemeral belongs to this mount's session. */
bool fs_owns(struct fs *fs, const struct zstat *stat);

#endif
