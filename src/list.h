/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_LIST_H
#define ZNODEFS_LIST_H

/*
 * An intrusive doubly linked list with a head of the same type.
 *
 * list_init() makes a head, and also a member that is in no list: list_empty()
 * is then true of it and list_del() harmless.  list_del() leaves the member in
 * that state, so that deleting twice is safe.
 */

#include <stdbool.h>

#include "util.h"

struct list {
	struct list *next;
	struct list *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_add_tail(struct list *head, struct list *l)
{
	l->next = head;
	l->prev = head->prev;
	head->prev->next = l;
	head->prev = l;
}

static inline void list_del(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* Move everything in @from to the tail of @to; @from is empty afterwards. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(l, type, member) container_of(l, type, member)

#define list_first(head, type, member)                                         \
	(list_empty(head) ? NULL : list_entry((head)->next, type, member))

#define list_for_each(pos, head, member)                                       \
	for (pos = list_entry((head)->next, __typeof__(*pos), member);         \
	     &pos->member != (head);                                           \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))

/* As list_for_each, but @pos may be deleted and freed in the body. */
#define list_for_each_safe(pos, tmp, head, member)                             \
	for (pos = list_entry((head)->next, __typeof__(*pos), member),         \
	    tmp = list_entry(pos->member.next, __typeof__(*pos), member);      \
	     &pos->member != (head);                                           \
	     pos = tmp,                                                        \
	    tmp = list_entry(pos->member.next, __typeof__(*pos), member))

/*
 * A chain is a list with a head of one pointer, for where there are many that
 * have one member or none: its end is reached by a walk.  All zero: empty.
 */
struct chain {
	struct link *first;
};

struct link {
	struct link *next;
	struct link **at; /* what points to it */
};

static inline void chain_add_tail(struct chain *c, struct link *l)
{
	struct link **end = &c->first;

	while (*end)
		end = &(*end)->next;
	l->next = NULL;
	l->at = end;
	*end = l;
}

/* It must be in a chain. */
static inline void chain_del(struct link *l)
{
	*l->at = l->next;
	if (l->next)
		l->next->at = l->at;
}

/* Move everything in @from to the tail of @to; @from is empty afterwards. */
static inline void chain_splice(struct chain *to, struct chain *from)
{
	struct link *l;

	while ((l = from->first)) {
		chain_del(l);
		chain_add_tail(to, l);
	}
}

#define chain_entry(l, type, member)                                           \
	({                                                                     \
		struct link *link_ = (l);                                      \
		link_ ? container_of(link_, type, member) : NULL;              \
	})

#define chain_for_each(pos, chain, member)                                     \
	for (pos = chain_entry((chain)->first, __typeof__(*pos), member); pos; \
	     pos = chain_entry(pos->member.next, __typeof__(*pos), member))

/* As chain_for_each, but @pos may be deleted and freed in the body. */
#define chain_for_each_safe(pos, tmp, chain, member)                           \
	for (pos = chain_entry((chain)->first, __typeof__(*pos), member);      \
	     pos && ((tmp = chain_entry(pos->member.next, __typeof__(*pos),    \
					member)),                              \
		     true);                                                    \
	     pos = tmp)

#endif
