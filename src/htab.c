/* SPDX-License-Identifier: Apache-2.0 */
#include "htab.h"

#include "util.h"

#define HTAB_MIN 64

void htab_init(struct htab *t)
{
	t->buckets = xcalloc(HTAB_MIN, sizeof(*t->buckets));
	t->mask = HTAB_MIN - 1;
	t->count = 0;
	t->salt = (uintptr_t)t->buckets | 1; /* where the kernel has put it */
}

void htab_release(struct htab *t)
{
	free(t->buckets);
	*t = (struct htab){0};
}

static void add(struct htab *t, struct hlink *l)
{
	struct hlink **head = htab_bucket(t, l->hash);

	l->next = *head;
	*head = l;
}

/* With no memory for another size, this one goes on. */
static void resize(struct htab *t, size_t n)
{
	struct htab other = *t;
	size_t i;

	other.buckets = calloc(n, sizeof(*other.buckets));
	other.mask = n - 1;
	if (!other.buckets)
		return;
	for (i = 0; i <= t->mask; i++) {
		struct hlink *l = t->buckets[i];

		while (l) {
			struct hlink *next = l->next;

			add(&other, l);
			l = next;
		}
	}
	free(t->buckets);
	*t = other;
}

void htab_reserve(struct htab *t, size_t more)
{
	size_t n = t->mask + 1;

	while (n < t->count + more)
		n *= 2;
	if (n > t->mask + 1)
		resize(t, n);
}

void htab_add(struct htab *t, struct hlink *l, uint64_t hash)
{
	if (t->count > t->mask)
		resize(t, (t->mask + 1) * 2);
	l->hash = hash;
	add(t, l);
	t->count++;
}

void htab_del(struct htab *t, struct hlink *l)
{
	struct hlink **p = htab_bucket(t, l->hash);

	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
	l->next = NULL;
	t->count--;
	if (t->mask + 1 > HTAB_MIN && t->count < (t->mask + 1) / 8)
		resize(t, (t->mask + 1) / 2);
}

void htab_expect(const struct htab *t, const uint64_t *hashes, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		__builtin_prefetch(htab_bucket(t, hashes[i]));
	for (i = 0; i < n; i++)
		__builtin_prefetch(*htab_bucket(t, hashes[i]));
}

uint64_t htab_hash_bytes(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *p = data;
	uint64_t h = seed ^ 0xcbf29ce484222325u;

	while (len-- > 0)
		h = (h ^ *p++) * 0x100000001b3u;
	return htab_hash_u64(h);
}

/* The finalizer of MurmurHash3: FNV leaves too little in the low bits. */
uint64_t htab_hash_u64(uint64_t x)
{
	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
	return x ^ (x >> 33);
}
