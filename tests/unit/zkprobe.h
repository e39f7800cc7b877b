/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ZKPROBE_H
#define ZNODEFS_ZKPROBE_H

/*
 * Calls of zk.h that are watched: each counts its answers, keeps the last,
 * and looks whether it is one for its own path.
 *
 *	struct zkprobe p = {.type = ZKPROBE_GET};
 *	zkprobe_call(&p, t);
 *	zkprobe_wait(&p);
 *
 * What no answer may ever be aborts at once, with a message: the second of its
 * call, one within the stack frame of a call of the same thread, one for
 * another path, one whose rc does not follow from its code.
 *
 * struct zktest is a session on a fakelib.
 */

#include "fakelib.h"
#include "zk.h"

enum zkprobe_type {
	ZKPROBE_GET,
	ZKPROBE_EXISTS,
	ZKPROBE_CHILDREN,
	ZKPROBE_GET_ACL,
	ZKPROBE_SYNC, /* the last of the reads */
	ZKPROBE_CREATE,
	ZKPROBE_SET,
	ZKPROBE_DELETE,
	ZKPROBE_SET_ACL,
	ZKPROBE_MULTI,
	ZKPROBE_TYPES,
	ZKPROBE_WAIT = ZKPROBE_TYPES, /* never sent, so none of them */
	ZKPROBE_GONE,                 /* not answered by its reply */
};

struct zktest {
	struct fakelib *f;
	struct zk *zk;
	struct authfile auth; /* empty, unless zktest_credentials() */

	pthread_mutex_t lock;
	pthread_cond_t answered;

	/* What on_state() was told, as letters; under lock. */
	char states[256];
	size_t n_states;
	bool told_too_early; /* before zk_open() had stored t->zk */
};

struct zkprobe {
	/* Given by the test. */
	enum zkprobe_type type;
	const char *path; /* "/p" if NULL */
	const void *key;  /* of a wait */
	struct zk_owner *owner;
	int64_t session; /* the one it is bound to; 0: none */
	int64_t patience; /* ms from now on; 0: as of the session */
	void (*then)(struct zkprobe *p); /* called by the answer; may be NULL */
	void *arg;

	/* The answer; under t->lock. */
	struct zktest *t;
	int answers;
	int rc;
	int code;
	bool unknown;
	int64_t asked_at; /* ms */
	int64_t answered_at;
};

/* Plans for the fake: completions when they are released; */
fakelib_plan_fn zktest_park;
/* none but by what becomes of the connection. */
fakelib_plan_fn zktest_keep;
struct fakelib *zktest_fake(fakelib_plan_fn *plan);

/* A session that is being opened, with @timeout_ms for held calls. */
void zktest_open(struct zktest *t, struct fakelib *f, int timeout_ms);
/* The same, and it has a connection. */
void zktest_connect(struct zktest *t, struct fakelib *f, int timeout_ms);
/* @n credentials for the session that zktest_open() opens; call before it. */
void zktest_credentials(struct zktest *t, struct authfile_entry *v, size_t n);
/* zk_close(), and the fake with it. */
void zktest_close(struct zktest *t);
/* zk_close() alone. */
void zktest_close_zk(struct zktest *t);
void zktest_release(struct zktest *t);

/*
 * The states told of so far: c connecting, C connected, N connected with a new
 * session, r and R the same read-only, L lost, E expired, A auth failed, X
 * closed.  Waits until there are as many as in @expected, and compares.
 */
#define zktest_assert_states(t, expected)                                      \
	do {                                                                   \
		zktest_wait_states(t, strlen(expected));                       \
		ck_assert_str_eq((t)->states, expected);                       \
	} while (0)
void zktest_wait_states(struct zktest *t, size_t n);

/* Until it is so; as every wait here, it aborts after a minute. */
void zktest_wait_state(struct zktest *t, enum zk_state state);
/* Until so many calls are held. */
void zktest_wait_held(struct zktest *t, size_t n);

void zkprobe_call(struct zkprobe *p, struct zktest *t);
/* Until it is answered. */
void zkprobe_wait(struct zkprobe *p);
/* @n calls, one of each type, again and again; and until all are answered. */
void zkprobe_call_all(struct zkprobe *p, size_t n, struct zktest *t,
		      struct zk_owner *owner);
void zkprobe_wait_all(struct zkprobe *p, size_t n);
/* How often it has been answered. */
int zkprobe_answers(struct zkprobe *p);
static inline bool zkprobe_is_read(const struct zkprobe *p)
{
	return p->type <= ZKPROBE_SYNC;
}

#endif
