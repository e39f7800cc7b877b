/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ZK_PRIV_H
#define ZNODEFS_ZK_PRIV_H

/*
 * What zk.c (the session and its keeper thread), zkcall.c (the life of a call),
 * zkrequest.c and zkwait.c (what is asked for) and zksend.c (calls in the
 * library's terms, there and back) share.
 *
 * zk->lock protects everything below it in struct zk, and every call that is
 * in a list or a slot.  It is the innermost lock of the program and is held
 * across nothing: not a zoo_* function, not a callback.
 *
 * A library handle is used without the lock, by many threads, and is closed by
 * the keeper.  `users` counts the threads inside the library with it; the
 * keeper takes the handle out of zk->handle first, then waits for zero.
 */

#define THREADED
#include <zookeeper/zookeeper.h>

#include "list.h"
#include "zk.h"

struct zk_handle {
	struct zk *zk;
	zhandle_t *zh;
	int users;
	size_t n_auth; /* credentials that the library has taken */
	bool ready;    /* all of them: calls may be sent */
	struct zk_multi_memory *buried; /* freed with the handle */
};

/*
 * Where a sent call is found by the cookie that the library hands back.  The
 * cookie is the slot's address plus the low bits of its generation, for which
 * the alignment makes room; free slots are used in turn.  So a completion
 * that comes a second time, or after its call was given up, finds nothing
 * until 256 * ZK_IN_FLIGHT_MAX later calls have been made.
 */
#define ZK_SLOT_ALIGN 256

/* After a loss: a server that always loses is not asked in a tight loop. */
#define ZK_LOSS_PAUSE_MS 2

struct zk_slot {
	struct zk *zk;
	struct zk_call *call; /* NULL while free */
	unsigned generation;
	struct list free; /* in zk->free_slots */
} __attribute__((aligned(ZK_SLOT_ALIGN)));

enum zk_call_type {
	ZK_CALL_GET,
	ZK_CALL_EXISTS,
	ZK_CALL_CHILDREN,
	ZK_CALL_GET_ACL,
	ZK_CALL_GONE,
	ZK_CALL_SYNC, /* the last of the reads */
	ZK_CALL_CREATE,
	ZK_CALL_SET,
	ZK_CALL_DELETE,
	ZK_CALL_SET_ACL,
	ZK_CALL_MULTI,
	ZK_CALL_WAIT, /* never sent */
};

struct zk_call {
	/* Given by the caller. */
	enum zk_call_type type;
	char *path;
	struct blob *data;
	int version;
	enum zk_mode mode;
	int64_t ttl_ms;
	struct acl acl;
	struct zk_ops ops;
	const void *key; /* of a wait */
	struct zk_to to;

	/* Internal state, under zk->lock. */
	struct list link;         /* in held, waiting, watching or failed */
	struct zk_slot *slot;     /* NULL unless sent */
	struct zk_handle *handle; /* the one it was last sent by */
	bool answered;            /* the owner has its answer */
	bool unknown;             /* a change that may have taken place */
	bool fired;               /* the watch it set has, before the answer */
	int64_t deadline;         /* ms; while held, or to ask again */
	int64_t give_up_at;       /* ms; 0 unless its owner was interrupted */
	int fail_rc;              /* while in failed */
	int fail_code;

	struct zk_multi_memory *multi; /* zksend.c's, until the reply is in */
};

struct zk {
	/* Constant after zk_open(). */
	struct zk_config config;
	pthread_t keeper;

	/* The keeper's own. */
	struct resolver *resolver;
	char *servers;      /* the addresses in use */
	int64_t resolve_at; /* ms; not before */

	pthread_mutex_t lock;
	pthread_cond_t kick;    /* something for the keeper; users reached 0 */
	pthread_cond_t changed; /* state changed */

	struct zk_handle *handle; /* NULL between two sessions */
	enum zk_state state;
	bool sendable;   /* connected, and no submit has failed since */
	int64_t lost_at; /* ms; when the connection went, 0: it is there */
	int64_t pause_until; /* ms; nothing is sent before, 0: now */
	bool flushing;       /* a thread sends what is held */
	bool kicked;
	int64_t wake_at; /* ms; when the keeper comes by itself, 0: never */
	bool closing;
	int64_t session_id;
	int granted_ms; /* the session timeout by the server's will */
	char server[ZK_SERVER_MAX]; /* while connected */
	int64_t reopen_at;          /* ms; when the next session may be tried */

	struct list held;     /* of zk_call, first in first out */
	struct list waiting;  /* of zk_call, until zk_wake() */
	struct list watching; /* of zk_call: its znode is there */
	struct list failed;   /* of zk_call with fail_rc, for the keeper */
	struct zk_slot slots[ZK_IN_FLIGHT_MAX];
	struct list free_slots; /* first in, first out */
	size_t in_flight;
	uint64_t sent;
	uint64_t sessions;
};

/* --- zkcall.c, for all others -------------------------------------------- */

void zkcall_init(struct zk *zk);
/* A call with nothing but its path, which is copied. */
struct zk_call *zkcall_new(enum zk_call_type type, const char *path,
			   struct zk_to to);
/* Off it goes: it is sent, or held. */
void zkcall_submit(struct zk *zk, struct zk_call *call);
/* Into the queue of those that wait to be sent. */
void zkcall_hold_locked(struct zk *zk, struct zk_call *call);
/* Leave the answer to the keeper: here is not the place to call back. */
void zkcall_fail_locked(struct zk *zk, struct zk_call *call, int rc, int code);
/* Send what is held, as far as slots go. */
void zkcall_flush(struct zk *zk);
/*
 * Give up what has waited too long or whose owner was interrupted.  Returns
 * when to look again, in ms of now_ms(), or 0 for never.
 */
int64_t zkcall_expire(struct zk *zk, int64_t now);
/* Answer what is in zk->failed. */
void zkcall_answer_failed(struct zk *zk);
/*
 * The handle is closed: no completion of its calls comes any more.  Reads are
 * held for the next session (unless closing), changes fail as unknown.
 */
void zkcall_sweep(struct zk *zk, struct zk_handle *handle);
void zkcall_fail_held(struct zk *zk, int code);

/*
 * A completion has come for @cookie with @code.  Returns the call, out of its
 * slot, if it is to be answered now with zkcall_complete(); NULL if it is
 * known no more, or is a read that lost its connection and is held again.
 */
struct zk_call *zkcall_take(const void *cookie, int code);
void zkcall_complete(struct zk *zk, struct zk_call *call, struct zk_result *r,
		     int code);
/*
 * The znode of a ZK_CALL_GONE is there, and watched from now on: the call, from
 * zkcall_take(), is kept until zkcall_watch_fired().
 */
void zkcall_watch(struct zk *zk, struct zk_call *call);
/* It is asked for once more. */
void zkcall_watch_again_locked(struct zk *zk, struct zk_call *call);
/* There is a connection again: so are all of them. */
void zkcall_watch_all_again_locked(struct zk *zk);
/* Something has happened to the znode at @path; @gone: it is no more. */
void zkcall_watch_fired(struct zk_handle *h, const char *path, bool gone);

static inline struct zk_slot *zk_slot_of(const void *cookie)
{
	return (struct zk_slot *)((uintptr_t)cookie & ~(ZK_SLOT_ALIGN - 1UL));
}

/* --- zksend.c, for zkcall.c ---------------------------------------------- */

/* Submit; returns the library's code.  The completion goes to @cookie. */
int zksend(struct zk_call *call, zhandle_t *zh, const void *cookie);
void zksend_release(struct zk_call *call);
/* Keep what the library may still write to until @h is closed. */
void zksend_bury(struct zk_call *call, struct zk_handle *h);
void zksend_release_buried(struct zk_handle *h);

/* --- zk.c, for zkcall.c ------------------------------------------------- */

void zk_kick_locked(struct zk *zk);
void zk_handle_put_locked(struct zk *zk, struct zk_handle *h);

#endif
