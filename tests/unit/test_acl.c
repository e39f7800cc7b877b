/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "acl.h"
#include "unit.h"

static void acl_releasep(struct acl *acl)
{
	acl_release(acl);
}

#define _cleanup_acl_ __attribute__((cleanup(acl_releasep)))

static int parse(struct acl *acl, const char *text)
{
	return acl_parse(acl, text, strlen(text));
}

static void check_entry(const struct acl *acl, size_t i, const char *scheme,
			const char *id, int perms)
{
	ck_assert_uint_lt(i, acl->count);
	ck_assert_str_eq(acl->entries[i].scheme, scheme);
	ck_assert_str_eq(acl->entries[i].id, id);
	ck_assert_int_eq(acl->entries[i].perms, perms);
}

static void check_format(const struct acl *acl, const char *want)
{
	_cleanup_free_ char *text = NULL;

	ck_assert_int_eq(acl_format(acl, &text), 0);
	ck_assert_str_eq(text, want);
}

START_TEST(test_example)
{
	static const char text[] = "world:anyone:r,digest:joe:HASH:cdrwa";
	_cleanup_acl_ struct acl acl = ACL_INIT;

	ck_assert_int_eq(parse(&acl, text), 0);
	ck_assert_uint_eq(acl.count, 2);
	check_entry(&acl, 0, "world", "anyone", ACL_READ);
	check_entry(&acl, 1, "digest", "joe:HASH", 31);
	check_format(&acl, text);
}
END_TEST

START_TEST(test_odd_ids)
{
	_cleanup_acl_ struct acl acl = ACL_INIT;

	ck_assert_int_eq(parse(&acl, "auth::cdrwa,ip:2001:db8::/32:r,"
				     "s:::,sasl:a@B.C/d e=\\\n:,x:%:c"),
			 0);
	ck_assert_uint_eq(acl.count, 5);
	check_entry(&acl, 0, "auth", "", 31);
	check_entry(&acl, 1, "ip", "2001:db8::/32", ACL_READ);
	check_entry(&acl, 2, "s", ":", 0);
	check_entry(&acl, 3, "sasl", "a@B.C/d e=\\\n", 0);
	check_entry(&acl, 4, "x", "%", ACL_CREATE);
}
END_TEST

START_TEST(test_comma)
{
	static const char *const pairs[][2] = {
		{"CN=a,O=b", "CN=a%2CO=b"},
		{",", "%2C"},
		{"%2C", "%252C"},
		{"%252C", "%25252C"},
		{"%,", "%%2C"},
		{"%25,", "%25%2C"},
		{"%2c", "%2c"},
		{"%25", "%25"},
		{"100%", "100%"},
		{"%2", "%2"},
		{"%%2C2C", "%%252C2C"},
		{"%252", "%252"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_cleanup_acl_ struct acl acl = ACL_INIT, back = ACL_INIT;
		char want[64];

		snprintf(want, sizeof(want), "x509:%s:r", pairs[i][1]);
		ck_assert_int_eq(acl_add(&acl, "x509", pairs[i][0], 1), 0);
		check_format(&acl, want);
		ck_assert_int_eq(parse(&back, want), 0);
		ck_assert_uint_eq(back.count, 1);
		check_entry(&back, 0, "x509", pairs[i][0], 1);
	}
}
END_TEST

START_TEST(test_errors)
{
	static const char *const wrong[] = {
		"",
		"world",
		"world:anyone",
		":anyone:r",
		"::",
		":",
		",",
		"a:b:r,",
		",a:b:r",
		"a:b:r,,c:d:r",
		"a:b:rr",
		"a:b:x",
		"a:b:R",
		"a:b:r ",
		"a:b:r\n",
		"a:b:rwcdax",
		"a:b:r,c:d",
		"a,b:c:r",
		"a:b,c:r",
		"a:b:31",
		"a:b:-",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct acl acl = ACL_INIT;

		ck_assert_msg(parse(&acl, wrong[i]) == -EINVAL, "%s", wrong[i]);
		ck_assert_uint_eq(acl.count, 0);
		ck_assert_ptr_null(acl.entries);
	}
}
END_TEST

/* The value of an attribute has a length and no NUL. */
START_TEST(test_not_terminated)
{
	const char text[] = {'a', ':', 'b', ':', 'r', 'w'};
	_cleanup_acl_ struct acl acl = ACL_INIT;

	ck_assert_int_eq(acl_parse(&acl, NULL, 0), -EINVAL);
	ck_assert_int_eq(acl_parse(&acl, "a:b:r", 6), -EINVAL);
	ck_assert_int_eq(acl_parse(&acl, "a:b\0c:r", 7), -EINVAL);
	ck_assert_int_eq(acl_parse(&acl, text, 5), 0);
	check_entry(&acl, 0, "a", "b", ACL_READ);
	acl_release(&acl);
	ck_assert_int_eq(acl_parse(&acl, text, 6), 0);
	check_entry(&acl, 0, "a", "b", ACL_READ | ACL_WRITE);
}
END_TEST

START_TEST(test_all_perms)
{
	static const char order[] = "cdrwa";
	static const int bits[] = {4, 8, 1, 2, 16};

	for (int set = 0; set < 32; set++) {
		_cleanup_acl_ struct acl acl = ACL_INIT;
		char text[16] = "a:b:";
		char *end = text + 4;
		int perms = 0;

		for (int i = 0; i < 5; i++) {
			if (set & 1 << i) {
				*end++ = order[i];
				perms |= bits[i];
			}
		}
		ck_assert_int_eq(parse(&acl, text), 0);
		check_entry(&acl, 0, "a", "b", perms);
		check_format(&acl, text);
	}
}
END_TEST

/* All strings of up to six of the letters and two others. */
START_TEST(test_perms_exhaustive)
{
	static const char bytes[] = "cdrwaxA";
	const size_t base = sizeof(bytes) - 1;
	size_t count = 1;

	for (size_t len = 1; len <= 6; len++) {
		count *= base;
		for (size_t i = 0; i < count; i++) {
			_cleanup_acl_ struct acl acl = ACL_INIT;
			char text[16] = "a:b:";
			bool good = true;
			size_t rest = i;

			for (size_t k = 0; k < len; k++, rest /= base) {
				char c = bytes[rest % base];

				if (c == 'x' || c == 'A' || strchr(text + 4, c))
					good = false;
				text[4 + k] = c;
			}
			if (parse(&acl, text) != (good ? 0 : -EINVAL))
				ck_abort_msg("%s", text);
		}
	}
}
END_TEST

START_TEST(test_format_odd)
{
	_cleanup_acl_ struct acl acl = ACL_INIT;
	char *text = NULL;

	check_format(&acl, "");
	ck_assert_int_eq(acl_add(&acl, "world", "anyone", -1), 0);
	check_format(&acl, "world:anyone:cdrwa");
	acl.entries[0].perms = 32;
	check_format(&acl, "world:anyone:");
	ck_assert_int_eq(acl_add(&acl, "a:b", "c", 1), 0);
	ck_assert_int_eq(acl_format(&acl, &text), -EINVAL);
	strcpy(acl.entries[1].scheme, "a,b");
	ck_assert_int_eq(acl_format(&acl, &text), -EINVAL);
	strcpy(acl.entries[1].scheme, "");
	ck_assert_int_eq(acl_format(&acl, &text), -EINVAL);
	ck_assert_ptr_null(text);
}
END_TEST

START_TEST(test_bounds)
{
	_cleanup_free_ char *text = malloc(ACL_TEXT_MAX + 1);
	_cleanup_acl_ struct acl acl = ACL_INIT;

	memset(text, 'i', ACL_TEXT_MAX + 1);
	memcpy(text, "s:", 2);
	text[ACL_TEXT_MAX] = ':';
	ck_assert_int_eq(acl_parse(&acl, text, ACL_TEXT_MAX + 1), -E2BIG);
	text[ACL_TEXT_MAX - 1] = ':';
	ck_assert_int_eq(acl_parse(&acl, text, ACL_TEXT_MAX), 0);
	ck_assert_uint_eq(strlen(acl.entries[0].id), ACL_TEXT_MAX - 3);
	acl_release(&acl);

	for (size_t i = 0; i <= ACL_ENTRIES_MAX; i++)
		memcpy(text + 5 * i, "a:b:,", 5);
	ck_assert_int_eq(acl_parse(&acl, text, 5 * ACL_ENTRIES_MAX + 4),
			 -E2BIG);
	ck_assert_uint_eq(acl.count, 0);
	ck_assert_int_eq(acl_parse(&acl, text, 5 * ACL_ENTRIES_MAX - 1), 0);
	ck_assert_uint_eq(acl.count, ACL_ENTRIES_MAX);
	ck_assert_int_eq(acl_add(&acl, "a", "b", 0), -E2BIG);
	ck_assert_uint_eq(acl.count, ACL_ENTRIES_MAX);
}
END_TEST

static bool same(const struct acl *a, const struct acl *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->entries[i].scheme, b->entries[i].scheme) != 0 ||
		    strcmp(a->entries[i].id, b->entries[i].id) != 0 ||
		    a->entries[i].perms != b->entries[i].perms)
			return false;
	return true;
}

/* Lists with ids that are as hostile as can be survive being text. */
START_TEST(test_round_trip)
{
	static const char bytes[] = "%25C,:,%c\n";
	uint64_t seed = 11;

	for (int round = 0; round < 50000; round++) {
		_cleanup_acl_ struct acl acl = ACL_INIT, back = ACL_INIT;
		_cleanup_free_ char *text = NULL;
		size_t count = 1 + unit_rand(&seed, 4);

		for (size_t i = 0; i < count; i++) {
			char id[16] = "";
			size_t len = unit_rand(&seed, sizeof(id));

			for (size_t k = 0; k < len; k++)
				id[k] = bytes[unit_rand(&seed,
							sizeof(bytes) - 1)];
			acl_add(&acl, "s", id, (int)unit_rand(&seed, 32));
		}
		if (acl_format(&acl, &text) || parse(&back, text) ||
		    !same(&acl, &back))
			ck_abort_msg("%s", text);
	}
}
END_TEST

/* Text made of anything: what parses has a text that parses to the same. */
START_TEST(test_random_text)
{
	static const char bytes[] = "ab::::,%2C5rw";
	uint64_t seed = 13;

	for (int round = 0; round < 300000; round++) {
		_cleanup_acl_ struct acl acl = ACL_INIT, back = ACL_INIT;
		_cleanup_free_ char *text = NULL;
		char s[24] = "";
		size_t len = unit_rand(&seed, sizeof(s));

		for (size_t i = 0; i < len; i++)
			s[i] = bytes[unit_rand(&seed, sizeof(bytes) - 1)];
		if (parse(&acl, s))
			continue;
		if (acl_format(&acl, &text) || parse(&back, text) ||
		    !same(&acl, &back))
			ck_abort_msg("%s: %s", s, text);
	}
}
END_TEST

UNIT_MAIN("acl", test_example, test_odd_ids, test_comma, test_errors,
	  test_not_terminated, test_all_perms, test_perms_exhaustive,
	  test_format_odd, test_bounds, test_round_trip, test_random_text)
