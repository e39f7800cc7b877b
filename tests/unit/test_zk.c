/* SPDX-License-Identifier: Apache-2.0 */

/* Calls on a session that is there, and a library that answers oddly. */

#include <errno.h>
#include <stdio.h>

#include "unit.h"
#include "zkerr.h"
#include "zkprobe.h"

#define TIMEOUT_MS 600000 /* of held calls: never in these tests */

/* The plan for all calls is what the test has at @arg. */
static void same_for_all(struct fakelib *f,
			 const struct fakelib_call *c _unused_,
			 struct fakelib_plan *p)
{
	*p = *(const struct fakelib_plan *)f->arg;
}

static struct fakelib *fake_with(struct fakelib_plan *plan)
{
	struct fakelib *f = fakelib_new();

	f->plan = same_for_all;
	f->arg = plan;
	return f;
}

static void set_plan(struct fakelib *f, struct fakelib_plan plan)
{
	fakelib_lock(f);
	*(struct fakelib_plan *)f->arg = plan;
	fakelib_unlock(f);
}

/* One call of @type, answered. */
static struct zkprobe ask(struct zktest *t, enum zkprobe_type type)
{
	struct zkprobe p = {.type = type};

	zkprobe_call(&p, t);
	zkprobe_wait(&p);
	fakelib_settle(t->f);
	return p;
}

/* --- one answer ---------------------------------------------------------- */

static void all_types(struct fakelib_plan plan)
{
	struct zktest t = {0};

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (int type = 0; type < ZKPROBE_TYPES; type++)
		ck_assert_int_eq(ask(&t, type).rc, 0);
	zktest_close(&t);
}

START_TEST(test_success)
{
	all_types((struct fakelib_plan){.soon = 1});
}
END_TEST

START_TEST(test_answer_before_the_submit_returns)
{
	all_types((struct fakelib_plan){.soon = 1, .first = true});
}
END_TEST

START_TEST(test_completed_twice)
{
	all_types((struct fakelib_plan){.soon = 2});
	all_types((struct fakelib_plan){.soon = 3, .first = true});
}
END_TEST

/* Second completions that come when the slot has had other calls. */
START_TEST(test_completed_again_later)
{
	struct fakelib_plan plan = {.soon = 1, .parked = 1};
	struct zktest t = {0};
	struct zkprobe p[200] = {0};

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		p[i].type = i % ZKPROBE_TYPES;
		p[i].path = i % 2 ? "/odd" : "/even/path";
		zkprobe_call(&p[i], &t);
		zkprobe_wait(&p[i]);
		if (i >= 100)
			fakelib_release(t.f, 1, FAKELIB_NEWEST);
	}
	set_plan(t.f, (struct fakelib_plan){.parked = 1});
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = (struct zkprobe){.type = i % ZKPROBE_TYPES};
		zkprobe_call(&p[i], &t);
	}
	/* The old ones first: they find nothing, not the new calls. */
	fakelib_release(t.f, 100, FAKELIB_OLDEST);
	fakelib_settle(t.f);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		ck_assert_int_eq(zkprobe_answers(&p[i]), 0);
	fakelib_release(t.f, 1000, FAKELIB_OLDEST);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		zkprobe_wait(&p[i]);
	zktest_close(&t);
}
END_TEST

START_TEST(test_out_of_order)
{
	struct fakelib_plan plan = {.parked = 1};
	struct zktest t = {0};
	struct zkprobe p[500] = {0};
	char paths[500][16];

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		snprintf(paths[i], sizeof(paths[i]), "/p%zu", i);
		p[i] = (struct zkprobe){.type = i % ZKPROBE_TYPES,
					.path = paths[i]};
		zkprobe_call(&p[i], &t);
	}
	for (size_t i = ARRAY_SIZE(p); i-- > 0;) {
		fakelib_release(t.f, 1,
				i % 3 ? FAKELIB_NEWEST : FAKELIB_OLDEST);
	}
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		zkprobe_wait(&p[i]);
		ck_assert_int_eq(p[i].rc, 0);
	}
	zktest_close(&t);
}
END_TEST

/* --- codes --------------------------------------------------------------- */

/* What the library's header lacks. */
enum { ZUNKNOWNSESSION = -12, ZREQUESTTIMEOUT = -122 };

struct code {
	int code;
	int err;
};

#define CODE(name, code, err) {code, err},

static const struct code codes[] = {
	ZKERR_TABLE(CODE) ZKERR_TABLE_SERVER(CODE){-4711, EIO},
};

/*
 * With these the library fails all that is under way, so nobody knows what has
 * become of a change: what is not a server's answer, nor our own mistake.
 */
static bool is_loss(int code)
{
	if (code == ZSESSIONEXPIRED || code == ZCLOSING)
		return true;
	return code > ZAPIERROR && code < ZOK && code != ZBADARGUMENTS &&
	       code != ZUNIMPLEMENTED && code != ZUNKNOWNSESSION &&
	       code != ZNEWCONFIGNOQUORUM && code != ZRECONFIGINPROGRESS;
}

/* These are the server's word that nothing was changed. */
static bool is_refusal(int code)
{
	return code <= ZAPIERROR && !is_loss(code) && code != ZSESSIONMOVED &&
	       code != ZREQUESTTIMEOUT && code != -4711;
}

START_TEST(test_codes_of_reads)
{
	struct fakelib_plan plan = {0};
	struct zktest t = {0};

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		int code = codes[i].code;

		if (code != ZOK && !is_refusal(code))
			continue;
		set_plan(t.f, (struct fakelib_plan){.code = code, .soon = 1});
		for (int type = 0; type <= ZKPROBE_SYNC; type++) {
			struct zkprobe p = ask(&t, type);

			ck_assert_int_eq(p.rc, -codes[i].err);
			ck_assert_int_eq(p.code, code);
		}
	}
	zktest_close(&t);
}
END_TEST

START_TEST(test_codes_of_changes)
{
	struct fakelib_plan plan = {0};
	struct zktest t = {0};

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		int code = codes[i].code;

		set_plan(t.f, (struct fakelib_plan){.code = code, .soon = 1});
		for (int type = ZKPROBE_CREATE; type < ZKPROBE_TYPES; type++) {
			struct zkprobe p = ask(&t, type);

			ck_assert_int_eq(p.rc, -codes[i].err);
			ck_assert_int_eq(p.code, code);
			if (is_loss(code) && !p.unknown)
				ck_abort_msg("%s may have changed something",
					     zkerr_name(code));
			if (is_refusal(code) && p.unknown)
				ck_abort_msg("%s has changed nothing",
					     zkerr_name(code));
		}
	}
	zktest_close(&t);
}
END_TEST

/* The first attempts are lost, with the code at @arg; the third succeeds. */
static void lose_twice(struct fakelib *f, const struct fakelib_call *c,
		       struct fakelib_plan *p)
{
	p->code = c->nth % 3 == 2 ? ZOK : *(const int *)f->arg;
}

START_TEST(test_lost_reads_are_sent_again)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		int code = codes[i].code;
		struct zktest t = {0};

		if (!is_loss(code))
			continue;
		t.f = fakelib_new();
		t.f->plan = lose_twice;
		t.f->arg = &code;
		zktest_connect(&t, t.f, TIMEOUT_MS);
		for (int type = 0; type <= ZKPROBE_SYNC; type++) {
			struct zkprobe p = ask(&t, type);

			if (p.rc != 0)
				ck_abort_msg("%s: %d", zkerr_name(code), p.rc);
		}
		zktest_close(&t);
	}
}
END_TEST

/* A server that breaks the connection at one request does so for ever. */
START_TEST(test_read_that_is_always_lost)
{
	struct fakelib_plan plan = {.code = ZCONNECTIONLOSS, .soon = 1};
	struct zktest t = {0};
	struct zkprobe p;

	zktest_connect(&t, fake_with(&plan), 300);
	p = ask(&t, ZKPROBE_GET);
	ck_assert_int_eq(p.rc, -EIO);
	ck_assert_int_ge(p.answered_at - p.asked_at, 300);
	zktest_close(&t);
}
END_TEST

/* --- refused submits ----------------------------------------------------- */

/* Whether a completion comes as well, and when. */
static const struct fakelib_plan refusals[] = {
	{.soon = 0}, {.soon = 1},   {.soon = 1, .first = true},
	{.soon = 2}, {.parked = 1},
};

static const int refusal_codes[] = {ZBADARGUMENTS, ZMARSHALLINGERROR,
				    ZSYSTEMERROR};

/* Whichever of the two is first; nothing was sent. */
static void check_refused(const struct zkprobe *p, int code)
{
	ck_assert(p->rc == zkerr_to_errno(code) || p->rc == -EINVAL);
	ck_assert(!p->unknown);
	ck_assert_int_eq(p->answers, 1);
}

START_TEST(test_refused)
{
	struct fakelib_plan plan = {0};
	struct zktest t = {0};

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(refusal_codes); k++) {
			plan = refusals[i];
			plan.submit_code = refusal_codes[k];
			plan.code = ZBADARGUMENTS;
			set_plan(t.f, plan);
			for (int type = 0; type < ZKPROBE_TYPES; type++) {
				struct zkprobe p = {.type = type};

				zkprobe_call(&p, &t);
				zkprobe_wait(&p);
				fakelib_release(t.f, 9, FAKELIB_OLDEST);
				fakelib_settle(t.f);
				check_refused(&p, plan.submit_code);
			}
		}
	}
	zktest_close(&t);
}
END_TEST

/*
 * The library queues the completion of a multi before it queues the request,
 * and says ZMARSHALLINGERROR if the latter fails.  The completion comes when
 * the connection breaks, and writes into the results first.
 */
START_TEST(test_refused_multi_completes_later)
{
	struct fakelib_plan plan = {.submit_code = ZMARSHALLINGERROR,
				    .code = ZCONNECTIONLOSS,
				    .parked = 1};
	struct zktest t = {0};
	struct zkprobe p = {.type = ZKPROBE_MULTI};

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	zkprobe_call(&p, &t);
	zkprobe_wait(&p);
	ck_assert_int_eq(p.rc, -EIO);
	fakelib_release(t.f, 1, FAKELIB_OLDEST);
	fakelib_settle(t.f);
	zktest_close(&t);
}
END_TEST

/*
 * The session has expired, but the event has not come yet: nothing was sent,
 * so changes too wait for the next session.
 */
START_TEST(test_refused_by_a_dead_handle)
{
	struct fakelib_plan plan = {.submit_code = ZINVALIDSTATE};
	struct zkprobe p[ZKPROBE_TYPES] = {0};
	struct zktest t = {0};

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (int type = 0; type < ZKPROBE_TYPES; type++) {
		p[type].type = type;
		zkprobe_call(&p[type], &t);
	}
	zktest_wait_held(&t, ZKPROBE_TYPES);
	ck_assert_uint_eq(fakelib_counts(t.f).submitted, 1);
	set_plan(t.f, (struct fakelib_plan){.soon = 1});
	fakelib_expire(t.f);
	fakelib_wait_opened(t.f, 2);
	fakelib_connect(t.f);
	for (int type = 0; type < ZKPROBE_TYPES; type++) {
		zkprobe_wait(&p[type]);
		ck_assert_int_eq(p[type].rc, 0);
	}
	zktest_close(&t);
}
END_TEST

/* --- many ---------------------------------------------------------------- */

START_TEST(test_more_than_may_be_in_flight)
{
	enum { COUNT = 3 * ZK_IN_FLIGHT_MAX };
	static struct zkprobe p[COUNT];
	struct fakelib_plan plan = {.parked = 1};
	struct zktest t = {0};
	struct zk_stats stats;

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (int i = 0; i < COUNT; i++) {
		p[i] = (struct zkprobe){.type = i % ZKPROBE_TYPES};
		zkprobe_call(&p[i], &t);
	}
	zk_get_stats(t.zk, &stats);
	ck_assert_uint_eq(stats.in_flight, ZK_IN_FLIGHT_MAX);
	ck_assert_uint_eq(stats.held, COUNT - ZK_IN_FLIGHT_MAX);
	ck_assert_uint_eq(fakelib_counts(t.f).pending, ZK_IN_FLIGHT_MAX);
	for (int i = 0; i < COUNT; i++) {
		fakelib_wait_submitted(t.f, MIN(COUNT, i + ZK_IN_FLIGHT_MAX));
		ck_assert_uint_eq(fakelib_release(t.f, 1, FAKELIB_OLDEST), 1);
	}
	for (int i = 0; i < COUNT; i++) {
		zkprobe_wait(&p[i]);
		ck_assert_int_eq(p[i].rc, 0);
	}
	ck_assert_uint_eq(fakelib_counts(t.f).most_pending, ZK_IN_FLIGHT_MAX);
	zk_get_stats(t.zk, &stats);
	ck_assert_uint_eq(stats.in_flight, 0);
	ck_assert_uint_eq(stats.held, 0);
	ck_assert_uint_eq(stats.sent, COUNT);
	zktest_close(&t);
}
END_TEST

/* What is held goes out in the order in which it was made. */
static void note_path(struct fakelib *f, const struct fakelib_call *c,
		      struct fakelib_plan *p _unused_)
{
	int *order = f->arg;

	order[c->nth] = atoi(c->path + 2);
}

START_TEST(test_held_calls_keep_their_order)
{
	enum { COUNT = 200 };
	struct zkprobe p[COUNT] = {0};
	struct zktest t = {0};
	char paths[COUNT][16];
	int order[COUNT];

	t.f = fakelib_new();
	t.f->plan = note_path;
	t.f->arg = order;
	zktest_open(&t, t.f, TIMEOUT_MS);
	for (int i = 0; i < COUNT; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/p%d", i);
		p[i] = (struct zkprobe){.type = ZKPROBE_SET, .path = paths[i]};
		zkprobe_call(&p[i], &t);
	}
	fakelib_connect(t.f);
	for (int i = 0; i < COUNT; i++) {
		zkprobe_wait(&p[i]);
		ck_assert_int_eq(order[i], i);
	}
	zktest_close(&t);
}
END_TEST

/* An answer that makes the next call, for ever so long: no stack grows. */
static void again(struct zkprobe *p)
{
	int *left = p->arg;

	if (--*left == 0)
		return;
	pthread_mutex_lock(&p->t->lock);
	p->answers = 0;
	pthread_mutex_unlock(&p->t->lock);
	zkprobe_call(p, p->t);
}

START_TEST(test_calls_from_answers)
{
	struct fakelib_plan plan = {.soon = 1, .first = true};
	struct zktest t = {0};
	int left[4];
	struct zkprobe p[4] = {0};

	zktest_connect(&t, fake_with(&plan), TIMEOUT_MS);
	for (int i = 0; i < 4; i++) {
		left[i] = 20000;
		p[i] = (struct zkprobe){.type = ZKPROBE_GET + i * 2,
					.then = again,
					.arg = &left[i]};
		zkprobe_call(&p[i], &t);
	}
	fakelib_wait_submitted(t.f, 4 * 20000);
	fakelib_settle(t.f);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(left[i], 0);
		ck_assert_int_eq(zkprobe_answers(&p[i]), 1);
	}
	zktest_close(&t);
}
END_TEST

UNIT_MAIN("zk", test_success, test_answer_before_the_submit_returns,
	  test_completed_twice, test_completed_again_later, test_out_of_order,
	  test_codes_of_reads, test_codes_of_changes,
	  test_lost_reads_are_sent_again, test_read_that_is_always_lost,
	  test_refused, test_refused_multi_completes_later,
	  test_refused_by_a_dead_handle, test_more_than_may_be_in_flight,
	  test_held_calls_keep_their_order, test_calls_from_answers)
