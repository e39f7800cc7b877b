/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_RENEW_H
#define ZNODEFS_RENEW_H

/*
 * When a session has expired, its ephemerals are gone: each is reported, and
 * with `-o renew` made again in the new session.
 *
 *	session changes --> reported --> pending --> busy --> made again
 *	                                    ^          |  \-> given up, reported
 *	                                    +----------+  the outcome is unknown,
 *	                                                  or the session changes
 *
 * It is made with the value that was last known, which is kept for the
 * purpose in the cache for values: what has no room there (`-o cache_size=`)
 * cannot be renewed.  Neither can one whose ACL was changed, for it would come
 * back open to all; nor one that does not fit into a create.  After a rename
 * the value is read once more: a session that ends before that has lost it.
 *
 * If there is another znode of the name, it is left alone.  Whether a create
 * whose answer was lost has taken place, its owner tells.
 *
 * fs->lock protects everything here; the functions take it.
 */

#include <stddef.h>
#include <stdint.h>

#include "list.h"

struct fs;

/* Lines in the log for one session's end, and as many for what follows. */
#define RENEW_LOG_MAX 10

struct renewals {
	struct list pending; /* of struct renewal */
	struct list busy;    /* the same, with a call under way */
	size_t n;            /* in both */
	unsigned logged;     /* lines since the session changed */
};

void renew_init(struct fs *fs);
void renew_release(struct fs *fs);
/*
 * There is another session than before, @id: from now on it is ours.  To be
 * called before any of its answers is seen, while the node table still has what
 * the old session had.
 */
void renew_session_changed(struct fs *fs, int64_t id);
/* There is a connection: make what is pending. */
void renew_pump(struct fs *fs);

#endif
