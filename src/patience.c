/* SPDX-License-Identifier: Apache-2.0 */
#include "patience.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "log.h"

/* The lock is held while the line is written, so none is late. */
static void *wait_beside(void *arg)
{
	struct patience *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->ended) {
		if (p->due && now_ms() >= p->due) {
			log_notice("waiting for %s", p->what);
			p->due = 0;
		}
		cond_wait_until(&p->changed, &p->lock, p->due);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are for the main thread. */
void patience_start(struct patience *p)
{
	sigset_t all, old;

	*p = (struct patience){.lock = PTHREAD_MUTEX_INITIALIZER};
	cond_init(&p->changed);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	p->started = pthread_create(&p->thread, NULL, wait_beside, p) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void patience_for(struct patience *p, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&p->lock);
	va_start(ap, fmt);
	vsnprintf(p->what, sizeof(p->what), fmt, ap);
	va_end(ap);
	p->due = now_ms() + PATIENCE_MS;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void patience_end(struct patience *p)
{
	if (!p->started)
		return;
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	p->started = false;
}
