/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_BLOB_H
#define ZNODEFS_BLOB_H

/*
 * The value of a znode at one version: bytes that never change, shared by
 * reference count.  A reader that holds one reads one version, whatever is
 * written meanwhile.
 *
 * Null data (what a create with no data leaves) is a value of its own, not the
 * same as zero bytes: blob->null tells, len is 0 then.
 *
 * Counting is atomic: references may be taken and dropped on any thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct blob {
	atomic_int refs;
	bool null;
	size_t len;
	char data[];
};

/* @len bytes copied from @data, or uninitialised if @data is NULL, to be
 * filled in before anybody else sees it.  NULL if there is no memory. */
struct blob *blob_new(const void *data, size_t len);
struct blob *blob_new_null(void);

/* From what the protocol says: a length of -1 is null data. */
struct blob *blob_from_wire(const void *data, int len);

struct blob *blob_ref(struct blob *b); /* NULL is passed through */
void blob_unref(struct blob *b);       /* NULL is fine */

/* Let *@slot refer to @b, taking over the caller's reference. */
void blob_assign(struct blob **slot, struct blob *b);

#endif
