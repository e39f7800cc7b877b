/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FOLLOW_H
#define ZNODEFS_FOLLOW_H

/*
 * Where the thread that reads the device runs: on the CPU of who calls.
 *
 * A system call on the mount is a conversation of two threads of which one
 * waits while the other runs.  On one CPU each turn of it is a switch, some
 * 4 us.  On two, each wakes the other's CPU out of its sleep: 30 us a turn
 * and more on a virtual machine.  The scheduler does not know that they never
 * run at once: it wakes the daemon where it was, if that CPU sleeps, and so
 * leaves them apart for as long as they talk.
 *
 * So who sends one message after the other, with no other thread's between
 * them, is followed: the thread that reads is bound to the CPU on which the
 * caller was last, and is free again once somebody else calls.
 *
 * The scheduler may not let the caller stay: what it wakes goes to a CPU that
 * is idle, unless all that share a cache are busy (SIS_UTIL in the kernel's
 * sched/fair.c).  To move after it each time would cost as much.  Then the two
 * are apart, and one wakening is spared if the thread that reads does not sleep
 * between two messages.
 */

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* All zero at first. */
struct follow {
	pid_t caller;   /* who has sent the last message */
	unsigned run;   /* how many in a row */
	bool apart;     /* it runs on another CPU, as of the last look */
	int64_t moved;  /* when (ms) */
	bool bound;     /* to @here, and else it may run where @free says */
	cpu_set_t here;
	cpu_set_t free;
};

/*
 * A message of the thread @caller has been read, 0: of none that is known.
 * On the thread that reads, which is the one that moves.
 */
void follow_caller(struct follow *f, pid_t caller);
/*
 * Whether one thread has sent the last messages, so many that it goes on, and
 * runs on another CPU all the same.
 */
bool follow_is_apart(const struct follow *f);
/* It was waited for, and did not come: no more of that for a while. */
void follow_missed(struct follow *f);

#endif
