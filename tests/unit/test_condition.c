/* SPDX-License-Identifier: Apache-2.0 */
#include "condition.h"
#include "unit.h"

static struct inode inode;
static struct file files[3];

/* Two handles of process 7 and one of process 8. */
static void setup(void)
{
	static const pid_t processes[] = {7, 8, 7};

	memset(files, 0, sizeof(files));
	inode.files = (struct chain){0};
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		files[i].inode = &inode;
		files[i].process = processes[i];
		chain_add_tail(&inode.files, &files[i].in_inode);
	}
}

static bool put(pid_t process, int32_t version)
{
	return condition_put_locked(&inode, &process, 1, version);
}

/* The version under which the handle commits, or -1. */
static int32_t take(size_t i)
{
	int32_t version;

	return condition_take_locked(&files[i], &version) ? version : -1;
}

START_TEST(test_once)
{
	setup();
	ck_assert(put(7, 5));
	ck_assert_int_eq(take(1), -1);
	ck_assert_int_eq(take(2), 5);
	ck_assert_int_eq(take(2), -1);
	ck_assert_int_eq(take(0), -1);
}
END_TEST

START_TEST(test_nobody)
{
	setup();
	ck_assert(!put(9, 5));
	ck_assert(!condition_put_locked(&inode, NULL, 0, 5));
	/* A handle that is only read is nobody's. */
	files[0].process = 0;
	ck_assert(put(7, 5));
	ck_assert_int_eq(take(0), -1);
	ck_assert_int_eq(take(2), 5);
}
END_TEST

START_TEST(test_the_next_up_the_line)
{
	static const pid_t line[] = {10, 8, 7};

	setup();
	ck_assert(condition_put_locked(&inode, line, 3, 5));
	ck_assert_int_eq(take(0), -1);
	ck_assert_int_eq(take(1), 5);
}
END_TEST

START_TEST(test_drop)
{
	static const pid_t line[] = {10, 8, 7};

	setup();
	put(7, 5);
	put(8, 6);
	condition_drop_locked(&inode, line, 3);
	ck_assert_int_eq(take(1), -1);
	ck_assert_int_eq(take(0), 5);
	condition_drop_locked(&inode, line, 1);
}
END_TEST

START_TEST(test_replace)
{
	setup();
	put(7, 5);
	put(7, 0);
	put(8, 6);
	ck_assert_int_eq(take(0), 0);
	ck_assert_int_eq(take(1), 6);
	ck_assert_int_eq(take(2), -1);
}
END_TEST

/* What is gathered goes first, by itself. */
START_TEST(test_later)
{
	setup();
	files[0].dirty = true;
	files[2].dirty = files[2].bare = true;
	put(7, 5);
	ck_assert_int_eq(files[0].condition, FILE_IF_LATER);
	ck_assert_int_eq(files[2].condition, FILE_IF);
	ck_assert_int_eq(take(0), -1);
	ck_assert_int_eq(take(0), 5);
	ck_assert_int_eq(take(2), -1);
}
END_TEST

UNIT_MAIN("condition", test_once, test_nobody, test_the_next_up_the_line,
	  test_drop, test_replace, test_later)
