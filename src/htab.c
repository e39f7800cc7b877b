/* SPDX-License-Identifier: Apache-2.0 */
#include "htab.h"

#include "util.h"

#define HTAB_MIN 64

void htab_init(struct htab *t)
{
	t->buckets = xcalloc(HTAB_MIN, sizeof(*t->buckets));
	t->mask = HTAB_MIN - 1;
	t->count = 0;
}

void htab_release(struct htab *t)
{
	free(t->buckets);
	*t = (struct htab){0};
}

/* With no memory for another size, this one goes on. */
static void resize(struct htab *t, size_t n)
{
	struct hlink **buckets = calloc(n, sizeof(*buckets));
	size_t i;

	if (!buckets)
		return;
	for (i = 0; i <= t->mask; i++) {
		struct hlink *l = t->buckets[i];

		while (l) {
			struct hlink *next = l->next;
			struct hlink **head = &buckets[l->hash & (n - 1)];

			l->next = *head;
			*head = l;
			l = next;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->mask = n - 1;
}

void htab_add(struct htab *t, struct hlink *l, uint64_t hash)
{
	struct hlink **head;

	if (t->count > t->mask)
		resize(t, (t->mask + 1) * 2);
	head = &t->buckets[hash & t->mask];
	l->hash = hash;
	l->next = *head;
	*head = l;
	t->count++;
}

void htab_del(struct htab *t, struct hlink *l)
{
	struct hlink **p = &t->buckets[l->hash & t->mask];

	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
	l->next = NULL;
	t->count--;
	if (t->mask + 1 > HTAB_MIN && t->count < (t->mask + 1) / 8)
		resize(t, (t->mask + 1) / 2);
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
