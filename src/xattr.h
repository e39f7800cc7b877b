/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_XATTR_H
#define ZNODEFS_XATTR_H

/*
 * The extended attributes of the mount: names, where each comes from, and the
 * text of those that a Stat tells.  Pure.
 *
 * Numbers are as ZooKeeper's own tools print them: zxids and session ids in
 * hexadecimal with 0x, all others decimal.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zstat.h"

#define XATTR_NAMESPACE "user."
#define XATTR_PREFIX "user.zk."

/* What an attribute is made of, and so what it costs and where it is. */
enum xattr_source {
	XATTR_OF_STAT,     /* the znode's Stat */
	XATTR_OF_CHILDREN, /* the same, but it changes with the children */
	XATTR_OF_NAME,     /* where the znode is: no request, ever */
	XATTR_OF_ACL,      /* a request, each time; not listed */
	XATTR_OF_LOCK,     /* the lock held here, while there is one; not listed */
	XATTR_OF_SESSION,  /* the mount; only in its root */
};

enum xattr_id {
	XATTR_CZXID,
	XATTR_MZXID,
	XATTR_PZXID,
	XATTR_VERSION,
	XATTR_CVERSION,
	XATTR_AVERSION,
	XATTR_EPHEMERAL_OWNER,
	XATTR_NUM_CHILDREN,
	XATTR_PATH,
	XATTR_ACL,
	XATTR_LOCK,
	XATTR_SESSION,
	XATTR_STATE,
	XATTR_SERVER,
	XATTR_TIMEOUT,
};

struct xattr {
	const char *name; /* behind XATTR_PREFIX */
	enum xattr_id id;
	enum xattr_source source;
};

/* By its full name; NULL for any that is none of ours. */
const struct xattr *xattr_find(const char *name);

/* Whether @name is in the namespace where ours are, the only one there is. */
bool xattr_is_user(const char *name);

/* Room for all names, with a NUL behind each. */
#define XATTR_LIST_MAX 512

struct xattr_has {
	bool stat;    /* the server knows of the znode */
	bool session; /* it is the root of the mount */
};

/*
 * The names that are listed, as listxattr(2) gives them; returns the length.
 * Listed is what is always there and costs next to nothing to read.
 */
size_t xattr_list(struct xattr_has has, char list[XATTR_LIST_MAX]);

/* Room for a number and a NUL. */
#define XATTR_NUMBER_MAX 24

/* Of XATTR_OF_STAT and XATTR_OF_CHILDREN.  Returns the length. */
size_t xattr_format(enum xattr_id id, const struct zstat *stat,
		    char text[XATTR_NUMBER_MAX]);

/*
 * A version as it is written: a decimal number and nothing else.  0, or
 * -EINVAL.
 */
int xattr_parse_version(const char *text, size_t len, int32_t *version);

#endif
