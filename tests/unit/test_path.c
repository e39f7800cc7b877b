/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "path.h"
#include "unit.h"

START_TEST(test_join)
{
	static const char *const cases[][3] = {
		{"/", "a", "/a"},
		{"/a", "b", "/a/b"},
		{"/a/b", "c", "/a/b/c"},
		{"/a", "..data", "/a/..data"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *path = path_join(cases[i][0], cases[i][1]);

		ck_assert_str_eq(path, cases[i][2]);
		ck_assert_str_eq(path_base(path), cases[i][1]);
	}
	ck_assert_str_eq(path_base("/"), "");
}
END_TEST

START_TEST(test_check)
{
	static const struct {
		const char *path;
		int rc;
	} cases[] = {
		{"/", 0},
		{"/a", 0},
		{"/a/b", 0},
		{"/.data", 0},
		{"/a/...", 0},
		{"/a b", 0},
		{"/caf\xc3\xa9", 0},
		{"", -EINVAL},
		{"a", -EINVAL},
		{"a/b", -EINVAL},
		{"//", -EINVAL},
		{"/a/", -EINVAL},
		{"/a//b", -EINVAL},
		{"//a", -EINVAL},
		{"/.", -EINVAL},
		{"/a/..", -EINVAL},
		{"/../a", -EINVAL},
		{"/a/./b", -EINVAL},
		{"/a\n", -EILSEQ},
		{"/\xc3", -EILSEQ},
		{"/\xff/b", -EILSEQ},
		{"/\xc3/\xa9", -EILSEQ},
		{"/\xf0\x9f\x98\x80", -EILSEQ},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(path_check(cases[i].path) == cases[i].rc, "%s",
			      cases[i].path);
}
END_TEST

START_TEST(test_server)
{
	static const char *const cases[][3] = {
		{"h:1", "h:1", "/"},
		{"h", "h:2181", "/"},
		{"h:1/", "h:1", "/"},
		{"h/", "h:2181", "/"},
		{"h:1/app", "h:1", "/app"},
		{"h:1/app/", "h:1", "/app"},
		{"h/a/b", "h:2181", "/a/b"},
		{"h:65535", "h:65535", "/"},
		{"h:00001", "h:1", "/"},
		{"h:02181", "h:2181", "/"},
		{"a:1,b:2,c:3/x", "a:1,b:2,c:3", "/x"},
		{"a,b:2,c", "a:2181,b:2,c:2181", "/"},
		{"127.0.0.1:2181", "127.0.0.1:2181", "/"},
		{"zk-1.my_net.example.:2181", "zk-1.my_net.example.:2181", "/"},
		{"[::1]:2181", "::1:2181", "/"},
		{"[::1]", "::1:2181", "/"},
		{"[fe80::1%eth0]:1,h/c", "fe80::1%eth0:1,h:2181", "/c"},
		{"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1:1", "/"},
		{"h:1/a:b,c", "h:1", "/a:b,c"},
		{"h:1/caf\xc3\xa9", "h:1", "/caf\xc3\xa9"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *hosts = NULL;
		_cleanup_free_ char *chroot = NULL;
		int rc = path_parse_server(cases[i][0], &hosts, &chroot);

		ck_assert_msg(rc == 0, "%s: %d", cases[i][0], rc);
		ck_assert_str_eq(hosts, cases[i][1]);
		ck_assert_str_eq(chroot, cases[i][2]);
	}
}
END_TEST

START_TEST(test_server_errors)
{
	static const struct {
		const char *spec;
		int rc;
	} cases[] = {
		{"", -EINVAL},           {"/", -EINVAL},
		{"/app", -EINVAL},       {",", -EINVAL},
		{"h:1,", -EINVAL},       {",h:1", -EINVAL},
		{"a:1,,b:1", -EINVAL},   {"h:1,/app", -EINVAL},
		{"h:", -EINVAL},         {"h:/app", -EINVAL},
		{":1", -EINVAL},         {":", -EINVAL},
		{"h:0", -EINVAL},        {"h:00000", -EINVAL},
		{"h:65536", -EINVAL},    {"h:99999", -EINVAL},
		{"h:000001", -EINVAL},   {"h:4294967297", -EINVAL},
		{"h:-1", -EINVAL},       {"h:+1", -EINVAL},
		{"h: 1", -EINVAL},       {"h:1 ", -EINVAL},
		{"h:1x", -EINVAL},       {"h:x", -EINVAL},
		{"h:0x10", -EINVAL},     {"h:1:2", -EINVAL},
		{"a b:1", -EINVAL},      {"a:1, b:2", -EINVAL},
		{"h\n:1", -EINVAL},      {"caf\xc3\xa9:1", -EINVAL},
		{"::1", -EINVAL},        {"::1:2181", -EINVAL},
		{"[::1", -EINVAL},       {"[::1:2181", -EINVAL},
		{"::1]:2181", -EINVAL},  {"[]:2181", -EINVAL},
		{"[h]:2181", -EINVAL},   {"[::1]2181", -EINVAL},
		{"[::1]:", -EINVAL},     {"[[::1]]:1", -EINVAL},
		{"[::1/64]:1", -EINVAL}, {"h:1//", -EINVAL},
		{"h:1//app", -EINVAL},   {"h:1/app//", -EINVAL},
		{"h:1/a//b", -EINVAL},   {"h:1/..", -EINVAL},
		{"h:1/a\x7f", -EILSEQ},  {"h:1/a\xff/", -EILSEQ},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *hosts = (char *)"untouched", *chroot = hosts;
		int rc = path_parse_server(cases[i].spec, &hosts, &chroot);

		ck_assert_msg(rc == cases[i].rc, "%s: %d", cases[i].spec, rc);
		ck_assert_str_eq(hosts, "untouched");
		ck_assert_str_eq(chroot, "untouched");
	}
}
END_TEST

/* Every port there is, and those next to them. */
START_TEST(test_server_ports)
{
	for (int port = 0; port <= 66000; port++) {
		_cleanup_free_ char *hosts = NULL;
		_cleanup_free_ char *chroot = NULL;
		char spec[32];
		int rc;

		snprintf(spec, sizeof(spec), "h:%d", port);
		rc = path_parse_server(spec, &hosts, &chroot);
		if (rc != (port >= 1 && port <= 65535 ? 0 : -EINVAL))
			ck_abort_msg("%s: %d", spec, rc);
		if (rc == 0 && strcmp(hosts, spec) != 0)
			ck_abort_msg("%s became %s", spec, hosts);
	}
}
END_TEST

/* What was parsed parses again to itself, and nothing odd gets through. */
START_TEST(test_server_random)
{
	static const char bytes[] = "hz1209:::,,//[].%-_ ";
	uint64_t seed = 7;

	for (int round = 0; round < 200000; round++) {
		_cleanup_free_ char *hosts = NULL;
		_cleanup_free_ char *chroot = NULL;
		char spec[24] = "";
		size_t len = unit_rand(&seed, sizeof(spec));

		for (size_t i = 0; i < len; i++)
			spec[i] = bytes[unit_rand(&seed, sizeof(bytes) - 1)];
		if (path_parse_server(spec, &hosts, &chroot))
			continue;
		if (path_check(chroot) || strpbrk(hosts, " /[]") || !*hosts)
			ck_abort_msg("%s: %s %s", spec, hosts, chroot);
		if (!strchr(spec, '[')) {
			_cleanup_free_ char *again = NULL;
			_cleanup_free_ char *root = NULL;

			if (path_parse_server(hosts, &again, &root) ||
			    strcmp(again, hosts) != 0)
				ck_abort_msg("%s: %s: %s", spec, hosts, again);
		}
	}
}
END_TEST

UNIT_MAIN("path", test_join, test_check, test_server, test_server_errors,
	  test_server_ports, test_server_random)
