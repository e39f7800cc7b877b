/* SPDX-License-Identifier: Apache-2.0 */
#include "blob.h"

#include <stdlib.h>
#include <string.h>

struct blob *blob_new(const void *data, size_t len)
{
	struct blob *b = malloc(sizeof(*b) + len);

	if (!b)
		return NULL;
	atomic_init(&b->refs, 1);
	b->null = false;
	b->len = len;
	if (data && len > 0)
		memcpy(b->data, data, len);
	return b;
}

struct blob *blob_new_null(void)
{
	struct blob *b = blob_new(NULL, 0);

	if (b)
		b->null = true;
	return b;
}

struct blob *blob_from_wire(const void *data, int len)
{
	return len < 0 ? blob_new_null() : blob_new(data, (size_t)len);
}

struct blob *blob_ref(struct blob *b)
{
	if (b)
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void blob_unref(struct blob *b)
{
	if (b && atomic_fetch_sub_explicit(&b->refs, 1,
					   memory_order_acq_rel) == 1)
		free(b);
}

void blob_assign(struct blob **slot, struct blob *b)
{
	blob_unref(*slot);
	*slot = b;
}
