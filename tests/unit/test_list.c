/* SPDX-License-Identifier: Apache-2.0 */
#include "list.h"
#include "unit.h"

struct item {
	int n;
	struct list link;
};

/* The numbers in the list read forwards, as decimal digits; 0 if it is empty.
 */
static int digits(struct list *head)
{
	struct item *it;
	int d = 0;

	list_for_each (it, head, link)
		d = d * 10 + it->n;
	return d;
}

/* The same backwards, so that both links are looked at. */
static int digits_back(struct list *head)
{
	int d = 0;

	for (struct list *l = head->prev; l != head; l = l->prev)
		d = d * 10 + list_entry(l, struct item, link)->n;
	return d;
}

static void fill(struct list *head, struct item *items, int from, int to)
{
	list_init(head);
	for (int n = from; n <= to; n++) {
		items[n].n = n;
		list_add_tail(head, &items[n].link);
	}
}

START_TEST(test_add)
{
	struct item items[10];
	struct list head;

	list_init(&head);
	ck_assert(list_empty(&head));
	ck_assert_ptr_null(list_first(&head, struct item, link));
	fill(&head, items, 1, 4);
	ck_assert(!list_empty(&head));
	ck_assert_ptr_eq(list_first(&head, struct item, link), &items[1]);
	ck_assert_int_eq(digits(&head), 1234);
	ck_assert_int_eq(digits_back(&head), 4321);
}
END_TEST

START_TEST(test_del)
{
	struct item items[10];
	struct list head;

	fill(&head, items, 1, 4);
	list_del(&items[2].link);
	ck_assert_int_eq(digits(&head), 134);
	ck_assert_int_eq(digits_back(&head), 431);
	ck_assert(list_empty(&items[2].link));
	list_del(&items[1].link);
	list_del(&items[4].link);
	ck_assert_int_eq(digits(&head), 3);
	list_del(&items[3].link);
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(test_del_twice)
{
	struct item items[10];
	struct list head;

	fill(&head, items, 1, 3);
	list_del(&items[2].link);
	list_del(&items[2].link);
	ck_assert_int_eq(digits(&head), 13);
	list_add_tail(&head, &items[2].link);
	ck_assert_int_eq(digits(&head), 132);
	ck_assert_int_eq(digits_back(&head), 231);
}
END_TEST

START_TEST(test_del_all_while_walking)
{
	struct item items[10];
	struct item *it, *tmp;
	struct list head;
	int seen = 0;

	fill(&head, items, 1, 5);
	list_for_each_safe (it, tmp, &head, link) {
		seen = seen * 10 + it->n;
		list_del(&it->link);
		it->link.next = NULL; /* as good as freed */
	}
	ck_assert_int_eq(seen, 12345);
	ck_assert(list_empty(&head));
	list_for_each_safe (it, tmp, &head, link)
		ck_abort_msg("walked an empty list");
}
END_TEST

/* All lengths of both lists from none to three. */
START_TEST(test_splice)
{
	static const int want[4][4] = {
		{0, 4, 45, 456},
		{1, 14, 145, 1456},
		{12, 124, 1245, 12456},
		{123, 1234, 12345, 123456},
	};
	static const int back[4][4] = {
		{0, 4, 54, 654},
		{1, 41, 541, 6541},
		{21, 421, 5421, 65421},
		{321, 4321, 54321, 654321},
	};
	struct item items[10];
	struct list to, from;

	for (int a = 0; a < 4; a++) {
		for (int b = 0; b < 4; b++) {
			fill(&to, items, 1, a);
			fill(&from, items, 4, 3 + b);
			list_splice(&to, &from);
			ck_assert_int_eq(digits(&to), want[a][b]);
			ck_assert_int_eq(digits_back(&to), back[a][b]);
			ck_assert(list_empty(&from));
		}
	}
}
END_TEST

/* --- chains -------------------------------------------------------------- */

struct ring {
	struct link link;
	int n;
};

static void fill_chain(struct chain *c, struct ring *rings, int first, int last)
{
	*c = (struct chain){0};
	for (int n = first; n <= last; n++) {
		rings[n].n = n;
		chain_add_tail(c, &rings[n].link);
	}
}

static int digits_of_chain(const struct chain *c)
{
	struct ring *r;
	int seen = 0;

	chain_for_each (r, c, link)
		seen = seen * 10 + r->n;
	return seen;
}

START_TEST(test_chain)
{
	struct ring rings[10];
	struct ring *r, *next;
	struct chain c;

	fill_chain(&c, rings, 1, 4);
	chain_del(&rings[1].link);
	ck_assert_int_eq(digits_of_chain(&c), 234);
	chain_del(&rings[3].link);
	ck_assert_int_eq(digits_of_chain(&c), 24);
	chain_del(&rings[4].link);
	chain_add_tail(&c, &rings[1].link);
	ck_assert_int_eq(digits_of_chain(&c), 21);
	chain_for_each_safe (r, next, &c, link) {
		chain_del(&r->link);
		memset(r, 0xee, sizeof(*r)); /* as good as freed */
	}
	ck_assert_ptr_null(c.first);
	ck_assert_int_eq(digits_of_chain(&c), 0);
}
END_TEST

START_TEST(test_chain_splice)
{
	static const int want[3][3] = {
		{0, 4, 45}, {1, 14, 145}, {12, 124, 1245}};
	struct ring rings[10];
	struct chain to, from;

	for (int a = 0; a < 3; a++) {
		for (int b = 0; b < 3; b++) {
			fill_chain(&to, rings, 1, a);
			fill_chain(&from, rings, 4, 3 + b);
			chain_splice(&to, &from);
			ck_assert_int_eq(digits_of_chain(&to), want[a][b]);
			ck_assert_ptr_null(from.first);
		}
	}
}
END_TEST

UNIT_MAIN("list", test_add, test_del, test_del_twice,
	  test_del_all_while_walking, test_splice, test_chain,
	  test_chain_splice)
