/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "follow.h"
#include "process.h"
#include "unit.h"
#include "util.h"

/* A thread that runs on one CPU until it is told to end. */
struct caller {
	int cpu;
	_Atomic pid_t tid;
	atomic_bool end;
	pthread_t thread;
};

static void set_cpu(cpu_set_t *set, int cpu)
{
	CPU_ZERO(set);
	CPU_SET(cpu, set);
}

static void bind_by_hand(int cpu)
{
	cpu_set_t one;

	set_cpu(&one, cpu);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void *caller_main(void *arg)
{
	struct caller *c = arg;

	bind_by_hand(c->cpu);
	c->tid = (pid_t)syscall(SYS_gettid);
	while (!c->end)
		sched_yield();
	return NULL;
}

static void caller_start(struct caller *c, int cpu)
{
	*c = (struct caller){.cpu = cpu};
	ck_assert_int_eq(pthread_create(&c->thread, NULL, caller_main, c), 0);
	while (!c->tid)
		sched_yield();
}

/* It runs there when this returns. */
static void caller_move(struct caller *c, int cpu)
{
	cpu_set_t one;

	set_cpu(&one, cpu);
	ck_assert_int_eq(sched_setaffinity(c->tid, sizeof(one), &one), 0);
	while (process_cpu(c->tid) != cpu)
		sched_yield();
}

static void caller_end(struct caller *c)
{
	c->end = true;
	pthread_join(c->thread, NULL);
}

static cpu_set_t allowed;

/* The last CPU that is allowed. */
static int a_cpu(void)
{
	int cpu = CPU_SETSIZE - 1;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(cpu, &allowed))
		cpu--;
	return cpu;
}

/* The first one, which is @cpu if there is but one. */
static int another_cpu(int cpu)
{
	int other = 0;

	while (other < cpu && !CPU_ISSET(other, &allowed))
		other++;
	return other;
}

static bool is_bound_to(int cpu)
{
	cpu_set_t now, one;

	set_cpu(&one, cpu);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(now), &now), 0);
	return CPU_EQUAL(&now, &one);
}

static bool is_free(void)
{
	cpu_set_t now;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(now), &now), 0);
	return CPU_EQUAL(&now, &allowed);
}

START_TEST(test_follows)
{
	struct follow f = {0};
	struct caller c;

	caller_start(&c, a_cpu());
	follow_caller(&f, c.tid);
	ck_assert(is_free());
	follow_caller(&f, c.tid);
	ck_assert(is_bound_to(c.cpu));
	ck_assert_int_eq(sched_getcpu(), c.cpu);
	/* Nobody is not somebody else. */
	follow_caller(&f, 0);
	ck_assert(is_bound_to(c.cpu));
	follow_caller(&f, getpid());
	ck_assert(is_free());
	caller_end(&c);
}
END_TEST

START_TEST(test_one_message_is_no_talk)
{
	struct follow f = {0};
	struct caller c;
	int i;

	caller_start(&c, a_cpu());
	for (i = 0; i < 100; i++) {
		follow_caller(&f, c.tid);
		follow_caller(&f, getpid());
		ck_assert(is_free());
		ck_assert(!follow_is_apart(&f));
	}
	caller_end(&c);
}
END_TEST

/* Who does not stay where it was followed to is followed later, and not soon. */
START_TEST(test_apart)
{
	int cpu = a_cpu(), other = another_cpu(cpu), i;
	struct follow f = {0};
	struct caller c;

	if (other == cpu)
		return;
	caller_start(&c, cpu);
	follow_caller(&f, c.tid);
	follow_caller(&f, c.tid);
	ck_assert(is_bound_to(cpu));
	caller_move(&c, other);
	for (i = 0; i < 20; i++)
		follow_caller(&f, c.tid);
	ck_assert(follow_is_apart(&f));
	ck_assert(is_bound_to(cpu));
	follow_missed(&f);
	ck_assert(!follow_is_apart(&f));
	for (i = 0; i < 10; i++)
		follow_caller(&f, c.tid);
	ck_assert(follow_is_apart(&f));
	while (!is_bound_to(other))
		follow_caller(&f, c.tid);
	ck_assert(!follow_is_apart(&f));
	ck_assert_uint_gt(f.run, 200);
	caller_end(&c);
}
END_TEST

START_TEST(test_caller_is_gone)
{
	struct follow f = {0};
	struct caller c;
	int i;

	caller_start(&c, a_cpu());
	caller_end(&c);
	for (i = 0; i < 100; i++)
		follow_caller(&f, c.tid);
	ck_assert(is_free());
}
END_TEST

START_TEST(test_where_it_may_not_run)
{
	int cpu = a_cpu(), other = another_cpu(cpu);
	struct follow f = {0};
	struct caller c;

	if (other == cpu)
		return;
	caller_start(&c, cpu);
	bind_by_hand(other);
	follow_caller(&f, c.tid);
	follow_caller(&f, c.tid);
	ck_assert(is_bound_to(other));
	caller_end(&c);
}
END_TEST

/* Who binds the daemon by hand is not overruled. */
START_TEST(test_bound_by_somebody_else)
{
	int cpu = a_cpu(), other = another_cpu(cpu);
	struct follow f = {0};
	struct caller c;

	if (other == cpu)
		return;
	caller_start(&c, cpu);
	follow_caller(&f, c.tid);
	follow_caller(&f, c.tid);
	ck_assert(is_bound_to(cpu));
	bind_by_hand(other);
	follow_caller(&f, getpid());
	ck_assert(is_bound_to(other));
	caller_end(&c);
}
END_TEST

UNIT_MAIN("follow", test_follows, test_one_message_is_no_talk, test_apart,
	  test_caller_is_gone, test_where_it_may_not_run,
	  test_bound_by_somebody_else)
