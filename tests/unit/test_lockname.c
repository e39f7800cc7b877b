/* SPDX-License-Identifier: Apache-2.0 */
#include "lockname.h"

#include <stdio.h>

#include "unit.h"

#define E LOCKNAME_EXCLUSIVE
#define S LOCKNAME_SHARED
#define N LOCKNAME_NONE

struct parse_case {
	const char *name;
	enum lockname_type type;
	uint32_t seq;
};

static const struct parse_case cases[] = {
	/* As the recipes of Curator 5.4 and kazoo 2.8 create them. */
	{"_c_3f6ef26a-4d0b-4bd1-93b5-dd0ad3b9a3b2-lock-0000000017", E, 17},
	{"_c_3f6ef26a-4d0b-4bd1-93b5-dd0ad3b9a3b2-__WRIT__0000000001", E, 1},
	{"_c_3f6ef26a-4d0b-4bd1-93b5-dd0ad3b9a3b2-__READ__0000000000", S, 0},
	{"0b1c3d6e9bb04f4ab5d1a3c5b0f3a111__lock__0000000003", E, 3},
	{"0b1c3d6e9bb04f4ab5d1a3c5b0f3a111__rlock__0000000004", S, 4},
	{"lock-0000000005", E, 5},
	{"lock-2147483647", E, 2147483647},
	/* The counter has wrapped. */
	{"lock--2147483648", E, 0x80000000},
	{"lock--1000000000", E, (uint32_t)-1000000000},
	{"lock--999999999", E, (uint32_t)-999999999},
	{"lock--000000001", E, 0xffffffff},
	{"x__READ__-000000001", S, 0xffffffff},
	/* Anything else. */
	{"", N, 0},
	{"0000000001", N, 0},
	{"-0000000001", N, 0},
	{"lock-", N, 0},
	{"lock0000000001", N, 0},
	{"lock-000000001", N, 0},
	{"lock-00000000001", N, 0},
	{"lock-0000000001x", N, 0},
	{"lock-x0000000001", N, 0},
	{"lock---000000001", N, 0},
	{"lock--00000001", N, 0},
	{"lock-2147483648", N, 0},
	{"lock-9999999999", N, 0},
	{"lock--2147483649", N, 0},
	{"lock-99999999999999999999999", N, 0},
	{"block-0000000001", E, 1}, /* "lock-" with "b" before it */
	{"task-0000000001", N, 0},
	{"__LOCK__0000000001", N, 0},
	{"__lock_0000000001", N, 0},
};

START_TEST(test_parse)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct parse_case *c = &cases[i];
		uint32_t seq = 0;

		ck_assert_msg(lockname_parse(c->name, &seq) == c->type,
			      "%s", c->name);
		ck_assert_msg(lockname_is(c->name) == (c->type != N), "%s",
			      c->name);
		ck_assert_msg(seq == c->seq, "%s: %u", c->name, seq);
	}
}
END_TEST

START_TEST(test_are_all)
{
	const char *const names[] = {"lock-0000000001", "a__rlock__0000000002",
				     "child"};

	ck_assert(lockname_are_all(names, 0));
	ck_assert(lockname_are_all(names, 2));
	ck_assert(!lockname_are_all(names, 3));
}
END_TEST

static void make(char *name, const char *owner, uint64_t attempt, bool shared,
		 uint32_t seq)
{
	char prefix[LOCKNAME_PREFIX_SIZE], base[LOCKNAME_SIZE];

	lockname_prefix(prefix, owner, attempt);
	lockname_make(base, prefix, shared);
	snprintf(name, 80, "%s%010d", base, (int)seq);
}

static const uint8_t random_a[16] = {0x01, 0x23, 0x45, 0x67, 0x89,
				     0xab, 0xcd, 0xef, 0xff, 0x11};
static const uint8_t random_b[16] = {0xff, 0xff, 0xff, 0xff, 0xff,
				     0xff, 0xff, 0xff, 0xff, 0xff};

START_TEST(test_names_made_here)
{
	char a[LOCKNAME_OWNER_SIZE], b[LOCKNAME_OWNER_SIZE], name[80];
	char prefix[LOCKNAME_PREFIX_SIZE];
	uint32_t seq;

	lockname_owner(a, random_a);
	lockname_owner(b, random_b);
	ck_assert_str_eq(a, "_c_01234567-89ab-4def-bf11-");
	ck_assert_str_eq(b, "_c_ffffffff-ffff-4fff-bfff-");
	lockname_prefix(prefix, a, 0xabc);
	ck_assert_str_eq(prefix, "_c_01234567-89ab-4def-bf11-000000000abc-");
	lockname_prefix(prefix, a, UINT64_MAX);
	ck_assert_str_eq(prefix, "_c_01234567-89ab-4def-bf11-ffffffffffff-");
	make(name, a, 1, false, 7);
	ck_assert_str_eq(
		name,
		"_c_01234567-89ab-4def-bf11-000000000001-lock-0000000007");
	ck_assert_int_eq(lockname_parse(name, &seq), E);
	make(name, a, 1, true, 7);
	ck_assert_str_eq(
		name,
		"_c_01234567-89ab-4def-bf11-000000000001-__READ__0000000007");
	ck_assert_int_eq(lockname_parse(name, &seq), S);
}
END_TEST

START_TEST(test_find)
{
	const char *const names[] = {"a", "_c_1-2-lock-0000000001",
				     "_c_1-3-lock-0000000002"};

	ck_assert_ptr_eq(lockname_find(names, 3, "_c_1-3-"), names[2]);
	ck_assert_ptr_eq(lockname_find(names, 3, "_c_1-"), names[1]);
	ck_assert_ptr_null(lockname_find(names, 3, "_c_2-"));
	ck_assert_ptr_null(lockname_find(names, 0, "_c_1-3-"));
}
END_TEST

/* --- queues -------------------------------------------------------------- */

/* A queue in the order in which it stands here: not that of the numbers. */
static const char *const queue[] = {
	"x__rlock__0000000005", "lock-0000000009",  "notes",
	"x__lock__0000000003",  "y__READ__0000000001", "lock-0000000012",
};

static const char *blocker(const char *mine)
{
	struct lockname_view v =
		lockname_view(queue, ARRAY_SIZE(queue), "", mine);

	ck_assert(v.there);
	ck_assert(!v.deadlock);
	return v.blocker;
}

START_TEST(test_view)
{
	struct lockname_view v;

	ck_assert_str_eq(blocker("lock-0000000012"), "lock-0000000009");
	ck_assert_str_eq(blocker("lock-0000000009"), "x__rlock__0000000005");
	ck_assert_str_eq(blocker("x__rlock__0000000005"),
			 "x__lock__0000000003");
	ck_assert_str_eq(blocker("x__lock__0000000003"),
			 "y__READ__0000000001");
	ck_assert_ptr_null(blocker("y__READ__0000000001"));
	v = lockname_view(queue, ARRAY_SIZE(queue), "", "lock-0000000010");
	ck_assert(!v.there);
	v = lockname_view(queue, 0, "", "lock-0000000010");
	ck_assert(!v.there && !v.blocker);
}
END_TEST

START_TEST(test_view_after_the_wrap)
{
	const char *const names[] = {"lock--2147483648", "lock-2147483647"};
	struct lockname_view v = lockname_view(names, 2, "", names[0]);

	ck_assert_str_eq(v.blocker, names[1]);
	v = lockname_view(names, 2, "", names[1]);
	ck_assert_ptr_null(v.blocker);
}
END_TEST

/* A and B, each with a shared znode and then an exclusive one. */
struct upgrades {
	char a[LOCKNAME_OWNER_SIZE], b[LOCKNAME_OWNER_SIZE];
	char text[4][80];
	const char *names[4];
};

static void two_upgrades(struct upgrades *u)
{
	lockname_owner(u->a, random_a);
	lockname_owner(u->b, random_b);
	make(u->text[0], u->a, 1, true, 1);
	make(u->text[1], u->b, 1, true, 2);
	make(u->text[2], u->a, 2, false, 3);
	make(u->text[3], u->b, 2, false, 4);
	for (int i = 0; i < 4; i++)
		u->names[i] = u->text[i];
}

START_TEST(test_own_do_not_block)
{
	struct lockname_view v;
	struct upgrades u;

	two_upgrades(&u);
	v = lockname_view(u.names, 4, u.a, u.names[2]);
	ck_assert_str_eq(v.blocker, u.names[1]);
	ck_assert(!v.deadlock); /* the other one finds it */
	u.names[1] = "notes";
	v = lockname_view(u.names, 3, u.a, u.names[2]);
	ck_assert_ptr_null(v.blocker);
}
END_TEST

START_TEST(test_deadlock)
{
	struct lockname_view v;
	struct upgrades u;

	two_upgrades(&u);
	v = lockname_view(u.names, 4, u.b, u.names[3]);
	ck_assert_str_eq(v.blocker, u.names[2]);
	ck_assert(v.deadlock);
	/* The first has no shared one, or we have none: that is a queue. */
	u.names[0] = "notes";
	v = lockname_view(u.names, 4, u.b, u.names[3]);
	ck_assert(v.blocker && !v.deadlock);
	two_upgrades(&u);
	u.names[1] = "notes";
	v = lockname_view(u.names, 4, u.b, u.names[3]);
	ck_assert(v.blocker && !v.deadlock);
}
END_TEST

START_TEST(test_first)
{
	size_t n = ARRAY_SIZE(queue);

	ck_assert_str_eq(lockname_first(queue, n, "", false),
			 "y__READ__0000000001");
	ck_assert_str_eq(lockname_first(queue, n, "", true),
			 "x__lock__0000000003");
	ck_assert_str_eq(lockname_first(queue, n, "y__", false),
			 "x__lock__0000000003");
	ck_assert_ptr_null(lockname_first(queue, 0, "", false));
	ck_assert_ptr_null(lockname_first(queue, 1, "", true));
}
END_TEST

UNIT_MAIN("lockname", test_parse, test_are_all, test_names_made_here,
	  test_find, test_view, test_view_after_the_wrap,
	  test_own_do_not_block, test_deadlock, test_first)
