/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "attr.h"
#include "unit.h"

static const struct attr_policy policy = {.uid = 12, .gid = 34, .umask = 022};

static struct stat fill(enum attr_kind kind, int32_t length, int64_t mtime)
{
	const struct zstat zs = {
		.data_length = length,
		.mtime = mtime,
		.ctime = 77,
		.num_children = 9,
	};
	struct stat st;

	/* Whatever was there before must not show. */
	memset(&st, 0xa5, sizeof(st));
	attr_fill(&st, UINT64_C(0x123456789abcdef0), kind, &zs, &policy);
	return st;
}

START_TEST(test_file)
{
	struct stat st = fill(ATTR_FILE, 1234, 1700000000123);

	ck_assert_uint_eq(st.st_ino, UINT64_C(0x123456789abcdef0));
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0644);
	ck_assert_uint_eq(st.st_nlink, 1);
	ck_assert_uint_eq(st.st_uid, 12);
	ck_assert_uint_eq(st.st_gid, 34);
	ck_assert_uint_eq(st.st_dev, 0);
	ck_assert_uint_eq(st.st_rdev, 0);
	ck_assert_int_eq(st.st_size, 1234);
	ck_assert_int_eq(st.st_blocks, 3);
	ck_assert_int_eq(st.st_blksize, 1048576);
}
END_TEST

START_TEST(test_dir)
{
	struct stat st = fill(ATTR_DIR, 1234, 0);

	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0755);
	ck_assert_uint_eq(st.st_nlink, 1);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_int_eq(st.st_blocks, 0);
}
END_TEST

START_TEST(test_blocks)
{
	static const int32_t lengths[][2] = {
		{0, 0},
		{1, 1},
		{511, 1},
		{512, 1},
		{513, 2},
		{1024, 2},
		{1025, 3},
		{1048576, 2048},
		{-1, 0},
		{INT32_MIN, 0},
		{INT32_MAX, 4194304},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct stat st = fill(ATTR_FILE, lengths[i][0], 0);

		ck_assert_int_eq(st.st_size, MAX(lengths[i][0], 0));
		ck_assert_int_eq(st.st_blocks, lengths[i][1]);
	}
}
END_TEST

/* Every umask, with bits that are no permission set as well. */
START_TEST(test_umask)
{
	const struct zstat zs = {0};
	struct stat st;

	for (mode_t mask = 0; mask <= 0777; mask++) {
		struct attr_policy p = {.umask = mask | 0170000};
		mode_t file, dir;

		attr_fill(&st, 1, ATTR_FILE, &zs, &p);
		file = st.st_mode;
		attr_fill(&st, 1, ATTR_DIR, &zs, &p);
		dir = st.st_mode;
		if (file != (S_IFREG | (0666 & ~mask)) ||
		    dir != (S_IFDIR | (0777 & ~mask)))
			ck_abort_msg("umask %o: %o %o", mask, file, dir);
	}
}
END_TEST

START_TEST(test_times)
{
	static const struct {
		int64_t ms;
		time_t sec;
		long nsec;
	} cases[] = {
		{0, 0, 0},
		{1, 0, 1000000},
		{999, 0, 999000000},
		{1000, 1, 0},
		{1700000000123, 1700000000, 123000000},
		{-1, -1, 999000000},
		{-999, -1, 1000000},
		{-1000, -1, 0},
		{-1001, -2, 999000000},
		{INT64_MAX, INT64_MAX / 1000, 807000000},
		{INT64_MIN, INT64_MIN / 1000 - 1, 192000000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct stat st = fill(ATTR_FILE, 0, cases[i].ms);
		const struct timespec *ts[] = {&st.st_mtim, &st.st_ctim,
					       &st.st_atim};

		for (size_t k = 0; k < ARRAY_SIZE(ts); k++) {
			ck_assert_int_eq(ts[k]->tv_sec, cases[i].sec);
			ck_assert_int_eq(ts[k]->tv_nsec, cases[i].nsec);
		}
	}
}
END_TEST

/* Every mode against every kind of "have" that a policy gives. */
START_TEST(test_chmod)
{
	static const mode_t have[] = {S_IFREG | 0644, S_IFDIR | 0755, S_IFREG};

	for (size_t i = 0; i < ARRAY_SIZE(have); i++) {
		struct stat st = {.st_mode = have[i]};

		for (mode_t want = 0; want <= 07777; want++) {
			int rc = attr_check_chmod(&st, want);

			if (rc != (want == (have[i] & 07777) ? 0 : -EPERM))
				ck_abort_msg("%o to %o: %d", have[i], want, rc);
			if (rc != attr_check_chmod(&st, S_IFLNK | want))
				ck_abort_msg("the type counts: %o", want);
		}
	}
}
END_TEST

START_TEST(test_chown)
{
	const struct stat st = {.st_uid = 12, .st_gid = 34};
	const uid_t none = (uid_t)-1;

	ck_assert_int_eq(attr_check_chown(&st, none, none), 0);
	ck_assert_int_eq(attr_check_chown(&st, 12, none), 0);
	ck_assert_int_eq(attr_check_chown(&st, none, 34), 0);
	ck_assert_int_eq(attr_check_chown(&st, 12, 34), 0);
	ck_assert_int_eq(attr_check_chown(&st, 13, none), -EPERM);
	ck_assert_int_eq(attr_check_chown(&st, none, 35), -EPERM);
	ck_assert_int_eq(attr_check_chown(&st, 12, 35), -EPERM);
	ck_assert_int_eq(attr_check_chown(&st, 13, 34), -EPERM);
	ck_assert_int_eq(attr_check_chown(&st, 0, 0), -EPERM);
}
END_TEST

UNIT_MAIN("attr", test_file, test_dir, test_blocks, test_umask, test_times,
	  test_chmod, test_chown)
