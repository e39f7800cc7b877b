/* SPDX-License-Identifier: Apache-2.0 */

/* In place of resolver.c: what stands there for hosts is their address. */

#include "resolver.h"

#include "util.h"

struct resolver {
	char *hosts;
};

struct resolver *resolver_new(const char *hosts)
{
	struct resolver *r = xcalloc(1, sizeof(*r));

	r->hosts = xstrdup(hosts);
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	free(r->hosts);
	free(r);
}

char *resolver_look(struct resolver *r)
{
	return xstrdup(r->hosts);
}

char *resolver_poll(struct resolver *r _unused_)
{
	return NULL;
}
