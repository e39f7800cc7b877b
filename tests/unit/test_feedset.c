/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "feedset.h"
#include "unit.h"

/* Send the next, which must be @op on @path. */
static void send_next(struct feedset *s, enum feedset_op op, const char *path)
{
	struct feedset_watch *w = feedset_next(s);
	static int32_t xid;

	ck_assert_ptr_nonnull(w);
	ck_assert_str_eq(w->path, path);
	ck_assert_int_eq(w->op, op);
	feedset_sent(s, w, ++xid);
}

/* Answer the oldest; @settles: the caller is to be told. */
static void answer(struct feedset *s, bool ok, bool settles)
{
	struct feedset_watch *w = feedset_reply(s, ok);

	ck_assert_int_eq(w != NULL, settles);
	feedset_unpin(s);
}

static void add(struct feedset *s, const char *path, bool recursive)
{
	ck_assert_int_eq(feedset_want(s, path, recursive), 1);
	send_next(s, FEEDSET_ADD, path);
	answer(s, true, true);
}

START_TEST(test_want_once)
{
	struct feedset s;

	feedset_init(&s);
	ck_assert_ptr_null(feedset_next(&s));
	ck_assert_int_eq(feedset_want(&s, "/a", true), 1);
	ck_assert_int_eq(feedset_want(&s, "/a", true), 0);
	send_next(&s, FEEDSET_ADD, "/a");
	ck_assert_int_eq(feedset_want(&s, "/a", true), 0);
	ck_assert_ptr_null(feedset_next(&s));
	answer(&s, true, true);
	ck_assert_int_eq(feedset_want(&s, "/a", true), 0);
	ck_assert_ptr_null(feedset_next(&s));
	ck_assert_uint_eq(s.n_wanted, 1);
	ck_assert_uint_eq(s.n_flight, 0);
	feedset_clear(&s);
}
END_TEST

START_TEST(test_in_order)
{
	struct feedset s;

	feedset_init(&s);
	feedset_want(&s, "/b", true);
	feedset_want(&s, "/a", true);
	feedset_want(&s, "/c", false);
	send_next(&s, FEEDSET_ADD, "/b");
	send_next(&s, FEEDSET_ADD, "/a");
	ck_assert_str_eq(feedset_oldest(&s)->path, "/b");
	answer(&s, true, true);
	ck_assert_str_eq(feedset_oldest(&s)->path, "/a");
	send_next(&s, FEEDSET_ADD, "/c");
	answer(&s, true, true);
	ck_assert_str_eq(feedset_oldest(&s)->path, "/c");
	feedset_clear(&s);
}
END_TEST

START_TEST(test_unwant)
{
	struct feedset s;

	feedset_init(&s);
	ck_assert_int_eq(feedset_unwant(&s, "/never"), 0);
	/* Never sent: nothing to take back. */
	feedset_want(&s, "/a", true);
	ck_assert_int_eq(feedset_unwant(&s, "/a"), 0);
	ck_assert_ptr_null(s.by_path);

	add(&s, "/a", true);
	ck_assert_int_eq(feedset_unwant(&s, "/a"), 1);
	ck_assert_int_eq(feedset_unwant(&s, "/a"), 0);
	send_next(&s, FEEDSET_REMOVE, "/a");
	answer(&s, true, false);
	ck_assert_ptr_null(s.by_path);
	ck_assert_uint_eq(s.n_wanted, 0);
}
END_TEST

START_TEST(test_unwant_in_flight)
{
	struct feedset s;

	feedset_init(&s);
	feedset_want(&s, "/a", true);
	send_next(&s, FEEDSET_ADD, "/a");
	feedset_unwant(&s, "/a");
	ck_assert_ptr_null(feedset_next(&s));
	answer(&s, true, false);
	send_next(&s, FEEDSET_REMOVE, "/a");
	/* And wanted again before that is answered. */
	ck_assert_int_eq(feedset_want(&s, "/a", true), 1);
	answer(&s, false, false);
	send_next(&s, FEEDSET_ADD, "/a");
	/* No more and again, in one flight: what was sent does not count. */
	feedset_unwant(&s, "/a");
	feedset_want(&s, "/a", true);
	answer(&s, true, false);
	send_next(&s, FEEDSET_ADD, "/a");
	answer(&s, true, true);
	feedset_clear(&s);
}
END_TEST

START_TEST(test_unwant_refused)
{
	struct feedset s;

	feedset_init(&s);
	feedset_want(&s, "/a", true);
	send_next(&s, FEEDSET_ADD, "/a");
	feedset_unwant(&s, "/a");
	answer(&s, false, false);
	ck_assert_ptr_null(s.by_path);
}
END_TEST

START_TEST(test_mode)
{
	struct feedset s;

	feedset_init(&s);
	add(&s, "/a", false);
	ck_assert_int_eq(feedset_want(&s, "/a", true), 1);
	ck_assert(feedset_next(&s)->recursive);
	send_next(&s, FEEDSET_ADD, "/a");
	/* Changed back in flight: only the second answer settles it. */
	ck_assert_int_eq(feedset_want(&s, "/a", false), 1);
	answer(&s, true, false);
	ck_assert(!feedset_next(&s)->recursive);
	send_next(&s, FEEDSET_ADD, "/a");
	answer(&s, true, true);
	ck_assert_uint_eq(s.n_wanted, 1);
	feedset_clear(&s);
}
END_TEST

START_TEST(test_refused)
{
	struct feedset s;

	feedset_init(&s);
	feedset_want(&s, "/a", true);
	send_next(&s, FEEDSET_ADD, "/a");
	answer(&s, false, true);
	ck_assert_ptr_null(feedset_next(&s));
	/* Asked for again, it is sent again. */
	ck_assert_int_eq(feedset_want(&s, "/a", true), 1);
	send_next(&s, FEEDSET_ADD, "/a");
	answer(&s, false, true);
	/* And by itself on the next connection. */
	feedset_restart(&s);
	send_next(&s, FEEDSET_ADD, "/a");
	answer(&s, true, true);
	feedset_clear(&s);
}
END_TEST

START_TEST(test_restart)
{
	struct feedset s;

	feedset_init(&s);
	add(&s, "/idle", true);
	add(&s, "/removed", true);
	feedset_unwant(&s, "/removed");
	feedset_want(&s, "/flight", true);
	feedset_want(&s, "/unwanted", true);
	feedset_want(&s, "/todo", true);
	send_next(&s, FEEDSET_REMOVE, "/removed");
	send_next(&s, FEEDSET_ADD, "/flight");
	send_next(&s, FEEDSET_ADD, "/unwanted");
	feedset_unwant(&s, "/unwanted");

	feedset_restart(&s);
	ck_assert_uint_eq(s.initial, 3);
	ck_assert_uint_eq(s.n_flight, 0);
	ck_assert_ptr_null(feedset_oldest(&s));
	send_next(&s, FEEDSET_ADD, "/flight");
	send_next(&s, FEEDSET_ADD, "/todo");
	send_next(&s, FEEDSET_ADD, "/idle");
	ck_assert_ptr_null(feedset_next(&s));
	feedset_clear(&s);
}
END_TEST

START_TEST(test_initial)
{
	struct feedset s;

	feedset_init(&s);
	feedset_want(&s, "/a", true);
	feedset_want(&s, "/b", true);
	feedset_want(&s, "/c", true);
	feedset_restart(&s);
	ck_assert_uint_eq(s.initial, 3);
	send_next(&s, FEEDSET_ADD, "/a");
	send_next(&s, FEEDSET_ADD, "/b");
	feedset_want(&s, "/late", true);
	answer(&s, true, true);
	ck_assert_uint_eq(s.initial, 2);
	feedset_unwant(&s, "/c");
	ck_assert_uint_eq(s.initial, 1);
	answer(&s, false, true);
	ck_assert_uint_eq(s.initial, 0);
	feedset_clear(&s);
}
END_TEST

/* What a callback is being told of stays, whatever it does. */
START_TEST(test_pinned)
{
	struct feedset_watch *w;
	struct feedset s;

	feedset_init(&s);
	feedset_want(&s, "/a", true);
	send_next(&s, FEEDSET_ADD, "/a");
	w = feedset_reply(&s, false);
	ck_assert_ptr_nonnull(w);
	feedset_unwant(&s, "/a");
	ck_assert_str_eq(w->path, "/a");
	ck_assert_ptr_null(feedset_next(&s));
	feedset_unpin(&s);
	ck_assert_ptr_null(s.by_path);

	feedset_want(&s, "/b", true);
	send_next(&s, FEEDSET_ADD, "/b");
	w = feedset_reply(&s, true);
	feedset_unwant(&s, "/b");
	feedset_want(&s, "/b", false);
	ck_assert_str_eq(w->path, "/b");
	feedset_unpin(&s);
	send_next(&s, FEEDSET_ADD, "/b");
	feedset_clear(&s);
}
END_TEST

/*
 * Random orders and answers against a server that keeps a plain table.  When
 * all is quiet, it has what is wanted and nothing else.
 */
#define PATHS 6

struct model {
	int wanted[PATHS]; /* -1, or the mode */
	int server[PATHS];
};

static void model_answer(struct feedset *s, struct model *m, bool ok)
{
	struct feedset_watch *w = feedset_oldest(s);
	int i;

	if (!w)
		return;
	i = w->path[1] - 'a';
	if (w->op == FEEDSET_REMOVE)
		m->server[i] = -1;
	else if (ok)
		m->server[i] = w->xid & 1; /* the mode that was sent */
	feedset_reply(s, ok);
	feedset_unpin(s);
}

static void model_send(struct feedset *s)
{
	struct feedset_watch *w = feedset_next(s);

	if (w)
		feedset_sent(s, w, w->recursive);
}

static void model_order(struct feedset *s, struct model *m, uint64_t *rnd)
{
	int i = (int)unit_rand(rnd, PATHS);
	int mode = (int)unit_rand(rnd, 3) - 1;
	char path[] = {'/', (char)('a' + i), '\0'};

	m->wanted[i] = mode;
	if (mode < 0)
		feedset_unwant(s, path);
	else
		feedset_want(s, path, mode);
}

START_TEST(test_model)
{
	uint64_t rnd = 4711;

	for (int round = 0; round < 3000; round++) {
		struct feedset s;
		struct model m;

		memset(&m, 0xff, sizeof(m));
		feedset_init(&s);
		for (int k = 0; k < 60; k++) {
			unsigned int what = unit_rand(&rnd, 16);

			if (what < 6)
				model_order(&s, &m, &rnd);
			else if (what < 11)
				model_send(&s);
			else if (what < 15)
				model_answer(&s, &m, true);
			else if (unit_rand(&rnd, 4) == 0) {
				feedset_restart(&s);
				memset(m.server, 0xff, sizeof(m.server));
			}
		}
		while (feedset_next(&s))
			model_send(&s);
		while (feedset_oldest(&s) || feedset_next(&s)) {
			model_answer(&s, &m, true);
			model_send(&s);
		}
		ck_assert_mem_eq(m.wanted, m.server, sizeof(m.server));
		feedset_clear(&s);
	}
}
END_TEST

UNIT_MAIN("feedset", test_want_once, test_in_order, test_unwant,
	  test_unwant_in_flight, test_unwant_refused, test_mode, test_refused,
	  test_restart, test_initial, test_pinned, test_model)
