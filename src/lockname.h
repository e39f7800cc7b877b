/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_LOCKNAME_H
#define ZNODEFS_LOCKNAME_H

/*
 * The names of lock znodes, and what a queue of them says.
 *
 * A queue is the children of the locked znode, as Curator and kazoo keep it:
 * whoever wants the lock creates a sequential ephemeral, and the number that
 * the server appends is its place in line.  A child stands in line if its name
 * ends in such a number right behind one of
 *
 *	lock-       Curator's InterProcessMutex; what is created here
 *	__WRIT__    Curator's InterProcessReadWriteLock
 *	__lock__    kazoo's Lock and WriteLock
 *	__READ__    Curator's InterProcessReadWriteLock: shared; created here
 *	__rlock__   kazoo's ReadLock: shared
 *
 * An exclusive contender waits for all that are before it, a shared one for
 * the exclusive ones before it.
 *
 * What is created here is called `_c_UUID-lock-`, `_c_` and a UUID being how
 * Curator marks what it must be able to find again when the answer to a create
 * is lost.  The first part of the UUID stands for the owner of the lock, whose
 * znodes do not block each other; the last twelve digits count its attempts.
 *
 * The number is a signed 32-bit counter of the parent that wraps, printed by
 * "%010d": ten digits, or a minus sign and nine or ten.  They are compared as
 * unsigned, so that those after the wrap come last.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lockname_type {
	LOCKNAME_NONE, /* stands in no line */
	LOCKNAME_EXCLUSIVE,
	LOCKNAME_SHARED,
};

/* @seq, which may be NULL: the place in line. */
enum lockname_type lockname_parse(const char *name, uint32_t *seq);

static inline bool lockname_is(const char *name)
{
	return lockname_parse(name, NULL) != LOCKNAME_NONE;
}

/* Whether all of them are lock znodes. */
bool lockname_are_all(const char *const *names, size_t n);

/* What an owner's names begin with: "_c_", 8-4-4-4 hex digits, dashes, NUL. */
#define LOCKNAME_OWNER_SIZE (3 + 24 + 1)
/* The same with the last twelve digits and a dash: one attempt. */
#define LOCKNAME_PREFIX_SIZE (LOCKNAME_OWNER_SIZE + 12 + 1)
/* A name to create, with the longest of the words above. */
#define LOCKNAME_SIZE (LOCKNAME_PREFIX_SIZE + 8)

/* @random: 16 bytes nobody else has. */
void lockname_owner(char owner[LOCKNAME_OWNER_SIZE],
		    const uint8_t random[16]);
void lockname_prefix(char prefix[LOCKNAME_PREFIX_SIZE], const char *owner,
		     uint64_t attempt);
void lockname_make(char name[LOCKNAME_SIZE], const char *prefix, bool shared);

/* The first of @names that begins with @prefix; NULL if none does. */
const char *lockname_find(const char *const *names, size_t n,
			  const char *prefix);

/* What a queue says to @mine, one of its names; what points is in the queue. */
struct lockname_view {
	bool there;           /* it stands in line */
	const char *blocker;  /* the nearest before it that it waits for */
	bool deadlock;        /* see below */
};

/*
 * @owner: whose names do not count, "" if nobody's.
 *
 * A deadlock: the owner holds a shared lock that is in the queue, and before
 * @mine stands an exclusive contender of somebody who holds a shared lock as
 * well.  Each waits for the other to let go of the shared one.
 */
struct lockname_view lockname_view(const char *const *names, size_t n,
				   const char *owner, const char *mine);

/*
 * The first in line that one who comes now would wait for; NULL if there is
 * none.
 */
const char *lockname_first(const char *const *names, size_t n,
			   const char *owner, bool shared);

#endif
