/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_HTAB_H
#define ZNODEFS_HTAB_H

/*
 * An intrusive hash table with chaining, that doubles when it is full and
 * halves when it is nearly empty, so that forgetting gives the memory back.
 * The caller hashes and compares; where in the table it comes to is salted, so
 * that nobody who chooses names can choose buckets:
 *
 *	struct hlink *l;
 *	htab_for_each_hash(l, &t, hash) {
 *		struct thing *x = container_of(l, struct thing, link);
 *		if (x is it)
 *			...
 *	}
 *
 * Not locked.
 */

#include <stddef.h>
#include <stdint.h>

struct hlink {
	struct hlink *next;
	uint64_t hash;
};

struct htab {
	struct hlink **buckets;
	size_t mask; /* number of buckets less one */
	size_t count;
	uint64_t salt;
};

void htab_init(struct htab *t);
void htab_release(struct htab *t); /* the members are the caller's */
void htab_add(struct htab *t, struct hlink *l, uint64_t hash);
/* So many will be added: grow once. */
void htab_reserve(struct htab *t, size_t more);
void htab_del(struct htab *t, struct hlink *l); /* must be in @t */

/* The next member from @l on, itself included, with this hash. */
static inline struct hlink *htab_next(struct hlink *l, uint64_t hash)
{
	while (l && l->hash != hash)
		l = l->next;
	return l;
}

static inline struct hlink **htab_bucket(const struct htab *t, uint64_t hash)
{
	return &t->buckets[(hash * t->salt >> 32) & t->mask];
}

static inline struct hlink *htab_first(const struct htab *t, uint64_t hash)
{
	return htab_next(*htab_bucket(t, hash), hash);
}

#define htab_for_each_hash(l, t, h)                                            \
	for (l = htab_first(t, h); l; l = htab_next(l->next, h))

/*
 * All of these will be looked for soon: the memory that this reads is fetched at
 * the same time, not one after the other.
 */
void htab_expect(const struct htab *t, const uint64_t *hashes, size_t n);

/* Hashes: of bytes (FNV-1a 64, continued from @seed), of a number. */
uint64_t htab_hash_bytes(const void *data, size_t len, uint64_t seed);
uint64_t htab_hash_u64(uint64_t x);

#endif
