/* SPDX-License-Identifier: Apache-2.0 */

/* Credentials: for every session, before every call, and refused. */

#include <errno.h>

#include "unit.h"
#include "zkprobe.h"

#define TIMEOUT_MS 600000 /* of held calls: never in these tests */

static struct authfile_entry credentials[] = {{"digest", "joe:secret"},
					      {"digest", "jane:secret"}};

static void auths_missing(struct fakelib *f _unused_,
			  const struct fakelib_call *c, struct fakelib_plan *p)
{
	if (c->auths < 2)
		p->code = ZNOAUTH;
}

START_TEST(test_credentials_for_each_session)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	f->plan = auths_missing;
	zktest_credentials(&t, credentials, 2);
	zktest_connect(&t, f, TIMEOUT_MS);
	for (unsigned i = 1; i <= 3; i++) {
		struct zkprobe p = {.type = ZKPROBE_GET};

		zkprobe_call(&p, &t);
		zkprobe_wait(&p);
		ck_assert_int_eq(p.rc, 0);
		fakelib_expire(f);
		fakelib_wait_opened(f, i + 1);
		fakelib_connect(f);
	}
	zktest_close(&t);
}
END_TEST

/*
 * A handle that is connected before its credentials have been added: calls
 * wait for these, or they are denied what they may have.
 */
struct early {
	struct zktest t;
	struct zkprobe p[ZKPROBE_TYPES];
	bool called;
};

static void call_early(struct fakelib *f)
{
	struct early *e = f->arg;

	if (!e->called && e->t.zk) {
		e->called = true;
		zkprobe_call_all(e->p, ZKPROBE_TYPES, &e->t, NULL);
	}
}

START_TEST(test_no_call_before_the_credentials)
{
	struct fakelib *f = fakelib_new();
	struct early e = {0};

	f->plan = auths_missing;
	f->arg = &e;
	f->connect_at_once = true;
	zktest_credentials(&e.t, credentials, 2);
	zktest_connect(&e.t, f, TIMEOUT_MS);
	f->in_add_auth = call_early;
	fakelib_expire(f);
	fakelib_wait_opened(f, 2);
	fakelib_wait_submitted(f, ZKPROBE_TYPES);
	zkprobe_wait_all(e.p, ZKPROBE_TYPES);
	for (int i = 0; i < ZKPROBE_TYPES; i++)
		ck_assert_int_eq(e.p[i].rc, 0);
	zktest_close(&e.t);
}
END_TEST

/*
 * zoo_add_auth() refuses with ZINVALIDSTATE while the last attempt to connect
 * has failed and the next has not begun.  That is no reason for a session
 * without credentials, nor for none.
 */
START_TEST(test_credentials_while_the_server_is_down)
{
	struct zkprobe p = {.type = ZKPROBE_GET};
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	f->plan = auths_missing;
	zktest_credentials(&t, credentials, 2);
	zktest_connect(&t, f, TIMEOUT_MS);
	fakelib_lock(f);
	f->refuse_auth = 1;
	fakelib_unlock(f);
	fakelib_expire(f);
	fakelib_wait_opened(f, 2);
	fakelib_connect(f);
	zktest_wait_state(&t, ZK_CONNECTED);
	zkprobe_call(&p, &t);
	zkprobe_wait(&p);
	ck_assert_int_eq(p.rc, 0);
	zktest_close(&t);
}
END_TEST

START_TEST(test_open_while_the_server_is_down)
{
	struct fakelib *f = fakelib_new();
	struct zktest t = {0};

	f->refuse_auth = 1;
	zktest_credentials(&t, credentials, 2);
	zktest_open(&t, f, TIMEOUT_MS);
	zktest_close(&t);
}
END_TEST

START_TEST(test_refused_credential)
{
	struct fakelib *f = zktest_fake(zktest_keep);
	struct zkprobe p[ZKPROBE_TYPES] = {0};
	struct zktest t = {0};

	zktest_connect(&t, f, 1000);
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	fakelib_fail_auth(f);
	zkprobe_wait_all(p, ZKPROBE_TYPES);
	for (int i = 0; i < ZKPROBE_TYPES; i++)
		ck_assert_int_eq(p[i].rc, -EACCES);
	/* Final: no new session, and later calls fail. */
	for (int i = 0; i < ZKPROBE_TYPES; i++)
		p[i] = (struct zkprobe){0};
	zkprobe_call_all(p, ZKPROBE_TYPES, &t, NULL);
	zkprobe_wait_all(p, ZKPROBE_TYPES);
	for (int i = 0; i < ZKPROBE_TYPES; i++)
		ck_assert(p[i].rc == -EIO || p[i].rc == -EACCES);
	ck_assert_uint_eq(fakelib_counts(f).opened, 1);
	zktest_close(&t);
}
END_TEST

UNIT_MAIN("zk_auth", test_credentials_for_each_session,
	  test_no_call_before_the_credentials,
	  test_credentials_while_the_server_is_down,
	  test_open_while_the_server_is_down, test_refused_credential)
