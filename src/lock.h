/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_LOCK_H
#define ZNODEFS_LOCK_H

/*
 * The locks of this mount's programs: who holds one, by which znode of the
 * queue (lockname.h) at the server.
 *
 * A lock belongs to a node, to flock(2) or fcntl(2), and to the owner that the
 * kernel names: an open file description for flock(2), a process for fcntl(2).
 * The two kinds stand in one line, as over NFS.  A lock lives while it is held
 * or somebody seeks it; all its znodes share the owner's part of their names.
 * How one is sought is in seek.h.
 *
 * A lock that is held ends by
 *
 *	an unlock              op_lock.c
 *	FLUSH                  the owner's fcntl(2) locks of the file
 *	RELEASE                whatever was taken through the handle.  A handle
 *	                       that only reads is not flushed, and the kernel
 *	                       does not say when the locks of open file
 *	                       descriptions (F_OFD_SETLK) end
 *	the session's end      the handle is broken (file->lost)
 *
 * fs->lock protects everything here.
 */

#include <sys/types.h>

#include "blob.h"
#include "list.h"
#include "lockname.h"
#include "node.h"

struct erase;
struct file;
struct fs;

/* By what a lock is held. */
struct lock_hold {
	char *name;        /* of the znode, malloc'ed; NULL: not held */
	bool shared;
	int64_t czxid;     /* of the znode: the fencing token */
	int64_t session;
	struct file *file; /* through which it was taken */
	pid_t pid;
};

struct lock {
	struct list in_book;
	struct node *node; /* a reference */
	bool posix;        /* fcntl(2) */
	uint64_t owner;    /* as the kernel names it */
	int refs;          /* of those who seek it, and one while it is held */
	char id[LOCKNAME_OWNER_SIZE];
	uint64_t attempts;
	struct lock_hold hold;
};

struct lock_book {
	struct list locks;
	struct blob *data; /* of the znodes: the name of this machine */
};

void lock_init(struct fs *fs);
void lock_release_all(struct fs *fs); /* at the very end */

/* Made if it is not there: a reference. */
struct lock *lock_get_locked(struct fs *fs, struct node *node, bool posix,
			     uint64_t owner);
/* NULL if it is not there; no reference. */
struct lock *lock_find_locked(struct fs *fs, const struct node *node,
			      bool posix, uint64_t owner);
void lock_put_locked(struct fs *fs, struct lock **lock);

/*
 * It is held by @hold from now on, which is taken.  What is in others' way until
 * it is erased, as of erase.h: what it was held by; NULL: it was not.
 */
struct erase *lock_hold_locked(struct fs *fs, struct lock *lock,
			       struct lock_hold hold);
/* It is held no more; returns the same. */
struct erase *lock_drop_locked(struct fs *fs, struct lock *lock);

/* FLUSH: the fcntl(2) locks of @owner; returns the same. */
struct erase *lock_flush(struct fs *fs, const struct file *file,
			 uint64_t owner);
/* RELEASE. */
void lock_release_file(struct fs *fs, const struct file *file);
/* The session has ended, or is another one than @session: so have the locks. */
void lock_lose_locked(struct fs *fs, int64_t session);

/*
 * Whether what is done through @file is not to be: its lock is lost, or may be,
 * for want of a connection.
 */
bool lock_is_lost_locked(struct fs *fs, const struct file *file);

/* The pid that has taken the lock whose znode is @name; 0: not here. */
pid_t lock_pid_locked(struct fs *fs, const struct node *node,
		      const char *name);

/*
 * The czxid of the znode by which this mount holds a lock of the file: what is
 * larger than that of any earlier holder.  If there are several (shared ones),
 * that of @pid, or else the newest.  -ENODATA: there is none.
 *
 * A descriptor whose lock is lost is not told apart here: it answers EIO.
 */
int lock_token_locked(struct fs *fs, const struct inode *inode, pid_t pid,
		      int64_t *czxid);

#endif
