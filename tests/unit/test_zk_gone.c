/* SPDX-License-Identifier: Apache-2.0 */

/* Waiting until a znode is gone. */

#include <errno.h>

#include "unit.h"
#include "zkprobe.h"

#define NEVER_MS 600000

static void none_there(struct fakelib *f _unused_,
		       const struct fakelib_call *call _unused_,
		       struct fakelib_plan *p)
{
	p->code = ZNONODE;
}

static void not_to_be_read(struct fakelib *f _unused_,
			   const struct fakelib_call *call _unused_,
			   struct fakelib_plan *p)
{
	p->code = ZNOAUTH;
}

/* Waits for @path, and asks; the reply is there when this returns. */
static void ask(struct zkprobe *p, struct zktest *t, const char *path,
		struct zk_owner *owner)
{
	*p = (struct zkprobe){
		.type = ZKPROBE_GONE, .path = path, .owner = owner};
	zkprobe_call(p, t);
	fakelib_settle(t->f);
}

static void assert_answer(struct zkprobe *p, int rc)
{
	zkprobe_wait(p);
	ck_assert_int_eq(p->rc, rc);
	ck_assert_int_eq(zkprobe_answers(p), 1);
	ck_assert(!p->unknown);
}

static void connected(struct zktest *t, fakelib_plan_fn *plan, int timeout_ms)
{
	struct fakelib *f = fakelib_new();

	f->plan = plan;
	zktest_connect(t, f, timeout_ms);
}

START_TEST(test_there_is_none)
{
	struct zktest t = {0};
	struct zkprobe p;

	connected(&t, none_there, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	assert_answer(&p, 0);
	zktest_close(&t);
}
END_TEST

START_TEST(test_not_to_be_read)
{
	struct zktest t = {0};
	struct zkprobe p;

	connected(&t, not_to_be_read, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	assert_answer(&p, -EACCES);
	zktest_close(&t);
}
END_TEST

/* Each hears of its own znode, all who wait for one of that. */
START_TEST(test_deleted)
{
	struct zkprobe p, q, other;
	struct zktest t = {0};

	connected(&t, NULL, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	ask(&q, &t, "/p", NULL);
	ask(&other, &t, "/other", NULL);
	ck_assert_int_eq(zkprobe_answers(&p), 0);
	fakelib_fire(t.f, "/p", ZOO_DELETED_EVENT);
	assert_answer(&p, 0);
	assert_answer(&q, 0);
	ck_assert_int_eq(zkprobe_answers(&other), 0);
	fakelib_fire(t.f, "/other", ZOO_DELETED_EVENT);
	assert_answer(&other, 0);
	fakelib_fire(t.f, "/other", ZOO_DELETED_EVENT); /* once more */
	fakelib_settle(t.f);
	zktest_close(&t);
}
END_TEST

/* A watch tells once; who wants to hear more asks again. */
START_TEST(test_changed)
{
	struct zktest t = {0};
	struct zkprobe p;

	connected(&t, NULL, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	fakelib_fire(t.f, "/p", ZOO_CHANGED_EVENT);
	fakelib_wait_submitted(t.f, 2);
	fakelib_settle(t.f);
	ck_assert_int_eq(zkprobe_answers(&p), 0);
	fakelib_fire(t.f, "/p", ZOO_DELETED_EVENT);
	assert_answer(&p, 0);
	zktest_close(&t);
}
END_TEST

/* It is asked with the first connection, and again after a loss. */
START_TEST(test_without_a_connection)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};
	struct zkprobe p;

	f->plan = zktest_park;
	zktest_open(&t, f, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	fakelib_connect(f);
	fakelib_wait_submitted(f, 1);
	fakelib_lose(f, ZCONNECTIONLOSS);
	fakelib_connect(f);
	fakelib_wait_submitted(f, 2);
	ck_assert_int_eq(zkprobe_answers(&p), 0);
	fakelib_release(f, 1, FAKELIB_NEWEST);
	fakelib_settle(f);
	fakelib_fire(f, "/p", ZOO_DELETED_EVENT);
	assert_answer(&p, 0);
	zktest_close(&t);
}
END_TEST

/* From now on, and no event tells of it. */
static void gone_silently(struct zktest *t)
{
	fakelib_lock(t->f);
	t->f->plan = none_there;
	fakelib_unlock(t->f);
}

START_TEST(test_gone_during_an_outage)
{
	struct zktest t = {0};
	struct zkprobe p;

	connected(&t, NULL, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	fakelib_lose(t.f, ZCONNECTIONLOSS);
	gone_silently(&t);
	fakelib_connect(t.f);
	assert_answer(&p, 0);
	zktest_close(&t);
}
END_TEST

START_TEST(test_gone_without_an_event)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};
	struct zkprobe p;

	f->granted_ms = 50;
	zktest_connect(&t, f, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	gone_silently(&t);
	assert_answer(&p, 0);
	zktest_close(&t);
}
END_TEST

/* Without a connection for too long. */
START_TEST(test_lost)
{
	struct zktest t = {0};
	struct zkprobe p;

	connected(&t, NULL, 50);
	ask(&p, &t, "/p", NULL);
	fakelib_lose(t.f, ZCONNECTIONLOSS);
	assert_answer(&p, -EIO);
	ck_assert_int_ge(p.answered_at - p.asked_at, 50);
	zktest_close(&t);
}
END_TEST

START_TEST(test_expired)
{
	struct zktest t = {0};
	struct zkprobe p;

	connected(&t, NULL, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	fakelib_expire(t.f);
	assert_answer(&p, -EIO);
	zktest_close(&t);
}
END_TEST

/* While it watches, and while it asks. */
START_TEST(test_interrupted)
{
	struct zk_owner owner = {0}, asking = {0};
	struct zktest t = {0};
	struct zkprobe p, q;

	connected(&t, NULL, NEVER_MS);
	ask(&p, &t, "/p", &owner);
	zk_interrupt(t.zk, &owner);
	assert_answer(&p, -EINTR);

	fakelib_lock(t.f);
	t.f->plan = zktest_park;
	fakelib_unlock(t.f);
	ask(&q, &t, "/q", &asking);
	zk_interrupt(t.zk, &asking);
	assert_answer(&q, -EINTR);
	fakelib_release(t.f, 1, FAKELIB_OLDEST);
	fakelib_settle(t.f);
	zktest_close_zk(&t);
	ck_assert_int_eq(zkprobe_answers(&q), 1);
	zktest_release(&t);
}
END_TEST

START_TEST(test_closed)
{
	struct zktest t = {0};
	struct zkprobe p;

	connected(&t, NULL, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	zktest_close_zk(&t);
	assert_answer(&p, -EIO);
	zktest_release(&t);
}
END_TEST

/* Which the library never does: what is answered is asked once more. */
START_TEST(test_fires_before_the_answer)
{
	struct zktest t = {0};
	struct zkprobe p;

	connected(&t, zktest_park, NEVER_MS);
	ask(&p, &t, "/p", NULL);
	fakelib_fire(t.f, "/p", ZOO_DELETED_EVENT);
	fakelib_settle(t.f);
	fakelib_lock(t.f);
	t.f->plan = none_there;
	fakelib_unlock(t.f);
	fakelib_release(t.f, 1, FAKELIB_OLDEST);
	assert_answer(&p, 0);
	zktest_close(&t);
}
END_TEST

UNIT_MAIN("zk_gone", test_there_is_none, test_not_to_be_read, test_deleted,
	  test_changed, test_without_a_connection, test_gone_during_an_outage,
	  test_gone_without_an_event, test_lost, test_expired,
	  test_interrupted, test_closed, test_fires_before_the_answer)
