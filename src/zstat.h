/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ZSTAT_H
#define ZNODEFS_ZSTAT_H

/*
 * The Stat of a znode as the server sends it, without the client library's
 * types, so that only zk*.c need zookeeper.h.
 *
 * A zxid is the number of the transaction, over the whole ensemble.  czxid is
 * the identity of a znode: a name that is deleted and created again has
 * another czxid.
 */

#include <stdbool.h>
#include <stdint.h>

struct zstat {
	int64_t czxid;           /* transaction that created the znode */
	int64_t mzxid;           /* last set of the data */
	int64_t pzxid;           /* last create or delete of a child */
	int64_t ctime;           /* ms since the epoch, server's clock */
	int64_t mtime;           /* same; changes with mzxid */
	int32_t version;         /* sets so far; wraps */
	int32_t cversion;        /* creates and deletes of children */
	int32_t aversion;        /* changes of the ACL */
	int64_t ephemeral_owner; /* session id, 0, or a marker (below) */
	int32_t data_length;     /* bytes; 0 for null data too */
	int32_t num_children;
};

/*
 * ephemeralOwner doubles as a type: the lowest value marks a container, a top
 * byte of 0xff a TTL znode (server's EphemeralType.java, extended types; a
 * session id of a server with them enabled never has that top byte).
 */
static inline bool zstat_is_container(const struct zstat *s)
{
	return s->ephemeral_owner == INT64_MIN;
}

static inline bool zstat_is_ttl(const struct zstat *s)
{
	return ((uint64_t)s->ephemeral_owner >> 56) == 0xff;
}

static inline bool zstat_is_ephemeral(const struct zstat *s)
{
	return s->ephemeral_owner != 0 && !zstat_is_container(s) &&
	       !zstat_is_ttl(s);
}

#endif
