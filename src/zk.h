/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ZK_H
#define ZNODEFS_ZK_H

/*
 * The session with the ensemble and the asynchronous calls on it.  Only zk*.c
 * know libzookeeper; nothing here knows files or nodes.
 *
 * Calling sequence
 *
 *	zk_open()             starts connecting, returns at once
 *	zk_wait_connected()   at mount time only: the one blocking call
 *	zk_get(), zk_set()... from any thread, with any lock of the caller's held
 *	                      or none: they do not block and call nobody back
 *	zk_close()            fails what is still open, joins all threads
 *
 * A call is answered exactly once, by its callback, and always from another
 * thread: the library's completion thread or its keeper thread.  The answer
 * may come before the call has returned, so the caller's cookie must be
 * complete.  What the result points to is valid during the callback only.
 * The callback runs with no lock held and must not block; it may make calls.
 *
 * What the caller passes in (paths, values, op lists) is copied or referenced
 * before the call returns, except where "takes" says that it is given away.
 *
 * Life of a call
 *
 *	held --> sent --> answered
 *	  ^        |
 *	  +--------+  a read whose connection was lost
 *
 * A call is held while there is no connection (a submit would only wake the
 * library from its reconnect delay) and while ZK_IN_FLIGHT_MAX others are
 * sent.  A held call fails with -EIO once `timeout` has passed since it was
 * made, and with -EINTR as soon as its owner is interrupted.  So does a sent
 * one that a server has not answered in that time.  A sent one whose
 * owner is interrupted is given ZK_INTERRUPT_GRACE_MS for the true answer,
 * then fails with -EINTR: runtimes that use signals for themselves (Go, Java)
 * would otherwise see EINTR from operations that take place all the same.
 *
 * A read is sent again after a lost connection or an expired session.  A
 * change is not: its outcome is unknown, and the callback gets -EIO with
 * `unknown` set (settle.h finds out).
 *
 * Sent calls are found by number, never by pointer: a completion that comes
 * twice, late, or after a call has been given up finds nothing.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "acl.h"
#include "authfile.h"
#include "blob.h"
#include "zstat.h"

/*
 * Each submit writes a byte to a 64 KiB pipe inside the library, which closes
 * the connection when it is full; throughput peaks from 1024 on (measured).
 */
#define ZK_IN_FLIGHT_MAX 1024

#define ZK_INTERRUPT_GRACE_MS 300

struct zk;

enum zk_state {
	ZK_CONNECTING,  /* never connected since open or expiry */
	ZK_CONNECTED,
	ZK_READ_ONLY,   /* connected to a server without a quorum */
	ZK_LOST,        /* connection lost, session may still live */
	ZK_EXPIRED,     /* session gone, a new one is being made */
	ZK_AUTH_FAILED, /* the server refused a credential; final */
	ZK_CLOSED,
	ZK_STATES, /* how many there are */
};

const char *zk_state_name(enum zk_state s);

struct zk_config {
	const char *hosts; /* "h1:p1,h2:p2", without a chroot */
	int session_timeout_ms;
	int timeout_ms; /* how long a call waits for a connection */
	/* Added to every session; must live as long as struct zk. */
	const struct authfile *auth;

	/*
	 * Every change of state, on the completion thread or the keeper, with
	 * no lock held.  @session_changed: this is the first ZK_CONNECTED of a
	 * session other than the one before.  May be NULL.
	 */
	void (*on_state)(void *arg, enum zk_state state, bool session_changed);
	void *arg;
};

/*
 * 0, -ENOMEM, -EINVAL (no address for any host).  *@out is set before the first
 * on_state().
 */
int zk_open(struct zk **out, const struct zk_config *config);

/* 0, -ETIMEDOUT, or -EACCES after ZK_AUTH_FAILED. */
int zk_wait_connected(struct zk *zk, int timeout_ms);

/*
 * Close the session (its ephemerals vanish) and answer every open call with
 * -EIO.  Not from a callback.  Bounded: the library waits 3 s at most for the
 * server to confirm.  Calls made meanwhile are answered with -EIO as well.
 */
void zk_close(struct zk *zk);

/* Room for the address of a server, as "10.0.0.7:2181" or "[fd00::7]:2181". */
#define ZK_SERVER_MAX 128

/* The server that the session is with; "" while there is no connection. */
void zk_server(struct zk *zk, char server[ZK_SERVER_MAX]);

/* 0 while there has been no session. */
int64_t zk_session_id(struct zk *zk);
enum zk_state zk_get_state(struct zk *zk);
/*
 * Whether there has been no connection for so long that the server may have
 * ended the session: a third of its timeout, for the library notices silence
 * after two thirds.
 */
bool zk_is_in_doubt(struct zk *zk);

struct zk_result {
	int rc;       /* 0 or -errno, by zkerr.h */
	int code;     /* the library's own code; 0 if it was not asked */
	bool unknown; /* a change that may or may not have taken place */

	/* Of the calls marked below; NULL or 0 otherwise and on error. */
	const struct zstat *stat;
	const char *path;         /* what the server called it */
	struct blob *data;        /* take a reference to keep it */
	const char *const *names;
	size_t n_names;
	const struct acl *acl;
};

typedef void zk_cb(void *arg, const struct zk_result *r);

/* On whose behalf calls are made, and who can be interrupted. */
struct zk_owner {
	atomic_bool interrupted;
};

/* Who hears the answer of a call. */
struct zk_to {
	zk_cb *cb;
	void *arg;
	struct zk_owner *owner; /* NULL if nobody can interrupt the call */
	/* If not 0: rather -EIO than to be sent in another session. */
	int64_t session;
	int64_t until; /* ms of now_ms(), instead of `timeout`; 0: that */
};

/* What to create. */
enum zk_mode {
	ZK_PERSISTENT,
	ZK_EPHEMERAL,
	ZK_PERSISTENT_SEQUENTIAL, /* the server appends ten digits */
	ZK_EPHEMERAL_SEQUENTIAL,
	ZK_CONTAINER, /* goes when its last child has gone */
	ZK_TTL,       /* goes when unused for so long; see zk_create_ttl() */
};

/* stat, data */
void zk_get(struct zk *zk, const char *path, struct zk_to to);
/* stat */
void zk_exists(struct zk *zk, const char *path, struct zk_to to);
/* stat, names */
void zk_children(struct zk *zk, const char *path, struct zk_to to);
/* acl */
void zk_get_acl(struct zk *zk, const char *path, struct zk_to to);
/* Nothing; the server's answers from then on know all earlier writes. */
void zk_sync(struct zk *zk, const char *path, struct zk_to to);
/* stat, path; open ACL */
void zk_create(struct zk *zk, const char *path, struct blob *data,
	       enum zk_mode mode, struct zk_to to);
/*
 * The same with ZK_TTL, for @ttl_ms without a change or a child.  -EOPNOTSUPP:
 * the server has no TTL nodes (zookeeper.extendedTypesEnabled); -EINVAL: it
 * has, but not for so long.
 */
void zk_create_ttl(struct zk *zk, const char *path, struct blob *data,
		   int64_t ttl_ms, struct zk_to to);
/* stat; version -1 matches any */
void zk_set(struct zk *zk, const char *path, struct blob *data, int version,
	    struct zk_to to);
/* nothing */
void zk_delete(struct zk *zk, const char *path, int version, struct zk_to to);
/* nothing; takes what is in @acl; aversion -1 matches any */
void zk_set_acl(struct zk *zk, const char *path, struct acl *acl, int aversion,
		struct zk_to to);

enum zk_op_type {
	ZK_OP_CREATE,
	ZK_OP_DELETE,
	ZK_OP_SET,
};

/* One step of a transaction; owns what it points to. */
struct zk_op {
	enum zk_op_type type;
	char *path;
	int version;       /* delete, set */
	struct blob *data; /* create, set */
	enum zk_mode mode; /* create */
	struct acl acl;    /* create; empty for the open ACL */
};

struct zk_ops {
	struct zk_op *v;
	size_t n;
	size_t cap;
};

/* Append one step, taking what it owns, also on -ENOMEM. */
int zk_ops_add(struct zk_ops *ops, struct zk_op op);
void zk_op_release(struct zk_op *op);
void zk_ops_release(struct zk_ops *ops);
/* Bytes of the request packet that carries @ops, header included. */
size_t zk_ops_size(const struct zk_ops *ops);

/* All or nothing; takes what is in @ops.  Nothing in the result but rc. */
void zk_multi(struct zk *zk, struct zk_ops *ops, struct zk_to to);

/*
 * Wait, as a call that is held, for zk_wake() with the same @key, which stands
 * for something of the caller's; rc is 0 then.  zk_wake() ends all waits for a
 * key, all there are with NULL, and may be called from a callback.
 */
void zk_wait(struct zk *zk, const void *key, struct zk_to to);
/* The same with a patience of its own, in ms; rc is -EIO when that is over. */
void zk_wait_ms(struct zk *zk, const void *key, int ms, struct zk_to to);
void zk_wake(struct zk *zk, const void *key);

/*
 * Wait until there is no znode at @path: rc is 0 then.  It is watched by this
 * session, and read: at first, with each new connection, and once in a session
 * timeout, so that a watch that gets lost, wherever, costs a while and not for
 * ever.  There is no deadline while there is a connection; without one for
 * `timeout`, or with the end of the session, -EIO.
 */
void zk_gone(struct zk *zk, const char *path, struct zk_to to);

/*
 * The owner of calls has been interrupted, once and for all: calls it makes
 * later are given up in the same way.  Returns at once; the answers come from
 * the keeper.
 */
void zk_interrupt(struct zk *zk, struct zk_owner *owner);

/*
 * Largest value that fits one packet of the server's limit (jute.maxbuffer,
 * 1048575 bytes; one more and the server drops the connection with all that
 * is in flight).  What is left of it was measured against 3.8.
 */
#define ZK_PACKET_MAX 1048575
static inline size_t zk_max_set(const char *path)
{
	return ZK_PACKET_MAX - 20 - strlen(path);
}

static inline size_t zk_max_create(const char *path)
{
	return ZK_PACKET_MAX - 47 - strlen(path);
}

struct zk_stats {
	enum zk_state state;
	int64_t session_id;
	int session_timeout_ms; /* what the server has granted; 0: none yet */
	uint64_t sent;     /* requests since the mount */
	size_t in_flight;
	size_t held;
	uint64_t sessions; /* opened since the mount */
};

void zk_get_stats(struct zk *zk, struct zk_stats *out);

#endif
