/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <errno.h>
#include <string.h>

enum node_view view_of(enum name_special special)
{
	switch (special) {
	case NAME_EPHEMERAL:
		return VIEW_EPHEMERAL;
	case NAME_SEQUENTIAL:
		return VIEW_SEQUENTIAL;
	case NAME_EPHEMERAL_SEQUENTIAL:
		return VIEW_EPHEMERAL_SEQUENTIAL;
	case NAME_CONTAINER:
		return VIEW_CONTAINER;
	case NAME_TTL:
		return VIEW_TTL;
	default:
		return VIEW_MAIN;
	}
}

enum node_view view_of_ttl(const char *entry)
{
	size_t len = strlen(entry), i;
	uint64_t n = 0;

	/* The largest has ten digits, which fit without an overflow. */
	if (len > 10 || entry[0] == '0' || strspn(entry, "0123456789") != len)
		return VIEW_TTL;
	for (i = 0; i < len; i++)
		n = n * 10 + (uint64_t)(entry[i] - '0');
	return n > VIEW_TTL_MAX ? VIEW_TTL : VIEW_TTL + (enum node_view)n;
}

static enum zk_mode file_mode(enum node_view view)
{
	switch (view) {
	case VIEW_EPHEMERAL:
		return ZK_EPHEMERAL;
	case VIEW_SEQUENTIAL:
		return ZK_PERSISTENT_SEQUENTIAL;
	case VIEW_EPHEMERAL_SEQUENTIAL:
		return ZK_EPHEMERAL_SEQUENTIAL;
	default:
		return ZK_PERSISTENT;
	}
}

int view_mode(enum node_view view, bool dir, enum zk_mode *mode)
{
	if (view == VIEW_CONTAINER && !dir)
		return -EPERM;
	if (view_is_ttl(view))
		*mode = ZK_TTL;
	else if (dir)
		*mode = view == VIEW_CONTAINER ? ZK_CONTAINER : ZK_PERSISTENT;
	else
		*mode = file_mode(view);
	return 0;
}
