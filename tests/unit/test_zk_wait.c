/* SPDX-License-Identifier: Apache-2.0 */

/* Waits for something of the caller's own, and which server it is. */

#include <errno.h>

#include "unit.h"
#include "zkprobe.h"

#define NEVER_MS 600000

/* As in test_zk_give_up.c: the best of so many attempts counts. */
#define ATTEMPTS 20

/* Any two addresses will do. */
static const int keys[2];

/* @n waits for @key; to be answered. */
static void wait_n(struct zkprobe *p, size_t n, struct zktest *t,
		   const void *key, struct zk_owner *owner)
{
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct zkprobe){
			.type = ZKPROBE_WAIT, .key = key, .owner = owner};
		zkprobe_call(&p[i], t);
	}
}

static void assert_answers(struct zkprobe *p, size_t n, int rc)
{
	for (size_t i = 0; i < n; i++) {
		zkprobe_wait(&p[i]);
		ck_assert_int_eq(p[i].rc, rc);
		ck_assert(!p[i].unknown);
	}
}

static void assert_waiting(struct zkprobe *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(zkprobe_answers(&p[i]), 0);
}

/* What the keeper was to answer before this is answered. */
static void keeper_settles(struct zktest *t)
{
	static const int key;
	struct zkprobe p;

	wait_n(&p, 1, t, &key, NULL);
	zk_wake(t->zk, &key);
	assert_answers(&p, 1, 0);
}

/* --- waking -------------------------------------------------------------- */

/* Those for the key, all of them, and nobody else. */
START_TEST(test_wake_by_key)
{
	struct zkprobe a[3], b[3];
	struct zktest t = {0};

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	wait_n(a, 3, &t, &keys[0], NULL);
	wait_n(b, 3, &t, &keys[1], NULL);
	zk_wake(t.zk, &t); /* for which nobody waits */
	keeper_settles(&t);
	assert_waiting(a, 3);
	zk_wake(t.zk, &keys[0]);
	assert_answers(a, 3, 0);
	keeper_settles(&t);
	assert_waiting(b, 3);
	zk_wake(t.zk, &keys[0]);
	zk_wake(t.zk, &keys[1]);
	assert_answers(b, 3, 0);
	ck_assert_uint_eq(fakelib_counts(t.f).submitted, 0);
	zktest_close(&t);
}
END_TEST

START_TEST(test_wake_all)
{
	struct zkprobe a[3], b[3], c[3];
	struct zktest t = {0};

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	wait_n(a, 3, &t, &keys[0], NULL);
	wait_n(b, 3, &t, &keys[1], NULL);
	wait_n(c, 3, &t, NULL, NULL);
	zk_wake(t.zk, NULL);
	assert_answers(a, 3, 0);
	assert_answers(b, 3, 0);
	assert_answers(c, 3, 0);
	zktest_close(&t);
}
END_TEST

/* A wake is for those who wait then. */
START_TEST(test_wake_before_the_wait)
{
	struct zktest t = {0};
	struct zkprobe p;

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	zk_wake(t.zk, &keys[0]);
	zk_wake(t.zk, NULL);
	wait_n(&p, 1, &t, &keys[0], NULL);
	keeper_settles(&t);
	assert_waiting(&p, 1);
	zk_wake(t.zk, &keys[0]);
	assert_answers(&p, 1, 0);
	zktest_close(&t);
}
END_TEST

/* The server has no part in it. */
START_TEST(test_without_a_connection)
{
	struct fakelib *f = fakelib_new();
	struct zkprobe p[3], q[3];
	struct zktest t = {0};

	zktest_open(&t, f, NEVER_MS);
	wait_n(p, 3, &t, &keys[0], NULL);
	zk_wake(t.zk, &keys[0]);
	assert_answers(p, 3, 0);
	/* Nor does a session that comes, is lost, and expires. */
	wait_n(q, 3, &t, &keys[0], NULL);
	fakelib_connect(f);
	zktest_wait_state(&t, ZK_CONNECTED);
	fakelib_lose(f, ZCONNECTIONLOSS);
	zktest_wait_state(&t, ZK_LOST);
	fakelib_expire(f);
	fakelib_wait_opened(f, 2);
	keeper_settles(&t);
	assert_waiting(q, 3);
	zk_wake(t.zk, &keys[0]);
	assert_answers(q, 3, 0);
	ck_assert_uint_eq(fakelib_counts(f).submitted, 0);
	zktest_close(&t);
}
END_TEST

/* --- from callbacks ------------------------------------------------------ */

static void wake_other(struct zkprobe *p)
{
	zk_wake(p->t->zk, p->arg);
}

/* From the library's thread, and from the keeper. */
START_TEST(test_wake_from_a_callback)
{
	char k[2];
	struct zkprobe get = {
		.type = ZKPROBE_GET, .then = wake_other, .arg = &k[0]};
	struct zkprobe a = {.type = ZKPROBE_WAIT,
			    .key = &k[0],
			    .then = wake_other,
			    .arg = &k[1]};
	struct zkprobe b = {.type = ZKPROBE_WAIT, .key = &k[1]};
	struct zktest t = {0};

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	zkprobe_call(&a, &t);
	zkprobe_call(&b, &t);
	zkprobe_call(&get, &t);
	assert_answers(&a, 1, 0);
	assert_answers(&b, 1, 0);
	zktest_close(&t);
}
END_TEST

/* One wakes the next, and that waits no longer than the wake takes. */
START_TEST(test_wake_in_a_chain)
{
	static char chain[100];
	static struct zkprobe p[ARRAY_SIZE(chain)];
	struct zktest t = {0};

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	for (size_t i = 0; i < ARRAY_SIZE(chain); i++) {
		p[i] = (struct zkprobe){
			.type = ZKPROBE_WAIT,
			.key = &chain[i],
			.then = wake_other,
			.arg = &chain[(i + 1) % ARRAY_SIZE(chain)],
		};
		zkprobe_call(&p[i], &t);
	}
	zk_wake(t.zk, &chain[0]);
	assert_answers(p, ARRAY_SIZE(chain), 0);
	zktest_close(&t);
}
END_TEST

static void wait_again(struct zkprobe *p)
{
	zkprobe_call(p->arg, p->t);
}

/* Who waits again when woken waits for the next wake, not for ever woken. */
START_TEST(test_wait_from_a_callback)
{
	struct zkprobe next = {.type = ZKPROBE_WAIT, .key = &keys[0]};
	struct zkprobe p = {
		.type = ZKPROBE_WAIT,
		.key = &keys[0],
		.then = wait_again,
		.arg = &next,
	};
	struct zktest t = {0};

	next.t = &t;
	zktest_connect(&t, fakelib_new(), NEVER_MS);
	zkprobe_call(&p, &t);
	zk_wake(t.zk, NULL);
	assert_answers(&p, 1, 0);
	keeper_settles(&t); /* the callback has come to its end */
	assert_waiting(&next, 1);
	zk_wake(t.zk, NULL);
	assert_answers(&next, 1, 0);
	zktest_close(&t);
}
END_TEST

/* --- giving up ----------------------------------------------------------- */

START_TEST(test_deadline)
{
	struct zktest t = {0};
	struct zkprobe p[3];

	zktest_connect(&t, fakelib_new(), 200);
	wait_n(p, 3, &t, &keys[0], NULL);
	assert_answers(p, 3, -EIO);
	for (int i = 0; i < 3; i++)
		ck_assert_int_ge(p[i].answered_at - p[i].asked_at, 200);
	zk_wake(t.zk, &keys[0]); /* too late: not answered twice */
	keeper_settles(&t);
	zktest_close(&t);
}
END_TEST

/* "At once" is less than the grace that a sent call gets. */
START_TEST(test_interrupt)
{
	int64_t best = INT64_MAX;
	struct zktest t = {0};
	struct zkprobe other;

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	wait_n(&other, 1, &t, &keys[0], NULL);
	for (int i = 0; i < ATTEMPTS && best >= ZK_INTERRUPT_GRACE_MS; i++) {
		struct zk_owner owner = {0};
		struct zkprobe p[3];
		int64_t start;

		wait_n(p, 3, &t, &keys[0], &owner);
		start = now_ms();
		zk_interrupt(t.zk, &owner);
		assert_answers(p, 3, -EINTR);
		best = MIN(best, now_ms() - start);
	}
	ck_assert_int_lt(best, ZK_INTERRUPT_GRACE_MS);
	keeper_settles(&t);
	assert_waiting(&other, 1);
	zk_wake(t.zk, &keys[0]);
	assert_answers(&other, 1, 0);
	zktest_close(&t);
}
END_TEST

/* Then a wait is over before it begins; the rounds find the keeper asleep. */
START_TEST(test_interrupted_before)
{
	struct zk_owner owner = {0};
	struct zktest t = {0};

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	zk_interrupt(t.zk, &owner);
	for (int i = 0; i < ATTEMPTS; i++) {
		struct zkprobe p;

		wait_n(&p, 1, &t, &keys[0], &owner);
		assert_answers(&p, 1, -EINTR);
	}
	zktest_close(&t);
}
END_TEST

/* Woken and interrupted at the same time: one of the two, once. */
START_TEST(test_wake_and_interrupt)
{
	struct zktest t = {0};

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	for (int i = 0; i < 200; i++) {
		struct zk_owner owner = {0};
		struct zkprobe p;

		wait_n(&p, 1, &t, &keys[0], &owner);
		if (i % 2)
			zk_wake(t.zk, &keys[0]);
		zk_interrupt(t.zk, &owner);
		if (i % 2 == 0)
			zk_wake(t.zk, &keys[0]);
		zkprobe_wait(&p);
		ck_assert(p.rc == 0 || (i % 2 == 0 && p.rc == -EINTR));
	}
	zktest_close(&t);
}
END_TEST

START_TEST(test_close)
{
	struct zktest t = {0};
	struct zkprobe p[3];

	zktest_connect(&t, fakelib_new(), NEVER_MS);
	wait_n(p, 3, &t, &keys[0], NULL);
	zktest_close_zk(&t);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(zkprobe_answers(&p[i]), 1);
		ck_assert_int_eq(p[i].rc, -EIO);
	}
	zktest_release(&t);
}
END_TEST

/* Those that are told of the end and wait again are told once more. */
START_TEST(test_wait_while_closing)
{
	struct zkprobe next = {.type = ZKPROBE_WAIT, .key = &keys[0]};
	struct zkprobe p = {
		.type = ZKPROBE_WAIT,
		.key = &keys[0],
		.then = wait_again,
		.arg = &next,
	};
	struct zktest t = {0};

	next.t = &t;
	zktest_connect(&t, fakelib_new(), NEVER_MS);
	zkprobe_call(&p, &t);
	zktest_close_zk(&t);
	ck_assert_int_eq(p.rc, -EIO);
	ck_assert_int_eq(zkprobe_answers(&next), 1);
	ck_assert_int_eq(next.rc, -EIO);
	zktest_release(&t);
}
END_TEST

/* --- the server ---------------------------------------------------------- */

static void assert_server(struct zktest *t, const char *expected)
{
	char server[ZK_SERVER_MAX] = "not set";

	zk_server(t->zk, server);
	ck_assert_str_eq(server, expected);
}

START_TEST(test_server)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};
	struct zk_stats stats;

	zktest_open(&t, f, NEVER_MS);
	assert_server(&t, "");
	fakelib_connect(f);
	zktest_wait_state(&t, ZK_CONNECTED);
	assert_server(&t, "127.0.0.1:2181");
	zk_get_stats(t.zk, &stats);
	ck_assert_int_eq(stats.session_timeout_ms, FAKELIB_TIMEOUT_MS);
	fakelib_lose(f, ZCONNECTIONLOSS);
	zktest_wait_state(&t, ZK_LOST);
	assert_server(&t, "");
	/* Another one may have the session then. */
	fakelib_lock(f);
	f->on_ipv6 = true;
	fakelib_unlock(f);
	fakelib_connect(f);
	zktest_wait_state(&t, ZK_CONNECTED);
	assert_server(&t, "[::1]:2181");
	fakelib_expire(f);
	fakelib_wait_opened(f, 2);
	assert_server(&t, "");
	zktest_close(&t);
}
END_TEST

/* Of one that is read-only, the library tells in another way. */
START_TEST(test_server_read_only)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	zktest_connect(&t, f, NEVER_MS);
	assert_server(&t, "127.0.0.1:2181");
	fakelib_connect_as(f, ZOO_READONLY_STATE, 7);
	zktest_wait_state(&t, ZK_READ_ONLY);
	assert_server(&t, FAKELIB_READ_ONLY_SERVER);
	zktest_close(&t);
}
END_TEST

UNIT_MAIN("zk_wait", test_wake_by_key, test_wake_all, test_wake_before_the_wait,
	  test_without_a_connection, test_wake_from_a_callback,
	  test_wake_in_a_chain, test_wait_from_a_callback, test_deadline,
	  test_interrupt, test_interrupted_before, test_wake_and_interrupt,
	  test_close, test_wait_while_closing, test_server,
	  test_server_read_only)
