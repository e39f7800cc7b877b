/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All at once: four threads that call and interrupt, a library that does
 * everything it may do, connections and sessions that come and go, and a close
 * at some moment.  Every call is answered once, with its own answer, or the
 * probe aborts.
 *
 * ZNODEFS_STRESS in the environment is a factor for the length.
 */

#include <errno.h>
#include <stdio.h>

#include "unit.h"
#include "zkprobe.h"

enum { THREADS = 4, WINDOW = 700 };

struct storm {
	struct zktest t;
	uint64_t rng;     /* the plan's, under the fake's lock */
	atomic_bool calm; /* the weather ends */
	unsigned calls;   /* of each thread */
	bool submits_fail;
};

struct caller {
	struct storm *s;
	pthread_t thread;
	uint64_t rng;
	struct zkprobe probes[WINDOW];
	struct zk_owner owners[WINDOW];
	char paths[WINDOW][24];
	unsigned succeeded;
};

static const int codes[] = {
	ZOK,     ZOK,         ZOK,         ZOK,     ZOK,          ZOK,
	ZNONODE, ZNODEEXISTS, ZBADVERSION, ZNOAUTH, ZTHROTTLEDOP,
};

/* Each of these is followed by a pause, so they are few. */
static const int losses[] = {ZCONNECTIONLOSS, ZOPERATIONTIMEOUT,
			     ZRUNTIMEINCONSISTENCY};

static void plan(struct fakelib *f, const struct fakelib_call *c,
		 struct fakelib_plan *p)
{
	struct storm *s = f->arg;
	unsigned way = unit_rand(&s->rng, 16);

	p->code = codes[unit_rand(&s->rng, ARRAY_SIZE(codes))];
	if (unit_rand(&s->rng, 500) == 0)
		p->code = losses[unit_rand(&s->rng, ARRAY_SIZE(losses))];
	p->first = way < 4;
	p->soon = way < 13 ? 1 : way < 15 ? 2 : 0;
	p->parked = way % 4 == 2;
	/* What is neither now nor later fails with the connection. */
	if (s->submits_fail && unit_rand(&s->rng, 64) == 0)
		p->submit_code = c->is_multi ? ZOK : ZMARSHALLINGERROR;
}

/* --- weather ------------------------------------------------------------- */

static void *weather(void *arg)
{
	const struct timespec pause = {.tv_nsec = 3000000};
	struct storm *s = arg;
	struct fakelib *f = s->t.f;
	uint64_t rng = 0xdeadbeef;

	while (!atomic_load(&s->calm)) {
		unsigned what = unit_rand(&rng, 200);

		if (what < 5)
			fakelib_lose(f, losses[what % ARRAY_SIZE(losses)]);
		else if (what == 5)
			fakelib_expire(f);
		else if (what == 6)
			fakelib_fail_pending(f, ZCONNECTIONLOSS);
		else if (what < 100)
			fakelib_release(f, unit_rand(&rng, 50),
					what % 2 ? FAKELIB_OLDEST
						 : FAKELIB_NEWEST);
		else
			fakelib_connect(f);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* All that is open comes to an end, if the session is to go on. */
static void *sunshine(void *arg)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct storm *s = arg;
	struct zk_stats stats;

	do {
		fakelib_connect(s->t.f);
		fakelib_release(s->t.f, SIZE_MAX, FAKELIB_OLDEST);
		fakelib_fail_pending(s->t.f, ZCONNECTIONLOSS);
		nanosleep(&pause, NULL);
		zk_get_stats(s->t.zk, &stats);
	} while (stats.in_flight > 0 || stats.held > 0);
	return NULL;
}

/* --- callers ------------------------------------------------------------- */

static void call_one(struct caller *c, unsigned i, unsigned n)
{
	struct zkprobe *p = &c->probes[i];

	if (p->t) {
		zkprobe_wait(p);
		c->succeeded += p->rc == 0;
	}
	snprintf(c->paths[i], sizeof(c->paths[i]), "/%u/%u", i, n);
	atomic_store(&c->owners[i].interrupted, false);
	*p = (struct zkprobe){
		.type = unit_rand(&c->rng, ZKPROBE_TYPES),
		.path = c->paths[i],
		.owner = unit_rand(&c->rng, 2) ? &c->owners[i] : NULL,
	};
	zkprobe_call(p, &c->s->t);
	if (unit_rand(&c->rng, 20) == 0)
		zk_interrupt(c->s->t.zk, &c->owners[i]);
}

/* Up to WINDOW calls at the same time. */
static void *caller_main(void *arg)
{
	struct caller *c = arg;

	for (unsigned n = 0; n < c->s->calls; n++)
		call_one(c, n % WINDOW, n);
	return NULL;
}

static unsigned factor(void)
{
	const char *text = getenv("ZNODEFS_STRESS");
	double x = text ? atof(text) : 1;

	return x > 0.01 ? (unsigned)(x * 100) : 1;
}

static void check_answers(struct caller *callers)
{
	for (int i = 0; i < THREADS; i++) {
		for (int k = 0; k < WINDOW && callers[i].probes[k].t; k++)
			ck_assert_int_eq(zkprobe_answers(&callers[i].probes[k]),
					 1);
	}
}

/* @calm_down: all that is open is answered before the close. */
static void run(struct storm *s, uint64_t seed, bool calm_down)
{
	struct caller *callers = xcalloc(THREADS, sizeof(*callers));
	struct fakelib *f = fakelib_new();
	pthread_t air;

	*s = (struct storm){
		.rng = seed, .calls = factor() * 100, .submits_fail = seed % 2};
	f->plan = plan;
	f->arg = s;
	f->drop_on_close = seed % 3 == 0;
	zktest_connect(&s->t, f, 2000);
	pthread_create(&air, NULL, weather, s);
	for (int i = 0; i < THREADS; i++) {
		callers[i].s = s;
		callers[i].rng = seed * 1000 + (unsigned)i + 1;
		pthread_create(&callers[i].thread, NULL, caller_main,
			       &callers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(callers[i].thread, NULL);
	atomic_store(&s->calm, true);
	pthread_join(air, NULL);
	if (calm_down)
		sunshine(s);
	zktest_close_zk(&s->t);
	check_answers(callers);
	ck_assert_uint_le(fakelib_counts(f).most_pending, ZK_IN_FLIGHT_MAX);
	if (s->calls > WINDOW)
		ck_assert_uint_gt(callers[0].succeeded, 0);
	zktest_release(&s->t);
	free(callers);
}

START_TEST(test_storm)
{
	struct storm s;

	for (uint64_t seed = 1; seed <= 3; seed++)
		run(&s, seed, true);
}
END_TEST

/* The close comes when it comes. */
START_TEST(test_close_in_a_storm)
{
	struct storm s;

	for (uint64_t seed = 1; seed <= 3; seed++)
		run(&s, seed, false);
}
END_TEST

/* Many short ones: the close meets every phase of the session's life. */
START_TEST(test_many_closes)
{
	for (unsigned i = 0; i < 2 * factor(); i++) {
		struct fakelib *f = fakelib_new();
		struct storm s = {.rng = i + 1};
		struct zkprobe p[50] = {0};
		unsigned way = i % 8;

		f->plan = plan;
		f->arg = &s;
		f->drop_on_close = way & 1;
		f->connect_at_once = way & 2;
		zktest_open(&s.t, f, 5000);
		if (way & 4)
			fakelib_connect(f);
		for (unsigned k = 0; k < ARRAY_SIZE(p); k++) {
			p[k].type = k % ZKPROBE_TYPES;
			zkprobe_call(&p[k], &s.t);
			if (k == 40 - i % 40)
				fakelib_expire(f);
			if (k == i % 50)
				fakelib_lose(f, ZCONNECTIONLOSS);
			if (k % 16 == 0)
				fakelib_connect(f);
		}
		zktest_close_zk(&s.t);
		for (unsigned k = 0; k < ARRAY_SIZE(p); k++)
			ck_assert_int_eq(zkprobe_answers(&p[k]), 1);
		zktest_release(&s.t);
	}
}
END_TEST

UNIT_MAIN("zk_storm", test_storm, test_close_in_a_storm, test_many_closes)
