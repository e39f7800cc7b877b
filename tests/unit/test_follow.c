/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sys/syscall.h>

#include "follow.h"
#include "unit.h"
#include "util.h"

/* A thread that has run on one CPU, and waits there until it is told to end. */
struct caller {
	int cpu;
	pid_t tid;
	pthread_t thread;
	pthread_barrier_t barrier;
};

static void set_cpu(cpu_set_t *set, int cpu)
{
	CPU_ZERO(set);
	CPU_SET(cpu, set);
}

static void *caller_main(void *arg)
{
	struct caller *c = arg;
	cpu_set_t set;

	set_cpu(&set, c->cpu);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	c->tid = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&c->barrier);
	pthread_barrier_wait(&c->barrier);
	return NULL;
}

static void caller_start(struct caller *c, int cpu)
{
	c->cpu = cpu;
	pthread_barrier_init(&c->barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&c->thread, NULL, caller_main, c), 0);
	pthread_barrier_wait(&c->barrier);
}

static void caller_end(struct caller *c)
{
	pthread_barrier_wait(&c->barrier);
	pthread_join(c->thread, NULL);
	pthread_barrier_destroy(&c->barrier);
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
		ck_assert(!follow_is_talk(&f));
	}
	for (i = 0; i < 10; i++)
		follow_caller(&f, c.tid);
	ck_assert(follow_is_talk(&f));
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
	int cpu = a_cpu(), other = 0;
	struct follow f = {0};
	cpu_set_t one;
	struct caller c;

	while (!CPU_ISSET(other, &allowed))
		other++;
	if (other == cpu)
		return; /* there is but one */
	caller_start(&c, cpu);
	set_cpu(&one, other);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	follow_caller(&f, c.tid);
	follow_caller(&f, c.tid);
	ck_assert(is_bound_to(other));
	sched_setaffinity(0, sizeof(allowed), &allowed);
	caller_end(&c);
}
END_TEST

/* Who binds the daemon by hand is not overruled. */
START_TEST(test_bound_by_somebody_else)
{
	int cpu = a_cpu(), other = 0;
	struct follow f = {0};
	cpu_set_t one;
	struct caller c;

	while (!CPU_ISSET(other, &allowed))
		other++;
	caller_start(&c, cpu);
	follow_caller(&f, c.tid);
	follow_caller(&f, c.tid);
	ck_assert(is_bound_to(cpu));
	set_cpu(&one, other);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	follow_caller(&f, getpid());
	ck_assert(other == cpu || is_bound_to(other));
	sched_setaffinity(0, sizeof(allowed), &allowed);
	caller_end(&c);
}
END_TEST

UNIT_MAIN("follow", test_follows, test_one_message_is_no_talk,
	  test_caller_is_gone, test_where_it_may_not_run,
	  test_bound_by_somebody_else)
