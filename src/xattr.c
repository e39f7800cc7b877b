/* SPDX-License-Identifier: Apache-2.0 */
#include "xattr.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

/* In the order in which they are listed. */
static const struct xattr table[] = {
	{"czxid", XATTR_CZXID, XATTR_OF_STAT},
	{"mzxid", XATTR_MZXID, XATTR_OF_STAT},
	{"pzxid", XATTR_PZXID, XATTR_OF_CHILDREN},
	{"version", XATTR_VERSION, XATTR_OF_STAT},
	{"cversion", XATTR_CVERSION, XATTR_OF_CHILDREN},
	{"aversion", XATTR_AVERSION, XATTR_OF_STAT},
	{"ephemeral_owner", XATTR_EPHEMERAL_OWNER, XATTR_OF_STAT},
	{"num_children", XATTR_NUM_CHILDREN, XATTR_OF_CHILDREN},
	{"path", XATTR_PATH, XATTR_OF_NAME},
	{"acl", XATTR_ACL, XATTR_OF_ACL},
	{"lock", XATTR_LOCK, XATTR_OF_LOCK},
	{"session", XATTR_SESSION, XATTR_OF_SESSION},
	{"state", XATTR_STATE, XATTR_OF_SESSION},
	{"server", XATTR_SERVER, XATTR_OF_SESSION},
	{"timeout", XATTR_TIMEOUT, XATTR_OF_SESSION},
};

static bool starts_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool xattr_is_user(const char *name)
{
	return starts_with(name, XATTR_NAMESPACE);
}

const struct xattr *xattr_find(const char *name)
{
	size_t i;

	if (!starts_with(name, XATTR_PREFIX))
		return NULL;
	name += strlen(XATTR_PREFIX);
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static bool is_listed(const struct xattr *x, struct xattr_has has)
{
	switch (x->source) {
	case XATTR_OF_STAT:
	case XATTR_OF_CHILDREN:
		return has.stat;
	case XATTR_OF_NAME:
		return true;
	case XATTR_OF_SESSION:
		return has.session;
	default:
		return false;
	}
}

size_t xattr_list(struct xattr_has has, char list[XATTR_LIST_MAX])
{
	size_t i, len = 0;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (is_listed(&table[i], has))
			len += (size_t)snprintf(list + len,
						XATTR_LIST_MAX - len,
						XATTR_PREFIX "%s",
						table[i].name) + 1;
	}
	return len;
}

static size_t print_hex(char text[XATTR_NUMBER_MAX], int64_t n)
{
	return (size_t)snprintf(text, XATTR_NUMBER_MAX, "0x%" PRIx64,
				(uint64_t)n);
}

static size_t print_decimal(char text[XATTR_NUMBER_MAX], int32_t n)
{
	return (size_t)snprintf(text, XATTR_NUMBER_MAX, "%" PRId32, n);
}

size_t xattr_format(enum xattr_id id, const struct zstat *stat,
		    char text[XATTR_NUMBER_MAX])
{
	switch (id) {
	case XATTR_CZXID:
		return print_hex(text, stat->czxid);
	case XATTR_MZXID:
		return print_hex(text, stat->mzxid);
	case XATTR_PZXID:
		return print_hex(text, stat->pzxid);
	case XATTR_EPHEMERAL_OWNER:
		return print_hex(text, stat->ephemeral_owner);
	case XATTR_VERSION:
		return print_decimal(text, stat->version);
	case XATTR_CVERSION:
		return print_decimal(text, stat->cversion);
	case XATTR_AVERSION:
		return print_decimal(text, stat->aversion);
	case XATTR_NUM_CHILDREN:
		return print_decimal(text, stat->num_children);
	default:
		text[0] = '\0';
		return 0;
	}
}

int xattr_parse_version(const char *text, size_t len, int32_t *version)
{
	bool minus = len > 0 && text[0] == '-';
	size_t i = minus;
	int64_t n = 0;

	if (i == len)
		return -EINVAL;
	for (; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		n = n * 10 + (text[i] - '0');
		if (n > INT32_MAX)
			return -EINVAL;
	}
	*version = (int32_t)(minus ? -n : n);
	return 0;
}
