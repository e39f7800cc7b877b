/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "process.h"
#include "unit.h"

static void *in_thread(void *arg)
{
	pid_t *found = arg;

	found[0] = (pid_t)syscall(SYS_gettid);
	found[1] = process_of(found[0]);
	return NULL;
}

START_TEST(test_thread)
{
	pid_t found[2];
	pthread_t thread;

	ck_assert_int_eq(process_of(getpid()), getpid());
	ck_assert_int_eq(pthread_create(&thread, NULL, in_thread, found), 0);
	pthread_join(thread, NULL);
	ck_assert_int_ne(found[0], getpid());
	ck_assert_int_eq(found[1], getpid());
}
END_TEST

START_TEST(test_nobody)
{
	pid_t line[PROCESS_LINE_MAX];
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	ck_assert_int_eq(process_of(child), 0);
	ck_assert_int_eq(process_cpu(child), -1);
	ck_assert_int_eq(process_of(0), 0);
	ck_assert_int_eq(process_of(-1), 0);
	ck_assert_uint_eq(process_line(child, line), 0);
	ck_assert_uint_eq(process_line(0, line), 0);
}
END_TEST

START_TEST(test_line)
{
	pid_t line[PROCESS_LINE_MAX];
	size_t i, n = process_line(getpid(), line);

	ck_assert_uint_ge(n, 1);
	ck_assert_int_eq(line[0], getpid());
	if (n > 1)
		ck_assert_int_eq(line[1], getppid());
	for (i = 1; i < n; i++)
		ck_assert_int_gt(line[i], 1);
}
END_TEST

/* A name is whatever its owner likes. */
START_TEST(test_odd_name)
{
	ck_assert_int_eq(prctl(PR_SET_NAME, "x\nTgid:\t1\nPPi"), 0);
	ck_assert_int_eq(process_of(getpid()), getpid());
	ck_assert_int_eq(prctl(PR_SET_NAME, ") 1 2 (\n) 3"), 0);
	ck_assert_int_ge(process_cpu(getpid()), 0);
	ck_assert_int_lt(process_cpu(getpid()), CPU_SETSIZE);
}
END_TEST

/* As deep as it goes, and no deeper. */
static int descend(int depth)
{
	pid_t line[PROCESS_LINE_MAX];
	pid_t child;
	int status;

	if (depth == 0)
		return process_line(getpid(), line) != PROCESS_LINE_MAX;
	child = fork();
	if (child == 0)
		_exit(descend(depth - 1));
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

START_TEST(test_long_line)
{
	ck_assert_int_eq(descend(PROCESS_LINE_MAX + 3), 0);
}
END_TEST

UNIT_MAIN("process", test_thread, test_nobody, test_line, test_odd_name,
	  test_long_line)
