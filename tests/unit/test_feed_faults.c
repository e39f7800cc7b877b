/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed against servers that are broken, hostile, slow or gone.  What counts
 * is why it gives a connection up, that it tells so, and that all is well again
 * on the next good one.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "fakezk.h"
#include "feed.h"
#include "feedlog.h"
#include "jute.h"
#include "unit.h"

/* What the faulty connections do once /a is watched, if they get there. */
struct fault {
	const void *bytes;
	size_t len;
	const char *reason; /* expected of down() */
};

static void serve_fault(struct fakezk *z, int fd, int nth)
{
	const struct fault *fault = z->arg;

	if (nth > 1) {
		fakezk_be_well(z, fd);
		return;
	}
	/* With the ping answered, nothing is under way any more. */
	if (!fakezk_accept_session(z, fd) ||
	    !fakezk_serve_until(z, fd, "/a"))
		return;
	fakezk_read(z, fd);
	fakezk_answer(z, fd);
	fakezk_send(z, fd, fault->bytes, fault->len);
	fakezk_hang(z, fd);
}

#define FAULT(bytes, reason) {bytes, sizeof(bytes) - 1, reason}
#define HEAD(xid) xid "\0\0\0\0\0\0\0\1" "\0\0\0\0"

static const struct fault faults[] = {
	FAULT("\xff\xff\xff\xff", "EBADMSG"),         /* length -1 */
	FAULT("\x80\0\0\0", "EBADMSG"),               /* INT_MIN */
	FAULT("\x7f\xff\xff\xff", "EBADMSG"),         /* INT_MAX */
	FAULT("\0\x10\x10\1", "EBADMSG"),             /* the limit + 1 */
	FAULT("GET / HTTP/1.0\r\n\r\n", "EBADMSG"),
	FAULT("\0\0\0\0", "EBADMSG"),                 /* nothing in it */
	FAULT("\0\0\0\xf" HEAD("\0\0\0\1"), "EBADMSG"),
	FAULT("\0\0\0\x10" HEAD("\0\0\0\0"), "EBADMSG"),
	/* Answers that nobody asked for. */
	FAULT("\0\0\0\x10" HEAD("\0\0\0\1"), "EPROTO"),
	FAULT("\0\0\0\x10" HEAD("\xff\xff\xff\xfe"), "EPROTO"),
	FAULT("\0\0\0\x10" HEAD("\xff\xff\xff\xfc"), "EPROTO"),
	FAULT("\0\0\0\x10" HEAD("\xff\xff\xff\xff"), "EBADMSG"),
	FAULT("\0\0\0\x1c" HEAD("\xff\xff\xff\xff") "\0\0\0\1" "\0\0\0\3"
	      "\xff\xff\xff\xff", "EBADMSG"),         /* null path */
	FAULT("\0\0\0\x1e" HEAD("\xff\xff\xff\xff") "\0\0\0\1" "\0\0\0\3"
	      "\0\0\0\3/a", "EBADMSG"),         /* beyond its frame */
	FAULT("\0\0\0\x1e" HEAD("\xff\xff\xff\xff") "\0\0\0\1" "\0\0\0\3"
	      "\0\0\0\2/\0", "EBADMSG"),
};

START_TEST(test_faults)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct fakezk *z = fakezk_start(serve_fault,
						(void *)&faults[i]);
		struct feedlog *l = feedlog_watching(z->address);

		feedlog_expect(l, "watching 1 /a 0");
		feedlog_expect(l, "up 1");
		feedlog_expect(l, "down 1 %s", faults[i].reason);
		feedlog_expect(l, "watching 2 /a 0");
		feedlog_expect(l, "up 2");
		feedlog_await(l, "event CREATED /well");
		feedlog_free(l);
		fakezk_stop(z);
	}
}
END_TEST

/*
 * The whole of what a good server sends, on the first connection cut after
 * some bytes.
 */
static size_t transcript(uint8_t *buf, size_t size)
{
	struct jute_writer w = jute_writer(buf, size);

	jute_begin_frame(&w);
	jute_put_int(&w, 0);
	jute_put_int(&w, 30000);
	jute_put_long(&w, 0x1001);
	jute_put_buffer(&w, "sixteen letters.", 16);
	jute_put_bool(&w, false);
	jute_end_frame(&w);

	jute_put_int(&w, 16); /* the AddWatch, the ping, an event */
	jute_put_int(&w, 1);
	jute_put_long(&w, 1);
	jute_put_int(&w, 0);
	jute_put_int(&w, 16);
	jute_put_int(&w, -2);
	jute_put_long(&w, 1);
	jute_put_int(&w, 0);
	jute_put_int(&w, 30);
	jute_put_int(&w, -1);
	jute_put_long(&w, -1);
	jute_put_int(&w, 0);
	jute_put_int(&w, 1);
	jute_put_int(&w, 3);
	jute_put_string(&w, "/x");
	return jute_written(&w);
}

struct cut {
	const uint8_t *bytes;
	size_t len;
};

static void serve_cut(struct fakezk *z, int fd, int nth)
{
	const struct cut *cut = z->arg;
	size_t first = MIN(cut->len, (size_t)41);

	if (nth > 1) {
		fakezk_be_well(z, fd);
		return;
	}
	/* In step with the client: a reply before its request is a fault. */
	if (!fakezk_read(z, fd))
		return;
	fakezk_send(z, fd, cut->bytes, first);
	if (first == 41 && fakezk_read(z, fd) && fakezk_read(z, fd))
		fakezk_send(z, fd, cut->bytes + first, cut->len - first);
}

START_TEST(test_closed_at_any_byte)
{
	uint8_t buf[256];
	size_t whole = transcript(buf, sizeof(buf));

	for (size_t len = 0; len <= whole; len++) {
		struct cut cut = {buf, len};
		struct fakezk *z = fakezk_start(serve_cut, &cut);
		struct feedlog *l = feedlog_watching(z->address);

		if (len == whole)
			feedlog_await(l, "event CREATED /x");
		if (len >= 41 + 20)
			feedlog_await(l, "down 1 ECONNRESET");
		feedlog_await(l, "up 2");
		feedlog_await(l, "event CREATED /well");
		ck_assert_uint_eq(feedlog_count(l, "down"), len >= 41 + 20);
		ck_assert_uint_eq(feedlog_count(l, "unsupported"), 0);
		feedlog_free(l);
		fakezk_stop(z);
	}
}
END_TEST

/* Noise on most connections, before and after coming up. */
static void serve_noise(struct fakezk *z, int fd, int nth)
{
	uint64_t *rnd = z->arg;
	uint8_t noise[512];

	if (nth % 5 == 0 || nth > 30) {
		fakezk_be_well(z, fd);
		return;
	}
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)unit_rand(rnd, 256);
	/* Frames of a likely length, or the first one ends it all. */
	memcpy(noise, "\0\0\0", 3);
	if (nth % 2 && fakezk_accept_session(z, fd) &&
	    fakezk_serve_until(z, fd, "/a")) {
		fakezk_event(z, fd, FEEDPROTO_CREATED, "/x");
		memcpy(noise + 4, "\xff\xff\xff\xff", 4);
	}
	fakezk_send(z, fd, noise, sizeof(noise));
}

static void end_well(struct feedlog *l, const char *line)
{
	/* Leave every good connection, so that a bad one follows. */
	if (strcmp(line, "event CREATED /well") == 0 &&
	    feedlog_count(l, "event CREATED /well") < 6) {
		feed_move(l->feed, NULL);
		feed_move(l->feed, ((struct fakezk *)l->arg)->address);
	}
}

START_TEST(test_noise)
{
	uint64_t rnd = 99991;
	struct fakezk *z = fakezk_start(serve_noise, &rnd);
	struct feedlog *l = feedlog_new();

	l->arg = z;
	l->hook = end_well;
	feedlog_open(l, NULL);
	feed_watch(l->feed, "/a", true);
	feed_move(l->feed, z->address);
	for (int i = 0; i < 6; i++)
		feedlog_await(l, "event CREATED /well");
	ck_assert_uint_ge(feedlog_count(l, "up"), 6);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

static void serve_silence(struct fakezk *z, int fd, int nth)
{
	if (nth > 1) {
		z->timeout_ms = 0;
		fakezk_be_well(z, fd);
		return;
	}
	z->timeout_ms = 2400;
	if (fakezk_accept_session(z, fd) && fakezk_serve_until(z, fd, "/a"))
		fakezk_hang(z, fd);
}

START_TEST(test_silence)
{
	struct fakezk *z = fakezk_start(serve_silence, NULL);
	int64_t start = now_ms();
	struct feedlog *l = feedlog_watching(z->address);

	feedlog_expect(l, "watching 1 /a 0");
	feedlog_expect(l, "up 1");
	feedlog_expect(l, "down 1 ETIMEDOUT");
	ck_assert_int_ge(now_ms() - start, 1600);
	feedlog_await(l, "event CREATED /well");
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* Single bytes are no sign of life: only a whole frame is. */
static void serve_trickle(struct fakezk *z, int fd, int nth)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	if (nth > 1) {
		fakezk_be_well(z, fd);
		return;
	}
	if (!fakezk_accept_session(z, fd) || !fakezk_serve_until(z, fd, "/a"))
		return;
	fakezk_send(z, fd, "\0\0\1\0", 4);
	while (poll(&p, 1, 10) == 0)
		fakezk_send(z, fd, "x", 1);
}

START_TEST(test_trickle)
{
	struct fakezk *z = fakezk_start(serve_trickle, NULL);
	struct feedlog *l = feedlog_new();
	struct feed_config config = feedlog_config(l, NULL);

	config.session_timeout_ms = 2400;
	ck_assert_int_eq(feed_open(&l->feed, &config), 0);
	feed_watch(l->feed, "/a", true);
	feed_move(l->feed, z->address);
	feedlog_expect(l, "watching 1 /a 0");
	feedlog_expect(l, "up 1");
	feedlog_expect(l, "down 1 ETIMEDOUT");
	feedlog_await(l, "event CREATED /well");
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* Nothing at all is said to the first two, not even to the connect request. */
static void serve_mute(struct fakezk *z, int fd, int nth)
{
	if (nth > 2)
		fakezk_be_well(z, fd);
	else
		fakezk_hang(z, fd);
}

START_TEST(test_mute)
{
	struct fakezk *z = fakezk_start(serve_mute, NULL);
	struct feedlog *l = feedlog_new();
	struct feed_config config = feedlog_config(l, z->address);

	config.session_timeout_ms = 600;
	ck_assert_int_eq(feed_open(&l->feed, &config), 0);
	feed_watch(l->feed, "/a", true);
	feedlog_await(l, "event CREATED /well");
	ck_assert_uint_eq(feedlog_count(l, "down"), 0);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* Accepts and closes; says nothing of AddWatch, however often. */
static void serve_closed(struct fakezk *z, int fd, int nth)
{
	if (nth > 5)
		fakezk_be_well(z, fd);
	else if (nth % 2)
		fakezk_accept_session(z, fd);
}

START_TEST(test_closing)
{
	struct fakezk *z = fakezk_start(serve_closed, NULL);
	struct feedlog *l = feedlog_watching(z->address);

	feedlog_await(l, "event CREATED /well");
	ck_assert_uint_eq(feedlog_count(l, "down"), 0);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

static void serve_wrong_xid(struct fakezk *z, int fd, int nth)
{
	if (nth > 1) {
		fakezk_be_well(z, fd);
		return;
	}
	if (!fakezk_accept_session(z, fd) || !fakezk_serve_until(z, fd, "/a"))
		return;
	while (fakezk_read(z, fd) && z->op != FAKEZK_ADD_WATCH)
		fakezk_answer(z, fd);
	fakezk_reply(z, fd, z->xid + 1, 0);
	fakezk_hang(z, fd);
}

/* A request that is passed over by a pong, where an earlier one was not. */
static void serve_out_of_order(struct fakezk *z, int fd, int nth)
{
	if (nth > 1) {
		fakezk_be_well(z, fd);
		return;
	}
	z->timeout_ms = 3000;
	if (!fakezk_accept_session(z, fd) || !fakezk_serve_until(z, fd, "/a"))
		return;
	while (fakezk_read(z, fd))
		if (z->op != FAKEZK_ADD_WATCH)
			fakezk_answer(z, fd);
}

static void check_second_watch(fakezk_serve_fn *serve)
{
	struct fakezk *z = fakezk_start(serve, NULL);
	struct feedlog *l = feedlog_watching(z->address);

	feedlog_expect(l, "watching 1 /a 0");
	feedlog_expect(l, "up 1");
	feed_watch(l->feed, "/b", true);
	feedlog_expect(l, "down 1 EPROTO");
	feedlog_await(l, "event CREATED /well");
	feedlog_free(l);
	fakezk_stop(z);
}

START_TEST(test_wrong_order)
{
	check_second_watch(serve_wrong_xid);
	check_second_watch(serve_out_of_order);
}
END_TEST

/*
 * Orders from several threads while the server drops every connection after a
 * while: for the thread sanitizer, and for the bookkeeping.
 */
static void serve_flapping(struct fakezk *z, int fd, int nth)
{
	int left = 20 + nth % 7;

	if (!fakezk_accept_session(z, fd))
		return;
	while ((nth > 12 || left-- > 0) && fakezk_read(z, fd) &&
	       fakezk_answer(z, fd))
		if (z->op == FAKEZK_ADD_WATCH)
			fakezk_event(z, fd, FEEDPROTO_CHANGED, z->path);
}

static void *give_orders(void *arg)
{
	struct feedlog *l = arg;
	uint64_t rnd = (uintptr_t)pthread_self() | 1;

	for (int i = 0; i < 3000; i++) {
		struct feed_status s;
		char path[8];

		snprintf(path, sizeof(path), "/%u", unit_rand(&rnd, 50));
		if (unit_rand(&rnd, 3))
			feed_watch(l->feed, path, unit_rand(&rnd, 2));
		else
			feed_unwatch(l->feed, path);
		feed_get_status(l->feed, &s);
		if (i % 64 == 0)
			usleep(1000);
	}
	return NULL;
}

START_TEST(test_threads)
{
	struct fakezk *z = fakezk_start(serve_flapping, NULL);
	struct feedlog *l = feedlog_new();
	pthread_t threads[3];
	struct feed_status s;

	feedlog_open(l, z->address);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, give_orders, l);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	feed_watch(l->feed, "/last", true);
	feedlog_await(l, "event CHANGED /last");
	feed_get_status(l->feed, &s);
	ck_assert_uint_ge(s.watches, 1);
	ck_assert_uint_le(s.watches, 51);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

UNIT_MAIN("feed_faults", test_faults, test_closed_at_any_byte, test_noise,
	  test_silence, test_trickle, test_mute, test_closing,
	  test_wrong_order, test_threads)
