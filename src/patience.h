/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_PATIENCE_H
#define ZNODEFS_PATIENCE_H

/*
 * Say what a start waits for, once it takes long.
 *
 *	patience_start()   a thread that waits beside us
 *	patience_for()     what comes now; of it there is a line in the log if
 *	                   it is not over in PATIENCE_MS
 *	patience_end()
 *
 * It works for whatever blocks, the look-up of a name too.  Without the thread
 * there are no lines, and that is all.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "util.h"

#define PATIENCE_MS       3000
#define PATIENCE_WHAT_MAX 512 /* more is cut off */

struct patience {
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t due; /* ms; 0: nothing to say */
	bool ended;
	char what[PATIENCE_WHAT_MAX];
};

/* After the last fork. */
void patience_start(struct patience *p);
/* Completes "waiting for ". */
void patience_for(struct patience *p, const char *fmt, ...) _printf_(2, 3);
/* No line comes after it.  A second call does nothing. */
void patience_end(struct patience *p);

#endif
