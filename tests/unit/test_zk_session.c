/* SPDX-License-Identifier: Apache-2.0 */

/* Connections and sessions that come and go. */

#include <errno.h>
#include <stdio.h>

#include "unit.h"
#include "zkprobe.h"

#define TIMEOUT_MS 600000 /* of held calls: never in these tests */

static void set_plan(struct fakelib *f, fakelib_plan_fn *plan)
{
	fakelib_lock(f);
	f->plan = plan;
	fakelib_unlock(f);
}

/* --- connections --------------------------------------------------------- */

START_TEST(test_states)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	zktest_open(&t, f, TIMEOUT_MS);
	ck_assert_int_eq(zk_get_state(t.zk), ZK_CONNECTING);
	ck_assert_int_eq(zk_session_id(t.zk), 0);
	fakelib_connect(f);
	zktest_assert_states(&t, "N");
	ck_assert_int_eq(zk_session_id(t.zk), 0x1001);
	fakelib_lose(f, ZCONNECTIONLOSS);
	zktest_assert_states(&t, "NL");
	ck_assert_int_eq(zk_session_id(t.zk), 0x1001);
	fakelib_connect(f);
	zktest_assert_states(&t, "NLC");
	fakelib_expire(f);
	fakelib_wait_opened(f, 2);
	zktest_wait_states(&t, 4);
	ck_assert_int_eq(t.states[3], 'E');
	fakelib_connect(f);
	zktest_wait_state(&t, ZK_CONNECTED);
	ck_assert_int_eq(zk_session_id(t.zk), 0x1002);
	zktest_close_zk(&t);
	ck_assert_int_eq(t.states[t.n_states - 1], 'X');
	zktest_release(&t);
}
END_TEST

/* "Every change of state": the one to ZK_CONNECTING is one. */
START_TEST(test_every_change_is_told)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	zktest_connect(&t, f, TIMEOUT_MS);
	fakelib_expire(f);
	zktest_wait_state(&t, ZK_CONNECTING);
	fakelib_wait_opened(f, 2);
	fakelib_connect(f);
	zktest_wait_state(&t, ZK_CONNECTED);
	zktest_close_zk(&t);
	ck_assert_str_eq(t.states, "NEcNX");
	zktest_release(&t);
}
END_TEST

/* The library repeats itself, and tries in vain. */
START_TEST(test_repeated_events)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	zktest_open(&t, f, TIMEOUT_MS);
	fakelib_event(f, ZOO_CONNECTING_STATE);
	fakelib_event(f, ZOO_ASSOCIATING_STATE);
	fakelib_event(f, ZOO_NOTCONNECTED_STATE);
	for (int i = 0; i < 3; i++)
		fakelib_connect(f);
	for (int i = 0; i < 3; i++)
		fakelib_lose(f, ZCONNECTIONLOSS);
	fakelib_event(f, ZOO_ASSOCIATING_STATE);
	for (int i = 0; i < 3; i++)
		fakelib_connect(f);
	zktest_assert_states(&t, "NLC");
	zktest_close(&t);
}
END_TEST

START_TEST(test_read_only_server)
{
	struct fakelib *f = fakelib_new();
	struct zkprobe p = {.type = ZKPROBE_GET};
	struct zktest t = {0};

	zktest_open(&t, f, TIMEOUT_MS);
	fakelib_connect_as(f, ZOO_READONLY_STATE, 0x77);
	ck_assert_int_eq(zk_wait_connected(t.zk, 60000), 0);
	zktest_wait_state(&t, ZK_READ_ONLY);
	zkprobe_call(&p, &t);
	zkprobe_wait(&p);
	ck_assert_int_eq(p.rc, 0);
	/* A server with a quorum is found: another session, no expiry. */
	fakelib_lose(f, ZCONNECTIONLOSS);
	fakelib_connect_as(f, ZOO_CONNECTED_STATE, 0x88);
	zktest_wait_state(&t, ZK_CONNECTED);
	ck_assert_int_eq(zk_session_id(t.zk), 0x88);
	fakelib_settle(f);
	ck_assert_int_eq(t.states[t.n_states - 1], 'N');
	ck_assert_uint_eq(fakelib_counts(f).opened, 1);
	zktest_close(&t);
}
END_TEST

START_TEST(test_wait_connected)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	zktest_open(&t, f, TIMEOUT_MS);
	ck_assert_int_eq(zk_wait_connected(t.zk, 1), -ETIMEDOUT);
	fakelib_fail_auth(f);
	ck_assert_int_eq(zk_wait_connected(t.zk, 60000), -EACCES);
	zktest_assert_states(&t, "A");
	zktest_close(&t);
}
END_TEST

/* A submit would only wake the library from its delay. */
START_TEST(test_nothing_is_sent_without_a_connection)
{
	enum { COUNT = 2 * ZKPROBE_TYPES };
	struct fakelib *f = fakelib_new();
	struct zkprobe p[COUNT] = {0}, q[COUNT] = {0};
	struct zktest t = {0};

	zktest_open(&t, f, TIMEOUT_MS);
	zkprobe_call_all(p, COUNT, &t, NULL);
	zktest_wait_held(&t, COUNT);
	fakelib_connect(f);
	zkprobe_wait_all(p, COUNT);
	fakelib_lose(f, ZCONNECTIONLOSS);
	zktest_wait_state(&t, ZK_LOST);
	zkprobe_call_all(q, COUNT, &t, NULL);
	zktest_wait_held(&t, COUNT);
	ck_assert_uint_eq(fakelib_counts(f).submitted, COUNT);
	fakelib_connect(f);
	zkprobe_wait_all(q, COUNT);
	ck_assert_uint_eq(fakelib_counts(f).submitted, 2 * COUNT);
	ck_assert_uint_eq(fakelib_counts(f).disconnected, 0);
	zktest_close(&t);
}
END_TEST

/* Reads go out again, once; of changes nobody knows. */
static void lose_in_flight(int code)
{
	enum { COUNT = 90 };
	struct fakelib *f = zktest_fake(zktest_keep);
	struct zkprobe p[COUNT] = {0};
	struct zktest t = {0};
	unsigned reads = 0;

	zktest_connect(&t, f, TIMEOUT_MS);
	zkprobe_call_all(p, COUNT, &t, NULL);
	fakelib_lose(f, code);
	fakelib_settle(f);
	for (int i = 0; i < COUNT; i++) {
		reads += zkprobe_is_read(&p[i]);
		ck_assert_int_eq(zkprobe_answers(&p[i]),
				 !zkprobe_is_read(&p[i]));
	}
	set_plan(f, NULL);
	fakelib_connect(f);
	zkprobe_wait_all(p, COUNT);
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq(p[i].rc, zkprobe_is_read(&p[i]) ? 0 : -EIO);
		ck_assert_int_eq(p[i].unknown, !zkprobe_is_read(&p[i]));
	}
	ck_assert_uint_eq(fakelib_counts(f).submitted, COUNT + reads);
	zktest_close(&t);
}

START_TEST(test_lost_connection)
{
	lose_in_flight(ZCONNECTIONLOSS);
	lose_in_flight(ZOPERATIONTIMEOUT);
}
END_TEST

/* --- expiry -------------------------------------------------------------- */

static void expire_in_flight(bool drop_on_close, size_t count)
{
	struct zkprobe *p = xcalloc(count, sizeof(*p));
	struct fakelib *f = zktest_fake(zktest_keep);
	struct zktest t = {0};
	size_t sent = MIN(count, (size_t)ZK_IN_FLIGHT_MAX);
	struct zk_stats stats;

	f->drop_on_close = drop_on_close;
	zktest_connect(&t, f, TIMEOUT_MS);
	zkprobe_call_all(p, count, &t, NULL);
	/* The event alone, so that the close finds all of it pending. */
	fakelib_event(f, ZOO_EXPIRED_SESSION_STATE);
	fakelib_wait_opened(f, 2);
	set_plan(f, NULL);
	fakelib_connect(f);
	zkprobe_wait_all(p, count);
	for (size_t i = 0; i < count; i++) {
		bool lost = i < sent && !zkprobe_is_read(&p[i]);

		ck_assert_int_eq(p[i].rc, lost ? -EIO : 0);
		ck_assert_int_eq(p[i].unknown, lost);
	}
	zk_get_stats(t.zk, &stats);
	ck_assert_uint_eq(stats.sessions, 2);
	ck_assert_uint_eq(stats.in_flight, 0);
	zktest_close(&t);
	free(p);
}

START_TEST(test_expiry)
{
	expire_in_flight(false, 2 * ZKPROBE_TYPES);
	expire_in_flight(true, 2 * ZKPROBE_TYPES);
}
END_TEST

START_TEST(test_expiry_with_many_in_flight)
{
	expire_in_flight(false, 3000);
	expire_in_flight(true, 3000);
}
END_TEST

/* No address for any host, for a while: the names are asked for again. */
START_TEST(test_reopening_fails_at_first)
{
	struct fakelib *f = zktest_fake(zktest_keep);
	struct zkprobe p[ZKPROBE_TYPES] = {0};
	struct zktest t = {0};

	zktest_connect(&t, f, TIMEOUT_MS);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	fakelib_lock(f);
	f->refuse_init = 2;
	fakelib_unlock(f);
	fakelib_expire(f);
	fakelib_wait_opened(f, 2);
	set_plan(f, NULL);
	fakelib_connect(f);
	zkprobe_wait_all(p, ZKPROBE_TYPES);
	for (int i = 0; i < ZKPROBE_TYPES; i++)
		ck_assert_int_eq(p[i].rc, zkprobe_is_read(&p[i]) ? 0 : -EIO);
	/* What does not change is not told again with each attempt. */
	zktest_assert_states(&t, "NEcN");
	zktest_close(&t);
}
END_TEST

/* Sessions that expire as soon as they are there. */
START_TEST(test_expiry_again_and_again)
{
	struct fakelib *f = zktest_fake(zktest_keep);
	struct zkprobe p[ZKPROBE_TYPES] = {0};
	struct zktest t = {0};

	zktest_connect(&t, f, TIMEOUT_MS);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	for (unsigned i = 1; i <= 3; i++) {
		fakelib_expire(f);
		fakelib_wait_opened(f, i + 1);
		fakelib_connect(f);
		zktest_wait_state(&t, ZK_CONNECTED);
	}
	set_plan(f, NULL);
	fakelib_lose(f, ZCONNECTIONLOSS);
	fakelib_connect(f);
	zkprobe_wait_all(p, ZKPROBE_TYPES);
	zktest_close(&t);
}
END_TEST

/* What the old handle still says while it is being closed is not listened to.
 */
static void say_connected(struct fakelib *f)
{
	fakelib_connect_as(f, ZOO_CONNECTED_STATE, 0xdead);
	fakelib_settle(f);
	fakelib_event(f, ZOO_CONNECTING_STATE);
	fakelib_event(f, ZOO_EXPIRED_SESSION_STATE);
	fakelib_settle(f);
}

START_TEST(test_events_of_an_old_handle)
{
	struct fakelib *f = fakelib_new();
	struct zkprobe p = {.type = ZKPROBE_SET};
	struct zktest t = {0};

	f->in_close = say_connected;
	zktest_connect(&t, f, TIMEOUT_MS);
	fakelib_expire(f);
	fakelib_wait_opened(f, 2);
	zktest_wait_state(&t, ZK_CONNECTING);
	ck_assert_int_eq(zk_session_id(t.zk), 0x1001);
	zkprobe_call(&p, &t);
	zktest_wait_held(&t, 1);
	fakelib_connect(f);
	zkprobe_wait(&p);
	ck_assert_int_eq(p.rc, 0);
	ck_assert_int_eq(zk_session_id(t.zk), 0x1002);
	ck_assert_uint_eq(fakelib_counts(f).opened, 2);
	zktest_close(&t);
}
END_TEST

/* --- handles that connect before they are known -------------------------- */

START_TEST(test_connected_before_open_returns)
{
	struct fakelib *f = fakelib_new();
	struct zkprobe p[ZKPROBE_TYPES] = {0}, q[ZKPROBE_TYPES] = {0};
	struct zktest t = {0};

	f->connect_at_once = true;
	zktest_open(&t, f, TIMEOUT_MS);
	ck_assert_int_eq(zk_wait_connected(t.zk, 60000), 0);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	zkprobe_wait_all(p, ZKPROBE_TYPES);
	fakelib_expire(f);
	zkprobe_call_all(q, ZKPROBE_TYPES, &t, NULL);
	zkprobe_wait_all(q, ZKPROBE_TYPES);
	for (int i = 0; i < ZKPROBE_TYPES; i++)
		ck_assert_int_eq(p[i].rc, 0);
	zktest_close(&t);
}
END_TEST

/* on_state() may look at the session that it is told of. */
START_TEST(test_told_of_a_session_that_is_there)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	f->connect_at_once = true;
	zktest_open(&t, f, TIMEOUT_MS);
	zktest_assert_states(&t, "N");
	ck_assert(!t.told_too_early);
	zktest_close(&t);
}
END_TEST

/* What waits for a connection, and what is asked for when there is one. */
START_TEST(test_bound_to_a_session)
{
	struct zkprobe held = {.type = ZKPROBE_SET, .session = 0x1001};
	struct zkprobe late = held, fits = held, free = held;
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	zktest_connect(&t, f, TIMEOUT_MS);
	zkprobe_call(&fits, &t);
	zkprobe_wait(&fits);
	ck_assert_int_eq(fits.rc, 0);
	fakelib_expire(f);
	free.session = 0;
	zkprobe_call(&held, &t);
	zkprobe_call(&free, &t);
	fakelib_wait_opened(f, 2);
	fakelib_connect(f);
	zkprobe_wait(&held);
	ck_assert_int_eq(held.rc, -EIO);
	ck_assert(!held.unknown);
	zkprobe_wait(&free);
	ck_assert_int_eq(free.rc, 0);
	zkprobe_call(&late, &t);
	zkprobe_wait(&late);
	ck_assert_int_eq(late.rc, -EIO);
	zktest_close(&t);
}
END_TEST

UNIT_MAIN("zk_session", test_states, test_every_change_is_told,
	  test_repeated_events, test_read_only_server, test_wait_connected,
	  test_nothing_is_sent_without_a_connection, test_lost_connection,
	  test_expiry, test_expiry_with_many_in_flight,
	  test_reopening_fails_at_first, test_expiry_again_and_again,
	  test_events_of_an_old_handle, test_connected_before_open_returns,
	  test_told_of_a_session_that_is_there, test_bound_to_a_session)
