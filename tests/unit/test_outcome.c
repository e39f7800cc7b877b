/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#include <string.h>

#include "unit.h"

#define OURS   0x1234
#define THEIRS 0x5678

/* The znode as it was before: czxid 10, set last by 20, at version 3. */
#define BASED                                                                  \
	.based = true, .base = {.czxid = 10, .mzxid = 20, .version = 3}

#define THERE(c, m, v) {.czxid = (c), .mzxid = (m), .version = (v)}
#define EPHEMERAL_OF(s)                                                        \
	{.czxid = 30, .mzxid = 30, .ephemeral_owner = (s)}

struct row {
	const char *what;
	struct outcome_ask ask;
	bool there;
	struct zstat stat;
	const char *data; /* that is there; "?" may not be read, NULL is null */
	enum outcome want;
};

/* What is asked for is always the value "v". */
static const struct row rows[] = {
	/* create */
	{"nothing there", {.type = OUTCOME_CREATE}, false, {0}, "", OUTCOME_NOT},
	{"claim, nothing there", {.type = OUTCOME_CREATE, .claim = true},
	 false, {0}, "", OUTCOME_NOT},
	{"there as asked for", {.type = OUTCOME_CREATE},
	 true, THERE(30, 30, 0), "v", OUTCOME_DONE},
	{"there, and another may have claimed it",
	 {.type = OUTCOME_CREATE, .claim = true},
	 true, THERE(30, 30, 0), "v", OUTCOME_UNKNOWN},
	{"there, made otherwise", {.type = OUTCOME_CREATE},
	 true, THERE(30, 30, 0), "w", OUTCOME_REFUSED},
	{"there, made as null", {.type = OUTCOME_CREATE},
	 true, THERE(30, 30, 0), NULL, OUTCOME_REFUSED},
	{"claim, there, made otherwise",
	 {.type = OUTCOME_CREATE, .claim = true},
	 true, THERE(30, 30, 0), "w", OUTCOME_REFUSED},
	{"there, and set since", {.type = OUTCOME_CREATE},
	 true, THERE(30, 31, 1), "w", OUTCOME_UNKNOWN},
	{"there, unreadable", {.type = OUTCOME_CREATE},
	 true, THERE(30, 30, 0), "?", OUTCOME_UNKNOWN},
	{"there before", {.type = OUTCOME_CREATE, BASED},
	 true, THERE(10, 20, 3), "v", OUTCOME_REFUSED},
	{"gone and made again since",
	 {.type = OUTCOME_CREATE, BASED},
	 true, THERE(30, 30, 0), "v", OUTCOME_DONE},
	{"there, an ephemeral of another", {.type = OUTCOME_CREATE},
	 true, EPHEMERAL_OF(THEIRS), "v", OUTCOME_REFUSED},
	{"own ephemeral",
	 {.type = OUTCOME_CREATE, .claim = true, .ephemeral = true,
	  .session = OURS},
	 true, EPHEMERAL_OF(OURS), "v", OUTCOME_DONE},
	{"own ephemeral, set since",
	 {.type = OUTCOME_CREATE, .ephemeral = true, .session = OURS},
	 true, EPHEMERAL_OF(OURS), "w", OUTCOME_UNKNOWN},
	{"another's ephemeral",
	 {.type = OUTCOME_CREATE, .ephemeral = true, .session = OURS},
	 true, EPHEMERAL_OF(THEIRS), "v", OUTCOME_REFUSED},
	{"persistent instead of ephemeral",
	 {.type = OUTCOME_CREATE, .ephemeral = true, .session = OURS},
	 true, THERE(30, 30, 0), "v", OUTCOME_REFUSED},

	/* set, whatever is there */
	{"as before",
	 {.type = OUTCOME_SET, .version = -1, BASED},
	 true, THERE(10, 20, 3), "old", OUTCOME_NOT},
	{"as before, and that is what was asked for",
	 {.type = OUTCOME_SET, .version = -1, BASED},
	 true, THERE(10, 20, 3), "v", OUTCOME_NOT},
	{"set as asked for",
	 {.type = OUTCOME_SET, .version = -1, BASED},
	 true, THERE(10, 40, 4), "v", OUTCOME_DONE},
	{"set as asked for, nothing known before",
	 {.type = OUTCOME_SET, .version = -1},
	 true, THERE(10, 40, 4), "v", OUTCOME_DONE},
	{"set otherwise",
	 {.type = OUTCOME_SET, .version = -1, BASED},
	 true, THERE(10, 40, 4), "w", OUTCOME_UNKNOWN},
	{"otherwise, nothing known before",
	 {.type = OUTCOME_SET, .version = -1},
	 true, THERE(10, 20, 3), "w", OUTCOME_UNKNOWN},
	{"set, and unreadable",
	 {.type = OUTCOME_SET, .version = -1, BASED},
	 true, THERE(10, 40, 4), "?", OUTCOME_UNKNOWN},
	{"as before, and unreadable",
	 {.type = OUTCOME_SET, .version = -1, BASED},
	 true, THERE(10, 20, 3), "?", OUTCOME_NOT},
	{"gone", {.type = OUTCOME_SET, .version = -1},
	 false, {0}, "", OUTCOME_REFUSED},

	/* set under a version */
	{"at that version",
	 {.type = OUTCOME_SET, .version = 3, BASED},
	 true, THERE(10, 20, 3), "old", OUTCOME_NOT},
	{"at that version, which looks like it",
	 {.type = OUTCOME_SET, .version = 3, BASED},
	 true, THERE(10, 20, 3), "v", OUTCOME_NOT},
	{"at the next, as asked for",
	 {.type = OUTCOME_SET, .version = 3, BASED},
	 true, THERE(10, 40, 4), "v", OUTCOME_DONE},
	{"at the next, otherwise",
	 {.type = OUTCOME_SET, .version = 3, BASED},
	 true, THERE(10, 40, 4), "w", OUTCOME_REFUSED},
	{"at the next, unreadable",
	 {.type = OUTCOME_SET, .version = 3, BASED},
	 true, THERE(10, 40, 4), "?", OUTCOME_UNKNOWN},
	{"further, as asked for",
	 {.type = OUTCOME_SET, .version = 3, BASED},
	 true, THERE(10, 50, 5), "v", OUTCOME_DONE},
	{"further, otherwise",
	 {.type = OUTCOME_SET, .version = 3, BASED},
	 true, THERE(10, 50, 5), "w", OUTCOME_UNKNOWN},
	{"another znode, at that version",
	 {.type = OUTCOME_SET, .version = 3, BASED},
	 true, THERE(30, 33, 3), "w", OUTCOME_REFUSED},
	{"another znode, at an earlier version",
	 {.type = OUTCOME_SET, .version = 3},
	 true, THERE(30, 30, 0), "w", OUTCOME_REFUSED},
	{"gone", {.type = OUTCOME_SET, .version = 3, BASED},
	 false, {0}, "", OUTCOME_REFUSED},

	/* delete */
	{"gone", {.type = OUTCOME_DELETE, BASED},
	 false, {0}, "", OUTCOME_DONE},
	{"gone, nothing known before", {.type = OUTCOME_DELETE},
	 false, {0}, "", OUTCOME_DONE},
	{"still there", {.type = OUTCOME_DELETE, BASED},
	 true, THERE(10, 20, 3), "v", OUTCOME_NOT},
	{"still there, and set",
	 {.type = OUTCOME_DELETE, BASED},
	 true, THERE(10, 40, 4), "w", OUTCOME_NOT},
	{"made again", {.type = OUTCOME_DELETE, BASED},
	 true, THERE(30, 30, 0), "v", OUTCOME_DONE},
	{"there, nothing known before", {.type = OUTCOME_DELETE},
	 true, THERE(10, 20, 3), "v", OUTCOME_UNKNOWN},
};

static struct blob *value(const char *text)
{
	struct blob *b = text ? blob_new(text, strlen(text)) : blob_new_null();

	ck_assert_ptr_nonnull(b);
	return b;
}

static void check_row(const struct row *row)
{
	bool unread = row->data && strcmp(row->data, "?") == 0;
	struct blob *data = unread ? NULL : value(row->data);
	struct blob *asked = value("v");
	struct outcome_ask ask = row->ask;
	enum outcome got;

	ask.data = asked;
	got = outcome_of(&ask, row->there ? &row->stat : NULL, data);
	ck_assert_msg(got == row->want, "%s: %d, not %d", row->what, got,
		      row->want);
	blob_unref(asked);
	blob_unref(data);
}

START_TEST(test_rows)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
}
END_TEST

/* Null data and data of no length are two things. */
START_TEST(test_null_is_not_empty)
{
	const struct zstat stat = THERE(30, 30, 0);
	struct blob *null = value(NULL), *empty = value("");
	struct outcome_ask ask = {.type = OUTCOME_CREATE, .data = null};

	ck_assert_int_eq(outcome_of(&ask, &stat, null), OUTCOME_DONE);
	ck_assert_int_eq(outcome_of(&ask, &stat, empty), OUTCOME_REFUSED);
	ask.data = empty;
	ck_assert_int_eq(outcome_of(&ask, &stat, empty), OUTCOME_DONE);
	ck_assert_int_eq(outcome_of(&ask, &stat, null), OUTCOME_REFUSED);
	blob_unref(null);
	blob_unref(empty);
}
END_TEST

/* What is still there decides; otherwise what was made does. */
START_TEST(test_multi)
{
	static const enum outcome want[4][4] = {
		/* by what was made: done, not, refused, unknown */
		[OUTCOME_DONE] = {OUTCOME_DONE, OUTCOME_UNKNOWN,
				  OUTCOME_UNKNOWN, OUTCOME_UNKNOWN},
		[OUTCOME_NOT] = {OUTCOME_NOT, OUTCOME_NOT, OUTCOME_NOT,
				 OUTCOME_NOT},
		[OUTCOME_REFUSED] = {OUTCOME_UNKNOWN, OUTCOME_UNKNOWN,
				     OUTCOME_UNKNOWN, OUTCOME_UNKNOWN},
		[OUTCOME_UNKNOWN] = {OUTCOME_UNKNOWN, OUTCOME_UNKNOWN,
				     OUTCOME_UNKNOWN, OUTCOME_UNKNOWN},
	};
	static const enum outcome alone[] = {OUTCOME_DONE, OUTCOME_NOT,
					     OUTCOME_NOT, OUTCOME_UNKNOWN};
	enum outcome gone, made;

	for (made = 0; made < 4; made++) {
		for (gone = 0; gone < 4; gone++)
			ck_assert_int_eq(outcome_of_multi(&gone, made),
					 want[gone][made]);
		ck_assert_int_eq(outcome_of_multi(NULL, made), alone[made]);
	}
}
END_TEST

UNIT_MAIN("outcome", test_rows, test_null_is_not_empty, test_multi)
