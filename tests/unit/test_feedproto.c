/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "feedproto.h"
#include "jute.h"
#include "unit.h"

#define BYTES(...)                                                             \
	(const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

static void check_frame(const uint8_t *buf, size_t n, const uint8_t *expected,
			size_t size)
{
	ck_assert_uint_eq(n, size);
	ck_assert_mem_eq(buf, expected, size);
}

START_TEST(test_requests)
{
	struct feedproto_session s = {.id = 0x0100000000000002};
	uint8_t buf[128];
	size_t n;

	memset(s.passwd, 0x55, sizeof(s.passwd));
	n = feedproto_connect(buf, sizeof(buf), 30000, &s);
	check_frame(buf, n,
		    BYTES(0, 0, 0, 45, 0, 0, 0, 0,               /* version */
			  0, 0, 0, 0, 0, 0, 0, 0,                /* zxid */
			  0, 0, 0x75, 0x30,                      /* timeout */
			  1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 16,   /* session */
			  0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
			  0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55,
			  1));                                   /* read only */
	n = feedproto_ping(buf, sizeof(buf));
	check_frame(buf, n, BYTES(0, 0, 0, 8, 255, 255, 255, 254, 0, 0, 0, 11));
	n = feedproto_auth(buf, sizeof(buf), "ip", "\x01\x00", 2);
	check_frame(buf, n,
		    BYTES(0, 0, 0, 24, 255, 255, 255, 252, 0, 0, 0, 100,
			  0, 0, 0, 0, 0, 0, 0, 2, 'i', 'p',
			  0, 0, 0, 2, 1, 0));
	n = feedproto_close_session(buf, sizeof(buf), 5);
	check_frame(buf, n,
		    BYTES(0, 0, 0, 8, 0, 0, 0, 5, 255, 255, 255, 245));
}
END_TEST

START_TEST(test_watch_requests)
{
	uint8_t buf[128];
	size_t n;

	n = feedproto_add_watch(buf, sizeof(buf), 3, "/a", true);
	check_frame(buf, n,
		    BYTES(0, 0, 0, 18, 0, 0, 0, 3, 0, 0, 0, 106,
			  0, 0, 0, 2, '/', 'a', 0, 0, 0, 1));
	n = feedproto_add_watch(buf, sizeof(buf), 3, "/a", false);
	ck_assert_uint_eq(n, 22);
	ck_assert_uint_eq(buf[21], 0);
	n = feedproto_remove_watches(buf, sizeof(buf), 4, "/a");
	check_frame(buf, n,
		    BYTES(0, 0, 0, 18, 0, 0, 0, 4, 0, 0, 0, 18,
			  0, 0, 0, 2, '/', 'a', 0, 0, 0, 3));
}
END_TEST

START_TEST(test_requests_fit_or_fail)
{
	struct feedproto_session s = {.id = 1};
	uint8_t buf[FEEDPROTO_OVERHEAD + 8];

	ck_assert(feedproto_connect(buf, FEEDPROTO_OVERHEAD, 1, &s) > 0);
	ck_assert(feedproto_auth(buf, sizeof(buf), "sasl", "data", 4) > 0);
	ck_assert(feedproto_add_watch(buf, sizeof(buf), 1, "/aaaaaaa", 1) > 0);
	ck_assert_uint_eq(feedproto_connect(buf, 48, 1, &s), 0);
	ck_assert_uint_eq(feedproto_ping(buf, 11), 0);
	ck_assert_uint_eq(feedproto_add_watch(buf, 21, 1, "/a", true), 0);
}
END_TEST

START_TEST(test_frame_length)
{
	uint8_t max[4], above[4];
	struct jute_writer w = jute_writer(max, sizeof(max));

	jute_put_int(&w, FEEDPROTO_FRAME_MAX);
	w = jute_writer(above, sizeof(above));
	jute_put_int(&w, FEEDPROTO_FRAME_MAX + 1);

	ck_assert_int_eq(feedproto_frame(max, 4), FEEDPROTO_FRAME_MAX);
	ck_assert_int_eq(feedproto_frame(max, 3), -EAGAIN);
	ck_assert_int_eq(feedproto_frame(max, 0), -EAGAIN);
	ck_assert_int_eq(feedproto_frame(above, 4), -EBADMSG);
	ck_assert_int_eq(feedproto_frame("\xff\xff\xff\xff", 4), -EBADMSG);
	ck_assert_int_eq(feedproto_frame("\x80\0\0\0", 4), -EBADMSG);
	ck_assert_int_eq(feedproto_frame("\0\0\0\0", 4), 0);
}
END_TEST

/* A connect response with everything; tests cut it and change it. */
static size_t put_connected(uint8_t *buf, size_t size, int32_t timeout,
			    int64_t id, size_t passwd_len)
{
	struct jute_writer w = jute_writer(buf, size);

	jute_put_int(&w, 0);
	jute_put_int(&w, timeout);
	jute_put_long(&w, id);
	jute_put_buffer(&w, "0123456789abcdefghi", passwd_len);
	jute_put_bool(&w, true);
	return jute_written(&w);
}

START_TEST(test_connected)
{
	struct feedproto_connected c;
	uint8_t buf[64];
	size_t n = put_connected(buf, sizeof(buf), 4000, -7, 16);

	ck_assert_int_eq(feedproto_decode_connected(buf, n, &c), 0);
	ck_assert_int_eq(c.timeout_ms, 4000);
	ck_assert_int_eq(c.session.id, -7);
	ck_assert_mem_eq(c.session.passwd, "0123456789abcdef", 16);
	ck_assert(c.read_only);

	/* Servers before 3.4 send no last field; later ones may send more. */
	ck_assert_int_eq(feedproto_decode_connected(buf, n - 1, &c), 0);
	ck_assert(!c.read_only);
	ck_assert_int_eq(feedproto_decode_connected(buf, n + 8, &c), 0);
	for (size_t cut = 0; cut < n - 1; cut++)
		ck_assert_int_eq(feedproto_decode_connected(buf, cut, &c),
				 -EBADMSG);
}
END_TEST

START_TEST(test_connected_expired)
{
	struct feedproto_connected c;
	uint8_t buf[64];
	size_t n = put_connected(buf, sizeof(buf), 0, 0, 16);

	ck_assert_int_eq(feedproto_decode_connected(buf, n, &c), 0);
	ck_assert_int_eq(c.session.id, 0);
	n = put_connected(buf, sizeof(buf), -1, 5, 16);
	ck_assert_int_eq(feedproto_decode_connected(buf, n, &c), 0);
	ck_assert_int_eq(c.session.id, 0);
}
END_TEST

START_TEST(test_connected_passwd)
{
	struct feedproto_connected c;
	uint8_t buf[64];
	size_t n;

	for (size_t len = 0; len < 20; len++) {
		n = put_connected(buf, sizeof(buf), 4000, 5, len);
		ck_assert_int_eq(feedproto_decode_connected(buf, n, &c),
				 len == 16 ? 0 : -EBADMSG);
	}
}
END_TEST

START_TEST(test_connected_read_only_refused)
{
	struct feedproto_connected c;
	uint8_t buf[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			 0xff, 0xff, 0xff, 0x89, 0};

	ck_assert_int_eq(feedproto_decode_connected(buf, 16, &c), -EROFS);
	ck_assert_int_eq(feedproto_decode_connected(buf, 15, &c), -EBADMSG);
	ck_assert_int_eq(feedproto_decode_connected(buf, 17, &c), -EBADMSG);
	buf[15] = 0x88;
	ck_assert_int_eq(feedproto_decode_connected(buf, 16, &c), -EBADMSG);
}
END_TEST

static size_t put_header(struct jute_writer *w, int32_t xid, int32_t err)
{
	jute_put_int(w, xid);
	jute_put_long(w, 0x1234);
	jute_put_int(w, err);
	return jute_written(w);
}

static int decode_header(int32_t xid, int32_t err, struct feedproto_msg *m)
{
	uint8_t buf[32];
	struct jute_writer w = jute_writer(buf, sizeof(buf));

	return feedproto_decode(buf, put_header(&w, xid, err), m);
}

START_TEST(test_replies)
{
	struct feedproto_msg m;

	ck_assert_int_eq(decode_header(9, -101, &m), 0);
	ck_assert_int_eq(m.kind, FEEDPROTO_REPLY);
	ck_assert_int_eq(m.xid, 9);
	ck_assert_int_eq(m.err, -101);
	ck_assert_int_eq(m.zxid, 0x1234);
	ck_assert_int_eq(decode_header(-2, 0, &m), 0);
	ck_assert_int_eq(m.kind, FEEDPROTO_PONG);
	ck_assert_int_eq(decode_header(-4, -115, &m), 0);
	ck_assert_int_eq(m.kind, FEEDPROTO_AUTH_REPLY);
	ck_assert_int_eq(m.err, -115);
	ck_assert_int_eq(decode_header(0, 0, &m), -EBADMSG);
	ck_assert_int_eq(decode_header(-3, 0, &m), -EBADMSG);
	ck_assert_int_eq(decode_header(INT32_MIN, 0, &m), -EBADMSG);
}
END_TEST

static size_t put_event(uint8_t *buf, size_t size, int32_t type,
			const char *path)
{
	struct jute_writer w = jute_writer(buf, size);

	put_header(&w, FEEDPROTO_XID_EVENT, 0);
	jute_put_int(&w, type);
	jute_put_int(&w, 3); /* SyncConnected */
	jute_put_string(&w, path);
	return jute_written(&w);
}

START_TEST(test_event)
{
	struct feedproto_msg m;
	uint8_t buf[64];
	size_t n = put_event(buf, sizeof(buf), FEEDPROTO_CHANGED, "/a/b");

	ck_assert_int_eq(feedproto_decode(buf, n, &m), 0);
	ck_assert_int_eq(m.kind, FEEDPROTO_EVENT);
	ck_assert_int_eq(m.type, FEEDPROTO_CHANGED);
	ck_assert_int_eq(m.zxid, 0x1234);
	ck_assert_str_eq(m.path, "/a/b");
}
END_TEST

START_TEST(test_event_cut)
{
	struct feedproto_msg m;
	uint8_t buf[64];
	size_t n = put_event(buf, sizeof(buf), FEEDPROTO_CREATED, "/a/b");

	for (size_t cut = 0; cut < n; cut++) {
		put_event(buf, sizeof(buf), FEEDPROTO_CREATED, "/a/b");
		ck_assert_int_eq(feedproto_decode(buf, cut, &m), -EBADMSG);
	}
}
END_TEST

START_TEST(test_event_types)
{
	for (int32_t type = -2; type < 9; type++) {
		struct feedproto_msg m;
		uint8_t buf[64];
		size_t n = put_event(buf, sizeof(buf), type, "/x");
		bool known = type >= 1 && type <= 4;

		ck_assert_int_eq(feedproto_decode(buf, n, &m), 0);
		ck_assert_int_eq(m.kind, known ? FEEDPROTO_EVENT :
						 FEEDPROTO_IGNORED);
	}
}
END_TEST

START_TEST(test_event_paths)
{
	struct feedproto_msg m;
	uint8_t buf[64];
	size_t n;

	n = put_event(buf, sizeof(buf), 1, "");
	ck_assert_int_eq(feedproto_decode(buf, n, &m), -EBADMSG);
	n = put_event(buf, sizeof(buf), 1, "relative");
	ck_assert_int_eq(feedproto_decode(buf, n, &m), -EBADMSG);
	n = put_event(buf, sizeof(buf), 1, "/a/b");
	buf[n - 1] = '\0';
	ck_assert_int_eq(feedproto_decode(buf, n, &m), -EBADMSG);
	n = put_event(buf, sizeof(buf), 1, "/");
	ck_assert_int_eq(feedproto_decode(buf, n, &m), 0);
	ck_assert_str_eq(m.path, "/");
}
END_TEST

/* Any bytes give an answer; tests/fuzz does this with more insistence. */
START_TEST(test_noise)
{
	uint64_t state = 88172645463325252ULL;
	int accepted = 0;

	for (int i = 0; i < 200000; i++) {
		struct feedproto_connected c;
		struct feedproto_msg m;
		uint8_t buf[48];
		size_t n = put_event(buf, sizeof(buf), 1, "/some/path");

		for (int k = 0; k < 3; k++)
			buf[unit_rand(&state, (unsigned int)n)] ^=
				(uint8_t)unit_rand(&state, 256);
		n = unit_rand(&state, (unsigned int)n + 8);
		if (feedproto_decode(buf, n, &m) == 0)
			accepted++;
		if (m.path && strlen(m.path) >= sizeof(buf))
			ck_abort_msg("path without an end");
		feedproto_decode_connected(buf, n, &c);
	}
	ck_assert_int_gt(accepted, 1000);
}
END_TEST

UNIT_MAIN("feedproto", test_requests, test_watch_requests,
	  test_requests_fit_or_fail, test_frame_length, test_connected,
	  test_connected_expired, test_connected_passwd,
	  test_connected_read_only_refused, test_replies, test_event,
	  test_event_cut, test_event_types, test_event_paths,
	  test_noise)
