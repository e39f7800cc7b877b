/* SPDX-License-Identifier: Apache-2.0 */

/* What watchers believe of one name, and what is due then. */

#include "tolds.h"

/* --- what is due --------------------------------------------------------- */

START_TEST(test_differences)
{
	static const struct {
		struct told_truth believed;
		struct told_truth truth;
		const char *steps;
	} table[] = {
#define A_FILE(c, m) {.in = {true}, .czxid = c, .mzxid = m}
#define AN_EPHEMERAL(c, m)                                                     \
	{                                                                      \
		.in = {true, true}, .czxid = c, .mzxid = m                     \
	}
#define A_DIR(c, m, n)                                                         \
	{                                                                      \
		.in = {true}, .dir = true, .null = n, .czxid = c, .mzxid = m   \
	}
		{{.czxid = 0}, {.czxid = 0}, ""},
		{{.czxid = 0}, A_FILE(5, 5), "N"},
		{{.czxid = 0}, A_DIR(5, 5, true), "D"},
		{{.czxid = 0}, A_DIR(5, 5, false), "D"},
		{{.czxid = 0}, AN_EPHEMERAL(5, 5), "NNe"},
		{A_FILE(5, 5), {.czxid = 0}, "U"},
		{A_FILE(5, 5), A_FILE(5, 5), ""},
		{A_FILE(5, 5), A_FILE(5, 6), "M"},
		{A_FILE(5, 5), A_FILE(7, 7), "UN"},
		{A_FILE(5, 5), A_DIR(5, 5, false), "UD"},
		{A_FILE(5, 5), AN_EPHEMERAL(7, 7), "UNNe"},
		{AN_EPHEMERAL(5, 5), {.czxid = 0}, "UUe"},
		{AN_EPHEMERAL(5, 5), AN_EPHEMERAL(5, 6), "MMe"},
		{AN_EPHEMERAL(5, 5), AN_EPHEMERAL(7, 7), "UNUeNe"},
		{AN_EPHEMERAL(5, 5), A_FILE(7, 7), "UNUe"},
		{A_DIR(5, 5, true), {.czxid = 0}, "R"},
		{A_DIR(5, 5, true), A_DIR(5, 5, true), ""},
		{A_DIR(5, 5, true), A_DIR(5, 6, true), ""},
		{A_DIR(5, 5, true), A_DIR(5, 6, false), "n"},
		{A_DIR(5, 5, false), A_DIR(5, 6, true), "u"},
		{A_DIR(5, 5, false), A_DIR(5, 6, false), "m"},
		{A_DIR(5, 5, false), A_DIR(7, 7, false), "RD"},
		{A_DIR(5, 5, false), A_FILE(7, 7), "RN"},
#undef A_FILE
#undef AN_EPHEMERAL
#undef A_DIR
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct told t = told_of(table[i].believed);
		const char *steps = tell(&t, table[i].truth);

		if (strcmp(steps, table[i].steps) != 0)
			ck_abort_msg("row %zu: %s", i, steps);
		assert_told(&t, table[i].truth, "");
	}
}
END_TEST

/* Where nobody believes anything, nobody has to be told. */
START_TEST(test_unheard_of)
{
	struct told t = unheard_of();

	ck_assert(!told_anywhere(&t) && !told_is_disputed(&t));
	assert_told(&t, file(5, 5), "");
	assert_told(&t, nothing, "");
	ck_assert(!t.set);
	told_absent(&t);
	ck_assert(!told_anywhere(&t));
	assert_told(&t, file(5, 5), "N");
}
END_TEST

/* An embryo is what was told, until the server has something. */
START_TEST(test_embryo)
{
	struct told_truth embryo = {.in = {true, false}};
	_cleanup_told_ struct told t = told_of(nothing);

	told_made(&t, &nothing, VIEW_MAIN);
	ck_assert(told_anywhere(&t));
	assert_told(&t, embryo, "");
	/* Never committed; committed here; made by somebody else. */
	assert_would_tell(t, nothing, "U");
	told_made(&t, (struct told_truth[]){file(5, 5)}, VIEW_MAIN);
	assert_told(&t, file(5, 5), "");
	restart(&t, told_of(nothing));
	told_made(&t, &nothing, VIEW_MAIN);
	assert_told(&t, file(7, 7), "M");
}
END_TEST

/* --- found here ---------------------------------------------------------- */

/* A lookup has run ahead: others have not heard of it. */
START_TEST(test_seen_before_it_is_told)
{
	struct told_truth seen = file(5, 5);
	struct told t = told_of(nothing);

	told_seen(&t, &seen, VIEW_MAIN);
	ck_assert(told_anywhere(&t) && told_is_disputed(&t));
	ck_assert(t.owed[VIEW_MAIN]);
	assert_would_tell(t, file(5, 5), "N");
	assert_would_tell(t, nothing, "U");
	assert_would_tell(t, file(7, 7), "UN");
	told_seen(&t, &seen, VIEW_MAIN);
	assert_told(&t, file(5, 5), "N");
	ck_assert(!told_is_disputed(&t));
}
END_TEST

START_TEST(test_seen_by_the_first)
{
	struct told_truth seen = ephemeral(5, 6);
	struct told t = unheard_of();

	told_seen(&t, &seen, VIEW_MAIN);
	ck_assert(told_anywhere(&t) && !told_is_disputed(&t));
	ck_assert(t.in[VIEW_MAIN] && t.in[VIEW_EPHEMERAL]);
	assert_would_tell(t, seen, "");
	assert_would_tell(t, ephemeral(5, 7), "MMe");
	assert_told(&t, nothing, "UUe");
}
END_TEST

/* What was told is not changed by what somebody happens to find. */
START_TEST(test_seen_after_it_was_told)
{
	struct told_truth newer = file(5, 9), other = file(8, 9);
	struct told t = told_of(file(5, 5));

	told_seen(&t, &newer, VIEW_MAIN);
	assert_would_tell(t, newer, "M");
	told_seen(&t, &other, VIEW_MAIN);
	assert_told(&t, other, "UN");
}
END_TEST

/* Some believe in a file, some in a directory: all are told what it is. */
START_TEST(test_seen_as_another_kind)
{
	struct told_truth seen = dir(5, 5, true);
	struct told t = told_of(file(5, 5));

	told_seen(&t, &seen, VIEW_MAIN);
	ck_assert(told_is_disputed(&t));
	assert_would_tell(t, file(5, 5), "UN");
	assert_told(&t, seen, "UD");
}
END_TEST

START_TEST(test_data_seen_before_it_is_told)
{
	struct told_truth seen = dir(5, 6, false);
	struct told t = told_of(dir(5, 5, true));

	told_seen(&t, &seen, VIEW_MAIN);
	ck_assert(told_is_disputed(&t));
	assert_would_tell(t, seen, "n");
	assert_would_tell(t, dir(5, 7, true), "u");
	assert_told(&t, nothing, "R");
}
END_TEST

START_TEST(test_listed)
{
	struct told t = unheard_of();

	ck_assert(!told_listed(&t));
	ck_assert(told_anywhere(&t) && !told_is_disputed(&t));
	assert_would_tell(t, file(5, 5), "");
	assert_would_tell(t, nothing, "U");
	/* Twice is once. */
	ck_assert(!told_listed(&t));
	t = told_of(nothing);
	ck_assert(told_listed(&t) && t.owed[VIEW_MAIN]);
	ck_assert(!told_listed(&t));
	assert_would_tell(t, nothing, "U");
	assert_told(&t, file(5, 5), "N");
	t = told_of(file(5, 5));
	ck_assert(!told_listed(&t));
	assert_told(&t, file(5, 5), "");
}
END_TEST

/* Whoever has not found it there knows that the next one is another one. */
START_TEST(test_lost)
{
	struct told t = unheard_of();

	told_listed(&t);
	told_lost(&t);
	ck_assert(told_is_disputed(&t));
	assert_told(&t, file(5, 5), "UN");
	/* Where it is known which one that was, it tells by itself. */
	told_lost(&t);
	assert_told(&t, file(5, 5), "");
	assert_told(&t, file(7, 7), "UN");
	/* Nothing is there to be lost. */
	t = unheard_of();
	told_lost(&t);
	told_listed(&t);
	assert_told(&t, file(5, 5), "");
}
END_TEST

START_TEST(test_fill)
{
	struct told_truth first = dir(5, 6, true);
	struct told t = unheard_of();

	told_fill(&t, &first);
	ck_assert(!t.set);
	told_listed(&t);
	told_fill(&t, &nothing);
	ck_assert(t.czxid[VIEW_MAIN] == 0 && !t.kind_known);
	told_fill(&t, &first);
	ck_assert(t.czxid[VIEW_MAIN] == 5 && t.mzxid[VIEW_MAIN] == 6);
	ck_assert(t.kind_known && t.dir);
	/* The first is what counts. */
	told_fill(&t, (struct told_truth[]){dir(7, 7, false)});
	ck_assert(t.czxid[VIEW_MAIN] == 5 && t.mzxid[VIEW_MAIN] == 6 && t.null);
	assert_told(&t, dir(7, 7, false), "RD");
}
END_TEST

/* --- changed here -------------------------------------------------------- */

START_TEST(test_made)
{
	struct told_truth made = file(5, 5);
	_cleanup_told_ struct told t = unheard_of();

	told_made(&t, &made, VIEW_MAIN);
	assert_told(&t, made, "");
	restart(&t, told_of(nothing));
	told_made(&t, &made, VIEW_MAIN);
	assert_told(&t, made, "");
	/* Those who have seen it before it was made have been told now. */
	restart(&t, told_of(nothing));
	told_listed(&t);
	told_made(&t, &made, VIEW_MAIN);
	assert_told(&t, made, "");
}
END_TEST

/* The kernel tells where it was made; the other view is to be told. */
START_TEST(test_made_in_the_ephemeral_view)
{
	struct told_truth made = ephemeral(7, 7);
	_cleanup_told_ struct told t = told_of(nothing);

	told_made(&t, &made, VIEW_EPHEMERAL);
	assert_told(&t, made, "N");
	/* Also where another one was believed in before. */
	restart(&t, told_of(file(5, 5)));
	told_made(&t, &made, VIEW_EPHEMERAL);
	assert_told(&t, made, "UN");
	restart(&t, unheard_of());
	told_listed(&t);
	told_made(&t, &made, VIEW_EPHEMERAL);
	assert_told(&t, made, "UN");
}
END_TEST

/* Directories are not of the ephemeral view: nothing is to be removed there. */
START_TEST(test_directory_made_in_the_ephemeral_view)
{
	struct told_truth made = dir(7, 7, true);
	_cleanup_told_ struct told t = told_of(nothing);

	told_made(&t, &made, VIEW_EPHEMERAL);
	assert_told(&t, made, "D");
}
END_TEST

/* It was gone, which nobody has told: who watches the old one must know. */
START_TEST(test_made_over_another)
{
	_cleanup_told_ struct told t = told_of(file(5, 5));

	told_made(&t, (struct told_truth[]){file(7, 7)}, VIEW_MAIN);
	assert_told(&t, file(7, 7), "UN");
}
END_TEST

START_TEST(test_set)
{
	struct told_truth set = file(5, 6), data = dir(5, 6, false);
	_cleanup_told_ struct told t = told_of(file(5, 5));

	told_set(&t, &set, VIEW_MAIN);
	assert_told(&t, set, "");
	assert_told(&t, file(5, 7), "M");
	restart(&t, told_of(dir(5, 5, true)));
	told_set(&t, &data, VIEW_MAIN);
	assert_told(&t, data, "");
	/* Nobody believes in it. */
	restart(&t, told_of(nothing));
	told_set(&t, &set, VIEW_MAIN);
	assert_told(&t, set, "N");
	/* That it is another one is still to be told. */
	restart(&t, told_of(file(4, 4)));
	told_set(&t, &set, VIEW_MAIN);
	assert_told(&t, set, "UN");
}
END_TEST

START_TEST(test_removed)
{
	_cleanup_told_ struct told t = told_of(file(5, 5));

	told_removed(&t, VIEW_MAIN);
	ck_assert(!told_anywhere(&t));
	assert_would_tell(t, nothing, "");
	assert_told(&t, file(7, 7), "N");
	restart(&t, told_of(ephemeral(5, 5)));
	told_removed(&t, VIEW_EPHEMERAL);
	assert_told(&t, nothing, "U");
	restart(&t, told_of(ephemeral(5, 5)));
	told_removed(&t, VIEW_MAIN);
	assert_told(&t, ephemeral(7, 7), "NUeNe");
	restart(&t, told_of(ephemeral(5, 5)));
	told_replaced(&t);
	assert_told(&t, nothing, "");
}
END_TEST

UNIT_MAIN("told", test_differences, test_unheard_of, test_embryo,
	  test_seen_before_it_is_told, test_seen_by_the_first,
	  test_seen_after_it_was_told, test_seen_as_another_kind,
	  test_data_seen_before_it_is_told, test_listed, test_lost, test_fill,
	  test_made, test_made_in_the_ephemeral_view,
	  test_directory_made_in_the_ephemeral_view, test_made_over_another,
	  test_set, test_removed)
