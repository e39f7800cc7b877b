/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed against servers that say no: to the session, a credential, AddWatch
 * as such, or one path.
 */
#include <errno.h>
#include <string.h>

#include "fakezk.h"
#include "feed.h"
#include "feedlog.h"
#include "unit.h"

/* Without a quorum and without local sessions there is none to be had. */
static void serve_no_sessions(struct fakezk *z, int fd, int nth)
{
	if (nth > 2) {
		fakezk_be_well(z, fd);
		return;
	}
	fakezk_read(z, fd);
	fakezk_reply(z, fd, 0, FEEDPROTO_NOTREADONLY);
	fakezk_hang(z, fd);
}

START_TEST(test_refused_read_only)
{
	struct fakezk *z = fakezk_start(serve_no_sessions, NULL);
	struct feedlog *l = feedlog_watching(z->address);
	struct feed_status s;

	feedlog_await(l, "event CREATED /well");
	feed_get_status(l->feed, &s);
	ck_assert_int_eq(s.last_reason, -EROFS);
	ck_assert_uint_eq(s.epoch, 3);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

static void serve_unimplemented(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	if (!fakezk_accept_session(z, fd) || !fakezk_read(z, fd))
		return;
	fakezk_reply(z, fd, z->xid, FEEDPROTO_UNIMPLEMENTED);
}

static void serve_ignoring(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	while (fakezk_read(z, fd))
		if (z->op != FAKEZK_ADD_WATCH)
			fakezk_answer(z, fd);
}

static void serve_closing(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	if (fakezk_accept_session(z, fd))
		fakezk_read(z, fd);
}

static void serve_well(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	fakezk_be_well(z, fd);
}

static void check_unsupported(fakezk_serve_fn *serve, int connections)
{
	struct fakezk *old = fakezk_start(serve, NULL);
	struct fakezk *new = fakezk_start(serve_well, NULL);
	struct feedlog *l = feedlog_watching(old->address);
	struct feed_status s;

	feedlog_expect(l, "unsupported");
	feed_get_status(l->feed, &s);
	ck_assert(s.unsupported && !s.up);
	ck_assert_int_eq(fakezk_connections(old), connections);
	/* It is not said again, but tried on another server. */
	feed_move(l->feed, new->address);
	feedlog_expect(l, "watching %d /a 0", connections + 1);
	feedlog_expect(l, "up %d", connections + 1);
	feed_get_status(l->feed, &s);
	ck_assert(!s.unsupported && s.up);
	feedlog_await(l, "event CREATED /well");
	feedlog_free(l);
	fakezk_stop(new);
	fakezk_stop(old);
}

START_TEST(test_unsupported)
{
	check_unsupported(serve_unimplemented, 1);
	check_unsupported(serve_ignoring, 1);
	check_unsupported(serve_closing, 3);
}
END_TEST

/* Up without a watch; the first one, later, finds out. */
START_TEST(test_unsupported_found_late)
{
	struct fakezk *z = fakezk_start(serve_unimplemented, NULL);
	struct feedlog *l = feedlog_new();

	feedlog_open(l, z->address);
	feedlog_expect(l, "up 1");
	feed_watch(l->feed, "/a", true);
	feedlog_expect(l, "down 1 EOPNOTSUPP");
	feedlog_expect(l, "unsupported");
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* Refuses the credential once, as a server that has not got it yet. */
static void serve_auth_failed(struct fakezk *z, int fd, int nth)
{
	if (!fakezk_accept_session(z, fd))
		return;
	if (nth > 1)
		fakezk_serve(z, fd);
	else if (fakezk_read(z, fd))
		fakezk_reply(z, fd, -4, -115);
}

START_TEST(test_auth_failed)
{
	const struct feed_auth auth = {"bogus", "x", 1};
	struct fakezk *z = fakezk_start(serve_auth_failed, NULL);
	struct feedlog *l = feedlog_new();
	struct feed_config config = feedlog_config(l, z->address);
	struct feed_status s;

	config.auth = &auth;
	config.n_auth = 1;
	ck_assert_int_eq(feed_open(&l->feed, &config), 0);
	do {
		usleep(1000);
		feed_get_status(l->feed, &s);
	} while (!s.auth_failed);
	ck_assert_int_eq(s.last_reason, -EACCES);
	feedlog_expect_end(l);
	/* Moved away and back, it tries again. */
	feed_move(l->feed, NULL);
	feed_move(l->feed, z->address);
	feedlog_await(l, "up 2");
	feed_get_status(l->feed, &s);
	ck_assert(s.up && !s.auth_failed);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* Throttled, the first time; then refused for good, which stops no other. */
static void serve_refusing(struct fakezk *z, int fd, int nth)
{
	int32_t code = nth == 1 ? FEEDPROTO_THROTTLED : -102;

	if (!fakezk_accept_session(z, fd))
		return;
	while (fakezk_read(z, fd)) {
		if (z->op == FAKEZK_ADD_WATCH && strcmp(z->path, "/no") == 0)
			fakezk_reply(z, fd, z->xid, code);
		else if (!fakezk_answer(z, fd))
			return;
	}
}

START_TEST(test_watch_refused)
{
	struct fakezk *z = fakezk_start(serve_refusing, NULL);
	struct feedlog *l = feedlog_new();

	feedlog_open(l, NULL);
	feed_watch(l->feed, "/no", true);
	feed_watch(l->feed, "/yes", true);
	feed_move(l->feed, z->address);
	feedlog_expect(l, "watching 2 /no -102");
	feedlog_expect(l, "watching 2 /yes 0");
	feedlog_expect(l, "up 2");
	feed_watch(l->feed, "/no", true);
	feedlog_expect(l, "watching 2 /no -102");
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

UNIT_MAIN("feed_refusals", test_refused_read_only, test_unsupported,
	  test_unsupported_found_late, test_auth_failed, test_watch_refused)
