/* SPDX-License-Identifier: Apache-2.0 */
#include "loglimit.h"

#include <stddef.h>

/* Where @kind is counted, or the place that has been at rest the longest. */
static size_t place_of(const struct loglimit *l, const void *kind)
{
	size_t i, oldest = 0;

	for (i = 0; i < LOGLIMIT_KINDS; i++) {
		if (l->kinds[i].kind == kind)
			return i;
		if (l->kinds[i].from < l->kinds[oldest].from)
			oldest = i;
	}
	return oldest;
}

bool loglimit_pass(struct loglimit *l, const void *kind, int64_t now,
		   unsigned *missed)
{
	size_t i = place_of(l, kind);

	*missed = 0;
	if (l->kinds[i].kind != kind ||
	    now - l->kinds[i].from >= LOGLIMIT_MS) {
		l->kinds[i].kind = kind;
		l->kinds[i].from = now;
		l->kinds[i].passed = 0;
	}
	if (l->kinds[i].passed == LOGLIMIT_MAX) {
		l->missed++;
		return false;
	}
	l->kinds[i].passed++;
	*missed = l->missed;
	l->missed = 0;
	return true;
}
