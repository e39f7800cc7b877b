/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed's session at a server that keeps to the protocol: how it begins, is
 * resumed, kept alive, moved and ended.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "fakezk.h"
#include "feed.h"
#include "feedlog.h"
#include "unit.h"

static void serve_well(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	if (fakezk_accept_session(z, fd))
		fakezk_serve(z, fd);
}

/* Closes after the first AddWatch of the first connections. */
static void serve_resuming(struct fakezk *z, int fd, int nth)
{
	atomic_llong *asked = z->arg;

	if (!fakezk_accept_session(z, fd))
		return;
	asked[nth - 1] = z->asked_read_only ? z->asked_session : -1;
	if (nth < 3)
		fakezk_serve_until(z, fd, "/a");
	else
		fakezk_serve(z, fd);
}

static void check_resumed(bool read_only, long long expected)
{
	atomic_llong asked[3] = {-1, -1, -1};
	struct fakezk *z = fakezk_start(serve_resuming, asked);
	struct feedlog *l = feedlog_new();
	struct feed_status s;

	z->read_only = read_only;
	feedlog_open(l, NULL);
	feed_watch(l->feed, "/a", true);
	feed_move(l->feed, z->address);
	feedlog_expect(l, "watching 1 /a 0");
	feedlog_expect(l, "up 1");
	feedlog_expect(l, "down 1 ECONNRESET");
	feedlog_expect(l, "watching 2 /a 0");
	feedlog_expect(l, "up 2");
	feedlog_expect(l, "down 2 ECONNRESET");
	feedlog_expect(l, "watching 3 /a 0");
	feedlog_expect(l, "up 3");
	feed_get_status(l->feed, &s);
	ck_assert(s.read_only == read_only);
	ck_assert_int_eq(asked[0], 0);
	ck_assert_int_eq(asked[1], expected);
	ck_assert_int_eq(asked[2], expected);
	feedlog_free(l);
	fakezk_stop(z);
}

START_TEST(test_session_resumed)
{
	check_resumed(false, 0x1001);
}
END_TEST

START_TEST(test_read_only_session_not_resumed)
{
	check_resumed(true, 0);
}
END_TEST

/* The second connection is told that its session has expired. */
static void serve_expiring(struct fakezk *z, int fd, int nth)
{
	z->session_id = nth == 2 ? 0 : 0x2000 + nth;
	if (!fakezk_accept_session(z, fd) || nth == 2)
		return;
	if (nth == 1)
		fakezk_serve_until(z, fd, "/a");
	else if (z->asked_session == 0)
		fakezk_serve(z, fd);
}

START_TEST(test_session_expired)
{
	struct fakezk *z = fakezk_start(serve_expiring, NULL);
	struct feedlog *l = feedlog_watching(z->address);
	struct feed_status s;

	feedlog_await(l, "down 1 ECONNRESET");
	feedlog_expect(l, "watching 3 /a 0");
	feedlog_expect(l, "up 3");
	feed_get_status(l->feed, &s);
	ck_assert_int_eq(s.session_id, 0x2003);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* Credentials in order, before the first AddWatch. */
static void serve_auth(struct fakezk *z, int fd, int nth)
{
	static const char digest[] = "\0\0\0\6digest\0\0\0\5u:\0pw";
	static const char ip[] = "\0\0\0\2ip\0\0\0\0";

	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	if (!fakezk_read(z, fd) || z->op != FAKEZK_AUTH || z->xid != -4 ||
	    memcmp(z->frame + 12, digest, sizeof(digest) - 1) != 0)
		return;
	fakezk_answer(z, fd);
	if (!fakezk_read(z, fd) || z->op != FAKEZK_AUTH ||
	    memcmp(z->frame + 12, ip, sizeof(ip) - 1) != 0)
		return;
	fakezk_answer(z, fd);
	fakezk_serve(z, fd);
}

START_TEST(test_auth)
{
	char secret[] = {'u', ':', '\0', 'p', 'w'};
	struct feed_auth auth[] = {
		{"digest", secret, sizeof(secret)},
		{"ip", NULL, 0},
	};
	struct fakezk *z = fakezk_start(serve_auth, NULL);
	struct feedlog *l = feedlog_new();
	struct feed_config config = feedlog_config(l, z->address);

	config.auth = auth;
	config.n_auth = ARRAY_SIZE(auth);
	ck_assert_int_eq(feed_open(&l->feed, &config), 0);
	memset(secret, 'x', sizeof(secret));
	feed_watch(l->feed, "/a", true);
	feedlog_await(l, "watching 1 /a 0");
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

START_TEST(test_move)
{
	struct fakezk *one = fakezk_start(serve_well, NULL);
	struct fakezk *two = fakezk_start(serve_well, NULL);
	struct feedlog *l = feedlog_new();
	struct feed_status s;

	feedlog_open(l, one->address);
	feedlog_expect(l, "up 1");
	feed_move(l->feed, one->address);
	feed_watch(l->feed, "/a", true);
	feedlog_expect(l, "watching 1 /a 0");
	feed_move(l->feed, two->address);
	feedlog_expect(l, "down 1 ESTALE");
	feedlog_expect(l, "watching 2 /a 0");
	feedlog_expect(l, "up 2");
	feed_move(l->feed, NULL);
	feedlog_expect(l, "down 2 ESTALE");
	feed_get_status(l->feed, &s);
	ck_assert_str_eq(s.server, "");
	ck_assert(!s.up);
	feed_move(l->feed, one->address);
	feedlog_expect(l, "watching 3 /a 0");
	feedlog_expect(l, "up 3");
	ck_assert_int_eq(fakezk_connections(one), 2);
	ck_assert_int_eq(fakezk_connections(two), 1);
	feedlog_free(l);
	fakezk_stop(one);
	fakezk_stop(two);
}
END_TEST

/* Counts pings: with a timeout of 900 ms one comes each 300 ms. */
static void serve_pings(struct fakezk *z, int fd, int nth)
{
	int pings = 0;

	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	while (fakezk_read(z, fd) && fakezk_answer(z, fd)) {
		pings += z->op == FAKEZK_PING;
		if (pings == 4)
			fakezk_event(z, fd, FEEDPROTO_CREATED, "/4");
	}
}

START_TEST(test_pings)
{
	struct fakezk *z = fakezk_start(serve_pings, NULL);
	struct feedlog *l = feedlog_new();
	int64_t start = now_ms();

	z->timeout_ms = 900;
	feedlog_open(l, z->address);
	feedlog_expect(l, "up 1");
	feedlog_expect(l, "event CREATED /4");
	ck_assert_int_ge(now_ms() - start, 1100);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* The last request is closeSession. */
static void serve_to_the_end(struct fakezk *z, int fd, int nth)
{
	atomic_int *last = z->arg;

	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	fakezk_serve(z, fd);
	*last = z->op;
}

START_TEST(test_close_ends_session)
{
	atomic_int last = 0;
	struct fakezk *z = fakezk_start(serve_to_the_end, &last);
	struct feedlog *l = feedlog_new();

	feedlog_open(l, z->address);
	feedlog_expect(l, "up 1");
	feedlog_free(l);
	fakezk_stop(z);
	ck_assert_int_eq(last, FAKEZK_CLOSE_SESSION);
}
END_TEST

UNIT_MAIN("feed_session", test_session_resumed,
	  test_read_only_session_not_resumed, test_session_expired, test_auth,
	  test_move, test_pings, test_close_ends_session)
