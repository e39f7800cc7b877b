/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "unit.h"
#include "xattr.h"

static const struct zstat zs = {
	.czxid = 0x100000003,
	.mzxid = 0x100000004,
	.pzxid = 0x7fffffffffffffff,
	.version = 5,
	.cversion = -6,
	.aversion = INT32_MIN,
	.ephemeral_owner = INT64_MIN,
	.data_length = 12,
	.num_children = INT32_MAX,
};

START_TEST(test_find)
{
	ck_assert_int_eq(xattr_find("user.zk.czxid")->id, XATTR_CZXID);
	ck_assert_int_eq(xattr_find("user.zk.acl")->id, XATTR_ACL);
	ck_assert_int_eq(xattr_find("user.zk.acl")->source, XATTR_OF_ACL);
	ck_assert_int_eq(xattr_find("user.zk.num_children")->source,
			 XATTR_OF_CHILDREN);
	ck_assert_int_eq(xattr_find("user.zk.server")->source,
			 XATTR_OF_SESSION);
}
END_TEST

START_TEST(test_find_nothing)
{
	static const char *const names[] = {
		"",	    "user.",	     "user.zk",	    "user.zk.",
		"user.zk.x", "user.zk.versio", "user.zk.version2",
		"user.zk.Version", "zk.version", "version", "trusted.zk.acl",
		"User.zk.acl", "user.zk.acl ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_msg(!xattr_find(names[i]), "%s", names[i]);
}
END_TEST

START_TEST(test_namespace)
{
	ck_assert(xattr_is_user("user.zk.acl"));
	ck_assert(xattr_is_user("user.anything"));
	ck_assert(xattr_is_user("user."));
	ck_assert(!xattr_is_user("user"));
	ck_assert(!xattr_is_user("system.posix_acl_access"));
	ck_assert(!xattr_is_user("security.capability"));
}
END_TEST

static size_t count(const char *list, size_t len)
{
	size_t n = 0, at = 0;

	while (at < len) {
		ck_assert_msg(xattr_find(list + at), "%s", list + at);
		at += strlen(list + at) + 1;
		n++;
	}
	ck_assert_uint_eq(at, len);
	return n;
}

static bool lists(struct xattr_has has, const char *name)
{
	char list[XATTR_LIST_MAX];
	size_t len = xattr_list(has, list);

	return memmem(list, len, name, strlen(name) + 1);
}

START_TEST(test_list)
{
	char list[XATTR_LIST_MAX];

	ck_assert_uint_eq(count(list, xattr_list((struct xattr_has){0}, list)),
			  1);
	ck_assert_uint_eq(
		count(list, xattr_list((struct xattr_has){.stat = true}, list)),
		9);
	ck_assert_uint_eq(
		count(list, xattr_list((struct xattr_has){true, true}, list)),
		13);
	ck_assert(lists((struct xattr_has){true, true}, "user.zk.timeout"));
	ck_assert(!lists((struct xattr_has){true, false}, "user.zk.timeout"));
	ck_assert(lists((struct xattr_has){false, false}, "user.zk.path"));
	/* A request each, and copies would take it along. */
	ck_assert(!lists((struct xattr_has){true, true}, "user.zk.acl"));
}
END_TEST

static void check_format(enum xattr_id id, const char *expected)
{
	char text[XATTR_NUMBER_MAX];
	size_t len = xattr_format(id, &zs, text);

	ck_assert_str_eq(text, expected);
	ck_assert_uint_eq(len, strlen(expected));
}

START_TEST(test_format)
{
	check_format(XATTR_CZXID, "0x100000003");
	check_format(XATTR_MZXID, "0x100000004");
	check_format(XATTR_PZXID, "0x7fffffffffffffff");
	check_format(XATTR_VERSION, "5");
	check_format(XATTR_CVERSION, "-6");
	check_format(XATTR_AVERSION, "-2147483648");
	check_format(XATTR_EPHEMERAL_OWNER, "0x8000000000000000");
	check_format(XATTR_NUM_CHILDREN, "2147483647");
	check_format(XATTR_PATH, "");
}
END_TEST

START_TEST(test_version)
{
	static const struct {
		const char *text;
		int32_t version;
	} good[] = {
		{"0", 0},	  {"7", 7},
		{"007", 7},	  {"2147483647", INT32_MAX},
		{"-1", -1},	  {"-2147483647", -INT32_MAX},
	};
	int32_t version;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ck_assert_int_eq(xattr_parse_version(good[i].text,
						     strlen(good[i].text),
						     &version),
				 0);
		ck_assert_int_eq(version, good[i].version);
	}
	/* What lies behind it is not looked at. */
	ck_assert_int_eq(xattr_parse_version("123", 2, &version), 0);
	ck_assert_int_eq(version, 12);
}
END_TEST

START_TEST(test_no_version)
{
	static const char *const bad[] = {
		"",   "-",  "--1", "1-",  "+1", " 1",
		"1 ", "1\n", "0x1", "1.0", "2147483648",
		"-2147483649", "99999999999999999999999999",
	};
	int32_t version = 42;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(xattr_parse_version(bad[i], strlen(bad[i]),
						  &version) == -EINVAL,
			      "%s", bad[i]);
	ck_assert_int_eq(xattr_parse_version("1\0", 2, &version), -EINVAL);
	ck_assert_int_eq(version, 42);
}
END_TEST

UNIT_MAIN("xattr", test_find, test_find_nothing, test_namespace, test_list,
	  test_format, test_version, test_no_version)
