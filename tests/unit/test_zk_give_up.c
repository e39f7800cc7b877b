/* SPDX-License-Identifier: Apache-2.0 */

/* Deadlines and interrupts of calls. */

#include <errno.h>
#include <stdio.h>

#include "unit.h"
#include "zkprobe.h"

#define NEVER_MS 600000

/*
 * What is to take less than some time does so in the best of many attempts,
 * however busy the machine is.
 */
#define ATTEMPTS 20

static void wait_all(struct zkprobe *p, int rc)
{
	for (int i = 0; i < ZKPROBE_TYPES; i++) {
		zkprobe_wait(&p[i]);
		ck_assert_int_eq(p[i].rc, rc);
	}
}

static int64_t took(const struct zkprobe *p)
{
	return p->answered_at - p->asked_at;
}

/* --- deadlines of held calls --------------------------------------------- */

START_TEST(test_deadline)
{
	struct fakelib *f = fakelib_new();
	struct zkprobe p[ZKPROBE_TYPES];
	struct zktest t = {0};

	zktest_open(&t, f, 200);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	wait_all(p, -EIO);
	for (int i = 0; i < ZKPROBE_TYPES; i++) {
		ck_assert_int_ge(took(&p[i]), 200);
		ck_assert(!p[i].unknown); /* it was never sent */
	}
	/* They are forgotten: a connection does not bring them back. */
	fakelib_connect(f);
	zktest_wait_state(&t, ZK_CONNECTED);
	fakelib_settle(f);
	ck_assert_uint_eq(fakelib_counts(f).submitted, 0);
	zktest_close(&t);
}
END_TEST

/* What is a part of something longer has what is left of its time. */
START_TEST(test_deadline_of_its_own)
{
	struct zkprobe soon = {.type = ZKPROBE_GET, .patience = 100};
	struct zkprobe late = {.type = ZKPROBE_GET, .patience = 400};
	struct zkprobe over = {.type = ZKPROBE_SET, .patience = -1};
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	zktest_open(&t, f, 200);
	zkprobe_call(&soon, &t);
	zkprobe_call(&late, &t);
	zkprobe_call(&over, &t);
	zkprobe_wait(&over);
	zkprobe_wait(&soon);
	zkprobe_wait(&late);
	ck_assert_int_eq(over.rc, -EIO);
	ck_assert(!over.unknown);
	ck_assert_int_ge(took(&soon), 100);
	ck_assert_int_ge(took(&late), 400);
	ck_assert_int_le(soon.answered_at, late.answered_at);
	zktest_close(&t);
}
END_TEST

/* A server that does not answer: who has waited long enough is told. */
START_TEST(test_deadline_when_sent)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe p[ZKPROBE_TYPES];
	struct zktest t = {0};

	zktest_connect(&t, f, 200);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	wait_all(p, -EIO);
	for (int i = 0; i < ZKPROBE_TYPES; i++) {
		ck_assert_int_ge(took(&p[i]), 200);
		ck_assert_int_eq(p[i].unknown, !zkprobe_is_read(&p[i]));
	}
	/* The answers come at last, into memory that is still there. */
	fakelib_release(f, ZKPROBE_TYPES, FAKELIB_NEWEST);
	fakelib_settle(f);
	zktest_close(&t);
}
END_TEST

/* How long a read waits that is lost when half of its time is over. */
static int64_t lose_at_half_time(int timeout_ms)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe p = {.type = ZKPROBE_GET};
	struct zktest t = {0};

	zktest_connect(&t, f, timeout_ms);
	zkprobe_call(&p, &t);
	while (now_ms() < p.asked_at + timeout_ms / 2)
		usleep(1000);
	fakelib_lose(f, ZCONNECTIONLOSS);
	zkprobe_wait(&p);
	ck_assert_int_eq(p.rc, -EIO);
	ck_assert_int_ge(took(&p), timeout_ms);
	zktest_close(&t);
	return took(&p);
}

/* It counts from when the call was made, not from when it was lost. */
START_TEST(test_deadline_of_a_lost_read)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < ATTEMPTS && best >= 600; i++)
		best = MIN(best, lose_at_half_time(400));
	ck_assert_int_lt(best, 600);
}
END_TEST

/* No room in flight, of which callers that have gone take all. */
START_TEST(test_deadline_for_want_of_room)
{
	static struct zkprobe full[ZK_IN_FLIGHT_MAX];
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe p[ZKPROBE_TYPES], q = {.type = ZKPROBE_GET};
	struct zktest t = {0};

	zktest_connect(&t, f, 200);
	for (size_t i = 0; i < ARRAY_SIZE(full); i++)
		zkprobe_call(&full[i], &t);
	for (size_t i = 0; i < ARRAY_SIZE(full); i++)
		zkprobe_wait(&full[i]);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	wait_all(p, -EIO);
	for (int i = 0; i < ZKPROBE_TYPES; i++) {
		ck_assert_int_ge(took(&p[i]), 200);
		ck_assert(!p[i].unknown);
	}
	ck_assert_uint_eq(fakelib_counts(f).submitted, ZK_IN_FLIGHT_MAX);
	/* When the server answers there is room again. */
	fakelib_release(f, ZK_IN_FLIGHT_MAX, FAKELIB_OLDEST);
	fakelib_lock(f);
	f->plan = NULL;
	fakelib_unlock(f);
	zkprobe_call(&q, &t);
	zkprobe_wait(&q);
	ck_assert_int_eq(q.rc, 0);
	zktest_close(&t);
}
END_TEST

/* --- interrupts ---------------------------------------------------------- */

/* "At once" is less than the grace that a sent call gets. */
START_TEST(test_interrupted_while_held)
{
	struct fakelib *f = fakelib_new();
	int64_t best = INT64_MAX;
	struct zktest t = {0};

	zktest_open(&t, f, NEVER_MS);
	for (int i = 0; i < ATTEMPTS && best >= ZK_INTERRUPT_GRACE_MS; i++) {
		struct zk_owner owner = {0};
		struct zkprobe p[ZKPROBE_TYPES];
		int64_t start;

		zkprobe_call_all(p, ZKPROBE_TYPES, &t, &owner);
		start = now_ms();
		zk_interrupt(t.zk, &owner);
		wait_all(p, -EINTR);
		for (int k = 0; k < ZKPROBE_TYPES; k++)
			ck_assert(!p[k].unknown);
		best = MIN(best, now_ms() - start);
	}
	ck_assert_int_lt(best, ZK_INTERRUPT_GRACE_MS);
	fakelib_connect(f);
	zktest_wait_state(&t, ZK_CONNECTED);
	fakelib_settle(f);
	ck_assert_uint_eq(fakelib_counts(f).submitted, 0);
	zktest_close(&t);
}
END_TEST

START_TEST(test_interrupted_when_sent)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe p[ZKPROBE_TYPES];
	struct zk_owner owner = {0};
	struct zktest t = {0};
	int64_t start;

	zktest_connect(&t, f, NEVER_MS);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, &owner);
	start = now_ms();
	zk_interrupt(t.zk, &owner);
	wait_all(p, -EINTR);
	for (int i = 0; i < ZKPROBE_TYPES; i++) {
		ck_assert_int_ge(p[i].answered_at - start,
				 ZK_INTERRUPT_GRACE_MS);
		ck_assert_int_eq(p[i].unknown, !zkprobe_is_read(&p[i]));
	}
	/* Their completions come at last: into memory that is still there. */
	fakelib_release(f, ZKPROBE_TYPES, FAKELIB_NEWEST);
	fakelib_settle(f);
	zktest_close(&t);
}
END_TEST

START_TEST(test_true_answer_within_the_grace)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe p[ZKPROBE_TYPES];
	struct zktest t = {0};
	int i;

	zktest_connect(&t, f, NEVER_MS);
	for (i = 0; i < ATTEMPTS; i++) {
		struct zk_owner owner = {0};
		int64_t start;

		zkprobe_call_all(p, ZKPROBE_TYPES, &t, &owner);
		start = now_ms();
		zk_interrupt(t.zk, &owner);
		fakelib_release(f, ZKPROBE_TYPES, FAKELIB_OLDEST);
		for (int k = 0; k < ZKPROBE_TYPES; k++)
			zkprobe_wait(&p[k]);
		fakelib_settle(f);
		if (now_ms() - start < ZK_INTERRUPT_GRACE_MS)
			break;
	}
	ck_assert_int_lt(i, ATTEMPTS);
	wait_all(p, 0);
	zktest_close(&t);
}
END_TEST

/*
 * An owner that was interrupted before it made the calls, while others wait
 * that have a long time yet.
 */
START_TEST(test_interrupted_before_the_call)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe p[ZKPROBE_TYPES], other = {.type = ZKPROBE_GET};
	struct zk_owner owner = {0};
	struct zktest t = {0};

	zktest_open(&t, f, NEVER_MS);
	zkprobe_call(&other, &t);
	zk_interrupt(t.zk, &owner);
	for (int i = 0; i < ZKPROBE_TYPES; i++) {
		p[i] = (struct zkprobe){.type = i, .owner = &owner};
		zkprobe_call(&p[i], &t);
		zkprobe_wait(&p[i]);
		ck_assert_int_eq(p[i].rc, -EINTR);
		ck_assert(!p[i].unknown);
	}
	ck_assert_int_eq(zkprobe_answers(&other), 0);
	ck_assert_uint_eq(fakelib_counts(f).submitted, 0);
	zktest_close(&t);
}
END_TEST

/* Again and again: in the later rounds the keeper thread is asleep. */
START_TEST(test_interrupted_before_the_call_is_sent)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe p[4] = {0};
	struct zk_owner owner = {0};
	struct zktest t = {0};

	zktest_connect(&t, f, NEVER_MS);
	zk_interrupt(t.zk, &owner);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = (struct zkprobe){.type = i * 2, .owner = &owner};
		zkprobe_call(&p[i], &t);
		zkprobe_wait(&p[i]);
		ck_assert_int_eq(p[i].rc, -EINTR);
		ck_assert_int_ge(took(&p[i]), ZK_INTERRUPT_GRACE_MS);
	}
	zktest_close(&t);
}
END_TEST

START_TEST(test_others_are_not_interrupted)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe a[ZKPROBE_TYPES], b[ZKPROBE_TYPES], c[ZKPROBE_TYPES];
	struct zk_owner owners[2] = {0};
	struct zktest t = {0};

	zktest_connect(&t, f, NEVER_MS);
	zkprobe_call_all(a, ZKPROBE_TYPES, &t, &owners[0]);
	zkprobe_call_all(b, ZKPROBE_TYPES, &t, &owners[1]);
	zkprobe_call_all(c, ZKPROBE_TYPES, &t, NULL);
	zk_interrupt(t.zk, &owners[0]);
	zk_interrupt(t.zk, &owners[0]); /* again: no other deadline */
	wait_all(a, -EINTR);
	fakelib_release(f, 3 * ZKPROBE_TYPES, FAKELIB_NEWEST);
	wait_all(b, 0);
	wait_all(c, 0);
	zktest_close(&t);
}
END_TEST

/*
 * A read of an interrupted owner that loses its connection would be held
 * again; and held calls of such owners fail with -EINTR.
 */
START_TEST(test_interrupted_and_lost)
{
	struct fakelib *f = zktest_fake(zktest_park);
	struct zk_owner owner = {0};
	struct zkprobe p[ZKPROBE_TYPES];
	struct zktest t = {0};

	zktest_connect(&t, f, NEVER_MS);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, &owner);
	zk_interrupt(t.zk, &owner);
	fakelib_lose(f, ZCONNECTIONLOSS);
	for (int i = 0; i < ZKPROBE_TYPES; i++) {
		zkprobe_wait(&p[i]);
		if (zkprobe_is_read(&p[i]))
			ck_assert_int_eq(p[i].rc, -EINTR);
		ck_assert_int_eq(p[i].unknown, !zkprobe_is_read(&p[i]));
	}
	zktest_close(&t);
}
END_TEST

/* Callers that have gone leave no more in flight than may be. */
START_TEST(test_many_given_up)
{
	static struct zkprobe full[ZK_IN_FLIGHT_MAX];
	struct fakelib *f = zktest_fake(zktest_park);
	struct zkprobe p[ZKPROBE_TYPES], q = {.type = ZKPROBE_GET};
	struct zk_owner owner = {0};
	struct zktest t = {0};

	zktest_connect(&t, f, NEVER_MS);
	for (size_t i = 0; i < ARRAY_SIZE(full); i++) {
		full[i].type = i % ZKPROBE_TYPES;
		full[i].owner = &owner;
		zkprobe_call(&full[i], &t);
	}
	zk_interrupt(t.zk, &owner);
	for (size_t i = 0; i < ARRAY_SIZE(full); i++)
		zkprobe_wait(&full[i]);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	zkprobe_call(&q, &t);
	ck_assert_uint_eq(fakelib_counts(f).most_pending, ZK_IN_FLIGHT_MAX);
	/* All of them at once, and the last of them first. */
	fakelib_release(f, ZK_IN_FLIGHT_MAX, FAKELIB_NEWEST);
	fakelib_wait_submitted(f, ZK_IN_FLIGHT_MAX + ZKPROBE_TYPES + 1);
	fakelib_release(f, ZKPROBE_TYPES + 1, FAKELIB_OLDEST);
	wait_all(p, 0);
	zkprobe_wait(&q);
	zktest_close(&t);
}
END_TEST

UNIT_MAIN("zk_give_up", test_deadline, test_deadline_of_its_own,
	  test_deadline_when_sent,
	  test_deadline_of_a_lost_read, test_deadline_for_want_of_room,
	  test_interrupted_while_held, test_interrupted_when_sent,
	  test_true_answer_within_the_grace, test_interrupted_before_the_call,
	  test_interrupted_before_the_call_is_sent,
	  test_others_are_not_interrupted, test_interrupted_and_lost,
	  test_many_given_up)
