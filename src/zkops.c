/* SPDX-License-Identifier: Apache-2.0 */

/* Lists of the steps of a transaction, and their size on the wire. */

#include "zk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void zk_op_release(struct zk_op *op)
{
	free(op->path);
	blob_unref(op->data);
	acl_release(&op->acl);
}

int zk_ops_add(struct zk_ops *ops, struct zk_op op)
{
	if (ops->n == ops->cap) {
		size_t cap = ops->cap ? ops->cap * 2 : 4;
		struct zk_op *v = reallocarray(ops->v, cap, sizeof(*v));

		if (!v) {
			zk_op_release(&op);
			return -ENOMEM;
		}
		ops->v = v;
		ops->cap = cap;
	}
	ops->v[ops->n++] = op;
	return 0;
}

void zk_ops_release(struct zk_ops *ops)
{
	size_t i;

	for (i = 0; i < ops->n; i++)
		zk_op_release(&ops->v[i]);
	free(ops->v);
	*ops = (struct zk_ops){0};
}

/*
 * Jute: a string or buffer is its length in 4 bytes and its bytes, an int 4.
 * A step is a header (type, done, error: 9 bytes) and its record.
 */
static size_t op_size(const struct zk_op *op)
{
	size_t size = 9 + 4 + strlen(op->path);
	size_t i;

	if (op->type == ZK_OP_DELETE)
		return size + 4;
	size += 4 + op->data->len + 4;
	if (op->type == ZK_OP_SET)
		return size;
	if (op->acl.count == 0)
		return size + 4 + 4 + 4 + strlen("world") + 4 +
		       strlen("anyone");
	size += 4;
	for (i = 0; i < op->acl.count; i++)
		size += 4 + 4 + strlen(op->acl.entries[i].scheme) + 4 +
			strlen(op->acl.entries[i].id);
	return size;
}

size_t zk_ops_size(const struct zk_ops *ops)
{
	size_t size = 8 + 9; /* request header, the header that ends the list */
	size_t i;

	for (i = 0; i < ops->n; i++)
		size += op_size(&ops->v[i]);
	return size;
}
