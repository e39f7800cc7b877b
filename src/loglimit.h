/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_LOGLIMIT_H
#define ZNODEFS_LOGLIMIT_H

/*
 * Which lines of a log are too many of their kind.
 *
 * A kind is a pointer: log.c takes the format of a message, which says from
 * where in the program it comes.  Of a kind, LOGLIMIT_MAX lines pass in
 * LOGLIMIT_MS, however fast they come, so one fault that repeats neither fills
 * the disk nor hides another.  The lines that do not pass are counted, and the
 * next one of any kind that does takes the count with it.
 *
 * All zero is an empty one.  Not thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#define LOGLIMIT_MAX   20
#define LOGLIMIT_MS    60000
#define LOGLIMIT_KINDS 64 /* the program has 40; the oldest makes room */

struct loglimit {
	struct {
		const void *kind;
		int64_t from; /* ms; when its lines began to be counted */
		unsigned passed;
	} kinds[LOGLIMIT_KINDS];
	unsigned missed;
};

/*
 * True if a line of @kind passes at @now (ms, never 0, never backwards), with
 * *@missed the number of lines that did not before.  False: *@missed is 0.
 */
bool loglimit_pass(struct loglimit *l, const void *kind, int64_t now,
		   unsigned *missed);

#endif
