/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed's session at a server that keeps to the protocol: how it begins, is
 * resumed, kept alive, moved and ended; the end also at servers that do not.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

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

/* Counts pings: with a timeout of 2400 ms one comes each 800 ms. */
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

	z->timeout_ms = 2400;
	feedlog_open(l, z->address);
	feedlog_expect(l, "up 1");
	feedlog_expect(l, "event CREATED /4");
	ck_assert_int_ge(now_ms() - start, 3100);
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/*
 * Holds back the answers to four pings, as if they stood behind the events of a
 * flood.
 */
static void serve_late_pongs(struct fakezk *z, int fd, int nth)
{
	int pings = 0;

	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	while (pings < 4 && fakezk_read(z, fd))
		if (z->op == FAKEZK_PING) {
			pings++;
			fakezk_event(z, fd, FEEDPROTO_CREATED, "/flood");
		}
	for (; pings; pings--)
		fakezk_reply(z, fd, FEEDPROTO_XID_PING, 0);
	fakezk_event(z, fd, FEEDPROTO_CREATED, "/end");
	fakezk_serve(z, fd);
}

START_TEST(test_pings_go_on_unanswered)
{
	struct fakezk *z = fakezk_start(serve_late_pongs, NULL);
	struct feedlog *l = feedlog_new();

	z->timeout_ms = 2400;
	feedlog_open(l, z->address);
	feedlog_expect(l, "up 1");
	for (int i = 0; i < 4; i++)
		feedlog_expect(l, "event CREATED /flood");
	feedlog_expect(l, "event CREATED /end");
	feed_watch(l->feed, "/a", true);
	feedlog_expect(l, "watching 1 /a 0");
	feedlog_free(l);
	fakezk_stop(z);
}
END_TEST

/* To nowhere and back, at any moment of the thread's. */
START_TEST(test_move_to_and_fro)
{
	struct fakezk *z = fakezk_start(serve_well, NULL);
	struct feedlog *l = feedlog_new();
	uint64_t rnd = 271828;

	feedlog_open(l, NULL);
	for (int i = 0; i < 3000; i++) {
		unsigned int spin = unit_rand(&rnd, 20000);
		struct feed_status s;

		feed_move(l->feed, z->address);
		while (spin--)
			atomic_signal_fence(memory_order_relaxed);
		feed_move(l->feed, NULL);
		feed_get_status(l->feed, &s);
		if (s.last_reason && s.last_reason != -ESTALE)
			ck_abort_msg("%s", strerror(-s.last_reason));
	}
	feed_move(l->feed, z->address);
	feed_watch(l->feed, "/a", true);
	while (feedlog_count(l, "watching") == 0)
		usleep(1000);
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

/* Does not know AddWatch and does not say so. */
static void serve_ignoring(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	while (fakezk_read(z, fd))
		if (z->op != FAKEZK_ADD_WATCH)
			fakezk_answer(z, fd);
}

/* Nothing at all is said, not even to the connect request. */
static void serve_mute(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	fakezk_hang(z, fd);
}

/* Says nothing any more once it has answered the first AddWatch. */
static void serve_hung(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	if (fakezk_accept_session(z, fd) && fakezk_serve_until(z, fd, "/a"))
		fakezk_hang(z, fd);
}

/* Answers the end of the session with noise that has no end. */
static void serve_babbling(struct fakezk *z, int fd, int nth)
{
	(void)nth;
	if (!fakezk_accept_session(z, fd))
		return;
	while (fakezk_read(z, fd) && z->op != FAKEZK_CLOSE_SESSION)
		fakezk_answer(z, fd);
	while (send(fd, "noise", 5, MSG_NOSIGNAL) == 5)
		;
}

/* Whatever the server does, closing takes no longer than promised. */
static void check_close(const char *address, const char *line)
{
	struct feedlog *l = feedlog_watching(address);
	int64_t start;

	if (line)
		feedlog_await(l, "%s", line);
	start = now_ms();
	feed_close(l->feed);
	l->feed = NULL;
	ck_assert_int_le(now_ms() - start, FEED_CLOSE_MS + 2000);
	feedlog_free(l);
}

START_TEST(test_close_is_bounded)
{
	struct fakezk *hung = fakezk_start(serve_hung, NULL);
	struct fakezk *mute = fakezk_start(serve_mute, NULL);
	struct fakezk *old = fakezk_start(serve_ignoring, NULL);
	struct fakezk *babbling = fakezk_start(serve_babbling, NULL);

	check_close(NULL, NULL);
	check_close("127.0.0.1:1", NULL);
	check_close(hung->address, "up 1");
	check_close(hung->address, NULL);
	check_close(mute->address, NULL);
	check_close(old->address, "unsupported");
	check_close(babbling->address, "up 1");
	fakezk_stop(babbling);
	fakezk_stop(hung);
	fakezk_stop(mute);
	fakezk_stop(old);
}
END_TEST

UNIT_MAIN("feed_session", test_session_resumed,
	  test_read_only_session_not_resumed, test_session_expired, test_auth,
	  test_move, test_move_to_and_fro, test_pings,
	  test_pings_go_on_unanswered, test_close_ends_session,
	  test_close_is_bounded)
