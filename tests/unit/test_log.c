/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "log.h"
#include "loglimit.h"
#include "unit.h"

/* The log of this process becomes a pipe; its end for reading. */
static int read_log(void)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	return fds[0];
}

/* All that has been written since the last time. */
static const char *text(int fd)
{
	static char got[16384];
	ssize_t n = read(fd, got, sizeof(got) - 1);

	got[MAX(n, (ssize_t)0)] = '\0';
	return got;
}

START_TEST(test_level_names)
{
	ck_assert_int_eq(log_level("err"), LOG_ERR);
	ck_assert_int_eq(log_level("warning"), LOG_WARNING);
	ck_assert_int_eq(log_level("notice"), LOG_NOTICE);
	ck_assert_int_eq(log_level("info"), LOG_INFO);
	ck_assert_int_eq(log_level("debug"), LOG_DEBUG);
	ck_assert_int_eq(log_level(""), -EINVAL);
	ck_assert_int_eq(log_level("ERR"), -EINVAL);
	ck_assert_int_eq(log_level("7"), -EINVAL);
}
END_TEST

START_TEST(test_levels)
{
	int fd = read_log();

	log_open(false, LOG_WARNING);
	log_err("one %d", 1);
	log_warn("two");
	log_notice("three");
	ck_assert_str_eq(text(fd), "znodefs: one 1\nznodefs: two\n");
	log_open(false, LOG_DEBUG);
	log_debug("four\n");
	ck_assert_str_eq(text(fd), "znodefs: four\n");
}
END_TEST

START_TEST(test_too_many)
{
	int fd = read_log();
	const char *p;
	int lines = 0;

	log_open(false, LOG_DEBUG);
	for (int i = 0; i < LOGLIMIT_MAX + 5; i++)
		log_info("line %d", i);
	for (p = text(fd); (p = strchr(p, '\n')); p++)
		lines++;
	ck_assert_int_eq(lines, LOGLIMIT_MAX);
	log_warn("another");
	ck_assert_str_eq(text(fd),
			 "znodefs: 5 lines not logged, too many of a kind\n"
			 "znodefs: another\n");
	for (lines = 0; lines <= LOGLIMIT_MAX; lines++) {
		log_debug("all of these");
		ck_assert_str_eq(text(fd), "znodefs: all of these\n");
	}
}
END_TEST

/* Priorities are for the journal, and no one else's stderr. */
START_TEST(test_journal)
{
	int fd = read_log();
	char stream[64];
	struct stat st;

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open(false, LOG_INFO);
	log_err("bad");
	log_info("good");
	ck_assert_str_eq(text(fd), "<3>bad\n<6>good\n");
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_open(false, LOG_INFO);
	log_notice("plain");
	ck_assert_str_eq(text(fd), "znodefs: plain\n");
}
END_TEST

/* What is longer than a line's room is cut, and is a line still. */
START_TEST(test_long)
{
	char value[3000];
	int fd = read_log();
	const char *got;

	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	log_open(false, LOG_INFO);
	log_info("%s", value);
	got = text(fd);
	ck_assert_uint_gt(strlen(got), 1000);
	ck_assert_ptr_eq(strchr(got, '\n'), got + strlen(got) - 1);
}
END_TEST

UNIT_MAIN("log", test_level_names, test_levels, test_too_many, test_journal,
	  test_long)
