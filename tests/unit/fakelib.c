/* SPDX-License-Identifier: Apache-2.0 */
#include "fakelib_priv.h"

#include <stdio.h>
#include <string.h>

/* --- what the library's header declares ---------------------------------- */

const int ZOO_PERSISTENT = 0;
const int ZOO_EPHEMERAL = 1;
const int ZOO_PERSISTENT_SEQUENTIAL = 2;
const int ZOO_EPHEMERAL_SEQUENTIAL = 3;
const int ZOO_CONTAINER = 4;
const int ZOO_PERSISTENT_WITH_TTL = 5;
const int ZOO_DELETED_EVENT = 2;
const int ZOO_CHANGED_EVENT = 3;
const int ZOO_EXPIRED_SESSION_STATE = -112;
const int ZOO_AUTH_FAILED_STATE = -113;
const int ZOO_CONNECTING_STATE = 1;
const int ZOO_ASSOCIATING_STATE = 2;
const int ZOO_CONNECTED_STATE = 3;
const int ZOO_READONLY_STATE = 5;
const int ZOO_NOTCONNECTED_STATE = 999;
const int ZOO_SESSION_EVENT = -1;

static struct ACL open_acl[] = {{31, {(char *)"world", (char *)"anyone"}}};
struct ACL_vector ZOO_OPEN_ACL_UNSAFE = {1, open_acl};

/* --- small things -------------------------------------------------------- */

_Noreturn void fakelib_die(const char *what)
{
	fprintf(stderr, "fakelib: %s\n", what);
	abort();
}

int64_t fakelib_stamp(const char *path)
{
	int64_t h = 1;

	while (*path)
		h = (h * 31 + (unsigned char)*path++) % 1000000007;
	return h;
}

void fakelib_lock(struct fakelib *f)
{
	pthread_mutex_lock(&f->lock);
}

void fakelib_unlock(struct fakelib *f)
{
	pthread_mutex_unlock(&f->lock);
}

void fakelib_wait_locked(struct fakelib *f, int64_t deadline, const char *what)
{
	struct timespec ts = {
		.tv_sec = deadline / 1000,
		.tv_nsec = deadline % 1000 * 1000000,
	};

	if (pthread_cond_timedwait(&f->changed, &f->lock, &ts) != 0)
		fakelib_die(what);
}

void fakelib_wake_locked(struct fakelib *f)
{
	pthread_cond_broadcast(&f->changed);
}

/* --- the completion thread ----------------------------------------------- */

static void tell(zhandle_t *zh, const struct fakelib_delivery *d)
{
	if (d->code == ZOO_CONNECTED_STATE || d->code == ZOO_READONLY_STATE)
		zh->id.client_id = d->session;
	zh->state = d->code;
	zh->watcher(zh, ZOO_SESSION_EVENT, d->code, "", zh->context);
}

static void fire(zhandle_t *zh, const struct fakelib_delivery *d)
{
	zh->node_watcher(zh, d->code, ZOO_CONNECTED_STATE, d->path,
			 zh->node_context);
}

static void run_locked(zhandle_t *zh, struct fakelib_delivery *d)
{
	struct fakelib *f = zh->f;
	struct fakelib_request *r = d->request;

	list_del(&d->link);
	zh->busy = true;
	if (r && r->delivered++ == 0)
		f->counts.pending -= r->accepted;
	fakelib_unlock(f);
	if (r)
		fakelib_complete(r, d->code);
	else if (d->path)
		fire(zh, d);
	else
		tell(zh, d);
	fakelib_lock(f);
	zh->busy = false;
	if (r)
		r->queued--;
	free(d->path);
	free(d);
	fakelib_wake_locked(f);
}

static void *completion_thread(void *arg)
{
	zhandle_t *zh = arg;
	struct fakelib *f = zh->f;

	fakelib_lock(f);
	for (;;) {
		struct fakelib_delivery *d =
			list_first(&zh->queue, struct fakelib_delivery, link);

		if (d)
			run_locked(zh, d);
		else if (zh->closing)
			break;
		else
			pthread_cond_wait(&f->changed, &f->lock);
	}
	fakelib_unlock(f);
	return NULL;
}

/* --- the session --------------------------------------------------------- */

static void event_locked(zhandle_t *zh, int state)
{
	struct fakelib_delivery *d = xcalloc(1, sizeof(*d));

	zh->connected =
		state == ZOO_CONNECTED_STATE || state == ZOO_READONLY_STATE;
	if (state == ZOO_EXPIRED_SESSION_STATE ||
	    state == ZOO_AUTH_FAILED_STATE)
		zh->dead = true;
	if (zh->connected && zh->session == 0)
		zh->session = ++zh->f->last_session;
	d->code = state;
	d->session = zh->session;
	list_add_tail(&zh->queue, &d->link);
	fakelib_wake_locked(zh->f);
}

void fakelib_fire(struct fakelib *f, const char *path, int type)
{
	struct fakelib_delivery *d = xcalloc(1, sizeof(*d));

	d->code = type;
	d->path = xstrdup(path);
	fakelib_lock(f);
	if (!f->handle || !f->handle->node_watcher)
		fakelib_die("nobody watches");
	list_add_tail(&f->handle->queue, &d->link);
	fakelib_wake_locked(f);
	fakelib_unlock(f);
}

/* What has no completion under way gets one. */
static void fail_pending_locked(zhandle_t *zh, int code)
{
	struct fakelib_request *r;

	list_for_each (r, &zh->requests, link) {
		if (r->queued == 0 && r->delivered == 0)
			fakelib_queue_locked(zh, r, code);
	}
}

void fakelib_event(struct fakelib *f, int state)
{
	fakelib_lock(f);
	if (f->handle)
		event_locked(f->handle, state);
	fakelib_unlock(f);
}

void fakelib_connect(struct fakelib *f)
{
	fakelib_event(f, ZOO_CONNECTED_STATE);
}

void fakelib_connect_as(struct fakelib *f, int state, int64_t id)
{
	fakelib_lock(f);
	if (f->handle) {
		f->handle->session = id;
		event_locked(f->handle, state);
	}
	fakelib_unlock(f);
}

void fakelib_fail_pending(struct fakelib *f, int code)
{
	fakelib_lock(f);
	if (f->handle)
		fail_pending_locked(f->handle, code);
	fakelib_unlock(f);
}

/* In this order, as the library has it. */
static void event_and_fail(struct fakelib *f, int state, int code)
{
	fakelib_lock(f);
	if (f->handle) {
		event_locked(f->handle, state);
		fail_pending_locked(f->handle, code);
	}
	fakelib_unlock(f);
}

void fakelib_lose(struct fakelib *f, int code)
{
	event_and_fail(f, ZOO_CONNECTING_STATE, code);
}

void fakelib_expire(struct fakelib *f)
{
	event_and_fail(f, ZOO_EXPIRED_SESSION_STATE, ZSESSIONEXPIRED);
}

void fakelib_fail_auth(struct fakelib *f)
{
	event_and_fail(f, ZOO_AUTH_FAILED_STATE, ZAUTHFAILED);
}

size_t fakelib_release(struct fakelib *f, size_t n, enum fakelib_order order)
{
	size_t i;

	fakelib_lock(f);
	for (i = 0; f->handle && i < n; i++) {
		struct list *all = &f->handle->parked;
		struct fakelib_delivery *d;

		if (list_empty(all))
			break;
		d = list_entry(order == FAKELIB_OLDEST ? all->next : all->prev,
			       struct fakelib_delivery, link);
		list_del(&d->link);
		fakelib_queue_locked(f->handle, d->request, d->code);
		free(d);
		f->counts.parked--;
	}
	fakelib_unlock(f);
	return i;
}

/* --- waiting and counting ------------------------------------------------ */

void fakelib_settle(struct fakelib *f)
{
	int64_t deadline = fakelib_deadline();

	fakelib_lock(f);
	while (f->handle && (!list_empty(&f->handle->queue) || f->handle->busy))
		fakelib_wait_locked(f, deadline, "completions come to no end");
	fakelib_unlock(f);
}

void fakelib_wait_opened(struct fakelib *f, unsigned n)
{
	int64_t deadline = fakelib_deadline();

	fakelib_lock(f);
	while (f->counts.opened < n || !f->handle)
		fakelib_wait_locked(f, deadline, "no handle is opened");
	fakelib_unlock(f);
}

void fakelib_wait_submitted(struct fakelib *f, unsigned n)
{
	int64_t deadline = fakelib_deadline();

	fakelib_lock(f);
	while (f->counts.submitted < n)
		fakelib_wait_locked(f, deadline, "no call is submitted");
	fakelib_unlock(f);
}

struct fakelib_counts fakelib_counts(struct fakelib *f)
{
	struct fakelib_counts counts;

	fakelib_lock(f);
	counts = f->counts;
	fakelib_unlock(f);
	return counts;
}

/* --- handles ------------------------------------------------------------- */

struct fakelib *fakelib_new(void)
{
	struct fakelib *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->changed, &attr);
	pthread_condattr_destroy(&attr);
	/* By this zookeeper_init2() finds it: there are no globals. */
	snprintf(f->hosts, sizeof(f->hosts), "fake:%p", (void *)f);
	f->last_session = 0x1000;
	f->granted_ms = FAKELIB_TIMEOUT_MS;
	return f;
}

void fakelib_free(struct fakelib *f)
{
	if (f->counts.opened != f->counts.closed)
		fakelib_die("a handle was not closed");
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static zhandle_t *open_locked(struct fakelib *f, watcher_fn watcher,
			      void *context)
{
	zhandle_t *zh = xcalloc(1, sizeof(*zh));

	if (f->handle)
		fakelib_die("a second handle");
	zh->f = f;
	zh->watcher = watcher;
	zh->context = context;
	list_init(&zh->queue);
	list_init(&zh->parked);
	list_init(&zh->requests);
	if (pthread_create(&zh->thread, NULL, completion_thread, zh) != 0)
		fakelib_die("pthread_create");
	f->handle = zh;
	f->counts.opened++;
	if (f->connect_at_once)
		event_locked(zh, ZOO_CONNECTED_STATE);
	fakelib_wake_locked(f);
	return zh;
}

zhandle_t *zookeeper_init2(const char *hosts, watcher_fn watcher,
			   int timeout _unused_, const clientid_t *id _unused_,
			   void *context, int flags _unused_,
			   log_callback_fn log _unused_)
{
	zhandle_t *zh = NULL;
	struct fakelib *f;
	bool settle;

	if (sscanf(hosts, "fake:%p", (void **)&f) != 1)
		fakelib_die("these are no hosts of a fake");
	fakelib_lock(f);
	if (f->refuse_init > 0)
		f->refuse_init--;
	else
		zh = open_locked(f, watcher, context);
	settle = zh && f->connect_at_once;
	fakelib_unlock(f);
	if (settle)
		fakelib_settle(f);
	return zh;
}

static void free_handle(zhandle_t *zh)
{
	struct fakelib_delivery *d, *next_d;
	struct fakelib_request *r, *next_r;

	list_for_each_safe (d, next_d, &zh->parked, link)
		free(d);
	list_for_each_safe (r, next_r, &zh->requests, link) {
		free(r->path);
		free(r);
	}
	free(zh);
}

static void drop_queue_locked(zhandle_t *zh)
{
	struct fakelib_delivery *d, *tmp;

	list_for_each_safe (d, tmp, &zh->queue, link) {
		list_del(&d->link);
		free(d);
	}
}

int zookeeper_close(zhandle_t *zh)
{
	struct fakelib *f = zh->f;

	if (pthread_equal(pthread_self(), zh->thread))
		fakelib_die("closed by its own completion thread");
	if (f->in_close)
		f->in_close(f);
	fakelib_lock(f);
	if (f->drop_on_close)
		drop_queue_locked(zh);
	else
		fail_pending_locked(zh, ZCLOSING);
	zh->closing = true;
	f->handle = NULL;
	fakelib_wake_locked(f);
	fakelib_unlock(f);
	pthread_join(zh->thread, NULL);

	fakelib_lock(f);
	f->counts.closed++;
	f->counts.pending = 0;
	f->counts.parked = 0;
	fakelib_wake_locked(f);
	fakelib_unlock(f);
	free_handle(zh);
	return ZOK;
}

int zoo_recv_timeout(zhandle_t *zh)
{
	return zh->f->granted_ms;
}

const clientid_t *zoo_client_id(zhandle_t *zh)
{
	return &zh->id;
}

void zoo_set_debug_level(ZooLogLevel level _unused_)
{
}

int zoo_set_servers(zhandle_t *zh _unused_, const char *hosts _unused_)
{
	return ZOK;
}

int zoo_set_servers_resolution_delay(zhandle_t *zh _unused_, int ms _unused_)
{
	return ZOK;
}

int zoo_add_auth(zhandle_t *zh, const char *scheme _unused_,
		 const char *cert _unused_, int len _unused_,
		 void_completion_t done _unused_, const void *data _unused_)
{
	struct fakelib *f = zh->f;
	int code = ZOK;

	if (f->in_add_auth)
		f->in_add_auth(f);
	fakelib_lock(f);
	if (zh->dead || f->refuse_auth > 0)
		code = ZINVALIDSTATE;
	if (f->refuse_auth > 0)
		f->refuse_auth--;
	zh->auths += code == ZOK;
	fakelib_unlock(f);
	return code;
}
