/* SPDX-License-Identifier: Apache-2.0 */
#include "lockname.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

struct word {
	const char *text;
	enum lockname_type type;
};

static const struct word words[] = {
	{"lock-", LOCKNAME_EXCLUSIVE},    {"__WRIT__", LOCKNAME_EXCLUSIVE},
	{"__lock__", LOCKNAME_EXCLUSIVE}, {"__READ__", LOCKNAME_SHARED},
	{"__rlock__", LOCKNAME_SHARED},
};

static enum lockname_type type_of(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i].text);

		if (len >= n && memcmp(name + len - n, words[i].text, n) == 0)
			return words[i].type;
	}
	return LOCKNAME_NONE;
}

enum lockname_type lockname_parse(const char *name, uint32_t *seq)
{
	size_t len = strlen(name), digits = 0, sign;
	enum lockname_type type;
	long long number;

	while (digits < len && isdigit((unsigned char)name[len - digits - 1]))
		digits++;
	/* Digits before the ten are the word's, and no word has any. */
	sign = digits < len && name[len - digits - 1] == '-';
	type = type_of(name, len - digits);
	if (type == LOCKNAME_NONE && sign)
		type = type_of(name, len - digits - 1);
	else
		sign = 0;
	if (type == LOCKNAME_NONE || !(digits == 10 || (sign && digits == 9)))
		return LOCKNAME_NONE;
	number = strtoll(name + len - digits - sign, NULL, 10);
	if (number < INT32_MIN || number > INT32_MAX)
		return LOCKNAME_NONE;
	if (seq)
		*seq = (uint32_t)number;
	return type;
}

bool lockname_are_all(const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!lockname_is(names[i]))
			return false;
	}
	return true;
}

/* --- names made here ------------------------------------------------------ */

/* RFC 4122: the version is 4, random, and the variant 10 in binary. */
void lockname_owner(char owner[LOCKNAME_OWNER_SIZE], const uint8_t random[16])
{
	const uint8_t *r = random;

	snprintf(owner, LOCKNAME_OWNER_SIZE,
		 "_c_%02x%02x%02x%02x-%02x%02x-4%01x%02x-%02x%02x-", r[0],
		 r[1], r[2], r[3], r[4], r[5], r[6] & 0xf, r[7],
		 (r[8] & 0x3f) | 0x80, r[9]);
}

void lockname_prefix(char prefix[LOCKNAME_PREFIX_SIZE], const char *owner,
		     uint64_t attempt)
{
	snprintf(prefix, LOCKNAME_PREFIX_SIZE, "%s%012llx-", owner,
		 (unsigned long long)(attempt & 0xffffffffffff));
}

void lockname_make(char name[LOCKNAME_SIZE], const char *prefix, bool shared)
{
	snprintf(name, LOCKNAME_SIZE, "%s%s", prefix,
		 shared ? "__READ__" : "lock-");
}

static bool begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

const char *lockname_find(const char *const *names, size_t n,
			  const char *prefix)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (begins_with(names[i], prefix))
			return names[i];
	}
	return NULL;
}

/* --- queues --------------------------------------------------------------- */

static bool is_foreign(const char *name, const char *owner)
{
	return !*owner || !begins_with(name, owner);
}

/* Whether who has made the exclusive @name stands in line to share as well. */
static bool holds_shared(const char *const *names, size_t n, const char *name)
{
	char owner[LOCKNAME_OWNER_SIZE];
	size_t i;

	if (!begins_with(name, "_c_") || strlen(name) < sizeof(owner))
		return false;
	memcpy(owner, name, sizeof(owner) - 1);
	owner[sizeof(owner) - 1] = '\0';
	for (i = 0; i < n; i++) {
		if (begins_with(names[i], owner) &&
		    lockname_parse(names[i], NULL) == LOCKNAME_SHARED)
			return true;
	}
	return false;
}

static bool is_upgrade_before(const char *const *names, size_t n,
			      const char *owner, uint32_t own_seq)
{
	uint32_t seq;
	size_t i;

	for (i = 0; i < n; i++) {
		if (lockname_parse(names[i], &seq) == LOCKNAME_EXCLUSIVE &&
		    seq < own_seq && is_foreign(names[i], owner) &&
		    holds_shared(names, n, names[i]))
			return true;
	}
	return false;
}

struct lockname_view lockname_view(const char *const *names, size_t n,
				   const char *owner, const char *mine)
{
	struct lockname_view v = {.there = false};
	enum lockname_type own, type;
	uint32_t own_seq = 0, seq, nearest = 0;
	bool shared_here = false;
	size_t i;

	own = lockname_parse(mine, &own_seq);
	for (i = 0; i < n; i++) {
		type = lockname_parse(names[i], &seq);
		if (strcmp(names[i], mine) == 0)
			v.there = true;
		if (type == LOCKNAME_NONE || seq >= own_seq)
			continue;
		if (!is_foreign(names[i], owner)) {
			shared_here |= type == LOCKNAME_SHARED;
			continue;
		}
		if (own == LOCKNAME_SHARED && type == LOCKNAME_SHARED)
			continue;
		if (!v.blocker || seq > nearest) {
			v.blocker = names[i];
			nearest = seq;
		}
	}
	v.deadlock = shared_here && own == LOCKNAME_EXCLUSIVE &&
		     is_upgrade_before(names, n, owner, own_seq);
	return v;
}

const char *lockname_first(const char *const *names, size_t n,
			   const char *owner, bool shared)
{
	const char *found = NULL;
	enum lockname_type type;
	uint32_t seq, first = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		type = lockname_parse(names[i], &seq);
		if (type == LOCKNAME_NONE || !is_foreign(names[i], owner) ||
		    (shared && type == LOCKNAME_SHARED))
			continue;
		if (!found || seq < first) {
			found = names[i];
			first = seq;
		}
	}
	return found;
}
