/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_OUTCOME_H
#define ZNODEFS_OUTCOME_H

/*
 * What has become of a change that was sent and not answered, judged by what
 * is there afterwards.
 *
 * The judgement is final, for nothing of the change can come later.  What is
 * looked at was read after a sync, on a connection made after the one that was
 * lost.  A server closes the old connection of a session that comes back; the
 * leader refuses what a server passes on for a session that has moved to
 * another one (SESSIONMOVED) or has expired; and a sync takes its place behind
 * all that the leader has accepted.
 *
 * Nothing in a znode says who has written it.  So what was asked for and is
 * there counts as done, where it makes no difference who did it.  Where it
 * does, because a program takes the success of mkdir(2) for a claim, the change
 * must be the session's own for sure, or it is not known.  What cannot be told
 * apart:
 *
 * - two that append the same bytes to the same version, of which one is not
 *   answered: both count as done;
 * - a znode that was made, seen and deleted by another meanwhile, from one that
 *   was never made: it is made again.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blob.h"
#include "zstat.h"

enum outcome {
	OUTCOME_DONE,    /* as asked for, or as good */
	OUTCOME_NOT,     /* it has not taken place, and may be tried again */
	OUTCOME_REFUSED, /* nor can it: as the server would have said */
	OUTCOME_UNKNOWN,
};

enum outcome_type {
	OUTCOME_CREATE,
	OUTCOME_SET,
	OUTCOME_DELETE,
};

/* What was asked for. */
struct outcome_ask {
	enum outcome_type type;
	const struct blob *data; /* create, set */
	bool claim;     /* create: it must not be another's */
	bool ephemeral; /* create: of @session, this one's */
	int64_t session;
	int version;    /* set: what it was made under, or -1 */
	bool based;     /* the znode was known when it was sent, ... */
	struct zstat base; /* ... like this */
};

/*
 * @stat: of what is there, NULL for nothing.  @data: its value, NULL if it may
 * not be read.  OUTCOME_REFUSED is -EEXIST of a create, -ESTALE of a set under
 * a version, -ENOENT of a set of what is not there.
 */
enum outcome outcome_of(const struct outcome_ask *ask,
			const struct zstat *stat, const struct blob *data);

/*
 * Of a transaction, from what became of two of its steps: of the delete of a
 * znode that it does not make again (@gone, NULL if there is none), and of a
 * create or set.  Never OUTCOME_REFUSED.
 */
enum outcome outcome_of_multi(const enum outcome *gone, enum outcome made);

#endif
