/* SPDX-License-Identifier: Apache-2.0 */
#include "zkprobe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "util.h"
#include "zkerr.h"

/*
 * Nearly all calls of the library are made within one of ours, on whose stack
 * no answer may come.
 */
static _Thread_local bool calling;

_printf_(1, 2) static _Noreturn void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("zkprobe: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

/* --- answers ------------------------------------------------------------- */

static const char *path_of(const struct zkprobe *p)
{
	return p->path ? p->path : "/p";
}

static bool has_stat(const struct zkprobe *p)
{
	return p->type == ZKPROBE_GET || p->type == ZKPROBE_EXISTS ||
	       p->type == ZKPROBE_CHILDREN || p->type == ZKPROBE_CREATE ||
	       p->type == ZKPROBE_SET;
}

/* What comes with success, all of it for the right path, and nothing else. */
static bool is_own(const struct zkprobe *p, const struct zk_result *r)
{
	const char *path = path_of(p);

	if (!r->path != (p->type != ZKPROBE_CREATE) ||
	    !r->stat != !has_stat(p) || !r->data != (p->type != ZKPROBE_GET) ||
	    !r->names != (p->type != ZKPROBE_CHILDREN) ||
	    !r->acl != (p->type != ZKPROBE_GET_ACL))
		return false;
	if (r->stat && r->stat->czxid != fakelib_stamp(path))
		return false;
	if (r->data && (r->data->len != strlen(path) ||
			memcmp(r->data->data, path, r->data->len) != 0))
		return false;
	if (r->names && (r->n_names != 1 || strcmp(r->names[0], path) != 0))
		return false;
	return !r->acl ||
	       (r->acl->count == 1 && strcmp(r->acl->entries[0].id, path) == 0);
}

static bool is_empty(const struct zk_result *r)
{
	return !r->stat && !r->path && !r->data && !r->names && !r->acl &&
	       !r->n_names;
}

static void check_answer(const struct zkprobe *p, const struct zk_result *r)
{
	const char *path = path_of(p);

	if (calling)
		die("%s: answered within a call", path);
	if (p->answers > 0)
		die("%s: answered twice", path);
	if (r->rc == 0 ? !is_own(p, r) : !is_empty(r))
		die("%s: another's answer", path);
	if (r->code == ZOK ? r->rc != 0 && r->rc != -EINTR && r->rc != -EIO
			   : r->rc != zkerr_to_errno(r->code))
		die("%s: rc %d for code %d", path, r->rc, r->code);
	if (r->unknown && (zkprobe_is_read(p) || r->rc == 0))
		die("%s: an unknown outcome of a read or of success", path);
}

static void on_answer(void *arg, const struct zk_result *r)
{
	struct zkprobe *p = arg;
	struct zktest *t = p->t;
	/* Who waits for the answer may do away with @p once it is there. */
	void (*then)(struct zkprobe * p) = p->then;

	pthread_mutex_lock(&t->lock);
	check_answer(p, r);
	p->answers++;
	p->rc = r->rc;
	p->code = r->code;
	p->unknown = r->unknown;
	p->answered_at = now_ms();
	pthread_cond_broadcast(&t->answered);
	pthread_mutex_unlock(&t->lock);
	if (then)
		then(p);
}

/* --- calls --------------------------------------------------------------- */

/* A create with an ACL, a set and a delete. */
static struct zk_ops ops_for(const char *path)
{
	struct zk_ops ops = {0};
	struct zk_op create = {
		.type = ZK_OP_CREATE,
		.path = xstrdup(path),
		.data = blob_new("v", 1),
	};

	acl_add(&create.acl, "digest", "joe:x", 31);
	zk_ops_add(&ops, create);
	zk_ops_add(&ops, (struct zk_op){.type = ZK_OP_SET,
					.path = xstrdup(path),
					.data = blob_new_null(),
					.version = -1});
	zk_ops_add(&ops, (struct zk_op){.type = ZK_OP_DELETE,
					.path = xstrdup(path),
					.version = -1});
	return ops;
}

static void set_acl(struct zk *zk, const char *path, struct zk_to to)
{
	struct acl acl = ACL_INIT;

	acl_add(&acl, "digest", "joe:x", 31);
	zk_set_acl(zk, path, &acl, -1, to);
	if (acl.count != 0)
		die("the ACL was not taken");
}

static void call(struct zk *zk, const struct zkprobe *p, const char *path,
		 struct zk_to to)
{
	enum zkprobe_type type = p->type;
	struct zk_ops ops;
	struct blob *data = blob_new("value", 5);

	if (type == ZKPROBE_GET)
		zk_get(zk, path, to);
	else if (type == ZKPROBE_EXISTS)
		zk_exists(zk, path, to);
	else if (type == ZKPROBE_CHILDREN)
		zk_children(zk, path, to);
	else if (type == ZKPROBE_GET_ACL)
		zk_get_acl(zk, path, to);
	else if (type == ZKPROBE_SYNC)
		zk_sync(zk, path, to);
	else if (type == ZKPROBE_CREATE)
		zk_create(zk, path, data, ZK_PERSISTENT, to);
	else if (type == ZKPROBE_SET)
		zk_set(zk, path, data, -1, to);
	else if (type == ZKPROBE_DELETE)
		zk_delete(zk, path, -1, to);
	else if (type == ZKPROBE_SET_ACL)
		set_acl(zk, path, to);
	else if (type == ZKPROBE_GONE)
		zk_gone(zk, path, to);
	else if (type == ZKPROBE_WAIT)
		zk_wait(zk, p->key, to);
	if (type == ZKPROBE_MULTI) {
		ops = ops_for(path);
		zk_multi(zk, &ops, to);
		if (ops.n != 0 || ops.v)
			die("a multi did not take its steps");
	}
	blob_unref(data);
}

void zkprobe_call(struct zkprobe *p, struct zktest *t)
{
	struct zk_to to = {
		.cb = on_answer,
		.arg = p,
		.owner = p->owner,
		.session = p->session,
	};
	bool outer = calling;
	/* Not the caller's: it need not stay when the call has returned. */
	char *path = xstrdup(path_of(p));

	p->t = t;
	p->asked_at = now_ms();
	if (p->patience)
		to.until = p->asked_at + p->patience;
	calling = true;
	call(t->zk, p, path, to);
	calling = outer;
	free(path);
}

/* --- waiting ------------------------------------------------------------- */

/* @t->lock held; until t->answered. */
static void wait_locked(struct zktest *t, int64_t deadline, const char *what)
{
	struct timespec ts = {
		.tv_sec = deadline / 1000,
		.tv_nsec = deadline % 1000 * 1000000,
	};

	if (pthread_cond_timedwait(&t->answered, &t->lock, &ts) != 0)
		die("never: %s", what);
}

void zkprobe_wait(struct zkprobe *p)
{
	struct zktest *t = p->t;
	int64_t deadline = now_ms() + 60000;

	pthread_mutex_lock(&t->lock);
	while (p->answers == 0)
		wait_locked(t, deadline, path_of(p));
	pthread_mutex_unlock(&t->lock);
}

int zkprobe_answers(struct zkprobe *p)
{
	int n;

	pthread_mutex_lock(&p->t->lock);
	n = p->answers;
	pthread_mutex_unlock(&p->t->lock);
	return n;
}

void zktest_wait_states(struct zktest *t, size_t n)
{
	int64_t deadline = now_ms() + 60000;

	pthread_mutex_lock(&t->lock);
	while (t->n_states < n)
		wait_locked(t, deadline, t->states);
	pthread_mutex_unlock(&t->lock);
}

/* Nobody tells of these: they are looked at again and again. */
static void nap(int64_t deadline, const char *what)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	if (now_ms() > deadline)
		die("never: %s", what);
	nanosleep(&ms, NULL);
}

void zktest_wait_state(struct zktest *t, enum zk_state state)
{
	int64_t deadline = now_ms() + 60000;

	while (zk_get_state(t->zk) != state)
		nap(deadline, zk_state_name(state));
}

void zktest_wait_held(struct zktest *t, size_t n)
{
	int64_t deadline = now_ms() + 60000;
	struct zk_stats stats;

	for (;;) {
		zk_get_stats(t->zk, &stats);
		if (stats.held == n)
			return;
		nap(deadline, "so many held calls");
	}
}

/* --- sessions ------------------------------------------------------------ */

static void on_state(void *arg, enum zk_state state, bool session_changed)
{
	static const char letters[2][ZK_CLOSED + 2] = {"cCrLEAX", "?NR????"};
	struct zktest *t = arg;

	pthread_mutex_lock(&t->lock);
	if (!t->zk)
		t->told_too_early = true;
	if (t->n_states < sizeof(t->states) - 1)
		t->states[t->n_states++] = letters[session_changed][state];
	pthread_cond_broadcast(&t->answered);
	pthread_mutex_unlock(&t->lock);
}

void zktest_open(struct zktest *t, struct fakelib *f, int timeout_ms)
{
	struct zk_config config = {
		.hosts = f->hosts,
		.session_timeout_ms = 30000,
		.timeout_ms = timeout_ms,
		.auth = &t->auth,
		.on_state = on_state,
		.arg = t,
	};
	pthread_condattr_t attr;

	t->f = f;
	t->n_states = 0;
	memset(t->states, 0, sizeof(t->states));
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->answered, &attr);
	pthread_condattr_destroy(&attr);
	if (zk_open(&t->zk, &config) != 0)
		die("zk_open() fails");
}

void zktest_connect(struct zktest *t, struct fakelib *f, int timeout_ms)
{
	zktest_open(t, f, timeout_ms);
	fakelib_connect(f);
	if (zk_wait_connected(t->zk, 60000) != 0)
		die("not connected");
	zktest_wait_states(t, 1);
}

void zktest_credentials(struct zktest *t, struct authfile_entry *v, size_t n)
{
	t->auth = (struct authfile){.entries = v, .count = n};
}

void zktest_close_zk(struct zktest *t)
{
	zk_close(t->zk);
	t->zk = NULL;
}

void zktest_release(struct zktest *t)
{
	fakelib_free(t->f);
	pthread_cond_destroy(&t->answered);
	pthread_mutex_destroy(&t->lock);
}

void zktest_close(struct zktest *t)
{
	zktest_close_zk(t);
	zktest_release(t);
}

void zktest_park(struct fakelib *f _unused_,
		 const struct fakelib_call *c _unused_, struct fakelib_plan *p)
{
	p->soon = 0;
	p->parked = 1;
}

void zktest_keep(struct fakelib *f _unused_,
		 const struct fakelib_call *c _unused_, struct fakelib_plan *p)
{
	p->soon = 0;
}

struct fakelib *zktest_fake(fakelib_plan_fn *plan)
{
	struct fakelib *f = fakelib_new();

	f->plan = plan;
	return f;
}

/* --- many ---------------------------------------------------------------- */

void zkprobe_call_all(struct zkprobe *p, size_t n, struct zktest *t,
		      struct zk_owner *owner)
{
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct zkprobe){
			.type = i % ZKPROBE_TYPES, .owner = owner};
		zkprobe_call(&p[i], t);
	}
}

void zkprobe_wait_all(struct zkprobe *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		zkprobe_wait(&p[i]);
}
