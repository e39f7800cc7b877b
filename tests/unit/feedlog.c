/* SPDX-License-Identifier: Apache-2.0 */
#include "feedlog.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_LEN 256

static void note(struct feedlog *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void note(struct feedlog *l, const char *fmt, ...)
{
	char *line = malloc(LINE_MAX_LEN);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, LINE_MAX_LEN, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&l->lock);
	if ((l->n & (l->n - 1)) == 0)
		l->lines = realloc(l->lines,
				   (l->n ? l->n * 2 : 1) * sizeof(*l->lines));
	l->lines[l->n++] = line;
	pthread_cond_broadcast(&l->more);
	pthread_mutex_unlock(&l->lock);
	if (l->hook)
		l->hook(l, line);
}

static void on_up(void *arg, uint64_t epoch)
{
	note(arg, "up %d", (int)epoch);
}

static void on_down(void *arg, uint64_t epoch, int reason)
{
	note(arg, "down %d %s", (int)epoch, strerrorname_np(-reason));
}

static void on_watching(void *arg, uint64_t epoch, const char *path, int code)
{
	note(arg, "watching %d %s %d", (int)epoch, path, code);
}

static void on_event(void *arg, enum feedproto_event type, const char *path,
		     int64_t zxid)
{
	static const char *const names[] = {
		[FEEDPROTO_CREATED] = "CREATED",
		[FEEDPROTO_DELETED] = "DELETED",
		[FEEDPROTO_CHANGED] = "CHANGED",
		[FEEDPROTO_CHILD] = "CHILD",
	};
	struct feedlog *l = arg;

	pthread_mutex_lock(&l->lock);
	l->last_zxid = zxid;
	pthread_mutex_unlock(&l->lock);
	note(l, "event %s %s", names[type], path);
}

static void on_unsupported(void *arg)
{
	note(arg, "unsupported");
}

static void on_synced(void *arg, uint64_t ticket)
{
	note(arg, "synced %llu", (unsigned long long)ticket);
}

struct feedlog *feedlog_new(void)
{
	struct feedlog *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;

	ck_assert_ptr_nonnull(l);
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->more, &attr);
	pthread_condattr_destroy(&attr);
	return l;
}

struct feed_config feedlog_config(struct feedlog *l, const char *server)
{
	static const struct feed_ops ops = {
		.up = on_up,
		.down = on_down,
		.watching = on_watching,
		.event = on_event,
		.unsupported = on_unsupported,
		.synced = on_synced,
	};

	return (struct feed_config){
		.server = server,
		.session_timeout_ms = 30000,
		.ops = &ops,
		.arg = l,
	};
}

void feedlog_open(struct feedlog *l, const char *server)
{
	struct feed_config config = feedlog_config(l, server);

	ck_assert_int_eq(feed_open(&l->feed, &config), 0);
}

struct feedlog *feedlog_watching(const char *server)
{
	struct feedlog *l = feedlog_new();

	feedlog_open(l, NULL);
	ck_assert_int_eq(feed_watch(l->feed, "/a", true), 0);
	ck_assert_int_eq(feed_move(l->feed, server), 0);
	return l;
}

void feedlog_free(struct feedlog *l)
{
	feed_close(l->feed);
	for (size_t i = 0; i < l->n; i++)
		free(l->lines[i]);
	free(l->lines);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->more);
	free(l);
}

/* The next line, which stays the log's. */
static const char *next_line(struct feedlog *l, const char *wanted)
{
	const char *line = NULL;
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FEEDLOG_DEADLINE_MS / 1000;
	pthread_mutex_lock(&l->lock);
	while (l->next == l->n && !rc)
		rc = pthread_cond_timedwait(&l->more, &l->lock, &until);
	if (l->next < l->n)
		line = l->lines[l->next++];
	pthread_mutex_unlock(&l->lock);
	ck_assert_msg(line != NULL, "nothing came instead of: %s", wanted);
	return line;
}

void feedlog_expect(struct feedlog *l, const char *fmt, ...)
{
	char wanted[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(wanted, sizeof(wanted), fmt, ap);
	va_end(ap);
	ck_assert_str_eq(next_line(l, wanted), wanted);
}

void feedlog_await(struct feedlog *l, const char *fmt, ...)
{
	char wanted[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(wanted, sizeof(wanted), fmt, ap);
	va_end(ap);
	while (strcmp(next_line(l, wanted), wanted) != 0)
		;
}

void feedlog_expect_end(struct feedlog *l)
{
	pthread_mutex_lock(&l->lock);
	ck_assert_msg(l->next == l->n, "unexpected: %s",
		      l->next < l->n ? l->lines[l->next] : "");
	pthread_mutex_unlock(&l->lock);
}

size_t feedlog_count(struct feedlog *l, const char *prefix)
{
	size_t count = 0;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		count += strncmp(l->lines[i], prefix, strlen(prefix)) == 0;
	pthread_mutex_unlock(&l->lock);
	return count;
}
