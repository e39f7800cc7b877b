/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "log.h"
#include "patience.h"
#include "unit.h"

/* The log of this process becomes a pipe; its end for reading. */
static int read_log(void)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	log_open(false, LOG_INFO);
	return fds[0];
}

static void expect(int fd, const char *wanted)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char got[1024] = "";

	ck_assert_int_eq(poll(&p, 1, 100000), 1);
	ck_assert_int_gt(read(fd, got, sizeof(got) - 1), 0);
	ck_assert_str_eq(got, wanted);
}

static void expect_nothing(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, 0), 0);
}

START_TEST(test_what_takes_long)
{
	struct patience p;
	int log = read_log();
	int64_t before;

	patience_start(&p);
	patience_for(&p, "what is soon over");
	before = now_ms();
	patience_for(&p, "a server of %s", "zk1:2181");
	expect(log, "znodefs: waiting for a server of zk1:2181\n");
	ck_assert_int_ge(now_ms() - before, PATIENCE_MS);
	patience_for(&p, "more");
	expect(log, "znodefs: waiting for more\n");
	patience_end(&p);
	patience_end(&p);
	expect_nothing(log);
}
END_TEST

START_TEST(test_over_before)
{
	struct patience p;
	int log = read_log();
	int64_t before = now_ms();

	patience_start(&p);
	patience_for(&p, "x");
	patience_end(&p);
	if (now_ms() - before < PATIENCE_MS)
		expect_nothing(log);
	ck_assert(!p.started);
}
END_TEST

START_TEST(test_nothing_to_wait_for)
{
	struct patience p;
	int log = read_log();

	patience_start(&p);
	patience_end(&p);
	expect_nothing(log);
}
END_TEST

UNIT_MAIN("patience", test_what_takes_long, test_over_before,
	  test_nothing_to_wait_for)
