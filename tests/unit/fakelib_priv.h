/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FAKELIB_PRIV_H
#define ZNODEFS_FAKELIB_PRIV_H

/*
 * What fakelib.c (handles, their threads, the session) and fakelib_calls.c
 * (calls and their replies) share.  f->lock protects all of it, but where
 * another thread is named.
 */

#include "fakelib.h"
#include "util.h"

/* The form of the completion. */
enum fakelib_reply { DATA, STAT, CREATED, SYNCED, NAMES, ACL_LIST, PLAIN };

struct fakelib_request {
	struct list link; /* in handle->requests, until that is closed */
	char *path;
	enum fakelib_reply reply;
	union {
		data_completion_t data;
		stat_completion_t stat;
		string_stat_completion_t created;
		string_completion_t synced;
		strings_stat_completion_t names;
		acl_completion_t acl;
		void_completion_t plain;
	} to;
	const void *cookie;
	zoo_op_result_t *results; /* of a multi, until they are written */
	int n_results;
	bool is_change;
	bool accepted; /* its submit returned ZOK */
	int queued;    /* completions that are in the queue or running */
	int delivered; /* ... that are running or have run */
};

/* In the queue of the completion thread, or parked. */
struct fakelib_delivery {
	struct list link;
	struct fakelib_request *request; /* NULL: an event */
	char *path;                      /* of a znode; NULL: of the session */
	int code;                        /* or the type, or the state */
	int64_t session;
};

struct _zhandle {
	struct fakelib *f;
	watcher_fn watcher;
	void *context;
	watcher_fn node_watcher; /* the last that zoo_awget() was given */
	void *node_context;
	/* The completion thread's, as of the last event. */
	clientid_t id;
	int state;

	int64_t session; /* f->lock's from here on */
	bool connected;
	bool dead; /* expired, or a credential was refused */
	bool closing;
	bool busy; /* the completion thread runs something */
	int auths;
	struct list queue;
	struct list parked;
	struct list requests;
	pthread_t thread;
};

/* Waits end after this. */
static inline int64_t fakelib_deadline(void)
{
	return now_ms() + 60000;
}

_Noreturn void fakelib_die(const char *what);
/* Until f->changed, but aborts with @what when @deadline has passed. */
void fakelib_wait_locked(struct fakelib *f, int64_t deadline, const char *what);
void fakelib_wake_locked(struct fakelib *f);

/* --- fakelib_calls.c ----------------------------------------------------- */

/* Put a completion of @r into the queue of the completion thread. */
void fakelib_queue_locked(zhandle_t *zh, struct fakelib_request *r, int code);
/* Run one.  Completion thread, not locked. */
void fakelib_complete(struct fakelib_request *r, int code);

#endif
