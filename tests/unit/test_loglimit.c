/* SPDX-License-Identifier: Apache-2.0 */
#include "loglimit.h"
#include "unit.h"

static const char a[] = "a", b[] = "b";

/* How many of @n lines of @kind pass at @now; they find none missed. */
static int burst(struct loglimit *l, const void *kind, int64_t now, int n)
{
	unsigned missed;
	int passed = 0;

	while (n-- > 0) {
		passed += loglimit_pass(l, kind, now, &missed);
		ck_assert_uint_eq(missed, 0);
	}
	return passed;
}

START_TEST(test_a_burst)
{
	struct loglimit l = {0};

	ck_assert_int_eq(burst(&l, a, 1, 1000), LOGLIMIT_MAX);
	ck_assert_int_eq(burst(&l, a, LOGLIMIT_MS, 10), 0);
}
END_TEST

START_TEST(test_time_passes)
{
	struct loglimit l = {0};
	unsigned missed;

	ck_assert_int_eq(burst(&l, a, 1, LOGLIMIT_MAX + 7), LOGLIMIT_MAX);
	ck_assert(loglimit_pass(&l, a, 1 + LOGLIMIT_MS, &missed));
	ck_assert_uint_eq(missed, 7);
	ck_assert_int_eq(burst(&l, a, 1 + LOGLIMIT_MS, 100), LOGLIMIT_MAX - 1);
}
END_TEST

/* One does not hide the other, and tells what became of it. */
START_TEST(test_kinds)
{
	struct loglimit l = {0};
	unsigned missed;

	ck_assert_int_eq(burst(&l, a, 1, LOGLIMIT_MAX + 1), LOGLIMIT_MAX);
	ck_assert(loglimit_pass(&l, b, 2, &missed));
	ck_assert_uint_eq(missed, 1);
	ck_assert_int_eq(burst(&l, b, 2, 100), LOGLIMIT_MAX - 1);
}
END_TEST

START_TEST(test_slow_lines_all_pass)
{
	struct loglimit l = {0};
	int64_t step = LOGLIMIT_MS / LOGLIMIT_MAX;

	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(burst(&l, a, 1 + i * step, 1), 1);
}
END_TEST

/* With more kinds than places, the one longest at rest is forgotten. */
START_TEST(test_more_kinds_than_places)
{
	char kinds[LOGLIMIT_KINDS + 1];
	struct loglimit l = {0};
	unsigned missed;

	for (int i = 0; i < LOGLIMIT_KINDS; i++)
		ck_assert_int_eq(burst(&l, &kinds[i], 1 + i, LOGLIMIT_MAX),
				 LOGLIMIT_MAX);
	ck_assert_int_eq(burst(&l, &kinds[LOGLIMIT_KINDS], 100, 1), 1);
	ck_assert(!loglimit_pass(&l, &kinds[1], 100, &missed));
	ck_assert(loglimit_pass(&l, &kinds[0], 100, &missed));
	ck_assert_uint_eq(missed, 1);
}
END_TEST

UNIT_MAIN("loglimit", test_a_burst, test_time_passes, test_kinds,
	  test_slow_lines_all_pass, test_more_kinds_than_places)
