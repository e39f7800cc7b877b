/* SPDX-License-Identifier: Apache-2.0 */
#include "turn.h"
#include "unit.h"

struct item {
	struct turn_waiter w;
	struct turn *turn;
	int n;
	int *seen; /* decimal digits of those that ran */
};

static void run(struct turn_waiter *w)
{
	struct item *it = container_of(w, struct item, w);

	*it->seen = *it->seen * 10 + it->n;
}

static void fill(struct item *items, int count, struct turn *turn, int *seen)
{
	*turn = (struct turn){0};
	*seen = 0;
	for (int i = 0; i < count; i++)
		items[i] = (struct item){
			.w.run = run, .turn = turn, .n = i, .seen = seen};
}

/* What every user does: pass, and let the next one go on. */
static bool pass(struct turn *turn)
{
	struct turn_waiter *next = turn_pass(turn);

	if (next)
		next->run(next);
	return next != NULL;
}

START_TEST(test_alone)
{
	struct item items[1];
	struct turn turn;
	int seen;

	fill(items, 1, &turn, &seen);
	for (int i = 0; i < 3; i++) {
		ck_assert(turn_take(&turn, &items[0].w));
		ck_assert(!pass(&turn));
	}
	ck_assert_int_eq(seen, 0);
}
END_TEST

START_TEST(test_first_come_first_served)
{
	struct item items[5];
	struct turn turn;
	int seen;

	fill(items, 5, &turn, &seen);
	ck_assert(turn_take(&turn, &items[0].w));
	for (int i = 1; i < 5; i++)
		ck_assert(!turn_take(&turn, &items[i].w));
	for (int i = 1; i < 5; i++) {
		ck_assert(pass(&turn));
		ck_assert_int_eq(seen % 10, i);
	}
	ck_assert_int_eq(seen, 1234);
	ck_assert(!pass(&turn));
	ck_assert(turn_take(&turn, &items[3].w));
}
END_TEST

/* Who comes while somebody has the turn never overtakes who waits. */
START_TEST(test_no_overtaking)
{
	struct item items[3];
	struct turn turn;
	int seen;

	fill(items, 3, &turn, &seen);
	ck_assert(turn_take(&turn, &items[0].w));
	ck_assert(!turn_take(&turn, &items[1].w));
	ck_assert(pass(&turn)); /* to 1 */
	ck_assert(!turn_take(&turn, &items[2].w));
	ck_assert(pass(&turn));                    /* to 2 */
	ck_assert(!turn_take(&turn, &items[0].w)); /* in line once more */
	ck_assert(pass(&turn));
	ck_assert_int_eq(seen, 120);
	ck_assert(!pass(&turn));
}
END_TEST

/* Who has passed the turn on is out of line: it may be freed. */
START_TEST(test_out_of_line)
{
	struct item items[2];
	struct turn turn;
	int seen;

	fill(items, 2, &turn, &seen);
	ck_assert(turn_take(&turn, &items[0].w));
	ck_assert(!turn_take(&turn, &items[1].w));
	ck_assert_ptr_eq(turn_pass(&turn), &items[1].w);
	memset(&items[0], 0xee, sizeof(items[0])); /* as good as freed */
	ck_assert(turn_is_taken(&turn));
	ck_assert_ptr_null(turn_pass(&turn));
	memset(&items[1], 0xee, sizeof(items[1]));
	ck_assert(!turn_is_taken(&turn));
}
END_TEST

/* Many at random, against a queue of numbers. */
START_TEST(test_random)
{
	enum { COUNT = 64 };
	struct item items[COUNT];
	int queue[COUNT] = {0}, head = 0, waiting = 0, holder = -1, seen;
	uint64_t rng = 99;
	struct turn turn;

	fill(items, COUNT, &turn, &seen);
	for (int step = 0; step < 100000; step++) {
		int n = (int)unit_rand(&rng, COUNT);
		bool in_line = n == holder;

		for (int i = 0; i < waiting; i++)
			in_line |= queue[(head + i) % COUNT] == n;
		if (!in_line && unit_rand(&rng, 2)) {
			bool now = turn_take(&turn, &items[n].w);

			if (now != (holder < 0))
				ck_abort_msg("step %d: turn taken twice", step);
			if (now)
				holder = n;
			else
				queue[(head + waiting++) % COUNT] = n;
		} else if (holder >= 0) {
			seen = 0;
			holder = waiting ? queue[head] : -1;
			if (pass(&turn) != (waiting > 0) ||
			    (waiting && seen != holder))
				ck_abort_msg("step %d: not the next", step);
			head = (head + (waiting > 0)) % COUNT;
			waiting -= waiting > 0;
		}
	}
}
END_TEST

UNIT_MAIN("turn", test_alone, test_first_come_first_served, test_no_overtaking,
	  test_out_of_line, test_random)
