/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FAKELIB_H
#define ZNODEFS_FAKELIB_H

/*
 * The client library as a test wants it: the zoo_*() and zookeeper_*()
 * functions that zk.c, zkcall.c and zksend.c use, without a server.  Linked in
 * place of libzookeeper_mt.
 *
 *	static void plan(struct fakelib *f, const struct fakelib_call *call,
 *			 struct fakelib_plan *p)
 *	{
 *		p->code = ZNONODE;
 *	}
 *	f = fakelib_new();
 *	f->plan = plan;
 *	zk_open() with f->hosts
 *	fakelib_connect(f);
 *	...
 *	zk_close(), fakelib_free(f)
 *
 * As the real one, a handle has a completion thread, on which completions and
 * session events run in the order in which they were queued, and which
 * zookeeper_close() joins.  Replies tell of the path they are for, so that an
 * answer that went to somebody else is noticed: see fakelib_stamp().
 *
 * What is wrong in the use of the library (a call on a closed handle, a
 * missing completion) aborts.  So does waiting for more than a minute.
 */

#define THREADED
#include <zookeeper/zookeeper.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"

struct fakelib;

/* What sessions are granted, unless a test has it otherwise. */
#define FAKELIB_TIMEOUT_MS 4321
/* Where a server without a quorum is. */
#define FAKELIB_READ_ONLY_SERVER "127.0.0.1:2180"

/* A call that is being submitted. */
struct fakelib_call {
	const char *path; /* of a multi: that of its first step */
	bool is_change;
	bool is_multi;
	unsigned nth; /* counts all calls, from 0 */
	int auths;    /* credentials that its handle has so far */
};

/* What becomes of it.  Preset: it succeeds, one completion soon. */
struct fakelib_plan {
	int submit_code; /* what the submit returns */
	int code;        /* what the completions carry */
	int soon;        /* so many completions are queued at once */
	int parked;      /* ... and so many with fakelib_release() */
	bool first;      /* the soon ones run before the submit returns */
};

typedef void fakelib_plan_fn(struct fakelib *f, const struct fakelib_call *call,
			     struct fakelib_plan *plan);

enum fakelib_order {
	FAKELIB_OLDEST,
	FAKELIB_NEWEST,
};

/* What has happened. */
struct fakelib_counts {
	unsigned submitted;    /* calls */
	unsigned refused;      /* ... whose submit returned an error */
	unsigned disconnected; /* ... made while there was no connection */
	unsigned opened;       /* handles */
	unsigned closed;
	size_t pending; /* calls with no completion yet */
	size_t most_pending;
	size_t parked;
};

struct fakelib {
	char hosts[32]; /* for struct zk_config */

	/*
	 * The test's, set before zk_open() or between fakelib_lock() and
	 * fakelib_unlock().
	 */
	fakelib_plan_fn *plan; /* NULL: as preset.  Called locked. */
	void *arg;
	bool drop_on_close;   /* zookeeper_close() drops what is pending;
				 else it completes it with ZCLOSING */
	bool connect_at_once; /* new handles are connected, and have said so,
				 before zookeeper_init2() returns */
	bool on_ipv6;         /* the server is at [::1]:2181, not 127.0.0.1 */
	int granted_ms;       /* to every session; FAKELIB_TIMEOUT_MS */
	int refuse_init;      /* so many zookeeper_init2() return NULL */
	int refuse_auth;      /* so many zoo_add_auth() ZINVALIDSTATE */
	/* Within zookeeper_close(), not locked, the handle still alive. */
	void (*in_close)(struct fakelib *f);
	/* Within zoo_add_auth(), not locked. */
	void (*in_add_auth)(struct fakelib *f);

	/* Internal state. */
	struct fakelib_counts counts;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	zhandle_t *handle; /* the newest, NULL when closed */
	int64_t last_session;
};

struct fakelib *fakelib_new(void);
void fakelib_free(struct fakelib *f); /* all handles must be closed */

void fakelib_lock(struct fakelib *f);
void fakelib_unlock(struct fakelib *f);

/* --- the session: on the newest handle, queued --------------------------- */

/* Connected: with the session it has, or a first one. */
void fakelib_connect(struct fakelib *f);
/* Connected with session @id, @state ZOO_CONNECTED_ or ZOO_READONLY_STATE. */
void fakelib_connect_as(struct fakelib *f, int state, int64_t id);
/* The event alone, whatever it means. */
void fakelib_event(struct fakelib *f, int state);
/* The connection breaks: the event, then all that is pending with @code. */
void fakelib_lose(struct fakelib *f, int code);
/* The same without an event. */
void fakelib_fail_pending(struct fakelib *f, int code);
/* The session is no more; calls are refused from now on. */
void fakelib_expire(struct fakelib *f);
void fakelib_fail_auth(struct fakelib *f);
/* An event of @type for those who watch @path. */
void fakelib_fire(struct fakelib *f, const char *path, int type);

/* --- completions --------------------------------------------------------- */

/* Queue up to @n parked completions; returns how many there were. */
size_t fakelib_release(struct fakelib *f, size_t n, enum fakelib_order order);

/* --- waiting ------------------------------------------------------------- */

/* Until all that is queued on the newest handle has run. */
void fakelib_settle(struct fakelib *f);
/* Until so many handles have been opened, and the last is usable. */
void fakelib_wait_opened(struct fakelib *f, unsigned n);
/* Until so many calls have been submitted. */
void fakelib_wait_submitted(struct fakelib *f, unsigned n);

struct fakelib_counts fakelib_counts(struct fakelib *f);

/*
 * What the replies for @path carry: a get the path itself as its value, every
 * Stat this number as czxid, a list the path as its only name, an ACL the path
 * as the id of its only entry.
 */
int64_t fakelib_stamp(const char *path);

#endif
