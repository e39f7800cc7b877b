/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "name.h"
#include "unit.h"

static const char *const specials[] = {
	[NAME_DATA] = ".data",
	[NAME_EPHEMERAL] = ".ephemeral",
	[NAME_SEQUENTIAL] = ".sequential",
	[NAME_EPHEMERAL_SEQUENTIAL] = ".ephemeral-sequential",
	[NAME_CONTAINER] = ".container",
	[NAME_TTL] = ".ttl",
	[NAME_ZNODEFS] = ".znodefs",
};

START_TEST(test_special)
{
	static const char *const plain[] = {
		"",       ".",      "..",     "data",     "..data", ".Data",
		".dat",   ".datax", ".data ", "%2Edata",  ".ttl2",  ".tt",
		"x.data", ".zfs",   ".snap",  ".sequenti"};

	for (size_t i = NAME_DATA; i < ARRAY_SIZE(specials); i++) {
		enum name_special below =
			i == NAME_DATA ? NAME_DATA : NAME_PLAIN;

		ck_assert_uint_eq(name_special(specials[i], true), i);
		ck_assert_uint_eq(name_special(specials[i], false), below);
	}
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		ck_assert_uint_eq(name_special(plain[i], true), NAME_PLAIN);
		ck_assert_uint_eq(name_special(plain[i], false), NAME_PLAIN);
	}
}
END_TEST

/* Both ways, and the length. */
static void check_pair(const char *znode, bool at_root, const char *entry)
{
	char buf[NAME_ENTRY_MAX + 1];

	ck_assert_int_eq(name_to_entry(znode, at_root, buf), strlen(entry));
	ck_assert_str_eq(buf, entry);
	ck_assert_int_eq(name_to_znode(entry, at_root, buf), 0);
	ck_assert_str_eq(buf, znode);
}

START_TEST(test_escape)
{
	for (size_t i = NAME_DATA; i < ARRAY_SIZE(specials); i++) {
		const char *tail = specials[i] + 1;
		char znode[64] = "", entry[64];

		snprintf(znode, sizeof(znode), "%s", specials[i]);
		snprintf(entry, sizeof(entry), "%%2E%s", tail);
		for (int k = 0; k < 5; k++) {
			const char *same = i == NAME_DATA ? entry : znode;

			check_pair(znode, true, entry);
			if (i == NAME_DATA || k)
				check_pair(znode, false, same);
			strcpy(znode, entry);
			stpcpy(stpcpy(entry, "%25"), znode + 1);
		}
	}
}
END_TEST

START_TEST(test_identity)
{
	static const char *const same[] = {
		"a",           "foo%20bar",   "100%",
		"%",           "%2E",         "%25",
		"%252E",       "%2edata",     "%2Edat",
		"%2Edatax",    "%24data",     "%25data",
		"%2525data",   "x%2Edata",    "%%2Edata",
		"data",        "%25%2Edata",  "%2E%2E",
		"%252%2Edata", "%52Edata",    "...",
		"..data",      "%2E.data",    "%~0123456789abcdef",
		" ",           "caf\xc3\xa9", "-rf",
		"*?\\\"'$`"};

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		check_pair(same[i], true, same[i]);
		check_pair(same[i], false, same[i]);
	}
	check_pair(".ephemeral", false, ".ephemeral");
	check_pair("%2Ettl", false, "%2Ettl");
}
END_TEST

START_TEST(test_to_znode_errors)
{
	char buf[NAME_ENTRY_MAX + 1], longer[NAME_ENTRY_MAX + 2];

	for (size_t i = NAME_DATA; i < ARRAY_SIZE(specials); i++)
		ck_assert_int_eq(name_to_znode(specials[i], true, buf),
				 -EINVAL);
	ck_assert_int_eq(name_to_znode(".data", false, buf), -EINVAL);
	ck_assert_int_eq(name_to_znode("", false, buf), -EINVAL);
	ck_assert_int_eq(name_to_znode(".", false, buf), -EINVAL);
	ck_assert_int_eq(name_to_znode("..", true, buf), -EINVAL);
	ck_assert_int_eq(name_to_znode("a\nb", true, buf), -EILSEQ);
	ck_assert_int_eq(name_to_znode("\xf0\x9f\x98\x80", true, buf), -EILSEQ);

	memset(longer, 'a', sizeof(longer));
	longer[NAME_ENTRY_MAX + 1] = '\0';
	ck_assert_int_eq(name_to_znode(longer, true, buf), -ENAMETOOLONG);
	longer[NAME_ENTRY_MAX] = '\0';
	ck_assert_int_eq(name_to_znode(longer, true, buf), 0);
	ck_assert_str_eq(buf, longer);
}
END_TEST

/* The properties, for one string taken as a znode and as an entry. */
static void check_bijection(const char *s, bool at_root)
{
	char one[NAME_ENTRY_MAX + 1], two[NAME_ENTRY_MAX + 1];
	int len;

	if (name_check(s))
		return;
	/* Decoding gives back what was encoded, so encoding is injective. */
	len = name_to_entry(s, at_root, one);
	if (len != (int)strlen(one) || name_special(one, at_root))
		ck_abort_msg("znode %s: entry %s", s, one);
	if (!name_maybe_alias(one) &&
	    (name_to_znode(one, at_root, two) || strcmp(two, s) != 0))
		ck_abort_msg("znode %s: entry %s: znode %s", s, one, two);

	/* Encoding gives back what was decoded, so it is surjective. */
	if (name_special(s, at_root) || strlen(s) > NAME_ENTRY_MAX)
		return;
	if (name_to_znode(s, at_root, one) ||
	    name_to_entry(one, at_root, two) < 0 || strcmp(two, s) != 0)
		ck_abort_msg("entry %s: znode %s: entry %s", s, one, two);
}

/* What the rules look at, and what comes near it. */
static const char *const tokens[] = {
	"%", "25", "2E", ".", "data", "ttl", "ephemeral", "-sequential",
	"2", "5",  "E",  "e", "d",    "%~",  "x",         "%25"};

/* All strings of up to five tokens. */
START_TEST(test_bijection_exhaustive)
{
	const size_t base = ARRAY_SIZE(tokens);
	size_t count = 1;

	for (int len = 1; len <= 5; len++) {
		count *= base;
		for (size_t i = 0; i < count; i++) {
			char s[128] = "";
			char *end = s;
			size_t rest = i;

			for (int k = 0; k < len; k++, rest /= base)
				end = stpcpy(end, tokens[rest % base]);
			check_bijection(s, true);
			check_bijection(s, false);
		}
	}
}
END_TEST

/* Long ones, around and above the border of 255. */
START_TEST(test_bijection_random)
{
	static const char bytes[] = "%25E.datl~0f";
	uint64_t seed = 42;

	for (int round = 0; round < 300000; round++) {
		size_t len = unit_rand(&seed, round % 2 ? 12 : 280);
		char s[600] = "";
		char *end = s;

		while ((size_t)(end - s) < len) {
			if (unit_rand(&seed, 2)) {
				*end++ = bytes[unit_rand(&seed,
							 sizeof(bytes) - 1)];
				*end = '\0';
			} else {
				end = stpcpy(
					end,
					tokens[unit_rand(&seed,
							 ARRAY_SIZE(tokens))]);
			}
		}
		check_bijection(s, round & 2);
	}
}
END_TEST

/* "%", "25" @k times, "2E", @tail. */
static void make_chain(char *s, int k, const char *tail)
{
	*s++ = '%';
	while (k--)
		s = stpcpy(s, "25");
	stpcpy(stpcpy(s, "2E"), tail);
}

/* Every link of the chains up to and over the border. */
START_TEST(test_chain)
{
	char znode[600], entry[NAME_ENTRY_MAX + 1], next[600];

	for (size_t i = NAME_DATA; i < ARRAY_SIZE(specials); i++) {
		for (int k = 0; k < 140; k++) {
			make_chain(znode, k, specials[i] + 1);
			make_chain(next, k + 1, specials[i] + 1);
			check_bijection(znode, true);
			check_bijection(znode, false);
			name_to_entry(znode, true, entry);
			if (strlen(next) <= NAME_ENTRY_MAX)
				ck_assert_str_eq(entry, next);
			else
				ck_assert(name_maybe_alias(entry));
		}
	}
	/* Fits as a name and not when escaped. */
	make_chain(znode, 124, "data");
	ck_assert_uint_eq(strlen(znode), NAME_ENTRY_MAX);
	ck_assert_int_ge(name_to_entry(znode, false, entry), 252);
	ck_assert(name_maybe_alias(entry));
}
END_TEST

static void fill_a(char *s, size_t len)
{
	memset(s, 'a', len);
	s[len] = '\0';
}

START_TEST(test_length_border)
{
	char znode[5000], entry[NAME_ENTRY_MAX + 1], want[300];

	for (size_t len = 250; len <= 255; len++) {
		fill_a(znode, len);
		check_pair(znode, true, znode);
		ck_assert(!name_maybe_alias(znode));
	}
	fill_a(znode, 256);
	ck_assert_int_eq(name_to_entry(znode, true, entry), 255);
	/* The hashes are from an independent implementation. */
	fill_a(want, 237);
	strcat(want, "%~fd2916200943d825");
	ck_assert_str_eq(entry, want);
	ck_assert(name_maybe_alias(entry));

	fill_a(znode, 4000);
	ck_assert_int_eq(name_to_entry(znode, false, entry), 255);
	fill_a(want, 237);
	strcat(want, "%~a3f2f96577f46105");
	ck_assert_str_eq(entry, want);
}
END_TEST

/* Characters of two and three bytes at every place around the cut. */
START_TEST(test_alias_cut)
{
	static const char *const chars[] = {"\xc3\xa9", "\xe2\x82\xac"};
	char znode[600], entry[NAME_ENTRY_MAX + 1], prefix[300];

	for (size_t i = 0; i < ARRAY_SIZE(chars); i++) {
		for (size_t at = 230; at < 240; at++) {
			size_t width = strlen(chars[i]), cut;
			int len;

			fill_a(znode, at);
			strcat(znode, chars[i]);
			fill_a(znode + at + width, 100);
			len = name_to_entry(znode, true, entry);
			ck_assert_int_eq(len, strlen(entry));
			ck_assert(name_maybe_alias(entry));
			ck_assert_int_eq(name_check(entry), 0);

			cut = at < 237 && at + width > 237 ? at : 237;
			ck_assert_int_eq(len, cut + 18);
			snprintf(prefix, sizeof(prefix), "%.*s%%~", (int)cut,
				 znode);
			ck_assert_int_eq(strncmp(entry, prefix, strlen(prefix)),
					 0);
		}
	}
}
END_TEST

/* Not UTF-8 at all: still an alias of a length that is recognised. */
START_TEST(test_alias_of_garbage)
{
	char znode[600], entry[NAME_ENTRY_MAX + 1];
	int len;

	memset(znode, 0x80, 500);
	znode[500] = '\0';
	len = name_to_entry(znode, true, entry);
	ck_assert_int_eq(len, 252);
	ck_assert(name_maybe_alias(entry));
}
END_TEST

START_TEST(test_maybe_alias)
{
	char s[400];

	ck_assert(!name_maybe_alias(""));
	ck_assert(!name_maybe_alias("%~0123456789abcdef"));
	for (size_t len = 0; len < 300; len++) {
		fill_a(s, len);
		strcat(s, "%~0123456789abcdef");
		ck_assert_int_eq(name_maybe_alias(s), len >= 234 && len <= 237);
	}
	fill_a(s, 237);
	strcat(s, "%~0123456789abcdeF");
	ck_assert(!name_maybe_alias(s));
	memcpy(s + 237, "%-0123456789abcdef", 18);
	ck_assert(!name_maybe_alias(s));
	memcpy(s + 237, "%~0123456789abcde%", 18);
	ck_assert(!name_maybe_alias(s));
}
END_TEST

/* Two names that differ only behind the cut, or only in length. */
START_TEST(test_alias_differs)
{
	char znode[600], one[NAME_ENTRY_MAX + 1], two[NAME_ENTRY_MAX + 1];

	fill_a(znode, 400);
	name_to_entry(znode, true, one);
	znode[399] = 'b';
	name_to_entry(znode, true, two);
	ck_assert_str_ne(one, two);
	znode[399] = '\0';
	name_to_entry(znode, true, two);
	ck_assert_str_ne(one, two);
}
END_TEST

/*
 * The reference for name_check(): not a decoder but the list of all encodings
 * of what a server was found to accept, a bit for each.
 */
struct reference {
	bool one[0x100];
	bool two[0x10000];
	unsigned char three[0x1000000 / 8];
};

static bool accepted(unsigned int c)
{
	static const unsigned int ranges[][2] = {
		{0x0020, 0x002e},
		{0x0030, 0x007e},
		{0x00a0, 0xd7ff},
		{0xf900, 0xffef},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

static bool has_three(const struct reference *ref, unsigned int key)
{
	return ref->three[key / 8] & (1u << key % 8);
}

static struct reference *make_reference(void)
{
	struct reference *ref = calloc(1, sizeof(*ref));

	ck_assert_ptr_nonnull(ref);
	for (unsigned int c = 1; c <= 0xffff; c++) {
		unsigned int last = 0x80 | (c & 0x3f), key;

		if (!accepted(c))
			continue;
		if (c < 0x80) {
			ref->one[c] = true;
		} else if (c < 0x800) {
			ref->two[(0xc0 | c >> 6) << 8 | last] = true;
		} else {
			key = (0xe0 | c >> 12) << 16 |
			      (0x80 | (c >> 6 & 0x3f)) << 8 | last;
			ref->three[key / 8] |= (unsigned char)(1u << key % 8);
		}
	}
	return ref;
}

/* Whether @s can be cut into encodings; tries all ways to do so. */
static bool in_reference(const struct reference *ref, const unsigned char *s)
{
	if (!s[0])
		return true;
	if (ref->one[s[0]] && in_reference(ref, s + 1))
		return true;
	if (!s[1])
		return false;
	if (ref->two[s[0] << 8 | s[1]] && in_reference(ref, s + 2))
		return true;
	return s[2] &&
	       has_three(ref, (unsigned)s[0] << 16 | s[1] << 8 | s[2]) &&
	       in_reference(ref, s + 3);
}

static void check_bytes(const struct reference *ref, const unsigned char *s)
{
	const char *name = (const char *)s;
	int want = in_reference(ref, s) ? 0 : -EILSEQ;

	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		want = -EINVAL;
	if (name_check(name) != want)
		ck_abort_msg("%02x %02x %02x...: %d and not %d", s[0], s[1],
			     s[2], name_check(name), want);
}

/* All strings of one, two and three bytes. */
START_TEST(test_check_exhaustive)
{
	struct reference *ref = make_reference();

	for (unsigned int i = 0; i <= 0xffffff; i++) {
		const unsigned char s[4] = {(unsigned char)(i >> 16),
					    (unsigned char)(i >> 8),
					    (unsigned char)i};

		check_bytes(ref, s);
	}
	free(ref);
}
END_TEST

/* All of four bytes with bytes that stand at a border of some rule. */
START_TEST(test_check_four)
{
	static const unsigned char border[] = {
		0x00, 0x01, 0x1f, 0x20, '.',  '/',  'a',  0x7e, 0x7f, 0x80,
		0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xa3, 0xa4, 0xaf, 0xb0, 0xbf,
		0xc0, 0xc1, 0xc2, 0xc3, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
		0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfe, 0xff};
	const size_t n = ARRAY_SIZE(border);
	struct reference *ref = make_reference();

	for (size_t i = 0; i < n * n * n * n; i++) {
		const unsigned char s[5] = {border[i / n / n / n],
					    border[i / n / n % n],
					    border[i / n % n], border[i % n]};

		check_bytes(ref, s);
	}
	free(ref);
}
END_TEST

/* What lies outside the basic plane, and what would lie outside Unicode. */
START_TEST(test_check_planes)
{
	for (unsigned int c = 0x10000; c <= 0x1fffff; c++) {
		const char s[] = {'a',
				  (char)(0xf0 | c >> 18),
				  (char)(0x80 | (c >> 12 & 0x3f)),
				  (char)(0x80 | (c >> 6 & 0x3f)),
				  (char)(0x80 | (c & 0x3f)),
				  '\0'};

		if (name_check(s) != -EILSEQ)
			ck_abort_msg("U+%X is allowed", c);
	}
}
END_TEST

START_TEST(test_check_long)
{
	char s[5000];

	fill_a(s, 4999);
	ck_assert_int_eq(name_check(s), 0);
	s[4998] = '\xc3';
	ck_assert_int_eq(name_check(s), -EILSEQ);
	s[4998] = '/';
	ck_assert_int_eq(name_check(s), -EINVAL);
	ck_assert_int_eq(name_check("/"), -EINVAL);
	ck_assert_int_eq(name_check("a/"), -EINVAL);
	ck_assert_int_eq(name_check("\n/"), -EINVAL);
}
END_TEST

UNIT_MAIN("name", test_special, test_escape, test_identity,
	  test_to_znode_errors, test_bijection_exhaustive,
	  test_bijection_random, test_chain, test_length_border, test_alias_cut,
	  test_alias_of_garbage, test_maybe_alias, test_alias_differs,
	  test_check_exhaustive, test_check_four, test_check_planes,
	  test_check_long)
