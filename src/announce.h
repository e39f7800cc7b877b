/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ANNOUNCE_H
#define ZNODEFS_ANNOUNCE_H

/*
 * Announcing: what is due (watch.h) becomes operations of the helper on the
 * mount, and those become inotify events.
 *
 * One thread takes due names in turn and has the helper perform one step after
 * the other: unlink, mknod, ftruncate.  The handlers recognise the helper by
 * its pid and answer from what is known, without a request (op_tell.c).
 *
 * Why no invalidation is needed: a step is what makes the kernel take notice.
 * A name that is ahead of what was told is given to the kernel with no
 * timeout, so mknod(2) looks it up again, is told ENOENT, and creates it;
 * ftruncate(2) brings the new attributes and drops the pages.
 *
 * The helper can be stuck behind a lock that somebody holds in the kernel.  It
 * is then left alone, another one takes over, and whatever the stuck one does
 * later is answered with an error: its pid is trusted no more and remembered
 * until it has been reaped.
 */

#include <pthread.h>

#include "helper.h"
#include "node.h"

struct fs;

#define ANNOUNCE_STUCK_MAX  8
#define ANNOUNCE_TIMEOUT_MS 1000

/* What the helper is about to do; the handlers play along. */
struct telling {
	pid_t pid; /* 0: nothing */
	enum told_step step;
	enum node_view view;
	struct node *node;
	struct inode *victim; /* of an unlink or rmdir */
	const char *hello;
};

struct announcer {
	pthread_t thread;
	bool running;
	struct helper helper; /* the thread's own */

	/* Under fs->lock. */
	struct telling now;
	pid_t pid;       /* the helper's, while it is trusted */
	bool greeted;
	struct helper stuck[ANNOUNCE_STUCK_MAX];
	size_t n_stuck;
};

enum announce_who {
	ANNOUNCE_NOBODY, /* anybody else */
	ANNOUNCE_HELPER, /* the helper, about fs->announcer.now */
	ANNOUNCE_STRAY,  /* a helper that was given up */
};

int announce_start(struct fs *fs);
/* Ends the thread and the helper.  The mount must still answer. */
void announce_stop(struct fs *fs);

enum announce_who announce_who_locked(struct fs *fs, pid_t pid);

#endif
