/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_SETTLE_H
#define ZNODEFS_SETTLE_H

/*
 * A change whose answer got lost is settled before its caller hears of it:
 *
 *	send() --> answered                                     done()
 *	       --> unknown --> sync, read --> there             done(), as if
 *	                                  --> not there         send() again
 *	                                  --> cannot be told    done(), -EIO
 *
 * What may be done twice (`repeatable`) is sent again without a look.
 *
 * All of it takes no longer than one call may take (-o timeout=), counted from
 * settle_start(), and ends when the caller is interrupted: what was not known
 * by then is -EIO, or -EINTR, with `unknown` set, and a line in the log for the
 * first.
 *
 * What outcome.h cannot judge is not looked at: a znode whose name the server
 * chooses is not found again.
 *
 *	s->req, s->send, s->done, s->looks, s->n_looks   given by the caller
 *	settle_start(s)
 *
 * done() is called once, as the callbacks of zk.h are, and with a result as of
 * the call that send() makes.  It may free @s.  The result of a transaction
 * that has not taken place is -ESTALE: its picture may be an old one by then,
 * and the caller takes another.
 */

#include "outcome.h"
#include "req.h"

/* What to look at. */
struct settle_look {
	struct outcome_ask ask;
	char *path; /* the caller's, as ask.data is */
};

struct settle {
	/* Given by the caller. */
	struct req *req;
	/* Make the call, with @to for its callback; once or more. */
	void (*send)(struct settle *s, struct zk_to to);
	void (*done)(struct settle *s, const struct zk_result *r);
	/*
	 * One for a single change.  For a transaction the two of
	 * outcome_of_multi(), or one without the first.  With none the path
	 * of the first is for the log.
	 */
	struct settle_look look[2];
	size_t n_looks;
	bool multi;
	bool repeatable;

	/* Internal state. */
	bool doubted; /* it was unknown at some time; done() may read it */
	int64_t until;
	size_t at; /* of look */
	bool unread; /* there is something that may not be read */
	enum outcome first; /* of look[0], if there are two */
};

void settle_start(struct settle *s);

#endif
