/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FAULTREPLY_H
#define ZNODEFS_FAULTREPLY_H

/*
 * A completion of the client library as a value: whom it is for, in which of
 * the library's forms, and what it says.  What the library says is valid
 * during its call only; a copy can be said later, or twice.
 */

#define THREADED
#include <zookeeper/zookeeper.h>

#include "list.h"
#include "util.h"

enum form { DATA, STAT, CREATED, STRING, NAMES, ACL_LIST, PLAIN };

struct listener {
	enum form form;
	union {
		data_completion_t data;
		stat_completion_t stat;
		string_stat_completion_t created;
		string_completion_t string;
		strings_stat_completion_t names;
		acl_completion_t acl;
		void_completion_t plain;
	} fn;
	const void *cookie;
};

/* Only what its form has; on errors nothing but rc. */
struct reply {
	int rc;
	const char *value; /* of @len bytes with DATA, else a path */
	int len;
	const struct Stat *stat;
	const struct String_vector *names;
	struct ACL_vector *acl;
};

struct reply_copy {
	struct reply reply; /* points into the rest */
	struct Stat stat;
	struct String_vector names;
	struct ACL_vector acl;
};

void reply_say(const struct reply *r, const struct listener *to);

struct reply_copy *reply_copy_new(const struct reply *r, enum form form);
void reply_copy_free(struct reply_copy *copy);

#endif
