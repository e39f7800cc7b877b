/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_WATCH_H
#define ZNODEFS_WATCH_H

/*
 * Changes made elsewhere: from the feed's events to what is to be announced.
 *
 *   event --> is it ours? --> read it --> differs from what was told? --> due
 *
 * Each name is in at most one place at a time (told.h, enum told_recon), so a
 * burst of events for one name costs as many reads as there is time for, and
 * memory for one.  What comes meanwhile is remembered as one more look.
 *
 * The same way is taken for what a lookup finds to differ from what was told,
 * and for everything known when a feed comes back after a gap.
 *
 * fs->lock protects everything here.  Functions ending in _locked want it
 * held; the others take it.
 */

#include <pthread.h>

#include "node.h"

struct fs;
struct feed;

/* Reads for events that are in flight together; the rest wait in line. */
#define WATCH_READS_MAX 256

struct watch {
	struct feed *feed;    /* NULL: no remote events */
	bool unsupported;     /* the server has no persistent watches */
	bool been_up;
	struct list waiting;  /* of node.told.due: to be read */
	struct list due;      /* of node.told.due: to be announced */
	struct list credited; /* of node.told.credited, oldest first */
	struct list parked;   /* lookups that wait for a watch */
	struct list dropping; /* changes that wait for watch_drop_parked() */
	pthread_cond_t kick;  /* something is due */
	pthread_cond_t up;
	size_t reading;
	bool stopping;
	uint64_t events;
	uint64_t reads;
	uint64_t announced;
};

void watch_init(struct fs *fs);
/* Start the feed; wait until it is up, or known to be none, or @timeout_ms. */
int watch_start(struct fs *fs, int timeout_ms);
/* No event comes any more. */
void watch_stop(struct fs *fs);
void watch_release(struct fs *fs);
/* The main session is with this server now; NULL for none. */
void watch_follow(struct fs *fs, const char *server);

/* A directory has been listed, as the server has it. */
void watch_listed_locked(struct fs *fs, struct node *dir,
			 const char *const *names, size_t n);
/* For the announcer: the next due node, with the queue's reference. */
struct node *watch_next_due_locked(struct fs *fs);
/*
 * It has been told of, as far as it went.  If the name has gone to another
 * node meanwhile, that one is looked at, and the reference is to it.
 */
void watch_told_locked(struct fs *fs, struct node **node);
/* The node that has the name of @node now; a reference. */
struct node *watch_holder_locked(struct fs *fs, struct node *node);
bool watch_can_pump_locked(struct fs *fs);

/* What is known of a node, in the terms of told.h. */
struct told_truth watch_truth_locked(struct fs *fs, struct node *node);
/* What is to be announced of it next; nothing if it is not known what is so. */
enum told_step watch_step_locked(struct fs *fs, struct node *node,
				 struct told_truth *truth,
				 enum node_view *view);
/* Look at this name: what is so may not be what was told. */
void watch_look_locked(struct fs *fs, struct node *node);
/* Send reads for what waits.  Without the lock. */
void watch_pump(struct fs *fs);

/*
 * A lookup has found the node in this view.  True if the kernel may keep the
 * answer: it is guarded, and nothing is to be announced of it.
 */
bool watch_seen_locked(struct fs *fs, struct node *node, enum node_view view);
/* The server says that there is no such znode. */
void watch_gone_locked(struct fs *fs, struct node *node, struct node_ask ask);

/*
 * Around each change that is made here.  After a success, watch_made_locked()
 * or watch_removed_locked() or watch_set_locked() says what the kernel has
 * told by itself; then comes watch_own_end_locked() in any case.  It is the
 * name that changes, whichever node has it in the end.
 */
struct watch_own {
	struct node *dir; /* a reference; NULL: not begun */
	char *name;       /* NULL: the root, which is dir itself */
};

void watch_own_begin_locked(struct fs *fs, struct node *node,
			    struct watch_own *own);
/* Does nothing if it has not begun. */
void watch_own_end_locked(struct fs *fs, struct watch_own *own, bool changed);
void watch_made_locked(struct fs *fs, struct node *node, enum node_view view);
void watch_set_locked(struct fs *fs, struct node *node);
/* Detaches @node. */
void watch_removed_locked(struct fs *fs, struct node *node,
			  enum node_view view);

/*
 * Renamed here: @top and what is below have been told of, by the kernel's
 * moving of the entries.
 */
void watch_moved_locked(struct fs *fs, struct node *top);

/*
 * Before something below the root is asked for, its top-level subtree must be
 * watched, or a change right after the answer would be missed.  False: go on.
 * True: resume() will be called once, by another thread and without the lock.
 * @exists: the server has it; if not known, only what is listed is watched.
 */
struct watch_parked {
	struct list link;
	struct node *top; /* a reference; the node itself, if to be dropped */
	int64_t until;    /* ms */
	void (*resume)(struct watch_parked *p);
};

bool watch_park_locked(struct fs *fs, struct node *node, bool exists,
		       struct watch_parked *p);
/*
 * A change made in `.ephemeral` is answered when the kernel has dropped what it
 * keeps of the name in the main view, which says otherwise.  As above.  The
 * announcement there comes after the answer: a caller who unlinks has the
 * inode locked, and both views show the same one.
 */
bool watch_park_drop_locked(struct fs *fs, struct node *node,
			    struct watch_parked *p);
/* Have it dropped and resume those.  For the announcer: this may block. */
void watch_drop_parked(struct fs *fs);
/* Resume those who have waited too long.  Returns when to come again, or 0. */
int64_t watch_expire(struct fs *fs, int64_t now);

#endif
