/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_UTIL_H
#define ZNODEFS_UTIL_H

/*
 * The few things every file wants: cleanup attributes, container_of, a
 * monotonic clock.  Nothing here has state.
 *
 * A local that owns something says so where it is declared:
 *
 *	_cleanup_free_ char *path = NULL;
 *
 * and gives it away with steal().  A function uses either this or a goto
 * ladder, never both.
 */

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline void util_freep(void *p)
{
	free(*(void **)p);
}

static inline void util_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_free_  __attribute__((cleanup(util_freep)))
#define _cleanup_close_ __attribute__((cleanup(util_closep)))
#define _printf_(a, b)  __attribute__((format(printf, a, b)))
#define _unused_        __attribute__((unused))

/* Take the value out of an owning variable, leaving it empty. */
#define steal(p)                                                               \
	({                                                                     \
		__typeof__(p) stolen_ = (p);                                   \
		(p) = NULL;                                                    \
		stolen_;                                                       \
	})

#define container_of(ptr, type, member)                                        \
	((type *)((char *)(ptr) - offsetof(type, member)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                                              \
	({                                                                     \
		__typeof__(a) a_ = (a);                                        \
		__typeof__(b) b_ = (b);                                        \
		a_ < b_ ? a_ : b_;                                             \
	})

#define MAX(a, b)                                                              \
	({                                                                     \
		__typeof__(a) a_ = (a);                                        \
		__typeof__(b) b_ = (b);                                        \
		a_ > b_ ? a_ : b_;                                             \
	})

/*
 * Memory for the fixed-size records of the program: a few dozen bytes that
 * Linux does not refuse before it kills somebody.  Never for values or lists,
 * whose size comes from outside: those are checked.
 */
static inline void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		abort();
	return p;
}

static inline char *xstrdup(const char *s)
{
	char *p = strdup(s);

	if (!p)
		abort();
	return p;
}

/* Milliseconds of CLOCK_MONOTONIC; never 0, so 0 can mean "never". */
static inline int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + 1;
}

/* Microseconds of the same clock. */
static inline int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* A condition that cond_wait_until() waits for. */
static inline void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

/* @until: ms of now_ms(), 0 for ever.  0 or ETIMEDOUT. */
static inline int cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m,
				  int64_t until)
{
	struct timespec ts = {
		.tv_sec = until / 1000,
		.tv_nsec = until % 1000 * 1000000,
	};

	return until ? pthread_cond_timedwait(c, m, &ts)
		     : pthread_cond_wait(c, m);
}

#endif
