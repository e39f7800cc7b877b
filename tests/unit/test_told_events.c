/* SPDX-License-Identifier: Apache-2.0 */

/* What watchers believe of one name after renames and events. */

#include "tolds.h"

/* --- renamed here -------------------------------------------------------- */

START_TEST(test_renamed)
{
	_cleanup_told_ struct told from = told_of(file(5, 5));
	_cleanup_told_ struct told to = told_of(nothing);

	told_covered(&to);
	told_renamed(&from, &to);
	told_moved_here(&to, VIEW_MAIN);
	assert_told(&from, nothing, "");
	ck_assert(!told_anywhere(&from));
	ck_assert(!told_take_again(&from) && !told_take_again(&to));
	/* It has other zxids now, whichever they are. */
	told_fill(&to, (struct told_truth[]){file(7, 7)});
	assert_would_tell(to, file(7, 7), "");
	assert_would_tell(to, file(7, 8), "M");
	/* ... unless an event says that they are too new. */
	event(&to, TOLD_CHANGED);
	assert_told(&to, file(7, 7), "M");
}
END_TEST

START_TEST(test_renamed_over_another)
{
	_cleanup_told_ struct told from = told_of(dir(5, 5, true));
	_cleanup_told_ struct told to = told_of(file(6, 6));

	told_covered(&to);
	told_renamed(&from, &to);
	told_moved_here(&to, VIEW_MAIN);
	told_is_now(&from, false);
	told_is_now(&to, true);
	ck_assert(!told_take_again(&to));
	assert_told(&from, nothing, "");
	assert_would_tell(to, dir(7, 7, true), "");
	assert_told(&to, file(7, 7), "RN");
}
END_TEST

/* What was due of a name, or of its kind, is to be looked for at the other. */
START_TEST(test_renamed_while_something_is_due)
{
	_cleanup_told_ struct told from = told_of(file(5, 5));
	_cleanup_told_ struct told to = told_of(nothing);

	told_way(&from)->state = TOLD_DUE;
	told_renamed(&from, &to);
	ck_assert(told_take_again(&from) && told_take_again(&to));
	restart(&from, told_of(file(5, 5)));
	restart(&to, told_of(nothing));
	told_renamed(&from, &to);
	told_is_now(&to, true);
	ck_assert(told_take_again(&to) && !told_take_again(&from));
}
END_TEST

/* A name that nobody was told of yet is there for the kernel all the same. */
START_TEST(test_renamed_before_it_is_told)
{
	_cleanup_told_ struct told from = told_of(nothing);
	_cleanup_told_ struct told to = told_of(nothing);

	told_renamed(&from, &to);
	told_moved_here(&to, VIEW_MAIN);
	assert_told(&to, nothing, "U");
}
END_TEST

/* The kernel tells of the main view alone. */
START_TEST(test_renamed_ephemeral)
{
	_cleanup_told_ struct told from = told_of(ephemeral(5, 5));
	_cleanup_told_ struct told to = told_of(nothing);

	told_covered(&to);
	told_renamed(&from, &to);
	told_moved_here(&to, VIEW_MAIN);
	ck_assert(told_take_again(&from) && told_take_again(&to));
	assert_told(&from, nothing, "Ue");
	assert_told(&to, ephemeral(7, 7), "Ne");
}
END_TEST

START_TEST(test_exchanged)
{
	_cleanup_told_ struct told a = told_of(file(5, 5));
	_cleanup_told_ struct told b = told_of(dir(6, 6, true));

	told_exchanged(&a, &b);
	assert_told(&a, dir(7, 7, true), "");
	assert_told(&b, file(7, 7), "");
}
END_TEST

/* --- events -------------------------------------------------------------- */

/* Of a name that nobody has looked at, the event says how it was before. */
START_TEST(test_events_of_the_unheard_of)
{
	struct told t = unheard_of();

	event(&t, TOLD_CREATED);
	assert_would_tell(t, file(5, 5), "N");
	assert_told(&t, nothing, "");
	t = unheard_of();
	event(&t, TOLD_DELETED);
	assert_would_tell(t, file(5, 5), "UN");
	assert_told(&t, nothing, "U");
	t = unheard_of();
	event(&t, TOLD_CHANGED);
	assert_would_tell(t, file(5, 5), "M");
	assert_would_tell(t, dir(5, 5, false), "m");
	assert_would_tell(t, dir(5, 5, true), "u");
	assert_told(&t, nothing, "U");
}
END_TEST

/* A lookup may have run ahead of the event. */
START_TEST(test_events_of_what_was_seen)
{
	struct told_truth seen = file(5, 6);
	struct told first = unheard_of(), t;

	told_seen(&first, &seen, VIEW_MAIN);
	t = first;
	event(&t, TOLD_CREATED);
	assert_would_tell(t, seen, "N");
	assert_told(&t, nothing, "U");
	t = first;
	event(&t, TOLD_DELETED);
	assert_would_tell(t, seen, "UN");
	assert_told(&t, nothing, "U");
	t = first;
	event(&t, TOLD_CHANGED);
	assert_told(&t, seen, "M");
	/* That was the value; it may still be another one. */
	event(&t, TOLD_DELETED);
	assert_told(&t, seen, "UN");
}
END_TEST

/* What was told is older than any event of it that is still to come. */
START_TEST(test_events_of_what_was_told)
{
	static const enum told_event types[] = {TOLD_CREATED, TOLD_DELETED,
						TOLD_CHANGED};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct told t = told_of(file(5, 6));

		event(&t, types[i]);
		assert_would_tell(t, file(5, 6), "");
		assert_would_tell(t, file(5, 7), "M");
		assert_told(&t, file(8, 8), "UN");
		t = told_of(nothing);
		event(&t, types[i]);
		assert_would_tell(t, nothing, "");
		assert_told(&t, file(5, 5), "N");
	}
}
END_TEST

/* --- own changes --------------------------------------------------------- */

START_TEST(test_credit)
{
	struct told_credit c = {0};

	/* The reply first. */
	told_credit_begin(&c);
	ck_assert(!told_credit_end(&c, 1, 0));
	ck_assert(!told_credit_event(&c, 1));
	ck_assert(told_credit_event(&c, 1));
	/* The event first. */
	told_credit_begin(&c);
	ck_assert(!told_credit_event(&c, 2));
	ck_assert(!told_credit_end(&c, 1, 3));
	/* It was not ours: the change has failed. */
	told_credit_begin(&c);
	ck_assert(!told_credit_event(&c, 4));
	ck_assert(told_credit_end(&c, 0, 5));
	ck_assert(c.own == 0 && c.n == 0);
}
END_TEST

/* However they mix, one event too many is noticed in the end. */
START_TEST(test_credit_of_several)
{
	struct told_credit c = {0};

	told_credit_begin(&c);
	told_credit_begin(&c);
	ck_assert(!told_credit_event(&c, 0));
	ck_assert(!told_credit_end(&c, 1, 0));
	ck_assert(!told_credit_event(&c, 0));
	ck_assert(!told_credit_event(&c, 0));
	ck_assert(told_credit_end(&c, 1, 0));
	told_credit_begin(&c);
	told_credit_begin(&c);
	ck_assert(!told_credit_end(&c, 1, 0));
	ck_assert(!told_credit_end(&c, 1, 0));
	ck_assert(!told_credit_event(&c, 0));
	ck_assert(!told_credit_event(&c, 0));
	ck_assert(told_credit_event(&c, 0));
}
END_TEST

START_TEST(test_credit_expires)
{
	struct told_credit c = {0};

	told_credit_begin(&c);
	ck_assert(!told_credit_end(&c, 1, 1000));
	ck_assert(told_credit_event(&c, 1001 + TOLD_CREDIT_MS));
	told_credit_begin(&c);
	ck_assert(!told_credit_end(&c, 1, 1000));
	ck_assert(!told_credit_event(&c, 1000 + TOLD_CREDIT_MS));
}
END_TEST

/* Our event changes nothing; the next one is somebody else's. */
START_TEST(test_own_event)
{
	struct told_truth set = file(5, 6);
	_cleanup_told_ struct told t = unheard_of();

	told_seen(&t, (struct told_truth[]){file(5, 5)}, VIEW_MAIN);
	told_credit_begin(&told_way(&t)->credit);
	told_set(&t, &set, VIEW_MAIN);
	ck_assert(!told_credit_end(&told_way(&t)->credit, 1, 0));
	ck_assert(!told_event(&t, TOLD_CHANGED, 1));
	assert_told(&t, set, "");
	ck_assert(told_event(&t, TOLD_CHANGED, 1));
	assert_told(&t, set, "");
	ck_assert(told_event(&t, TOLD_CREATED, 1));
	assert_told(&t, set, "N");
}
END_TEST

/* Before the reply: it could be anybody's, and is taken back. */
START_TEST(test_own_event_before_the_reply)
{
	struct told_truth made = file(5, 5);
	_cleanup_told_ struct told t = unheard_of();

	told_credit_begin(&told_way(&t)->credit);
	ck_assert(!told_event(&t, TOLD_CREATED, 0));
	told_made(&t, &made, VIEW_MAIN);
	ck_assert(!told_credit_end(&told_way(&t)->credit, 1, 0));
	assert_told(&t, made, "");
	ck_assert_int_eq(t.way->credit.of[TOLD_CREATED], 0);
}
END_TEST

/*
 * Somebody else has made it, a lookup has run ahead, and it is set here: their
 * event takes our credit, but is not taken for ours.
 */
START_TEST(test_anothers_event_before_ours)
{
	struct told_truth seen = file(5, 5), set = file(5, 6);
	_cleanup_told_ struct told t = unheard_of();

	told_seen(&t, &seen, VIEW_MAIN);
	told_credit_begin(&told_way(&t)->credit);
	told_set(&t, &set, VIEW_MAIN);
	ck_assert(!told_credit_end(&told_way(&t)->credit, 1, 0));
	ck_assert(!told_event(&t, TOLD_CREATED, 1));
	ck_assert(told_event(&t, TOLD_CHANGED, 1));
	assert_told(&t, set, "N");
}
END_TEST

START_TEST(test_own_events_of_a_rename)
{
	_cleanup_told_ struct told from = told_of(file(5, 5));
	_cleanup_told_ struct told to = told_of(file(6, 6));

	told_credit_begin(&told_way(&from)->credit);
	told_credit_begin(&told_way(&to)->credit);
	told_credit_begin(&told_way(&to)->credit);
	told_covered(&to);
	told_renamed(&from, &to);
	told_moved_here(&to, VIEW_MAIN);
	ck_assert(!told_credit_end(&told_way(&to)->credit, 1, 0));
	ck_assert(!told_credit_end(&told_way(&to)->credit, 1, 0));
	ck_assert(!told_credit_end(&told_way(&from)->credit, 1, 0));
	ck_assert(!told_event(&to, TOLD_DELETED, 1));
	ck_assert(!told_event(&to, TOLD_CREATED, 1));
	ck_assert(!told_event(&from, TOLD_DELETED, 1));
	assert_told(&to, file(7, 7), "");
	assert_told(&from, nothing, "");
	ck_assert(told_event(&to, TOLD_CHANGED, 1));
}
END_TEST

/* All of it is known from the reply on, also while its end is still to come. */
START_TEST(test_own_events_in_the_middle_of_the_reply)
{
	_cleanup_told_ struct told from = told_of(file(5, 5));
	_cleanup_told_ struct told to = told_of(file(6, 6));

	told_credit_begin(&told_way(&from)->credit);
	told_credit_begin(&told_way(&to)->credit);
	told_credit_begin(&told_way(&to)->credit);
	ck_assert(!told_event(&to, TOLD_DELETED, 1));
	told_covered(&to);
	told_renamed(&from, &to);
	told_moved_here(&to, VIEW_MAIN);
	ck_assert(!told_event(&to, TOLD_CREATED, 1));
	ck_assert(!told_event(&from, TOLD_DELETED, 1));
	ck_assert(!told_credit_end(&told_way(&to)->credit, 1, 1));
	ck_assert(!told_credit_end(&told_way(&to)->credit, 1, 1));
	ck_assert(!told_credit_end(&told_way(&from)->credit, 1, 1));
	assert_told(&to, file(7, 7), "");
	assert_told(&from, nothing, "");
}
END_TEST

UNIT_MAIN("told_events", test_renamed, test_renamed_over_another,
	  test_renamed_while_something_is_due, test_renamed_before_it_is_told,
	  test_renamed_ephemeral, test_exchanged, test_events_of_the_unheard_of,
	  test_events_of_what_was_seen, test_events_of_what_was_told,
	  test_credit, test_credit_of_several, test_credit_expires,
	  test_own_event, test_own_event_before_the_reply,
	  test_anothers_event_before_ours, test_own_events_of_a_rename,
	  test_own_events_in_the_middle_of_the_reply)
