/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

struct host {
	char *name;
	char *port;
	char *found; /* "address:port,..."; NULL: none.  Who looks has it. */
};

struct resolver {
	/* Constant. */
	struct host *hosts;
	size_t n;
	bool has_names;

	pthread_mutex_t lock; /* for all below */
	int users;            /* the owner, and the thread that looks */
	bool looking;
	char *news;
};

/* --- one name ------------------------------------------------------------- */

static int look_up(const struct host *h, int flags, struct addrinfo **found)
{
	const struct addrinfo hints = {
		.ai_flags = flags,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP,
	};

	return getaddrinfo(h->name, h->port, &hints, found);
}

static bool is_address(const struct host *h)
{
	struct addrinfo *found;

	if (look_up(h, AI_NUMERICHOST | AI_NUMERICSERV, &found))
		return false;
	freeaddrinfo(found);
	return true;
}

/* "address:port,..." of the IPv4 and IPv6 ones; NULL if there is none. */
static char *print_addresses(const struct addrinfo *found)
{
	const struct addrinfo *ai;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (ai = found; ai; ai = ai->ai_next) {
		char host[NI_MAXHOST], port[NI_MAXSERV];

		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host),
				port, sizeof(port),
				NI_NUMERICHOST | NI_NUMERICSERV))
			continue;
		fprintf(out, "%s%s:%s", ftell(out) ? "," : "", host, port);
	}
	if (fclose(out) != 0 || !text || !*text) {
		free(text);
		return NULL;
	}
	return text;
}

/* AI_ADDRCONFIG alone: no address of a kind that this machine has not. */
static void look_one(struct host *h)
{
	struct addrinfo *found = NULL;
	int rc = look_up(h, AI_ADDRCONFIG, &found);

	if (rc == EAI_BADFLAGS || rc == EAI_ADDRFAMILY)
		rc = look_up(h, 0, &found);
	if (rc && rc != EAI_NONAME && rc != EAI_NODATA)
		return;
	free(h->found);
	h->found = rc ? NULL : print_addresses(found);
	if (!rc)
		freeaddrinfo(found);
}

/* --- all of them ----------------------------------------------------------- */

static char *join(const struct resolver *r)
{
	char *text = NULL;
	size_t i, size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (i = 0; i < r->n; i++) {
		if (r->hosts[i].found)
			fprintf(out, "%s%s", ftell(out) ? "," : "",
				r->hosts[i].found);
	}
	if (fclose(out) != 0 || !text || !*text) {
		free(text);
		return NULL;
	}
	return text;
}

char *resolver_look(struct resolver *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		look_one(&r->hosts[i]);
	return join(r);
}

static void put(struct resolver *r)
{
	bool last;
	size_t i;

	pthread_mutex_lock(&r->lock);
	last = --r->users == 0;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	for (i = 0; i < r->n; i++) {
		free(r->hosts[i].name);
		free(r->hosts[i].port);
		free(r->hosts[i].found);
	}
	free(r->hosts);
	free(r->news);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *look_main(void *arg)
{
	struct resolver *r = arg;
	char *news = resolver_look(r);

	pthread_mutex_lock(&r->lock);
	r->news = news;
	r->looking = false;
	pthread_mutex_unlock(&r->lock);
	put(r);
	return NULL;
}

/* Without a thread there is no look; the next call tries again. */
static void begin_locked(struct resolver *r)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, look_main, r))
		return;
	pthread_detach(thread);
	r->looking = true;
	r->users++;
}

char *resolver_poll(struct resolver *r)
{
	char *news = NULL;

	if (!r->has_names)
		return NULL;
	pthread_mutex_lock(&r->lock);
	if (!r->looking) {
		news = steal(r->news);
		begin_locked(r);
	}
	pthread_mutex_unlock(&r->lock);
	return news;
}

/* --- life ------------------------------------------------------------------ */

static struct host parse_host(char *text)
{
	char *colon = strrchr(text, ':');

	if (colon)
		*colon++ = '\0';
	return (struct host){
		.name = xstrdup(text),
		.port = xstrdup(colon ? colon : ""),
	};
}

struct resolver *resolver_new(const char *hosts)
{
	struct resolver *r = xcalloc(1, sizeof(*r));
	_cleanup_free_ char *list = xstrdup(hosts);
	char *rest = list, *text;

	r->hosts = xcalloc(strlen(hosts) + 1, sizeof(*r->hosts));
	while ((text = strsep(&rest, ","))) {
		r->hosts[r->n] = parse_host(text);
		r->has_names |= !is_address(&r->hosts[r->n++]);
	}
	pthread_mutex_init(&r->lock, NULL);
	r->users = 1;
	return r;
}

void resolver_free(struct resolver *r)
{
	if (r)
		put(r);
}
