/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Faults between the daemon and its client library: a module for LD_PRELOAD
 * that stands before the library's asynchronous calls.  Steered by the
 * environment:
 *
 *	ZNODEFS_FAULT_WHILE	only while there is a file at this path
 *	ZNODEFS_FAULT_SEED	of the random numbers (1)
 *	ZNODEFS_FAULT_LATE	percentage of completions that come later, from
 *				another thread, and so in another order (0)
 *	ZNODEFS_FAULT_LATE_MS	... by so much at most (20)
 *	ZNODEFS_FAULT_TWICE	percentage of those that come once more, later
 *				(0)
 *	ZNODEFS_FAULT_CODE	percentage of those that say something else (0)
 *	ZNODEFS_FAULT_CODES	... one of these (-4,-7,-101,-102,-103,-110,
 *				-111,-127)
 *	ZNODEFS_FAULT_SUBMIT	percentage of calls that are refused, and not
 *				sent (0)
 *	ZNODEFS_FAULT_LOG	a file to which one line is appended when a
 *				session is closed: what was done how often
 *
 * Each library handle has a struct faults, found by the context of its
 * watcher, with a thread of its own.  What is late when the handle is closed
 * comes then, before the close; nothing comes after it.
 */

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "faultreply.h"

#define CODES_MAX 16

/* The library's own function behind the one of the same name here. */
#define REAL(name)                                                             \
	({                                                                     \
		__typeof__(name) *real_;                                       \
                                                                               \
		*(void **)&real_ = dlsym(RTLD_NEXT, #name);                    \
		if (!real_)                                                    \
			abort();                                               \
		real_;                                                         \
	})

struct faults {
	/* Constant. */
	watcher_fn watcher;
	void *context;
	const char *only_while;
	double late, twice, code, submit; /* percentages */
	int late_ms;
	int codes[CODES_MAX];
	unsigned n_codes;

	pthread_mutex_t lock; /* for all below */
	pthread_cond_t kick;
	pthread_t thread;
	uint64_t rng;
	bool closing;
	struct list open;  /* of struct call: with the library */
	struct list later; /* of struct later */
	unsigned n_calls, n_late, n_twice, n_code, n_submit;
};

/* Who is to hear the completion of a call; the library's cookie. */
struct call {
	struct list link; /* in faults->open */
	struct faults *faults;
	struct listener to;
	unsigned nth;
};

/* A reply for later. */
struct later {
	struct list link; /* in faults->later */
	int64_t due;      /* ms */
	struct listener to;
	struct reply_copy *copy;
};

/* --- chance -------------------------------------------------------------- */

static unsigned random_below(struct faults *f, unsigned n)
{
	f->rng ^= f->rng << 13;
	f->rng ^= f->rng >> 7;
	f->rng ^= f->rng << 17;
	return (unsigned)((f->rng >> 32) % n);
}

static bool chance(struct faults *f, double percent)
{
	return percent > 0 && random_below(f, 100000) < percent * 1000;
}

static bool active(const struct faults *f)
{
	return !f->only_while || access(f->only_while, F_OK) == 0;
}

static double number(const char *name, double otherwise)
{
	const char *text = getenv(name);

	return text ? atof(text) : otherwise;
}

static void read_codes(struct faults *f)
{
	const char *text = getenv("ZNODEFS_FAULT_CODES");
	int used;

	if (!text)
		text = "-4,-7,-101,-102,-103,-110,-111,-127";
	while (f->n_codes < CODES_MAX &&
	       sscanf(text, "%d%n", &f->codes[f->n_codes], &used) == 1) {
		f->n_codes++;
		text += used + (text[used] == ',');
	}
}

/* --- later --------------------------------------------------------------- */

static void later_locked(struct faults *f, const struct call *c,
			 const struct reply *r)
{
	struct later *l = xcalloc(1, sizeof(*l));

	l->due = now_ms() + 1 + random_below(f, (unsigned)f->late_ms);
	l->to = c->to;
	l->copy = reply_copy_new(r, c->to.form);
	list_add_tail(&f->later, &l->link);
	pthread_cond_signal(&f->kick);
}

static struct later *first_due_locked(struct faults *f)
{
	struct later *l, *first = NULL;

	list_for_each (l, &f->later, link) {
		if (!first || l->due < first->due)
			first = l;
	}
	return first;
}

static void wait_locked(struct faults *f, const struct later *first)
{
	int64_t until = first ? first->due : now_ms() + 1000;
	struct timespec ts = {
		.tv_sec = until / 1000,
		.tv_nsec = until % 1000 * 1000000,
	};

	pthread_cond_timedwait(&f->kick, &f->lock, &ts);
}

static void *later_main(void *arg)
{
	struct faults *f = arg;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		struct later *l = first_due_locked(f);

		if (!l && f->closing)
			break;
		if (!l || (l->due > now_ms() && !f->closing)) {
			wait_locked(f, l);
			continue;
		}
		list_del(&l->link);
		pthread_mutex_unlock(&f->lock);
		reply_say(&l->copy->reply, &l->to);
		reply_copy_free(l->copy);
		free(l);
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* --- completions --------------------------------------------------------- */

/* The library completes @c, which is gone then. */
static void completed(struct call *c, struct reply r)
{
	struct faults *f = c->faults;
	bool late = false;

	pthread_mutex_lock(&f->lock);
	list_del(&c->link);
	if (!f->closing && active(f)) {
		if (chance(f, f->code)) {
			r = (struct reply){
				.rc = f->codes[random_below(f, f->n_codes)]};
			f->n_code++;
		}
		if (chance(f, f->twice)) {
			later_locked(f, c, &r);
			f->n_twice++;
		}
		late = chance(f, f->late);
		if (late) {
			later_locked(f, c, &r);
			f->n_late++;
		}
	}
	pthread_mutex_unlock(&f->lock);
	if (!late)
		reply_say(&r, &c->to);
	free(c);
}

static void on_data(int rc, const char *value, int len, const struct Stat *stat,
		    const void *cookie)
{
	completed((struct call *)cookie,
		  (struct reply){
			  .rc = rc, .value = value, .len = len, .stat = stat});
}

static void on_stat(int rc, const struct Stat *stat, const void *cookie)
{
	completed((struct call *)cookie,
		  (struct reply){.rc = rc, .stat = stat});
}

static void on_created(int rc, const char *path, const struct Stat *stat,
		       const void *cookie)
{
	completed((struct call *)cookie,
		  (struct reply){.rc = rc, .value = path, .stat = stat});
}

static void on_string(int rc, const char *path, const void *cookie)
{
	completed((struct call *)cookie,
		  (struct reply){.rc = rc, .value = path});
}

static void on_names(int rc, const struct String_vector *names,
		     const struct Stat *stat, const void *cookie)
{
	completed((struct call *)cookie,
		  (struct reply){.rc = rc, .names = names, .stat = stat});
}

static void on_acl(int rc, struct ACL_vector *acl, struct Stat *stat,
		   const void *cookie)
{
	completed((struct call *)cookie,
		  (struct reply){.rc = rc, .acl = acl, .stat = stat});
}

static void on_plain(int rc, const void *cookie)
{
	completed((struct call *)cookie, (struct reply){.rc = rc});
}

/* --- submits ------------------------------------------------------------- */

/* NULL if the call is to be refused. */
static struct call *submit(zhandle_t *zh, struct listener to)
{
	struct faults *f = (struct faults *)zoo_get_context(zh);
	struct call *c = NULL;

	pthread_mutex_lock(&f->lock);
	f->n_calls++;
	if (chance(f, f->submit) && active(f)) {
		f->n_submit++;
	} else {
		c = xcalloc(1, sizeof(*c));
		c->faults = f;
		c->to = to;
		c->nth = f->n_calls;
		list_add_tail(&f->open, &c->link);
	}
	pthread_mutex_unlock(&f->lock);
	return c;
}

/*
 * The library has not taken call @nth, unless it was completed meanwhile; then
 * it is not there any more.
 */
static int submitted(zhandle_t *zh, unsigned nth, int code)
{
	struct faults *f = (struct faults *)zoo_get_context(zh);
	struct call *c, *tmp;

	if (code == ZOK)
		return code;
	pthread_mutex_lock(&f->lock);
	list_for_each_safe (c, tmp, &f->open, link) {
		if (c->nth == nth) {
			list_del(&c->link);
			free(c);
		}
	}
	pthread_mutex_unlock(&f->lock);
	return code;
}

/* Call the library's @name with a cookie of ours behind the arguments. */
#define SUBMIT(zh, kind, member, done, cookie_, name, ...)                     \
	({                                                                     \
		struct listener to_ = {.form = (kind),                         \
				       .fn.member = (done),                    \
				       .cookie = (cookie_)};                   \
		struct call *c_ = submit(zh, to_);                             \
		unsigned nth_ = c_ ? c_->nth : 0;                              \
                                                                               \
		c_ ? submitted(zh, nth_, REAL(name)(zh, __VA_ARGS__, c_))      \
		   : ZMARSHALLINGERROR;                                        \
	})

int zoo_aget(zhandle_t *zh, const char *path, int watch, data_completion_t done,
	     const void *cookie)
{
	return SUBMIT(zh, DATA, data, done, cookie, zoo_aget, path, watch,
		      on_data);
}

int zoo_awget(zhandle_t *zh, const char *path, watcher_fn watcher,
	      void *context, data_completion_t done, const void *cookie)
{
	/* The library itself, for a zoo_aget() that has been here. */
	if (done == on_data)
		return REAL(zoo_awget)(zh, path, watcher, context, done,
				       cookie);
	return SUBMIT(zh, DATA, data, done, cookie, zoo_awget, path, watcher,
		      context, on_data);
}

int zoo_aexists(zhandle_t *zh, const char *path, int watch,
		stat_completion_t done, const void *cookie)
{
	return SUBMIT(zh, STAT, stat, done, cookie, zoo_aexists, path, watch,
		      on_stat);
}

int zoo_aget_children2(zhandle_t *zh, const char *path, int watch,
		       strings_stat_completion_t done, const void *cookie)
{
	return SUBMIT(zh, NAMES, names, done, cookie, zoo_aget_children2, path,
		      watch, on_names);
}

int zoo_aget_acl(zhandle_t *zh, const char *path, acl_completion_t done,
		 const void *cookie)
{
	return SUBMIT(zh, ACL_LIST, acl, done, cookie, zoo_aget_acl, path,
		      on_acl);
}

int zoo_async(zhandle_t *zh, const char *path, string_completion_t done,
	      const void *cookie)
{
	return SUBMIT(zh, STRING, string, done, cookie, zoo_async, path,
		      on_string);
}

int zoo_aset(zhandle_t *zh, const char *path, const char *value, int len,
	     int version, stat_completion_t done, const void *cookie)
{
	return SUBMIT(zh, STAT, stat, done, cookie, zoo_aset, path, value, len,
		      version, on_stat);
}

int zoo_acreate2_ttl(zhandle_t *zh, const char *path, const char *value,
		     int len, const struct ACL_vector *acl, int mode,
		     int64_t ttl, string_stat_completion_t done,
		     const void *cookie)
{
	return SUBMIT(zh, CREATED, created, done, cookie, zoo_acreate2_ttl,
		      path, value, len, acl, mode, ttl, on_created);
}

int zoo_aset_acl(zhandle_t *zh, const char *path, int version,
		 struct ACL_vector *acl, void_completion_t done,
		 const void *cookie)
{
	return SUBMIT(zh, PLAIN, plain, done, cookie, zoo_aset_acl, path,
		      version, acl, on_plain);
}

int zoo_adelete(zhandle_t *zh, const char *path, int version,
		void_completion_t done, const void *cookie)
{
	return SUBMIT(zh, PLAIN, plain, done, cookie, zoo_adelete, path,
		      version, on_plain);
}

int zoo_amulti(zhandle_t *zh, int count, const zoo_op_t *ops,
	       zoo_op_result_t *results, void_completion_t done,
	       const void *cookie)
{
	return SUBMIT(zh, PLAIN, plain, done, cookie, zoo_amulti, count, ops,
		      results, on_plain);
}

/* --- handles ------------------------------------------------------------- */

static void on_watch(zhandle_t *zh, int type, int state, const char *path,
		     void *context)
{
	struct faults *f = context;

	f->watcher(zh, type, state, path, f->context);
}

static struct faults *faults_new(watcher_fn watcher, void *context)
{
	struct faults *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	f->watcher = watcher;
	f->context = context;
	f->only_while = getenv("ZNODEFS_FAULT_WHILE");
	f->late = number("ZNODEFS_FAULT_LATE", 0);
	f->late_ms = MAX((int)number("ZNODEFS_FAULT_LATE_MS", 20), 1);
	f->twice = number("ZNODEFS_FAULT_TWICE", 0);
	f->code = number("ZNODEFS_FAULT_CODE", 0);
	f->submit = number("ZNODEFS_FAULT_SUBMIT", 0);
	f->rng = (uint64_t)number("ZNODEFS_FAULT_SEED", 1) * 2654435761u + 1;
	read_codes(f);
	list_init(&f->open);
	list_init(&f->later);
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->kick, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&f->thread, NULL, later_main, f) != 0)
		abort();
	return f;
}

/* What is late comes now.  False if this has been done before. */
static bool faults_end(struct faults *f)
{
	bool first;

	pthread_mutex_lock(&f->lock);
	first = !f->closing;
	f->closing = true;
	pthread_cond_signal(&f->kick);
	pthread_mutex_unlock(&f->lock);
	if (first)
		pthread_join(f->thread, NULL);
	return first;
}

static void write_log(const struct faults *f)
{
	const char *path = getenv("ZNODEFS_FAULT_LOG");
	FILE *log = path ? fopen(path, "ae") : NULL;

	if (!log)
		return;
	fprintf(log, "calls %u late %u twice %u code %u submit %u\n",
		f->n_calls, f->n_late, f->n_twice, f->n_code, f->n_submit);
	fclose(log);
}

static void faults_free(struct faults *f)
{
	struct call *c, *tmp;

	/* What the library has dropped. */
	list_for_each_safe (c, tmp, &f->open, link)
		free(c);
	write_log(f);
	pthread_cond_destroy(&f->kick);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

zhandle_t *zookeeper_init2(const char *hosts, watcher_fn watcher, int timeout,
			   const clientid_t *id, void *context, int flags,
			   log_callback_fn log)
{
	struct faults *f = faults_new(watcher, context);
	zhandle_t *zh = REAL(zookeeper_init2)(hosts, on_watch, timeout, id, f,
					      flags, log);

	if (!zh) {
		faults_end(f);
		faults_free(f);
	}
	return zh;
}

/* The library calls this within itself, too. */
int zookeeper_close(zhandle_t *zh)
{
	struct faults *f = (struct faults *)zoo_get_context(zh);
	bool first = faults_end(f);
	int code = REAL(zookeeper_close)(zh);

	if (first)
		faults_free(f);
	return code;
}
