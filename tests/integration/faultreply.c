/* SPDX-License-Identifier: Apache-2.0 */
#include "faultreply.h"

#include <string.h>

void reply_say(const struct reply *r, const struct listener *to)
{
	struct Stat *stat = (struct Stat *)r->stat;

	if (to->form == DATA)
		to->fn.data(r->rc, r->value, r->len, stat, to->cookie);
	else if (to->form == STAT)
		to->fn.stat(r->rc, stat, to->cookie);
	else if (to->form == CREATED)
		to->fn.created(r->rc, r->value, stat, to->cookie);
	else if (to->form == STRING)
		to->fn.string(r->rc, r->value, to->cookie);
	else if (to->form == NAMES)
		to->fn.names(r->rc, r->names, stat, to->cookie);
	else if (to->form == ACL_LIST)
		to->fn.acl(r->rc, r->acl, stat, to->cookie);
	else
		to->fn.plain(r->rc, to->cookie);
}

static char *copy_bytes(const char *from, size_t len)
{
	char *to = xcalloc(1, len + 1);

	memcpy(to, from, len);
	return to;
}

static void copy_names(struct reply_copy *copy,
		       const struct String_vector *from)
{
	int32_t i;

	copy->names.count = from->count;
	copy->names.data = xcalloc((size_t)from->count + 1, sizeof(char *));
	for (i = 0; i < from->count; i++)
		copy->names.data[i] = xstrdup(from->data[i]);
	copy->reply.names = &copy->names;
}

static void copy_acl(struct reply_copy *copy, const struct ACL_vector *from)
{
	int32_t i;

	copy->acl.count = from->count;
	copy->acl.data = xcalloc((size_t)from->count + 1, sizeof(struct ACL));
	for (i = 0; i < from->count; i++) {
		copy->acl.data[i].perms = from->data[i].perms;
		copy->acl.data[i].id.scheme = xstrdup(from->data[i].id.scheme);
		copy->acl.data[i].id.id = xstrdup(from->data[i].id.id);
	}
	copy->reply.acl = &copy->acl;
}

struct reply_copy *reply_copy_new(const struct reply *r, enum form form)
{
	struct reply_copy *copy = xcalloc(1, sizeof(*copy));

	copy->reply = *r;
	if (r->value && form == DATA)
		copy->reply.value =
			copy_bytes(r->value, (size_t)MAX(r->len, 0));
	else if (r->value)
		copy->reply.value = xstrdup(r->value);
	if (r->stat) {
		copy->stat = *r->stat;
		copy->reply.stat = &copy->stat;
	}
	if (r->names)
		copy_names(copy, r->names);
	if (r->acl)
		copy_acl(copy, r->acl);
	return copy;
}

void reply_copy_free(struct reply_copy *copy)
{
	int32_t i;

	for (i = 0; i < copy->names.count; i++)
		free(copy->names.data[i]);
	for (i = 0; i < copy->acl.count; i++) {
		free(copy->acl.data[i].id.scheme);
		free(copy->acl.data[i].id.id);
	}
	free(copy->names.data);
	free(copy->acl.data);
	free((char *)copy->reply.value);
	free(copy);
}
