/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_SESSION_H
#define ZNODEFS_SESSION_H

/*
 * The life of the session, and what follows from each change of it.
 *
 *	connecting --> connected <--> read-only      one connection or another
 *	    ^              |  ^           |
 *	    |              v  |           v
 *	 expired <-------- lost <---------+
 *
 *	auth-failed, closed: for good
 *
 *   connected   The feed follows to the same server.  If the session is a new
 *               one, the ephemerals of the old are gone: reported, and made
 *               again if the mount is to (renew.h).
 *   read-only   The same, at a server that has lost its quorum: changes are
 *               EROFS.  libzookeeper looks for a better one by itself.
 *   lost        Requests wait (zk.h).  What was guarded to the end is still
 *               served (watch.h), unless the mount is strict.
 *   expired     So is this, until the new session is there.
 *
 * Each change is one line in the log, with the session and the server.
 *
 * fs->lock protects everything here.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "zk.h"

struct fs;

struct session {
	enum zk_state state;
	int64_t since;      /* ms */
	time_t since_clock; /* the same by the clock on the wall */
	uint64_t connects;
};

void session_init(struct fs *fs);
/* zk_config.on_state; @arg is the struct fs. */
void session_on_state(void *arg, enum zk_state state, bool session_changed);
/* Whether there is no server to be asked. */
bool session_is_out_locked(const struct fs *fs);

#endif
