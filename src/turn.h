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
 * The caller's lock protects both.
 */

#include "list.h"

struct turn {
	bool taken;
	struct list waiting;
};

struct turn_waiter {
	struct list link;
	void (*run)(struct turn_waiter *w);
};

static inline void turn_init(struct turn *t)
{
	t->taken = false;
	list_init(&t->waiting);
}

static inline bool turn_take(struct turn *t, struct turn_waiter *w)
{
	if (t->taken) {
		list_add_tail(&t->waiting, &w->link);
		return false;
	}
	list_init(&w->link);
	t->taken = true;
	return true;
}

/* NULL if nobody waits. */
static inline struct turn_waiter *turn_pass(struct turn *t)
{
	struct turn_waiter *next =
		list_first(&t->waiting, struct turn_waiter, link);

	if (next)
		list_del(&next->link);
	else
		t->taken = false;
	return next;
}

#endif
