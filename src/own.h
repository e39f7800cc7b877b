/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_OWN_H
#define ZNODEFS_OWN_H

/*
 * Own changes are not echoed: what is changed here, the kernel reports by
 * itself, and the feed's event for it is counted off (told.h has how).
 *
 * Around each change of a name:
 *
 *	own_begin_locked(fs, &own, node, lists)
 *	  the call, and what its answer says of the node
 *	own_end_locked(fs, &own, changed, unknown)
 *	look_pump(fs)                               without the lock
 *
 * A node whose event is still to come is held meanwhile, or the event would
 * find nobody to tell it apart.
 *
 * fs->lock protects everything here.
 */

#include "node.h"

struct fs;

struct own {
	struct node *node; /* a reference */
	uint64_t epoch;    /* of the feed, when it began; 0: none */
	uint64_t guard;    /* of the node, then */
	uint64_t valid;    /* and what was so before it began */
	uint32_t changes;
	bool lists;        /* a create or a delete in the root */
	bool births;       /* the same, in any directory */
};

struct own_book {
	struct list credited;         /* of told_way.credited, oldest first */
	struct told_credit root_list; /* for the events of the root's list */
};

void own_init(struct fs *fs);
void own_release(struct fs *fs);

void own_begin_locked(struct fs *fs, struct own *own, struct node *node,
		      bool lists);
/* @unknown: whether it has been changed is not known, or was not at a time. */
void own_end_locked(struct fs *fs, struct own *own, bool changed,
		    bool unknown);

/* An event.  True if it is somebody else's, or may be. */
bool own_is_not_locked(struct fs *fs, struct node *node, enum told_event type);
/* The same for an event that the root's list has changed. */
bool own_root_list_is_not_locked(struct fs *fs);

/* Give up events that did not come.  When to come again, in ms; 0: no need. */
int64_t own_expire_locked(struct fs *fs, int64_t now);

#endif
