/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TURN_H
#define ZNODEFS_TURN_H

/*
 * Taking turns without a thread that waits.
 *
 * An operation that must not overlap another on the same thing asks for a
 * turn: turn_take() says true if it may run now, else keeps it in line.  When
 * it is done, turn_pass() gives the next one, whose run() the caller calls
 * after it has dropped its lock.  First come, first served.
 *
 * A waiter stays where it is until it has passed the turn on.  The caller's
 * lock protects both.
 */

#include <stdbool.h>
#include <stddef.h>

/* All zero: nobody's turn. */
struct turn {
	struct turn_waiter *last; /* in line; its next has the turn */
};

struct turn_waiter {
	struct turn_waiter *next; /* of the last: the first */
	void (*run)(struct turn_waiter *w);
};

static inline bool turn_is_taken(const struct turn *t)
{
	return t->last;
}

static inline bool turn_take(struct turn *t, struct turn_waiter *w)
{
	bool now = !t->last;

	w->next = now ? w : t->last->next;
	if (!now)
		t->last->next = w;
	t->last = w;
	return now;
}

/* NULL if nobody waits. */
static inline struct turn_waiter *turn_pass(struct turn *t)
{
	struct turn_waiter *done = t->last->next, *next = done->next;

	if (next == done)
		next = t->last = NULL;
	else
		t->last->next = next;
	return next;
}

#endif
