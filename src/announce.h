/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ANNOUNCE_H
#define ZNODEFS_ANNOUNCE_H

/*
 * Announcing: what is due (look.h) becomes operations of the helper on the
 * mount, and those become inotify events.
 *
 * One thread takes due names in turn and has the helper perform one step after
 * the other: unlink, mknod, ftruncate.  The handlers know the helper by its
 * pid, show it the tree as watchers believe it to be, let it do exactly what
 * is expected, and answer from what is known, without a request (op_tell.c).
 * A step counts as told when its handler answers, with the kernel's locks
 * still held: whatever happens to the helper then, and whoever changes the
 * name next.
 *
 * The helper can be stuck behind a lock that somebody holds in the kernel.  It
 * is then left alone and another one takes over; what the stuck one does
 * later is answered with an error.  Its pid is remembered until it has been
 * reaped, and so is the directory, in which nothing is tried meanwhile.
 *
 * What the kernel is given to keep, the helper takes back.  So it is given
 * nothing until a helper has shown that it may change the mount: uid=, gid= and
 * umask= can forbid it to one that is not root's.  Then there are no events, and
 * everything due counts as told.
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
	struct node *node;
	enum told_step step;
	enum node_view view;
	struct told_truth truth; /* the one that is told */
	bool done;
	const char *hello;
};

struct stuck {
	struct helper helper;
	struct node *dir; /* a reference, or NULL */
};

struct announcer {
	pthread_t thread;
	bool running;
	struct helper helper; /* the thread's own, as is ... */
	int64_t complain_at;  /* ms */

	/* Under fs->lock. */
	struct telling now;
	pid_t pid; /* the helper's, while it is trusted */
	bool greeted;
	bool able; /* the last one that was greeted may change the mount */
	struct stuck stuck[ANNOUNCE_STUCK_MAX];
	size_t n_stuck;
	uint64_t told;    /* steps that a helper has performed */
	uint64_t started; /* helpers */
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
/*
 * For the handlers: whether what is to be done now is due still, for something
 * may have come in between.
 */
bool announce_is_due_locked(struct fs *fs);
/* What was to be done now is being done. */
void announce_done_locked(struct fs *fs);

#endif
