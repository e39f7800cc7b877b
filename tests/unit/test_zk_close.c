/* SPDX-License-Identifier: Apache-2.0 */

/* The close: it ends all calls, whatever they wait for. */

#include <errno.h>

#include "unit.h"
#include "zkprobe.h"

#define NEVER_MS 600000

static void wait_all(struct zkprobe *p, int rc)
{
	for (int i = 0; i < ZKPROBE_TYPES; i++) {
		zkprobe_wait(&p[i]);
		ck_assert_int_eq(p[i].rc, rc);
	}
}

/* With @n calls under way, sent or not. */
static void close_with(size_t n, bool connected, bool drop, bool interrupted)
{
	struct zkprobe *p = xcalloc(n, sizeof(*p));
	struct fakelib *f = zktest_fake(zktest_park);
	struct zk_owner owner = {0};
	struct zktest t = {0};

	f->drop_on_close = drop;
	zktest_open(&t, f, NEVER_MS);
	if (connected)
		fakelib_connect(f);
	if (connected)
		zktest_wait_state(&t, ZK_CONNECTED);
	for (size_t i = 0; i < n; i++) {
		p[i].type = i % ZKPROBE_TYPES;
		p[i].owner = &owner;
		zkprobe_call(&p[i], &t);
	}
	if (interrupted)
		zk_interrupt(t.zk, &owner);
	zktest_close_zk(&t);
	for (size_t i = 0; i < n; i++) {
		bool sent = connected && i < ZK_IN_FLIGHT_MAX;

		ck_assert_int_eq(zkprobe_answers(&p[i]), 1);
		if (interrupted && p[i].rc == -EINTR)
			continue;
		ck_assert_int_eq(p[i].rc, -EIO);
		ck_assert_int_eq(p[i].unknown, sent && !zkprobe_is_read(&p[i]));
	}
	zktest_release(&t);
	free(p);
}

START_TEST(test_close)
{
	static const size_t sizes[] = {0, ZKPROBE_TYPES, 2500};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (int k = 0; k < 8; k++)
			close_with(sizes[i], k & 1, k & 2, k & 4);
	}
}
END_TEST

/* Whose session has just expired, and no new one is to be had. */
START_TEST(test_close_without_a_session)
{
	struct fakelib *f = fakelib_new();
	struct zkprobe p[ZKPROBE_TYPES];
	struct zktest t = {0};

	zktest_connect(&t, f, NEVER_MS);
	fakelib_lock(f);
	f->refuse_init = 1000000;
	fakelib_unlock(f);
	fakelib_expire(f);
	zktest_wait_states(&t, 2);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	zktest_close_zk(&t);
	wait_all(p, -EIO);
	zktest_release(&t);
}
END_TEST

/* Answers that make further calls while the close answers them. */
static void once_more(struct zkprobe *p)
{
	struct zkprobe *next = p->arg;

	if (next)
		zkprobe_call(next, p->t);
}

START_TEST(test_calls_from_the_answers_of_a_close)
{
	for (int connected = 0; connected < 2; connected++) {
		struct fakelib *f = zktest_fake(zktest_park);
		struct zkprobe p[60] = {0};
		struct zktest t = {0};

		zktest_open(&t, f, NEVER_MS);
		if (connected) {
			fakelib_connect(f);
			zktest_wait_state(&t, ZK_CONNECTED);
		}
		for (int i = 0; i < 60; i++) {
			p[i].type = i % ZKPROBE_TYPES;
			p[i].then = once_more;
			p[i].arg = i % 6 < 5 ? &p[i + 1] : NULL;
		}
		for (int i = 0; i < 60; i += 6)
			zkprobe_call(&p[i], &t);
		zktest_close_zk(&t);
		for (int i = 0; i < 60; i++)
			ck_assert_int_eq(zkprobe_answers(&p[i]), 1);
		zktest_release(&t);
	}
}
END_TEST

/* Other threads that make calls while the library closes its handle. */
struct others {
	struct zktest t;
	struct zkprobe p[100];
};

static void *call_from_thread(void *arg)
{
	struct others *o = arg;

	for (size_t i = 0; i < ARRAY_SIZE(o->p); i++)
		zkprobe_call(&o->p[i], &o->t);
	return NULL;
}

static void call_in_close(struct fakelib *f)
{
	pthread_t thread;

	pthread_create(&thread, NULL, call_from_thread, f->arg);
	pthread_join(thread, NULL);
}

START_TEST(test_calls_of_others_during_a_close)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct others o = {0};

	for (size_t i = 0; i < ARRAY_SIZE(o.p); i++)
		o.p[i].type = i % ZKPROBE_TYPES;
	f->arg = &o;
	f->in_close = call_in_close;
	zktest_connect(&o.t, f, NEVER_MS);
	zk_close(o.t.zk);
	for (size_t i = 0; i < ARRAY_SIZE(o.p); i++) {
		ck_assert_int_eq(zkprobe_answers(&o.p[i]), 1);
		ck_assert_int_eq(o.p[i].rc, -EIO);
		ck_assert(!o.p[i].unknown);
	}
	zktest_release(&o.t);
}
END_TEST

UNIT_MAIN("zk_close", test_close, test_close_without_a_session,
	  test_calls_from_the_answers_of_a_close,
	  test_calls_of_others_during_a_close)
