/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TOLD_H
#define ZNODEFS_TOLD_H

/*
 * What those who watch this mount by inotify believe of one name, kept apart
 * from what is known of it: a reader that happens to fetch a new value must
 * not swallow the event for it.
 *
 * A name is told of by the kernel itself, when somebody here changes it or
 * looks it up, and by the announcer for changes made elsewhere.  Whenever what
 * is known differs from what was told, an announcement is due, and told_next()
 * says what it is.
 *
 * Own changes.  The feed reports them too, sooner or later than the reply.
 * Each successful one is a credit, each event uses one up; an event without a
 * credit is somebody else's.  If another's event takes our credit, ours comes
 * without one, and the name is looked at after all.  A credit is not kept for
 * ever (TOLD_CREDIT_MS): an event that never came must not hide a later one.
 *
 * Pure state, under fs->lock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "zstat.h"

struct node;

enum node_view {
	VIEW_MAIN,
	VIEW_EPHEMERAL,
	VIEW_COUNT,
};

/* The other reading of an event costs one get; the feed lags by far less. */
#define TOLD_CREDIT_MS 3000

enum told_recon {
	RECON_IDLE,
	RECON_WAITING, /* to be asked for */
	RECON_READING, /* asked at the server */
	RECON_DUE,     /* in the announcer's queue */
	RECON_TELLING, /* the helper is at work */
};

struct told {
	bool set;  /* the rest means something */
	bool sure; /* by an announcement or an own change, not by a lookup */
	bool in[VIEW_COUNT]; /* the name is there, in this view */
	bool dir;
	bool dir_known;
	bool null;      /* a directory's `.data` is not there */
	int64_t czxid;  /* 0: whichever it is */
	int64_t mzxid;  /* 0: whichever it is; -1: an older one */

	enum told_recon recon;
	bool again;     /* something came meanwhile */
	struct list due; /* in the queue of its state, see watch.h */

	/*
	 * The node that had the name when it was last told of, if that is
	 * another one now: its inodes are what an unlink is about.  A reference.
	 */
	struct node *ghost;

	int own;        /* own changes under way */
	int credit;
	int64_t credit_until; /* ms */
	struct list credited; /* in the watcher's list while credit > 0 */
};

static inline void told_init(struct told *t)
{
	list_init(&t->due);
	list_init(&t->credited);
}

static inline bool told_anywhere(const struct told *t)
{
	return t->set && (t->in[VIEW_MAIN] || t->in[VIEW_EPHEMERAL]);
}

/* What is so, in the terms of what is told. */
struct told_truth {
	bool in[VIEW_COUNT];
	bool dir;
	bool null; /* only with a directory */
	int64_t czxid;
	int64_t mzxid;
};

enum told_step {
	TOLD_NOTHING,
	TOLD_UNLINK,
	TOLD_RMDIR,
	TOLD_MKNOD,
	TOLD_MKDIR,
	TOLD_MODIFY,
	TOLD_DATA_MKNOD, /* of `.data` in the directory */
	TOLD_DATA_UNLINK,
	TOLD_DATA_MODIFY,
};

/* The first thing to announce, and in which view. */
enum told_step told_next(const struct told *t, const struct told_truth *truth,
			 enum node_view *view);
/* Take what was left open (0) from the truth; nothing is due. */
void told_fill(struct told *t, const struct told_truth *truth);
/* It has been announced. */
void told_step_done(struct told *t, const struct told_truth *truth,
		    enum told_step step, enum node_view view);

/* The kernel has been given the name by a lookup or a listing in @view. */
void told_seen(struct told *t, const struct told_truth *truth,
	       enum node_view view);
/* Everything about the name has been told, by the kernel, in @view. */
void told_by_kernel(struct told *t, const struct told_truth *truth,
		    enum node_view view);
/* The name is gone, and the kernel has said so in @view. */
void told_removed(struct told *t, enum node_view view);
/* Renamed here: the kernel has told, the zxids are not known yet. */
void told_moved(struct told *t);

enum told_event {
	TOLD_CREATED,
	TOLD_DELETED,
	TOLD_CHANGED,
};

/* True if somebody else may have caused it, so that it must be looked at. */
bool told_event(struct told *t, enum told_event type, int64_t now);

/*
 * Around a change made here.  told_own_end() is true if an event came meanwhile
 * that the change does not account for.
 */
void told_own_begin(struct told *t);
bool told_own_end(struct told *t, bool changed, int64_t now);

/* @to takes the place of @from at the same name. */
void told_transfer(struct told *to, struct told *from);

#endif
