/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_LOOK_H
#define ZNODEFS_LOOK_H

/*
 * Looking at names: from "this may have changed" to "this is to be announced".
 *
 *   look_locked() --> waiting --> read at the server --> due --> the announcer
 *
 * Each name is at most in one place of this way (told.h, enum told_state), so a
 * burst of events for one name costs as many reads as there is time for, and
 * memory for one.  What comes meanwhile is remembered as one more look.
 *
 * fs->lock protects everything here.  Functions ending in _locked want it
 * held; the others take it.
 */

#include <pthread.h>

#include "node.h"
#include "zk.h"

struct fs;

/* Reads for events that are in flight together; the rest wait in line. */
#define LOOK_READS_MAX 256

struct look {
	struct list waiting; /* of told_way.link */
	struct list due;     /* the same */
	size_t reading;
	struct list open; /* of told_way.open: anywhere on the way */
	uint64_t entered; /* counts those that have entered it */
	bool awaited;     /* somebody waits for some to have left it */
	pthread_cond_t kick; /* there is something for the announcer */
	bool stopping;
};

void look_init(struct fs *fs);
void look_release(struct fs *fs);

/* What is so may not be what was told: read, and announce the difference. */
void look_locked(struct fs *fs, struct node *node);
/* The same where what is so is known already: no read. */
void look_compare_locked(struct fs *fs, struct node *node);
/*
 * Whether a look at it is under way, which may as well serve a reader: then
 * to.cb() is called when that is over, as of zk_wait().
 */
bool look_wait_locked(struct fs *fs, struct node *node, struct zk_to to);
/*
 * Whether anything that is on the way now is still to be looked at or told, but
 * for what has been put off: then to.cb() is called within @ms, and this is to
 * be asked again.  *@since is 0 the first time.  A name that changes all the
 * time may be on its way for ever: patience is the caller's.
 */
bool look_await_locked(struct fs *fs, uint64_t *since, int ms,
		       struct zk_to to);
/* Send reads for what waits, wake who polls.  Without the lock. */
void look_pump(struct fs *fs);

/* What is known, in the terms of told.h.  False: nothing is. */
bool look_truth_locked(struct fs *fs, const struct node *node,
		       struct told_truth *truth);
/* What is to be announced next; TOLD_NOTHING also while it is not known. */
enum told_step look_step_locked(struct fs *fs, const struct node *node,
				struct told_truth *truth,
				enum node_view *view);
/* Whether what is told of it is what is so, as far as is known. */
bool look_is_settled_locked(struct fs *fs, const struct node *node);

/* A lookup has found it in @view. */
void look_seen_locked(struct fs *fs, struct node *node, enum node_view view);

/* For the announcer: the next due node with a reference, or NULL; ... */
struct node *look_take_locked(struct fs *fs);
/* ... and back, when everything has been told.  Takes the reference. */
void look_told_locked(struct fs *fs, struct node *node);
/* The same, to be tried again in its turn: @put_off is a queue like `due`. */
void look_put_off_locked(struct fs *fs, struct node *node,
			 struct list *put_off);

#endif
