/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_SEEK_H
#define ZNODEFS_SEEK_H

/*
 * To take a lock is to stand in line for it (lockname.h):
 *
 *	create our znode, list the queue
 *	  nobody before us that we have to wait for: it is held, as soon as
 *	  all events of what was done before have come
 *	  else wait until the nearest one is gone, and list again
 *
 * Each waits for one other znode, so each release wakes one exclusive waiter.
 * A change of what is held creates the other znode first:
 *
 *	upgrade    flock(2) lets go of the shared lock before it waits, as Linux
 *	           does; fcntl(2) keeps it, and two who both do find a deadlock
 *	downgrade  waits for nobody.  If somebody exclusive has come in between,
 *	           the exclusive znode is kept: it is stronger than what was asked
 *	           for, and those who might share would wait for him anyway
 *
 * However it ends, znodes that are not to be held are erased.
 *
 * A request is answered exactly once, by seek_answer() or by what these
 * functions lead to, and is freed with that.  None is called with a lock held.
 */

#include "erase.h"
#include "lock.h"
#include "op_write.h"
#include "watch.h"

/* A request for a lock, or to unlock. */
struct seek {
	struct write_op w;
	bool posix;
	bool unlock;
	bool shared;
	bool block;
	uint64_t owner;
	pid_t pid;

	struct lock *lock; /* a reference */
	char *dir;         /* the znode that is locked */
	char *name;        /* of our znode, once it is known */
	char prefix[LOCKNAME_PREFIX_SIZE];
	int64_t czxid;
	int64_t session;
	int tries;
	struct watch_sync sync;
	uint64_t since;       /* see look_await_locked() */
	int64_t settle_until; /* ms */

	struct erase *erase; /* a reference: to be done before the answer */
	int rc;
};

/* Create the znode and go on from there; op->lock, dir and prefix are set. */
void seek_start(struct seek *op);
void seek_answer(struct seek *op, int rc);
/* Answer with op->rc, when what is to be erased is. */
void seek_answer_erased(struct seek *op);

#endif
