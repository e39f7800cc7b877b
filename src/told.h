/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TOLD_H
#define ZNODEFS_TOLD_H

/*
 * What those who watch this mount by inotify believe of one name, kept apart
 * from what is known of it: a reader that happens to fetch a new value must
 * not swallow the event for it.
 *
 * They hear of a name from the kernel itself, when somebody here changes it,
 * and from the announcer when somebody elsewhere does.  Whenever what is so
 * (told_truth) differs from what was told, an announcement is due, and
 * told_next() says what it is.
 *
 * What was announced, or changed here, is sure.  What a lookup or a listing has
 * found is not: it may have run ahead of an event.  Then some have seen it and
 * others have not heard of it: its CREATE is owed, and if it goes before that,
 * its DELETE is.  Of what is not sure the first event says itself how it was
 * before: what is reported as created was not there, what is reported as
 * deleted was another one than may be there now.
 *
 * Own changes.  The feed reports them too, sooner or later than the reply.
 * Each successful one is a credit, each event uses one up; an event without a
 * credit is somebody else's, and the name is looked at.  If another's event
 * takes our credit, ours comes without one, and the name is looked at after
 * all; what an event says of the time before it is told apart by its type.  A
 * credit is not kept for ever (TOLD_CREDIT_MS): a server sends no event of
 * what the session may not read, and a credit that stays must not hide a later
 * change.
 *
 * Pure state; the lock of the node table protects it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

enum node_view {
	VIEW_MAIN,
	VIEW_EPHEMERAL,
	VIEW_COUNT, /* of those in which there is something to tell */

	/* Nobody is told what is seen in these; see view.h. */
	VIEW_SEQUENTIAL = VIEW_COUNT,
	VIEW_EPHEMERAL_SEQUENTIAL,
	VIEW_CONTAINER,
	VIEW_TTL,
};

/* The feed lags by milliseconds; a credit lost costs one read too many. */
#define TOLD_CREDIT_MS 3000

/*
 * Own changes: how many are under way, and of how many the event is still to
 * come.  Negative: events that came while an own change was under way.
 */
struct told_credit {
	int own;
	int n;
	int of[3]; /* those of n of each enum told_event; a rename adds more */
	int64_t until; /* ms */
};

void told_credit_begin(struct told_credit *c);
/* True if the event is not, or not surely, that of an own change. */
bool told_credit_event(struct told_credit *c, int64_t now);
/*
 * @n: events to come of the change that ends.  True if an event came meanwhile
 * that own changes do not account for.
 */
bool told_credit_end(struct told_credit *c, int n, int64_t now);

/* A zxid that no znode has: "another one than whatever is there". */
#define TOLD_OLDER (-1)

/* Where a name is on its way from an event to its announcement; see look.h. */
enum told_state {
	TOLD_IDLE,
	TOLD_WAITING, /* to be read at the server */
	TOLD_READING,
	TOLD_DUE, /* in the announcer's queue */
	TOLD_TELLING,
};

struct told {
	/* The belief. */
	bool set; /* there is one; it may be that there is no such name */
	bool in[VIEW_COUNT];   /* the name is there, in this view */
	bool owed[VIEW_COUNT]; /* it has been seen there, but not announced */
	bool sure[VIEW_COUNT]; /* in and czxid are as told, not as seen */
	bool dir;
	bool kind_known; /* dir and null mean something */
	bool null;       /* a directory's `.data` is not there */
	bool data_owed;  /* `.data` has been seen, but not announced */
	bool value_sure[VIEW_COUNT]; /* mzxid is as told, not as seen */
	int64_t czxid[VIEW_COUNT];   /* 0: whichever it is; TOLD_OLDER */
	int64_t mzxid[VIEW_COUNT];   /* the same */

	struct told_way *way; /* NULL: nothing is */
};

/*
 * What is under way with a name, made when something is and freed when nothing
 * is any more: most names rest most of the time.
 */
struct told_way {
	struct told *told; /* whose it is */

	/* To its announcement. */
	enum told_state state;
	bool again;       /* something came meanwhile: look once more */
	uint16_t refused_at; /* ms, since when the kernel refuses it; 0: never */
	struct list link; /* in the queue of its state; the queue has a reference */
	struct list open; /* of all that are on the way, oldest first; ... */
	uint64_t since;   /* ... since this number, see look.h */

	struct told_credit credit;
	struct list credited; /* in a list that has a reference, while due */
};

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

static inline bool told_is_removal(enum told_step step)
{
	return step == TOLD_UNLINK || step == TOLD_RMDIR ||
	       step == TOLD_DATA_UNLINK;
}

static inline bool told_is_making(enum told_step step)
{
	return step == TOLD_MKNOD || step == TOLD_MKDIR ||
	       step == TOLD_DATA_MKNOD;
}

static inline bool told_is_of_data(enum told_step step)
{
	return step == TOLD_DATA_MKNOD || step == TOLD_DATA_UNLINK ||
	       step == TOLD_DATA_MODIFY;
}

/* The way of @t, made if need be; it is there until told_rest(). */
struct told_way *told_way(struct told *t);
/* Forget the way if nothing is on it: whenever somebody lets go of the name. */
void told_rest(struct told *t);
/* Forget it, whatever is on it. */
void told_release(struct told *t);

static inline enum told_state told_state(const struct told *t)
{
	return t->way ? t->way->state : TOLD_IDLE;
}

/* An own change is under way; what it does is settled when it ends. */
static inline bool told_is_changing(const struct told *t)
{
	return t->way && t->way->credit.own > 0;
}

/* The event of one is still to come. */
static inline bool told_is_credited(const struct told *t)
{
	return t->way && t->way->credit.n > 0;
}

/* Nothing is on its way to be told, and nothing is being changed. */
static inline bool told_is_idle(const struct told *t)
{
	return told_state(t) == TOLD_IDLE && !told_is_changing(t);
}

/* Whether something came that is to be looked at once more; not any longer. */
static inline bool told_take_again(struct told *t)
{
	bool again = t->way && t->way->again;

	if (again)
		t->way->again = false;
	return again;
}

/* The name is believed to be there, in any view. */
bool told_anywhere(const struct told *t);
/* Its value is believed to be known, in any view. */
bool told_has_value(const struct told *t);
/* Something is to be announced whatever is so. */
bool told_is_disputed(const struct told *t);

/* The first thing to announce, and in which view. */
enum told_step told_next(const struct told *t, const struct told_truth *truth,
			 enum node_view *view);
/* It has been announced, or there was nobody to hear it. */
void told_done(struct told *t, const struct told_truth *truth,
	       enum told_step step, enum node_view view);
/* Take what a belief has left open from the truth. */
void told_fill(struct told *t, const struct told_truth *truth);

/* A lookup has found the name in @view. */
void told_seen(struct told *t, const struct told_truth *truth,
	       enum node_view view);
/* A listing has; what it is is not known.  True if it is owed now. */
bool told_listed(struct told *t);
/* It came since a listing: nobody has been told that it is there. */
void told_absent(struct told *t);
/*
 * A lookup or a listing has not found what is believed in, or has found
 * another one: what comes next is to be announced as such.
 */
void told_lost(struct told *t);

/*
 * Somebody may have read an older value since the kernel told of this one: it
 * is to be announced.
 */
void told_unheard(struct told *t);

/*
 * A change here has been told by the kernel: made or set; removed.  In a view
 * of which nothing is told, it is still to be announced in the others.
 */
void told_made(struct told *t, const struct told_truth *truth,
	       enum node_view view);
void told_set(struct told *t, const struct told_truth *truth,
	      enum node_view view);
void told_removed(struct told *t, enum node_view view);
/* It has gone with the directory it was in, or under a rename. */
void told_replaced(struct told *t);
/* Something else takes its place, by a rename in the main view. */
void told_covered(struct told *t);
/*
 * Renamed here, to a name that is covered: the beliefs of the main view change
 * places, and their zxids are not known yet.  Those of the other view stay, and
 * are to be announced.
 */
void told_renamed(struct told *from, struct told *to);
/* The same for two that change places. */
void told_exchanged(struct told *a, struct told *b);
/* After that, of the name to which something was renamed in @view. */
void told_moved_here(struct told *t, enum node_view view);
/* After that too, of each name: what is there is a directory or not. */
void told_is_now(struct told *t, bool dir);

enum told_event {
	TOLD_CREATED,
	TOLD_DELETED,
	TOLD_CHANGED,
};

/* True if somebody else may have caused it, so that it must be looked at. */
bool told_event(struct told *t, enum told_event type, int64_t now);

#endif
