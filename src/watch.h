/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_WATCH_H
#define ZNODEFS_WATCH_H

/*
 * What is watched, and what the feed's events are about.
 *
 * The root's own watch tells of it and of the names in it; a top-level subtree
 * is watched as a whole once somebody here has touched it.  A node is guarded
 * while the feed is up and the watch over it is in place: then every change of
 * it comes as an event.  The guard is the feed's epoch, so whoever finds it
 * unchanged later knows that nothing was missed in between; 0 is none.
 *
 * During an outage, when there is no server to be asked, what was guarded until
 * it began still counts as guarded: a machine keeps its configuration.
 *
 * When a feed comes up, all that anybody here knows is compared with the
 * server: the difference is what was missed.
 *
 * fs->lock protects everything here.  Functions ending in _locked want it
 * held; the others take it.
 */

#include <pthread.h>

#include "node.h"
#include "zk.h"

struct fs;
struct feed;

struct watch {
	struct feed *feed; /* NULL: no remote events */
	uint64_t epoch;    /* 0 while the feed is not up */
	uint64_t kept;     /* the last one there was; 0 if the mount is strict */
	uint64_t ready;    /* to be the next, once the session has a server */
	bool been_up;
	bool unsupported;
	uint64_t synced; /* the last ticket of feed_sync() that has come back */
	pthread_cond_t up; /* been_up or unsupported */
};

void watch_init(struct fs *fs);
/*
 * Start the feed and wait until it is up, or known not to come, at most
 * @timeout_ms.  -errno of feed_open().
 */
int watch_start(struct fs *fs, int timeout_ms);
/* No event comes any more; nobody waits. */
void watch_stop(struct fs *fs);
void watch_release(struct fs *fs);
/* The session is with this server now, "" for none: so is the feed. */
void watch_follow(struct fs *fs, const char *server);

uint64_t watch_guard_locked(const struct fs *fs, struct node *node);

/*
 * What is known is valid while it is guarded and nothing has come since it was
 * asked for:
 *
 *	ask = watch_ask_locked(fs, node)
 *	  the request, and node_learn() or node_gone()
 *	watch_answered_locked(fs, node, &ask)
 */
struct watch_ask {
	uint64_t epoch;
	uint64_t guard;
	uint32_t changes;
	bool unread; /* it may not be read, so there are no events either */
};

struct watch_ask watch_ask_locked(const struct fs *fs, struct node *node);
/*
 * Of a node that may not be read (node->unread) `exists` still answers, but
 * that does not make it valid: whoever has asked no more does not call this.
 */
void watch_answered_locked(struct fs *fs, struct node *node,
			   const struct watch_ask *ask);
/*
 * Whether the answer may be outdated already, and what made it so is not to be
 * heard of any more: an event came meanwhile, or the guard has begun since.
 */
bool watch_is_late_locked(const struct fs *fs, struct node *node,
			  const struct watch_ask *ask);
/* That there is a znode, and its Stat; or that there is none. */
bool watch_is_valid_locked(const struct fs *fs, struct node *node);
/* The same, or fetched by the system call that @thread is still in. */
bool watch_is_usable_locked(const struct fs *fs, struct node *node,
			    pid_t thread, bool data);

/*
 * An answer about a node below the root is to be guarded, or a change right
 * after it would be missed.  If its subtree is not watched yet, that is asked
 * for, and true returned: to.cb() is called once it is, or there is no feed any
 * more, as of zk_wait(): rc 0, -EINTR, -EIO.
 */
bool watch_wait_locked(struct fs *fs, struct node *node, struct zk_to to);
/* Whether the server is likely to have the subtree: it is worth a watch. */
bool watch_is_expected_locked(struct node *node);

/*
 * Whether events are still to come of what the server has done by now: then
 * to.cb() is called, as of zk_wait(), and this is to be asked again.  @sync is
 * zero the first time.  Without a feed, none are to come.
 */
struct watch_sync {
	uint64_t epoch;
	uint64_t ticket;
};

bool watch_catch_up_locked(struct fs *fs, struct watch_sync *sync,
			   struct zk_to to);

/* All that is known of @node has been told. */
void watch_settled_locked(struct fs *fs, struct node *node);
/* Send the reads that events have made necessary.  Without the lock. */
void watch_pump(struct fs *fs);

#endif
