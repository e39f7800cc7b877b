/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_POLLERS_H
#define ZNODEFS_POLLERS_H

/*
 * poll(2) on an open file, as on an attribute of sysfs: POLLPRI says that the
 * znode has changed, or gone, since this descriptor last took a version of it
 * (file.h: `seen`).  Reading and writing are always possible.
 *
 * The kernel gives a handle with each POLL that somebody waits in.  The last
 * one is kept with the file until there is news, and is used up then: whoever
 * is woken polls again.
 *
 *   a change is known --> look.c --> pollers_changed_locked()
 *	                            --> pollers_pump() wakes, without the lock
 *
 * What is known when poll(2) returns is what a read gets.
 *
 * pollers_pump() is the only one to call fuse_lowlevel_notify_poll().  In the
 * kernel that takes a spinlock and wakes up: it waits for nobody (HACKING.md).
 *
 * fs->lock protects everything here.
 */

#include "file.h"

struct fs;

void pollers_init(struct fs *fs);

/* What is known of @node may have changed. */
void pollers_changed_locked(struct fs *fs, struct node *node);
/* Wake those who have news.  From any thread, without the lock. */
void pollers_pump(struct fs *fs);

/* Whether there is news for @file. */
bool pollers_has_news_locked(const struct file *file);
/*
 * @file is polled, and @ph (NULL: nobody waits) is to be used for its news.
 * Returns the one that it replaces, which the caller frees without the lock.
 */
struct fuse_pollhandle *pollers_wait_locked(struct file *file,
					    struct fuse_pollhandle *ph);
/* The same: @file is closed. */
struct fuse_pollhandle *pollers_closed_locked(struct file *file);

#endif
