/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ephemerals.h"
#include "node.h"
#include "unit.h"

/* The set below @dir as one string, separated by blanks. */
static const char *below(const struct ephemerals *e, const char *dir)
{
	static char text[4096];
	size_t first, end, len = 0;

	ephemerals_below(e, dir, &first, &end);
	ck_assert_uint_le(first, end);
	ck_assert_uint_le(end, e->n);
	text[0] = '\0';
	for (size_t i = first; i < end; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
					len ? " " : "", e->paths[i]);
	return text;
}

static void add_all(struct ephemerals *e, const char *const *paths, size_t n)
{
	*e = (struct ephemerals){0};
	for (size_t i = 0; i < n; i++)
		ephemerals_add(e, paths[i]);
}

START_TEST(test_empty)
{
	struct ephemerals e = {0};

	ck_assert_str_eq(below(&e, "/"), "");
	ck_assert_str_eq(below(&e, "/a"), "");
	ephemerals_del(&e, "/a");
	ephemerals_clear(&e);
	ck_assert_uint_eq(e.n, 0);
}
END_TEST

START_TEST(test_add_once)
{
	struct ephemerals e = {0};
	char path[] = "/a";

	ephemerals_add(&e, path);
	path[1] = 'b'; /* it was copied */
	ephemerals_add(&e, "/a");
	ck_assert_uint_eq(e.n, 1);
	ck_assert_str_eq(e.paths[0], "/a");
	ephemerals_del(&e, "/b");
	ck_assert_uint_eq(e.n, 1);
	ephemerals_del(&e, "/a");
	ck_assert_uint_eq(e.n, 0);
	ephemerals_del(&e, "/a");
	ephemerals_clear(&e);
}
END_TEST

/* Names that begin alike, with characters before and behind the slash. */
START_TEST(test_below)
{
	static const char *const paths[] = {
		"/a/x",   "/a-b/x", "/a.b",        "/a0/x", "/ab",
		"/a/y/z", "/a/",    "/\xc3\xa4/x", "/b",
	};
	struct ephemerals e;

	add_all(&e, paths, ARRAY_SIZE(paths));
	ck_assert_str_eq(below(&e, "/a"), "/a/ /a/x /a/y/z");
	ck_assert_str_eq(below(&e, "/a/y"), "/a/y/z");
	ck_assert_str_eq(below(&e, "/a/y/z"), "");
	ck_assert_str_eq(below(&e, "/a-b"), "/a-b/x");
	ck_assert_str_eq(below(&e, "/b"), "");
	ck_assert_str_eq(below(&e, "/\xc3\xa4"), "/\xc3\xa4/x");
	ck_assert_str_eq(below(&e, "/zz"), "");
	ephemerals_clear(&e);
}
END_TEST

START_TEST(test_below_the_root)
{
	static const char *const paths[] = {"/b", "/a", "/c/d"};
	struct ephemerals e;

	add_all(&e, paths, ARRAY_SIZE(paths));
	ck_assert_str_eq(below(&e, "/"), "/a /b /c/d");
	ephemerals_clear(&e);
	ck_assert_str_eq(below(&e, "/"), "");
	ephemerals_add(&e, "/again");
	ck_assert_str_eq(below(&e, "/"), "/again");
	ephemerals_clear(&e);
}
END_TEST

static void check(const struct ephemerals *e, const bool *in, unsigned n)
{
	size_t count = 0;

	for (unsigned i = 0; i < n; i++)
		count += in[i];
	ck_assert_uint_eq(e->n, count);
	for (size_t i = 1; i < e->n; i++)
		if (strcmp(e->paths[i - 1], e->paths[i]) >= 0)
			ck_abort_msg("%s before %s", e->paths[i - 1],
				     e->paths[i]);
	for (size_t i = 0; i < e->n; i++) {
		unsigned k;

		if (sscanf(e->paths[i], "/d%*u/e%u", &k) != 1 || !in[k])
			ck_abort_msg("%s should not be there", e->paths[i]);
	}
}

START_TEST(test_random)
{
	bool in[300] = {0};
	struct ephemerals e = {0};
	uint64_t rng = 5;
	char path[32];

	for (int step = 0; step < 20000; step++) {
		unsigned k = unit_rand(&rng, ARRAY_SIZE(in));

		snprintf(path, sizeof(path), "/d%u/e%u", k % 12, k);
		in[k] = unit_rand(&rng, 2);
		if (in[k])
			ephemerals_add(&e, path);
		else
			ephemerals_del(&e, path);
		if (step % 500 == 0)
			check(&e, in, ARRAY_SIZE(in));
	}
	for (unsigned d = 0; d < 12; d++) {
		size_t first, end, want = 0;

		for (unsigned k = d; k < ARRAY_SIZE(in); k += 12)
			want += in[k];
		snprintf(path, sizeof(path), "/d%u", d);
		ephemerals_below(&e, path, &first, &end);
		ck_assert_uint_eq(end - first, want);
	}
	ephemerals_clear(&e);
}
END_TEST

/* A node of which the kernel knows nothing, and its value. */
static const struct node *value_of(struct node_table *t, const char *path)
{
	static struct zstat stat = {.czxid = 1, .mzxid = 1};
	struct node *node = node_at(t, path), *same = node;
	struct blob *data = blob_new("value", 5);

	node_learn(t, node, &stat, data, 0);
	blob_unref(data);
	node_put(t, &node);
	return same;
}

/* With keep_in, what is added is there to be made again. */
START_TEST(test_values_are_kept)
{
	struct ephemerals e = {0};
	struct node_table t;
	const struct node *node;
	struct node *found;

	node_table_init(&t, "/", (struct node_policy){0}, 12);
	e.keep_in = &t;
	ephemerals_add(&e, "/a");
	node = value_of(&t, "/a");
	ck_assert_ptr_nonnull(node_data(node));
	/* Others give way first, though they are younger. */
	ephemerals_add(&e, "/b");
	value_of(&t, "/b");
	found = node_at(&t, "/other");
	node_learn(&t, found, &(struct zstat){.czxid = 2, .mzxid = 2},
		   node_data(node), 0);
	ck_assert_ptr_null(found->value);
	node_put(&t, &found);
	ck_assert_ptr_nonnull(node_data(node));
	/* But the bound is one for them too. */
	ephemerals_add(&e, "/c");
	value_of(&t, "/c");
	ck_assert_uint_le(t.cached_bytes, 12);
	ck_assert_ptr_null(node_data(node));
	ephemerals_del(&e, "/b");
	ephemerals_clear(&e);
	ck_assert_uint_eq(t.n_nodes, 1);
	ck_assert_ptr_eq(e.keep_in, &t);
	node_table_release(&t);
}
END_TEST

UNIT_MAIN("ephemerals", test_empty, test_add_once, test_below,
	  test_below_the_root, test_random,
	  test_values_are_kept)
