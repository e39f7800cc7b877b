/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_UNIT_H
#define ZNODEFS_UNIT_H

/*
 * The main() of a unit test.  A file of tests is START_TEST()s, then
 *
 *	UNIT_MAIN("name", test_one, test_two)
 *
 * It runs them all, each in a process of its own, and exits with 1 if one
 * fails.  CK_FORK=no in the environment keeps them in one process, for a
 * debugger.  Needs check 0.13 or newer.
 *
 * A ck_assert() writes to a pipe, so a loop of a million compares by itself
 * and calls ck_abort_msg() on what is wrong.
 */

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "util.h"

/* Seconds for one test: a hung one ends; a slow machine does not. */
#define UNIT_TIMEOUT 300

static inline int unit_run(const char *name, const TTest *const *tests,
			   size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, UNIT_TIMEOUT);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(name, ...)                                                   \
	int main(void)                                                         \
	{                                                                      \
		const TTest *const tests[] = {__VA_ARGS__};                    \
                                                                               \
		return unit_run(name, tests, ARRAY_SIZE(tests));               \
	}

/*
 * Numbers below @n from a xorshift generator with a state of the test's own, so
 * that every run has the same ones.  The state starts at anything but 0.
 */
static inline unsigned int unit_rand(uint64_t *state, unsigned int n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned int)((*state >> 32) % n);
}

#endif
