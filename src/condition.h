/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_CONDITION_H
#define ZNODEFS_CONDITION_H

/*
 * "Only if the znode still has this version": a condition on the next commit,
 * put by writing user.zk.version.
 *
 * setxattr(2) tells the inode and the caller, and not through which descriptor
 * it came.  So a condition is for a process and a file: it is put on all
 * handles of the inode that this process has opened for writing, by whatever
 * thread.  One that has none of its own speaks for the next one up its line of
 * parents that has: so setfattr(1) does for the shell that started it.
 *
 *   - The first commit through any of these handles takes it, off all of them,
 *     whatever comes of it.
 *   - It is about what is written from now on.  What a handle has gathered
 *     before is committed first, by itself.
 *   - Closing a handle drops its part: a truncation that is left to the close
 *     has nobody who would hear that it was refused.
 *
 * fs->lock protects everything here.
 */

#include "file.h"

/*
 * Put it for the first of the @n processes of @line (process.h) that has a
 * handle; one that was put before is replaced.  False: none has.
 */
bool condition_put_locked(struct inode *inode, const pid_t *line, size_t n,
			  int32_t version);
/* Take back what was put for that process. */
void condition_drop_locked(struct inode *inode, const pid_t *line, size_t n);

/*
 * A commit of @file begins.  True: only if the znode has *@version.  One that
 * waits for what was gathered before it waits no longer.
 */
bool condition_take_locked(struct file *file, int32_t *version);

#endif
