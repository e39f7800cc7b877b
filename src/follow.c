/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include "process.h"
#include "util.h"

/* Who has sent so many is asked where it runs; it is a read of 3 us. */
#define FOLLOW_AFTER 2
/* And so often again, since it may be moved. */
#define FOLLOW_EVERY 32

/* A program that starts, reads a file and ends sends fewer. */
#define FOLLOW_TALK 8

/* To move takes some 50 us, which is to be a small part of the time. */
#define FOLLOW_PAUSE_MS 2

/* Unless somebody else has said meanwhile where this thread may run. */
static void unbind(struct follow *f)
{
	cpu_set_t now;

	if (f->bound && sched_getaffinity(0, sizeof(now), &now) == 0 &&
	    CPU_EQUAL(&now, &f->here))
		sched_setaffinity(0, sizeof(f->free), &f->free);
	f->bound = false;
}

/* Not to where this process is not allowed to run. */
static void bind_to(struct follow *f, int cpu)
{
	int64_t now = now_ms();

	if (now < f->moved + FOLLOW_PAUSE_MS)
		return;
	f->moved = now;
	unbind(f);
	CPU_ZERO(&f->here);
	CPU_SET(cpu, &f->here);
	if (sched_getaffinity(0, sizeof(f->free), &f->free) == 0 &&
	    CPU_ISSET(cpu, &f->free))
		f->bound = sched_setaffinity(0, sizeof(f->here),
					     &f->here) == 0;
}

void follow_caller(struct follow *f, pid_t caller)
{
	int cpu;

	if (caller == 0)
		return;
	if (caller != f->caller) {
		unbind(f);
		f->caller = caller;
		f->run = 0;
	}
	if (++f->run % FOLLOW_EVERY != FOLLOW_AFTER)
		return;
	cpu = process_cpu(caller);
	if (cpu >= 0 && cpu < CPU_SETSIZE &&
	    (!f->bound || cpu != sched_getcpu()))
		bind_to(f, cpu);
}

bool follow_is_talk(const struct follow *f)
{
	return f->run >= FOLLOW_TALK;
}
