/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FEEDSET_H
#define ZNODEFS_FEEDSET_H

/*
 * The watches that the feed is asked for, and how far the server has been told
 * of each.  Pure bookkeeping; the feed's lock serialises all calls.
 *
 *	todo --feedset_sent()--> flight --feedset_reply()--> settled
 *	 ^                                                      |
 *	 +---- wanted again, no more, or in another mode -------+
 *
 * todo and flight are in order of arrival, and the server answers in that
 * order, so the oldest in flight is the one that a reply is for.
 *
 * A watch that is unwanted goes at once if the server never heard of it, else
 * when the server has confirmed its removal.  One watch can be pinned, between
 * feedset_reply() and feedset_unpin(): it stays in memory whatever is asked
 * for meanwhile, so its path can be shown to a callback without the lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"

enum feedset_op {
	FEEDSET_NOTHING,
	FEEDSET_ADD,
	FEEDSET_REMOVE,
};

struct feedset_watch {
	/* To be read by the caller. */
	char *path;
	bool recursive;     /* the mode wanted */
	enum feedset_op op; /* what is in flight, or is to be sent next */

	/* Internal state. */
	struct list link;
	bool wanted;
	bool on_server; /* an AddWatch succeeded and no removal has */
	bool settled;   /* sent, or answered, in the mode wanted */
	bool refused;   /* that answer was an error */
	bool in_flight;
	bool initial; /* counted in feedset.initial */
	int32_t xid;  /* while in flight */
};

struct feedset {
	void *by_path; /* tsearch(3) tree of struct feedset_watch */
	struct list todo;
	struct list flight;
	struct list idle;
	struct feedset_watch *pinned;
	size_t n_wanted;
	size_t n_flight;
	size_t initial; /* of those wanted at feedset_restart(), unanswered */
};

void feedset_init(struct feedset *s);
void feedset_clear(struct feedset *s);

/*
 * 1: something is to be sent; 0: it is wanted in this mode already, and was
 * not refused; -ENOMEM.
 */
int feedset_want(struct feedset *s, const char *path, bool recursive);

/* 1: something is to be sent; 0: nothing, or it was not wanted. */
int feedset_unwant(struct feedset *s, const char *path);

/*
 * A connection has begun or ended: the server knows none, all wanted are to be
 * sent.
 */
void feedset_restart(struct feedset *s);

/* The next to be sent, or NULL; look at its op. */
struct feedset_watch *feedset_next(struct feedset *s);
void feedset_sent(struct feedset *s, struct feedset_watch *w, int32_t xid);

/* The oldest in flight, or NULL. */
struct feedset_watch *feedset_oldest(struct feedset *s);

/*
 * The oldest in flight has been answered; @ok: with success.  Returns it,
 * pinned, if that settles it: an AddWatch that is wanted as it was sent.
 * Otherwise NULL.
 */
struct feedset_watch *feedset_reply(struct feedset *s, bool ok);
void feedset_unpin(struct feedset *s);

#endif
