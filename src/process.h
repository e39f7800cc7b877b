/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_PROCESS_H
#define ZNODEFS_PROCESS_H

/*
 * Whose a request is.  The kernel names the thread that made the system call,
 * as this process's /proc has it, and 0 for one that cannot be seen from here.
 *
 * A number is good only while its owner lives, so ask while the request is
 * unanswered.  Each is a file of /proc that is read, which waits for nobody
 * but takes some 20 us: not with a lock held.
 */

#include <stddef.h>
#include <sys/types.h>

/* How far up a line is followed; shells are nested less deep. */
#define PROCESS_LINE_MAX 32

/* The process of a thread; 0 if there is none. */
pid_t process_of(pid_t thread);

/*
 * The process of @thread, its parent, and so on, without init.  Returns how
 * many there are.
 */
size_t process_line(pid_t thread, pid_t line[PROCESS_LINE_MAX]);

/*
 * The CPU on which @thread runs, or ran last; -1 if there is no such thread.
 * Some 3 us.
 */
int process_cpu(pid_t thread);

#endif
