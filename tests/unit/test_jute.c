/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <string.h>

#include "jute.h"
#include "unit.h"

static const uint8_t numbers[] = {
	0x01,                                           /* bool */
	0xff, 0xff, 0xff, 0xfe,                         /* int -2 */
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* long */
	0x7f, 0xff, 0xff, 0xff,                         /* INT32_MAX */
	0x80, 0,    0,    0,    0,    0,    0,    0,    /* INT64_MIN */
};

START_TEST(test_get_numbers)
{
	uint8_t buf[sizeof(numbers)];
	struct jute_reader r = jute_reader(buf, sizeof(buf));

	memcpy(buf, numbers, sizeof(buf));
	ck_assert(jute_get_bool(&r));
	ck_assert_int_eq(jute_get_int(&r), -2);
	ck_assert_int_eq(jute_get_long(&r), 0x0102030405060708);
	ck_assert_int_eq(jute_get_int(&r), INT32_MAX);
	ck_assert_uint_eq(jute_remaining(&r), 8);
	ck_assert(jute_get_long(&r) == INT64_MIN);
	ck_assert(jute_reader_ok(&r));
	ck_assert_uint_eq(jute_remaining(&r), 0);
}
END_TEST

START_TEST(test_put_numbers)
{
	uint8_t buf[sizeof(numbers)];
	struct jute_writer w = jute_writer(buf, sizeof(buf));

	jute_put_bool(&w, true);
	jute_put_int(&w, -2);
	jute_put_long(&w, 0x0102030405060708);
	jute_put_int(&w, INT32_MAX);
	jute_put_long(&w, INT64_MIN);
	ck_assert_uint_eq(jute_written(&w), sizeof(numbers));
	ck_assert_mem_eq(buf, numbers, sizeof(numbers));
}
END_TEST

/* Once something did not fit, nothing more is read, though it would. */
START_TEST(test_reader_error_sticks)
{
	uint8_t buf[5] = {0, 0, 0, 1, 1};
	struct jute_reader r = jute_reader(buf, sizeof(buf));

	ck_assert_int_eq(jute_get_long(&r), 0);
	ck_assert(!jute_reader_ok(&r));
	ck_assert_int_eq(jute_get_int(&r), 0);
	ck_assert(!jute_get_bool(&r));
	ck_assert_uint_eq(jute_remaining(&r), 0);
	ck_assert_str_eq(jute_get_path(&r), "");
}
END_TEST

START_TEST(test_reader_of_nothing)
{
	uint8_t byte = 1;
	struct jute_reader r = jute_reader(&byte, 0);

	ck_assert(jute_reader_ok(&r));
	ck_assert_uint_eq(jute_remaining(&r), 0);
	ck_assert(!jute_get_bool(&r));
	ck_assert(!jute_reader_ok(&r));
}
END_TEST

/* A buffer of @n bytes announced, @there of them present: its offset or -1. */
static ptrdiff_t get(int32_t n, size_t there, size_t *len, bool *ok)
{
	uint8_t mem[64] = {0};
	struct jute_writer w = jute_writer(mem, sizeof(mem));
	struct jute_reader r = jute_reader(mem, 4 + there);
	const uint8_t *p;

	jute_put_int(&w, n);
	p = jute_get_buffer(&r, len);
	*ok = jute_reader_ok(&r);
	return p ? p - mem : -1;
}

START_TEST(test_buffer_lengths)
{
	static const struct {
		int32_t n;
		size_t there;
		bool ok;
	} cases[] = {
		{ 0, 0, true },         { 0, 9, true },
		{ 9, 9, true },         { 9, 10, true },
		{ 9, 8, false },        { 1, 0, false },
		{ INT32_MAX, 9, false }, { -1, 0, true },
		{ -1, 9, true },        { -2, 9, false },
		{ INT32_MIN, 9, false }, { -9, 9, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len;
		bool ok;
		ptrdiff_t at = get(cases[i].n, cases[i].there, &len, &ok);

		ck_assert_msg(ok == cases[i].ok, "case %zu", i);
		if (ok && cases[i].n >= 0) {
			ck_assert_int_eq(at, 4);
			ck_assert_int_eq((int)len, cases[i].n);
		} else {
			ck_assert_int_eq(at, -1);
			ck_assert_uint_eq(len, 0);
		}
	}
}
END_TEST

START_TEST(test_path)
{
	uint8_t buf[] = {0, 0, 0, 4, '/', 'a', '/', 'b', 0xaa, 0, 0, 0, 0};
	struct jute_reader r = jute_reader(buf, sizeof(buf));

	ck_assert_str_eq(jute_get_path(&r), "/a/b");
	/* What follows is untouched. */
	ck_assert_uint_eq(buf[8], 0xaa);
	ck_assert(jute_get_bool(&r));
	ck_assert_str_eq(jute_get_path(&r), "");
	ck_assert(jute_reader_ok(&r));
}
END_TEST

START_TEST(test_path_refused)
{
	uint8_t with_nul[] = {0, 0, 0, 3, '/', 0, 'b'};
	uint8_t null[] = {0xff, 0xff, 0xff, 0xff};
	struct jute_reader r = jute_reader(with_nul, sizeof(with_nul));

	ck_assert_str_eq(jute_get_path(&r), "");
	ck_assert(!jute_reader_ok(&r));
	r = jute_reader(null, sizeof(null));
	ck_assert_str_eq(jute_get_path(&r), "");
	ck_assert(!jute_reader_ok(&r));
}
END_TEST

static void put_record(struct jute_writer *w)
{
	jute_begin_frame(w);
	jute_put_int(w, 7);
	jute_put_string(w, "/path");
	jute_put_buffer(w, NULL, 0);
	jute_end_frame(w);
}

START_TEST(test_frame)
{
	static const uint8_t expected[] = {
		0, 0, 0, 17, 0, 0, 0, 7, 0, 0, 0, 5,
		'/', 'p', 'a', 't', 'h', 0, 0, 0, 0,
	};
	uint8_t buf[64];
	struct jute_writer w = jute_writer(buf, sizeof(buf));

	put_record(&w);
	ck_assert_uint_eq(jute_written(&w), sizeof(expected));
	ck_assert_mem_eq(buf, expected, sizeof(expected));
}
END_TEST

/* However little room there is, nothing behind it is written. */
START_TEST(test_writer_bounds)
{
	uint8_t buf[32];

	for (size_t size = 0; size <= 24; size++) {
		struct jute_writer w = jute_writer(buf, size);

		memset(buf, 0xee, sizeof(buf));
		put_record(&w);
		ck_assert_uint_eq(jute_written(&w), size >= 21 ? 21 : 0);
		for (size_t i = size; i < sizeof(buf); i++)
			ck_assert_uint_eq(buf[i], 0xee);
	}
}
END_TEST

UNIT_MAIN("jute", test_get_numbers, test_put_numbers, test_reader_error_sticks,
	  test_reader_of_nothing, test_buffer_lengths, test_path,
	  test_path_refused, test_frame, test_writer_bounds)
