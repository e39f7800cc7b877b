/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_DAEMON_H
#define ZNODEFS_DAEMON_H

/*
 * Going into the background without losing a word.
 *
 * daemon_start() forks.  The child goes on with stderr as it was, so that
 * whatever goes wrong reaches the user; the parent waits.  daemon_ready() lets
 * the parent exit with 0 and cuts the child off from the terminal.  If the
 * child ends before, the parent exits with 1.
 */

#include <stdbool.h>

struct daemon {
	int pipe; /* -1 in the foreground, and once ready */
};

/* 0 in the child (or in the foreground), -errno.  Before any thread. */
int daemon_start(struct daemon *d, bool foreground);
/* From any thread, once. */
void daemon_ready(struct daemon *d);

#endif
