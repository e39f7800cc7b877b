/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed against a server that keeps to the protocol: watches and events.
 * test_feed_session.c has sessions, test_feed_refusals.c and test_feed_faults.c
 * the other servers.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
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

static void serve_events(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	if (!fakezk_accept_session(z, fd) || !fakezk_serve_until(z, fd, "/a"))
		return;
	fakezk_event(z, fd, FEEDPROTO_CREATED, "/a");
	fakezk_event(z, fd, FEEDPROTO_CHANGED, "/a/b");
	fakezk_event(z, fd, FEEDPROTO_DELETED, "/a/b");
	fakezk_event(z, fd, FEEDPROTO_CHILD, "/");
	fakezk_event(z, fd, -1, "");
	fakezk_event(z, fd, FEEDPROTO_CREATED, "/a/ende \xc3\xbc");
	fakezk_serve(z, fd);
}

static void check_events(size_t piece)
{
	struct fakezk *z = fakezk_start(serve_events, NULL);
	struct feedlog *l = feedlog_new();
	struct feed_status s;

	z->piece = piece;
	feedlog_open(l, NULL);
	feed_watch(l->feed, "/a", true);
	feed_move(l->feed, z->address);
	feedlog_expect(l, "watching 1 /a 0");
	feedlog_expect(l, "up 1");
	feedlog_expect(l, "event CREATED /a");
	feedlog_expect(l, "event CHANGED /a/b");
	feedlog_expect(l, "event DELETED /a/b");
	feedlog_expect(l, "event CHILD /");
	feedlog_expect(l, "event CREATED /a/ende \xc3\xbc");
	feed_get_status(l->feed, &s);
	ck_assert(s.up);
	ck_assert_str_eq(s.server, z->address);
	ck_assert_int_eq(s.session_id, 0x1001);
	ck_assert_int_eq(s.timeout_ms, 30000);
	ck_assert_uint_eq(s.watches, 1);
	ck_assert_uint_eq(s.epoch, 1);
	ck_assert_int_eq(l->last_zxid, -1);
	feed_close(l->feed);
	l->feed = NULL;
	feedlog_expect(l, "down 1 ESHUTDOWN");
	feedlog_expect_end(l);
	feedlog_free(l);
	fakezk_stop(z);
}

START_TEST(test_events)
{
	check_events(0);
}
END_TEST

START_TEST(test_byte_by_byte)
{
	check_events(1);
	check_events(3);
}
END_TEST

/* A frame of half a megabyte between small ones. */
static void serve_large(struct fakezk *z, int fd, int nth)
{
	char *path = malloc(500000);

	(void)nth;
	memset(path, 'x', 500000);
	path[0] = '/';
	path[499999] = '\0';
	if (fakezk_accept_session(z, fd) && fakezk_serve_until(z, fd, "/a")) {
		fakezk_event(z, fd, FEEDPROTO_CREATED, "/before");
		fakezk_event(z, fd, FEEDPROTO_CREATED, path);
		fakezk_event(z, fd, FEEDPROTO_CREATED, "/behind");
		fakezk_serve(z, fd);
	}
	free(path);
}

START_TEST(test_large_event)
{
	struct fakezk *z = fakezk_start(serve_large, NULL);
	struct feedlog *l = feedlog_new();

	feedlog_open(l, z->address);
	feed_watch(l->feed, "/a", true);
	feedlog_await(l, "event CREATED /before");
	feedlog_await(l, "event CREATED /behind");
	ck_assert_uint_eq(feedlog_count(l, "event CREATED /xxx"), 1);
	ck_assert_uint_eq(feedlog_count(l, "down"), 0);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

#define FLOOD 20000

/* Frames of all lengths, packed: they end anywhere in the receive buffer. */
static void serve_flood(struct fakezk *z, int fd, int nth)
{
	char path[128];

	(void)nth;
	if (!fakezk_accept_session(z, fd) || !fakezk_serve_until(z, fd, "/a"))
		return;
	for (int i = 0; i < FLOOD; i++) {
		snprintf(path, sizeof(path), "/%d/%.*s", i, i % 97,
			 "12345678901234567890123456789012345678901234567890"
			 "12345678901234567890123456789012345678901234567");
		fakezk_event(z, fd, FEEDPROTO_CREATED, path);
	}
	fakezk_event(z, fd, FEEDPROTO_CREATED, "/end");
	fakezk_serve(z, fd);
}

/* The feed reads late, so that whole buffers wait for it. */
static void be_slow(struct feedlog *l, const char *line)
{
	int n;

	(void)l;
	if (sscanf(line, "event CREATED /%d/", &n) == 1 && n % 2000 == 0)
		usleep(20000);
}

START_TEST(test_flood)
{
	struct fakezk *z = fakezk_start(serve_flood, NULL);
	struct feedlog *l = feedlog_new();

	l->hook = be_slow;
	feedlog_open(l, NULL);
	feed_watch(l->feed, "/a", true);
	feed_move(l->feed, z->address);
	feedlog_await(l, "event CREATED /end");
	for (int i = 0; i < FLOOD; i++) {
		int n, at;

		/* Behind "watching" and "up". */
		if (sscanf(l->lines[i + 2], "event CREATED /%d/%n", &n, &at) !=
			    1 ||
		    n != i || (int)strlen(l->lines[i + 2] + at) != i % 97)
			ck_abort_msg("event %d: %s", i, l->lines[i + 2]);
	}
	ck_assert_uint_eq(feedlog_count(l, "event"), FLOOD + 1);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

START_TEST(test_watch_while_up)
{
	struct fakezk *z = fakezk_start(serve_well, NULL);
	struct feedlog *l = feedlog_new();

	feedlog_open(l, z->address);
	feedlog_expect(l, "up 1");
	ck_assert_int_eq(feed_watch(l->feed, "/a", true), 0);
	feedlog_expect(l, "watching 1 /a 0");
	ck_assert_int_eq(feed_watch(l->feed, "/a", true), 0);
	ck_assert_int_eq(feed_watch(l->feed, "/b", false), 0);
	feedlog_expect(l, "watching 1 /b 0");
	/* The other mode is news; the same is none. */
	ck_assert_int_eq(feed_watch(l->feed, "/b", true), 0);
	feedlog_expect(l, "watching 1 /b 0");
	feedlog_expect_end(l);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* An event goes before the answer to each ping. */
static void serve_late(struct fakezk *z, int fd, int nth _unused_)
{
	if (!fakezk_accept_session(z, fd))
		return;
	while (fakezk_read(z, fd)) {
		if (z->op == FAKEZK_PING)
			fakezk_event(z, fd, FEEDPROTO_CREATED, "/a/b");
		if (!fakezk_answer(z, fd))
			return;
	}
}

START_TEST(test_sync)
{
	struct fakezk *z = fakezk_start(serve_late, NULL);
	struct feedlog *l = feedlog_new();
	uint64_t ticket, again;
	size_t before;

	feedlog_open(l, z->address);
	feed_watch(l->feed, "/a", true);
	feedlog_await(l, "up 1");
	before = feedlog_count(l, "event");
	ticket = feed_sync(l->feed);
	feedlog_await(l, "synced %d", (int)ticket);
	ck_assert_uint_gt(feedlog_count(l, "event"), before);
	/* Whoever asks while a ping is under way is served by the next. */
	for (int i = 0; i < 100; i++)
		again = feed_sync(l->feed);
	ck_assert_uint_eq(again, ticket + 100);
	feedlog_await(l, "synced %d", (int)again);
	ck_assert_uint_le(feedlog_count(l, "synced"), 101);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

START_TEST(test_arguments)
{
	struct fakezk *z = fakezk_start(serve_well, NULL);
	struct feedlog *l = feedlog_new();
	struct feed_config config = feedlog_config(l, "localhost:2181");
	const struct feed_auth large = {"ip", "", FEEDPROTO_AUTH_MAX - 1};
	char *path = malloc(FEEDPROTO_PATH_MAX + 2);
	struct feed *f;

	ck_assert_int_eq(feed_open(&f, &config), -EINVAL);
	config = feedlog_config(l, "127.0.0.1");
	ck_assert_int_eq(feed_open(&f, &config), -EINVAL);
	config = feedlog_config(l, "127.0.0.1:");
	ck_assert_int_eq(feed_open(&f, &config), -EINVAL);
	config = feedlog_config(l, z->address);
	config.session_timeout_ms = 0;
	ck_assert_int_eq(feed_open(&f, &config), -EINVAL);
	config = feedlog_config(l, z->address);
	config.auth = &large;
	config.n_auth = 1;
	ck_assert_int_eq(feed_open(&f, &config), -EINVAL);
	ck_assert_ptr_null(f);

	memset(path, 'x', FEEDPROTO_PATH_MAX + 1);
	path[0] = '/';
	path[FEEDPROTO_PATH_MAX + 1] = '\0';
	feedlog_open(l, "");
	ck_assert_int_eq(feed_watch(l->feed, "", true), -EINVAL);
	ck_assert_int_eq(feed_watch(l->feed, "a", true), -EINVAL);
	ck_assert_int_eq(feed_watch(l->feed, "/a/", true), -EINVAL);
	ck_assert_int_eq(feed_watch(l->feed, path, true), -ENAMETOOLONG);
	ck_assert_int_eq(feed_watch(l->feed, "/", true), 0);
	ck_assert_int_eq(feed_move(l->feed, "nowhere"), -EINVAL);
	ck_assert_int_eq(feed_move(l->feed, "[::1]:2181"), 0);
	ck_assert_int_eq(feed_move(l->feed, "fe80::1:2181"), 0);
	ck_assert_int_eq(feed_move(l->feed, NULL), 0);
	free(path);
	feedlog_free(l);
	fakezk_stop(z);
	feed_close(NULL);
}
END_TEST

START_TEST(test_addresses)
{
	static const char *const bad[] = {
		"nowhere", "nowhere:2181", ":2181", "[]:2181", "[::1:2181",
		"127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
		"127.0.0.1:4294969477", "127.0.0.1:-1", "127.0.0.1:+1",
		"127.0.0.1: 1", "127.0.0.1:1 ", "127.0.0.1:zk",
		"127.0.0.1:2181,127.0.0.1:2182",
	};
	static const char *const good[] = {
		"127.0.0.1:1", "127.0.0.1:65535", "[::1]:2181", "::1:2181", "",
	};
	struct feedlog *l = feedlog_new();

	feedlog_open(l, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(feed_move(l->feed, bad[i]) == -EINVAL, "%s",
			      bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(feed_move(l->feed, good[i]) == 0, "%s", good[i]);
	feedlog_free(l);
}
END_TEST

/* The requests as they came, "+/a" "-/a", for the test to wait for. */
static void serve_noting(struct fakezk *z, int fd, int nth)
{
	char line[1100];

	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	while (fakezk_read(z, fd) && fakezk_answer(z, fd)) {
		if (z->op == FAKEZK_ADD_WATCH)
			snprintf(line, sizeof(line), "/+%s %d", z->path,
				 z->mode);
		else if (z->op == FAKEZK_REMOVE_WATCHES)
			snprintf(line, sizeof(line), "/-%s %d", z->path,
				 z->mode);
		else
			continue;
		fakezk_event(z, fd, FEEDPROTO_CHANGED, line);
	}
}

START_TEST(test_unwatch)
{
	struct fakezk *z = fakezk_start(serve_noting, NULL);
	struct feedlog *l = feedlog_new();
	struct feed_status s;

	feedlog_open(l, z->address);
	feedlog_expect(l, "up 1");
	feed_unwatch(l->feed, "/never");
	feed_watch(l->feed, "/a", false);
	feedlog_await(l, "event CHANGED /+/a 0");
	feed_unwatch(l->feed, "/a");
	feedlog_expect(l, "event CHANGED /-/a 3");
	feed_unwatch(l->feed, "/a");
	feed_get_status(l->feed, &s);
	ck_assert_uint_eq(s.watches, 0);
	feed_watch(l->feed, "/a", true);
	feedlog_expect(l, "watching 1 /a 0");
	feedlog_expect(l, "event CHANGED /+/a 1");
	feedlog_expect_end(l);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* From within the callbacks everything but feed_close() may be called. */
static void orders_within(struct feedlog *l, const char *line)
{
	struct feed_status s;

	feed_get_status(l->feed, &s);
	if (strcmp(line, "watching 1 /a 0") == 0) {
		feed_unwatch(l->feed, "/a");
		feed_watch(l->feed, "/b", true);
	}
}

START_TEST(test_orders_within_callbacks)
{
	struct fakezk *z = fakezk_start(serve_noting, NULL);
	struct feedlog *l = feedlog_new();

	l->hook = orders_within;
	feedlog_open(l, NULL);
	feed_watch(l->feed, "/a", true);
	feed_move(l->feed, z->address);
	feedlog_expect(l, "watching 1 /a 0");
	feedlog_await(l, "event CHANGED /-/a 3");
	feedlog_await(l, "event CHANGED /+/b 1");
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* Also from one that comes while the feed is still being opened. */
static void order_at_once(struct feedlog *l, const char *line)
{
	if (strcmp(line, "up 1") == 0)
		ck_assert_int_eq(feed_watch(l->feed, "/a", true), 0);
}

START_TEST(test_callback_finds_feed)
{
	struct fakezk *z = fakezk_start(serve_well, NULL);
	struct feedlog *l = feedlog_new();

	l->hook = order_at_once;
	feedlog_open(l, z->address);
	feedlog_expect(l, "up 1");
	feedlog_expect(l, "watching 1 /a 0");
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

#define MANY 3000

/*
 * Answers nothing before the ping that follows a full load; the first load must
 * be as large as promised and the ping be right behind it.
 */
static void serve_many(struct fakezk *z, int fd, int nth)
{
	atomic_int *first = z->arg;
	int32_t xids[FEED_IN_FLIGHT_MAX + 1];
	int n = 0;

	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	while (fakezk_read(z, fd) && z->op == FAKEZK_ADD_WATCH &&
	       n < FEED_IN_FLIGHT_MAX + 1)
		xids[n++] = z->xid;
	*first = z->op == FAKEZK_PING ? n : -1;
	for (int i = 0; i < n; i++)
		fakezk_reply(z, fd, xids[i], 0);
	fakezk_answer(z, fd);
	fakezk_serve(z, fd);
}

START_TEST(test_many_watches)
{
	atomic_int first = 0;
	struct fakezk *z = fakezk_start(serve_many, &first);
	struct feedlog *l = feedlog_new();
	char path[32];

	feedlog_open(l, NULL);
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "/path/%d", i);
		ck_assert_int_eq(feed_watch(l->feed, path, true), 0);
	}
	feed_move(l->feed, z->address);
	for (int i = 0; i < MANY; i++)
		feedlog_expect(l, "watching 1 /path/%d 0", i);
	feedlog_expect(l, "up 1");
	ck_assert_int_eq(first, FEED_IN_FLIGHT_MAX);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

UNIT_MAIN("feed", test_events, test_byte_by_byte, test_large_event, test_flood,
	  test_watch_while_up, test_sync, test_arguments, test_addresses, test_unwatch,
	  test_orders_within_callbacks, test_callback_finds_feed,
	  test_many_watches)
