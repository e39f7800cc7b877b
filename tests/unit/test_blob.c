/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "blob.h"
#include "unit.h"

START_TEST(test_copies)
{
	char text[] = "value";
	struct blob *b = blob_new(text, sizeof(text));

	text[0] = 'V';
	ck_assert(!b->null);
	ck_assert_uint_eq(b->len, 6);
	ck_assert_str_eq(b->data, "value");
	blob_unref(b);
}
END_TEST

START_TEST(test_to_be_filled_in)
{
	struct blob *b = blob_new(NULL, 100000);

	ck_assert(!b->null);
	ck_assert_uint_eq(b->len, 100000);
	memset(b->data, 'x', b->len);
	blob_unref(b);
}
END_TEST

/* Zero bytes are one thing, none another. */
START_TEST(test_empty_and_null)
{
	struct blob *empty = blob_new("", 0), *null = blob_new_null();

	ck_assert(!empty->null);
	ck_assert_uint_eq(empty->len, 0);
	ck_assert(null->null);
	ck_assert_uint_eq(null->len, 0);
	blob_unref(empty);
	blob_unref(null);
}
END_TEST

START_TEST(test_from_wire)
{
	struct blob *b = blob_from_wire("abc", 3);

	ck_assert_mem_eq(b->data, "abc", 3);
	ck_assert_uint_eq(b->len, 3);
	blob_unref(b);
	b = blob_from_wire(NULL, -1);
	ck_assert(b->null);
	blob_unref(b);
	b = blob_from_wire(NULL, 0);
	ck_assert(!b->null);
	ck_assert_uint_eq(b->len, 0);
	blob_unref(b);
	b = blob_from_wire("", 0);
	ck_assert(!b->null);
	blob_unref(b);
}
END_TEST

START_TEST(test_no_blob)
{
	struct blob *slot = NULL;

	ck_assert_ptr_null(blob_ref(NULL));
	blob_unref(NULL);
	blob_assign(&slot, NULL);
	ck_assert_ptr_null(slot);
}
END_TEST

START_TEST(test_counts)
{
	struct blob *b = blob_new("v", 1);

	ck_assert_ptr_eq(blob_ref(b), b);
	ck_assert_int_eq(atomic_load(&b->refs), 2);
	blob_unref(b);
	ck_assert_int_eq(atomic_load(&b->refs), 1);
	ck_assert_mem_eq(b->data, "v", 1);
	blob_unref(b);
}
END_TEST

START_TEST(test_assign)
{
	struct blob *a = blob_new("a", 1), *b = blob_new("b", 1);
	struct blob *slot = NULL;

	blob_assign(&slot, blob_ref(a));
	ck_assert_ptr_eq(slot, a);
	ck_assert_int_eq(atomic_load(&a->refs), 2);
	blob_assign(&slot, b);
	ck_assert_ptr_eq(slot, b);
	ck_assert_int_eq(atomic_load(&a->refs), 1);
	/* Itself, with a reference of its own. */
	blob_assign(&slot, blob_ref(slot));
	ck_assert_ptr_eq(slot, b);
	ck_assert_int_eq(atomic_load(&b->refs), 1);
	blob_assign(&slot, NULL);
	ck_assert_ptr_null(slot);
	blob_unref(a);
}
END_TEST

static void *take_and_drop(void *arg)
{
	struct blob *b = arg;

	for (int i = 0; i < 100000; i++) {
		struct blob *mine = blob_ref(b);

		if (mine->data[0] != 'v')
			abort();
		blob_unref(mine);
	}
	blob_unref(b);
	return NULL;
}

/* Whoever is last frees it, once: a sanitizer tells. */
START_TEST(test_threads)
{
	struct blob *b = blob_new("v", 1);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						take_and_drop, blob_ref(b)),
				 0);
	blob_unref(b);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

UNIT_MAIN("blob", test_copies, test_to_be_filled_in, test_empty_and_null,
	  test_from_wire, test_no_blob, test_counts, test_assign, test_threads)
