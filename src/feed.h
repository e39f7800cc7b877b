/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FEED_H
#define ZNODEFS_FEED_H

/*
 * The feed: every change below the paths asked for, as one event each, from
 * persistent watches (ZooKeeper 3.6), which libzookeeper does not have.  It has
 * a connection, a ZooKeeper session and a thread of its own.
 *
 *	feed_open(&f, &config)
 *	feed_watch(f, "/app", true)       any time, any thread
 *	  watching(epoch, "/app", 0)
 *	  up(epoch)
 *	    event(...), event(...)
 *	  down(epoch, reason)             the connection is lost; the feed
 *	  watching(epoch + n, ...), ...   connects and asks for all again
 *	feed_close(f)
 *
 * What is guarded
 *
 * A path is guarded in epoch E from watching(E, path, 0) and up(E), whichever
 * comes later, until down(E) or feed_unwatch(path): each change in between is
 * followed by its event.  What was read before that is not covered, so compare
 * after it.  A connection that breaks before up() is not told of: its
 * watching() calls are void because its epoch never comes up.  Events can come
 * from watching() on, before up().
 *
 * Paths are the server's own: a chroot is the caller's to add and take off.
 *
 * What events there are (seen with 3.8.0; tests/feed repeats it)
 *
 *  - Recursive: CREATED, DELETED, CHANGED for the path and all below it.  Not
 *    recursive: those three for the path alone, and CHILD with the path itself
 *    when a child is created or deleted.
 *  - One event for each change, never two, also when watches overlap, except
 *    that a create or delete gives a CHILD to a non-recursive watch of the
 *    parent besides, and after, the event for the znode.
 *  - A multi gives an event for each of its changes, in its order; one that
 *    fails gives none.  An expired session gives DELETED for each ephemeral.
 *    A set of the same data is an event.  setACL and sync are none.
 *  - A path need not exist.  Its own deletion is an event and leaves the watch
 *    in place: its creation later, and all below it, are events again.
 *  - A server refuses no path, not even an unreadable one.  Instead it leaves
 *    out the events of what the feed's credentials may not READ (3.8.4, 3.9.2,
 *    Debian's 3.8.0; those before tell all).  A create or delete is judged by
 *    the znode's own ACL.
 *  - The server queues an event before it answers the request that caused it:
 *    what is sent on this connection after that answer is answered after the
 *    event.  Between connections there is no order: who made the change, or
 *    reads it elsewhere, may be first.
 *  - One path has one mode: asking again in the other one replaces it.  Servers
 *    after 3.8 may keep both, so events of the old mode may go on.
 *  - 132,000 events/s were as many as a server sent, with the feed at a
 *    quarter of a core; the feed alone takes millions.
 *
 * Reconnecting
 *
 * The session is resumed while it lives: a new one is a transaction for the
 * whole ensemble and leaves the old one to expire.  But a connection's watches
 * end with it, so all are asked for again.  A session from a read-only server
 * is not resumed.  Delays are random and double from FEED_BACKOFF_MIN_MS to
 * FEED_BACKOFF_MAX_MS; they start anew after a second of being up.
 *
 * Servers without AddWatch
 *
 * 3.5 answers UNIMPLEMENTED and closes (as 3.8 does for an opcode that it does
 * not know); earlier ones drop the request and answer what comes after it, so
 * a ping goes right behind the first AddWatch; others may just close, which is
 * believed the third time in a row.  Then unsupported() is called, and the feed
 * tries again only every FEED_RETRY_MS, and after feed_move(): an ensemble may
 * be upgraded under the mount.  The same slow pace holds after the server has
 * refused a credential.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feedproto.h"

#define FEED_BACKOFF_MIN_MS 10
#define FEED_BACKOFF_MAX_MS 1000
#define FEED_RETRY_MS       60000

/*
 * How long the answer to a connect is waited for: not longer than for anything
 * else (two thirds of the session timeout), at first shorter, then doubled.
 */
#define FEED_PATIENCE_MIN_MS 2000
#define FEED_PATIENCE_MAX_MS 600000

/* How long feed_close() waits for the server to take leave. */
#define FEED_CLOSE_MS 300

/* Unanswered AddWatch requests; a server reads on until it has 1000. */
#define FEED_IN_FLIGHT_MAX 256

/* "[v6 address]:port" and its terminator, with room for a scope. */
#define FEED_SERVER_LEN 80

struct feed;

struct feed_auth {
	const char *scheme;
	const void *data;
	size_t len;
};

/*
 * Called from the feed's thread, one at a time, with no lock held, and not any
 * more once feed_close() has returned.  They may call feed_watch(),
 * feed_unwatch(), feed_move(), feed_sync() and feed_get_status(), not
 * feed_close().  While one runs nothing is read from the server and no ping is
 * sent: return within a fraction of the session timeout.  None may be NULL, but
 * synced() if nobody calls feed_sync().
 */
struct feed_ops {
	/* Connected, authenticated, everything asked for before is answered. */
	void (*up)(void *arg, uint64_t epoch);

	/*
	 * Once for each up(), before the next attempt.  @reason: -ECONNRESET or
	 * another socket error, -ETIMEDOUT (silence), -EPROTO or -EBADMSG
	 * (nonsense), -EBUSY (throttled), -EOPNOTSUPP (no AddWatch), -ESTALE
	 * (feed_move), -ESHUTDOWN (feed_close).
	 */
	void (*down)(void *arg, uint64_t epoch, int reason);

	/*
	 * The server has answered the AddWatch for @path: once in each epoch,
	 * and again after the mode was changed or the path was unwatched and
	 * watched.  @code is 0 or the server's error code; after an error the
	 * path is asked for again in the next epoch or by feed_watch().
	 */
	void (*watching)(void *arg, uint64_t epoch, const char *path, int code);

	/* @zxid is that of the change, or -1 from servers before 3.9. */
	void (*event)(void *arg, enum feedproto_event type, const char *path,
		      int64_t zxid);

	/* Once, and again only if the feed has been up since. */
	void (*unsupported)(void *arg);

	/* See feed_sync().  Not called if the connection is lost before. */
	void (*synced)(void *arg, uint64_t ticket);
};

struct feed_config {
	const char *server;     /* as feed_move() */
	int session_timeout_ms; /* asked for; the server has limits */
	const struct feed_auth *auth;
	size_t n_auth;
	const struct feed_ops *ops;
	void *arg;
};

struct feed_status {
	bool up;
	bool unsupported;
	bool read_only;   /* while connected: the server has no quorum */
	bool auth_failed; /* a credential was refused, at the last attempt */
	char server[FEED_SERVER_LEN]; /* to be connected to, "" for none */
	int64_t session_id;           /* 0: none */
	int timeout_ms;  /* negotiated; 0 before the first connection */
	size_t watches;  /* asked for */
	uint64_t epoch;  /* connections tried so far */
	uint64_t events; /* event() calls so far */
	uint64_t bytes;  /* received so far */

	/*
	 * Why the last connection ended, 0 before: as for down(), or -EACCES (a
	 * credential), -EROFS (the server has no quorum and gives out no
	 * session), -ECONNREFUSED and what else connect(2) says.
	 */
	int last_reason;
};

/*
 * Copies everything in @config but the ops; starts the thread, with all signals
 * blocked.  0, -EINVAL (server, timeout, or a credential that is longer than
 * FEEDPROTO_AUTH_MAX), -ENOMEM, -EMFILE, -EAGAIN.  Callbacks may come before
 * this has returned, and find @out set; after an error it is NULL.
 */
int feed_open(struct feed **out, const struct feed_config *config);

/*
 * Ends the session at the server if connected, joins the thread and frees all.
 * Within FEED_CLOSE_MS and what a callback still takes.  NULL is harmless.
 */
void feed_close(struct feed *f);

/*
 * 0, also if it is watched already; -EINVAL if @path does not begin with '/'
 * or ends in one, -ENAMETOOLONG above FEEDPROTO_PATH_MAX, -ENOMEM.  Remembered
 * until feed_unwatch().
 */
int feed_watch(struct feed *f, const char *path, bool recursive);

/* Events already under way may still be told.  Harmless if not watched. */
void feed_unwatch(struct feed *f, const char *path);

/*
 * Connect to @server from now on, dropping a connection to another one.  Put
 * as "10.0.0.7:2181" or "[fd00::7]:2181", numbers only; "fd00::7:2181" is
 * understood too.  NULL or "": to none for now.  0 or -EINVAL.
 */
int feed_move(struct feed *f, const char *server);

/*
 * Returns a ticket.  synced() comes with it, or with a later one, when every
 * event of what this server had applied at the time of the call has been told.
 * It costs a ping, which all that wait for one share.
 */
uint64_t feed_sync(struct feed *f);

void feed_get_status(struct feed *f, struct feed_status *out);

#endif
