/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include "process.h"
#include "util.h"

/* Who has sent so many is looked at: where it runs is a read of 3 us. */
#define FOLLOW_AFTER 2
/* And so often again, since the scheduler moves it. */
#define FOLLOW_LOOK 8
/* Who did not stay where it was followed to is not followed at each look. */
#define FOLLOW_EVERY 256

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

static void look(struct follow *f)
{
	int cpu = process_cpu(f->caller);

	f->apart = cpu >= 0 && cpu != sched_getcpu();
	if (cpu < 0 || cpu >= CPU_SETSIZE || (f->bound && !f->apart) ||
	    f->run % FOLLOW_EVERY != FOLLOW_AFTER)
		return;
	bind_to(f, cpu);
	f->apart = cpu != sched_getcpu();
}

void follow_caller(struct follow *f, pid_t caller)
{
	if (caller == 0)
		return;
	if (caller != f->caller) {
		unbind(f);
		f->caller = caller;
		f->run = 0;
		f->apart = false;
	}
	if (++f->run % FOLLOW_LOOK == FOLLOW_AFTER)
		look(f);
}

bool follow_is_apart(const struct follow *f)
{
	return f->apart && f->run >= FOLLOW_TALK;
}

void follow_missed(struct follow *f)
{
	f->apart = false;
}
