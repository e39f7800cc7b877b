/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_SEQUENTIAL_H
#define ZNODEFS_SEQUENTIAL_H

/*
 * A file opened in `.sequential` or `.ephemeral-sequential`.
 *
 * Each open that creates makes one znode, with its first commit.  Until then
 * its node is an unnamed one (node.h), so however many open the same prefix,
 * each has a file of his own; the kernel finds none by that name.
 *
 * To the descriptor the file reads as the value that it has committed, followed
 * by the path that the server chose and a newline.  So whoever has written and
 * reads on, reads the path.  The path is relative to the root of the mount and
 * made of its entries.  A read commits what is pending, be it nothing.
 *
 * A later write is a set of the znode.  Behind the end of the value stands the
 * path, which is not to be written over: -EINVAL.
 *
 * fs->lock protects what these look at; no thread waits.
 */

#include "file.h"
#include "req.h"

bool sequential_is(const struct file *file);
/* READ: answers @freq. */
void sequential_read(fuse_req_t freq, struct file *file, size_t size,
		     off_t off);
/* 0 or -EINVAL: whether a write at @off may be gathered.  In the turn. */
int sequential_check_write_locked(const struct file *file, off_t off);

#endif
