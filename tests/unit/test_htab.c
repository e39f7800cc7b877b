/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>

#include "htab.h"
#include "unit.h"

struct thing {
	unsigned key;
	bool in;
	struct hlink link;
};

/* All hashes alike with @narrow 1, three of them with 3, good ones with 0. */
static uint64_t hash_of(unsigned key, unsigned narrow)
{
	return narrow ? key % narrow : htab_hash_u64(key);
}

/* How often @x is met in a search for its hash. */
static unsigned met(struct htab *t, struct thing *x)
{
	struct hlink *l;
	unsigned n = 0;

	htab_for_each_hash(l, t, x->link.hash) n += l == &x->link;
	return n;
}

static size_t buckets(const struct htab *t)
{
	return t->mask + 1;
}

START_TEST(test_empty)
{
	struct htab t;
	struct hlink *l;

	htab_init(&t);
	ck_assert_uint_eq(t.count, 0);
	for (uint64_t hash = 0; hash < 1000; hash++)
		htab_for_each_hash(l, &t, hash)
			ck_abort_msg("found something in an empty table");
	htab_release(&t);
}
END_TEST

START_TEST(test_add_find_del)
{
	struct thing a = {.key = 1}, b = {.key = 2};
	struct hlink *l;
	struct htab t;

	htab_init(&t);
	htab_add(&t, &a.link, 77);
	htab_add(&t, &b.link, 78);
	ck_assert_uint_eq(t.count, 2);
	ck_assert_uint_eq(met(&t, &a), 1);
	ck_assert_uint_eq(met(&t, &b), 1);
	htab_for_each_hash(l, &t, 77) ck_assert_ptr_eq(l, &a.link);
	htab_del(&t, &a.link);
	ck_assert_uint_eq(t.count, 1);
	ck_assert_uint_eq(met(&t, &b), 1);
	htab_for_each_hash(l, &t, 77) ck_abort_msg("found what was deleted");
	htab_del(&t, &b.link);
	ck_assert_uint_eq(t.count, 0);
	htab_release(&t);
}
END_TEST

/* The same bucket, other hashes: they are passed over. */
START_TEST(test_same_bucket)
{
	struct thing things[10];
	struct htab t;

	htab_init(&t);
	for (unsigned i = 0; i < 10; i++)
		htab_add(&t, &things[i].link, (uint64_t)i << 32 | 5);
	for (unsigned i = 0; i < 10; i++) {
		struct hlink *l;
		unsigned n = 0;

		htab_for_each_hash(l, &t, (uint64_t)i << 32 | 5)
		{
			ck_assert_ptr_eq(l, &things[i].link);
			n++;
		}
		ck_assert_uint_eq(n, 1);
	}
	/* First, last and one in the middle of the chain. */
	htab_del(&t, &things[9].link);
	htab_del(&t, &things[0].link);
	htab_del(&t, &things[4].link);
	for (unsigned i = 0; i < 10; i++)
		if (i != 9 && i != 0 && i != 4)
			ck_assert_uint_eq(met(&t, &things[i]), 1);
	htab_release(&t);
}
END_TEST

START_TEST(test_grows_and_shrinks)
{
	const unsigned n = 100000;
	struct thing *things = xcalloc(n, sizeof(*things));
	struct htab t;
	size_t empty;

	htab_init(&t);
	empty = buckets(&t);
	for (unsigned i = 0; i < n; i++) {
		htab_add(&t, &things[i].link, htab_hash_u64(i));
		if (t.count > buckets(&t))
			ck_abort_msg("%zu in %zu buckets", t.count,
				     buckets(&t));
	}
	ck_assert_uint_le(buckets(&t), 4 * (size_t)n);
	for (unsigned i = 0; i < n; i++)
		if (met(&t, &things[i]) != 1)
			ck_abort_msg("lost %u", i);
	for (unsigned i = 0; i < n; i++) {
		htab_del(&t, &things[i].link);
		if (t.count < buckets(&t) / 8 && buckets(&t) > empty)
			ck_abort_msg("%zu buckets for %zu", buckets(&t),
				     t.count);
	}
	ck_assert_uint_eq(buckets(&t), empty);
	htab_release(&t);
	free(things);
}
END_TEST

/* Grown once, for those that are there and those that come. */
START_TEST(test_reserve)
{
	struct thing things[1000];
	struct htab t;
	size_t n;

	htab_init(&t);
	for (unsigned i = 0; i < 200; i++)
		htab_add(&t, &things[i].link, htab_hash_u64(i));
	htab_reserve(&t, 800);
	n = buckets(&t);
	ck_assert_uint_ge(n, 1000);
	for (unsigned i = 200; i < 1000; i++)
		htab_add(&t, &things[i].link, htab_hash_u64(i));
	ck_assert_uint_eq(buckets(&t), n);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_uint_eq(met(&t, &things[i]), 1);
	htab_reserve(&t, 1);
	ck_assert_uint_eq(buckets(&t), n);
	htab_release(&t);
}
END_TEST

/* To be expected changes nothing, whether it is there or not. */
START_TEST(test_expect)
{
	uint64_t hashes[] = {1, 2, 77};
	struct thing a;
	struct htab t;

	htab_init(&t);
	htab_add(&t, &a.link, 77);
	htab_expect(&t, hashes, ARRAY_SIZE(hashes));
	ck_assert_uint_eq(met(&t, &a), 1);
	ck_assert_ptr_null(htab_first(&t, 1));
	ck_assert_uint_eq(t.count, 1);
	htab_release(&t);
}
END_TEST

static void check_all(struct htab *t, struct thing *things, unsigned n)
{
	size_t in = 0;

	for (unsigned i = 0; i < n; i++) {
		in += things[i].in;
		if (things[i].in && met(t, &things[i]) != 1)
			ck_abort_msg("%u is met %u times", i,
				     met(t, &things[i]));
	}
	ck_assert_uint_eq(t->count, in);
}

/* Against a flag in each thing; @_i says how bad the hashes are. */
START_TEST(test_random)
{
	static const unsigned narrow[] = {0, 1, 3};
	struct thing things[500] = {0};
	uint64_t rng = 4711;
	struct htab t;

	for (unsigned way = 0; way < ARRAY_SIZE(narrow); way++) {
		memset(things, 0, sizeof(things));
		htab_init(&t);
		for (int step = 0; step < 20000; step++) {
			unsigned i = unit_rand(&rng, ARRAY_SIZE(things));

			if (things[i].in)
				htab_del(&t, &things[i].link);
			else
				htab_add(&t, &things[i].link,
					 hash_of(i, narrow[way]));
			things[i].in = !things[i].in;
			if (step % 1000 == 0)
				check_all(&t, things, ARRAY_SIZE(things));
		}
		check_all(&t, things, ARRAY_SIZE(things));
		htab_release(&t);
	}
}
END_TEST

/*
 * What the tables of nodes and inodes hash: numbers in sequence, and names
 * that differ in one digit below parents that lie side by side in memory.
 * With good hashes few buckets of 65,536 hold more than 8 of 65,536 members.
 */
START_TEST(test_spread)
{
	static unsigned char load[2][65536];
	char name[32];

	for (unsigned i = 0; i < 65536; i++) {
		int len = snprintf(name, sizeof(name), "item-%08u", i);
		uint64_t parent = 0x7f0000001000u + i % 256 * 256;

		load[0][htab_hash_u64(i) & 0xffff]++;
		load[1][htab_hash_bytes(name, (size_t)len, parent) & 0xffff]++;
	}
	for (int way = 0; way < 2; way++) {
		unsigned most = 0;

		for (unsigned i = 0; i < 65536; i++)
			most = MAX(most, load[way][i]);
		ck_assert_uint_le(most, 16);
	}
}
END_TEST

START_TEST(test_hash_bytes)
{
	uint64_t h = htab_hash_bytes("ab", 2, 1);

	ck_assert_uint_eq(htab_hash_bytes("abc", 2, 1), h);
	ck_assert_uint_ne(htab_hash_bytes("abc", 3, 1), h);
	ck_assert_uint_ne(htab_hash_bytes("ab", 2, 2), h);
	ck_assert_uint_ne(htab_hash_bytes("ba", 2, 1), h);
	ck_assert_uint_eq(htab_hash_bytes("", 0, 9),
			  htab_hash_bytes(NULL, 0, 9));
}
END_TEST

UNIT_MAIN("htab", test_empty, test_add_find_del, test_same_bucket,
	  test_grows_and_shrinks, test_reserve, test_expect, test_random,
	  test_spread, test_hash_bytes)
