/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TEST_TOLDS_H
#define ZNODEFS_TEST_TOLDS_H

/* Beliefs and truths, for the tests of told.h. */

#include <string.h>

#include "told.h"
#include "unit.h"

static const struct told_truth nothing _unused_;

static inline struct told_truth file(int64_t czxid, int64_t mzxid)
{
	return (struct told_truth){
		.in = {true, false},
		.czxid = czxid,
		.mzxid = mzxid,
	};
}

static inline struct told_truth ephemeral(int64_t czxid, int64_t mzxid)
{
	struct told_truth truth = file(czxid, mzxid);

	truth.in[VIEW_EPHEMERAL] = true;
	return truth;
}

static inline struct told_truth dir(int64_t czxid, int64_t mzxid, bool null)
{
	struct told_truth truth = file(czxid, mzxid);

	truth.dir = true;
	truth.null = null;
	return truth;
}

#define _cleanup_told_ __attribute__((cleanup(told_release)))

/* Believed for sure. */
static inline struct told told_of(struct told_truth truth)
{
	enum node_view view;
	struct told t = {0};

	told_absent(&t);
	while (told_next(&t, &truth, &view) != TOLD_NOTHING)
		told_done(&t, &truth, told_next(&t, &truth, &view), view);
	return t;
}

static inline struct told unheard_of(void)
{
	return (struct told){0};
}

/*
 * Announce all that is due; returns the steps: U unlink, R rmdir, N mknod, D
 * mkdir, M modify, in small letters those of `.data`, each followed by e in
 * the ephemeral view.
 */
static inline const char *tell(struct told *t, struct told_truth truth)
{
	static const char letters[] = "?URNDMnum";
	static char steps[32];
	enum told_step step;
	enum node_view view;
	size_t n = 0;

	while ((step = told_next(t, &truth, &view)) != TOLD_NOTHING) {
		if (n > sizeof(steps) - 3)
			ck_abort_msg("no end");
		steps[n++] = letters[step];
		if (view == VIEW_EPHEMERAL)
			steps[n++] = 'e';
		told_done(t, &truth, step, view);
	}
	steps[n] = '\0';
	return steps;
}

static inline const char *would_tell(struct told t, struct told_truth truth)
{
	return tell(&t, truth);
}

#define assert_told(t, truth, steps) ck_assert_str_eq(tell(t, truth), steps)
#define assert_would_tell(t, truth, steps)                                     \
	ck_assert_str_eq(would_tell(t, truth), steps)

/* Another belief, instead. */
static inline void restart(struct told *t, struct told other)
{
	told_release(t);
	*t = other;
}

/* An event that is somebody else's. */
static inline void event(struct told *t, enum told_event type)
{
	ck_assert(told_event(t, type, 0));
}

#endif
