/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FEEDLOG_H
#define ZNODEFS_FEEDLOG_H

/*
 * A feed whose callbacks are written down as lines, for tests to compare with:
 *
 *	up 1
 *	down 1 ETIMEDOUT
 *	watching 1 /a 0
 *	event CREATED /a/b
 *	unsupported
 *	synced 1
 *
 * The first number is the epoch, or a ticket.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "feed.h"

/* How long to wait for a line: a broken test fails, a slow machine does not. */
#define FEEDLOG_DEADLINE_MS 60000

struct feedlog {
	struct feed *feed;

	/* Called in each callback, if set, after the line was written. */
	void (*hook)(struct feedlog *l, const char *line);
	void *arg;

	/* Internal state. */
	pthread_mutex_t lock;
	pthread_cond_t more;
	char **lines;
	size_t n;
	size_t next; /* the first that no test has asked for */
	int64_t last_zxid;
};

struct feedlog *feedlog_new(void);

/* Fill in what the tests have in common; what is left may be changed. */
struct feed_config feedlog_config(struct feedlog *l, const char *server);

/* feed_open() with the common configuration, or the process aborts. */
void feedlog_open(struct feedlog *l, const char *server);

/* A new one, opened and told to watch "/a" before it connects to @server. */
struct feedlog *feedlog_watching(const char *server);

/* feed_close() if it is open, and free all. */
void feedlog_free(struct feedlog *l);

/* The next line must be this one. */
void feedlog_expect(struct feedlog *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* This one must come, whatever comes before it. */
void feedlog_await(struct feedlog *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* No line is left that was not asked for. */
void feedlog_expect_end(struct feedlog *l);

/* How many of the lines so far begin with @prefix. */
size_t feedlog_count(struct feedlog *l, const char *prefix);

#endif
