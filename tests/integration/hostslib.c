/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A resolver of the test's own: a module for LD_PRELOAD that stands before
 * getaddrinfo(3).  The names are in the file $ZNODEFS_HOSTS, which is read each
 * time, a line each:
 *
 *	zk1.test 127.0.0.2 127.0.0.3	the addresses of a name
 *	zk2.test			no answer, until the line has changed
 *
 * What is not in the file is EAI_NONAME.  Addresses go to the real one.
 */

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Behind this a test has failed, and its daemon is to end all the same. */
#define SILENCE_MAX_MS 60000

typedef int resolver(const char *name, const char *service,
		     const struct addrinfo *hints, struct addrinfo **res);

static resolver *real_resolver(void)
{
	resolver *real;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (!real)
		abort();
	return real;
}

/* The addresses of @name into @line; false if there is no such name. */
static bool find(const char *name, char *line, size_t size)
{
	const char *path = getenv("ZNODEFS_HOSTS");
	FILE *f = path ? fopen(path, "re") : NULL;
	size_t len = strlen(name);
	bool found = false;

	while (f && !found && fgets(line, (int)size, f)) {
		found = strncmp(line, name, len) == 0 &&
			strchr(" \n", line[len]);
		if (found)
			memmove(line, line + len, strlen(line + len) + 1);
	}
	if (f)
		fclose(f);
	return found;
}

static bool is_address(const char *name)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, buf) == 1 ||
	       inet_pton(AF_INET6, name, buf) == 1;
}

/* Each address is asked for by itself; the answers are put in a row. */
static int resolve(char *addresses, const char *service,
		   const struct addrinfo *hints, struct addrinfo **res)
{
	struct addrinfo **end = res;
	char *save = NULL, *address;

	*res = NULL;
	for (address = strtok_r(addresses, " \n", &save); address;
	     address = strtok_r(NULL, " \n", &save)) {
		int rc = real_resolver()(address, service, hints, end);

		if (rc)
			return rc;
		while (*end)
			end = &(*end)->ai_next;
	}
	return *res ? 0 : EAI_AGAIN;
}

int getaddrinfo(const char *name, const char *service,
		const struct addrinfo *hints, struct addrinfo **res)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	char line[512];
	int ms, rc = EAI_AGAIN;

	if (!name || is_address(name) ||
	    (hints && hints->ai_flags & AI_NUMERICHOST))
		return real_resolver()(name, service, hints, res);
	for (ms = 0; rc == EAI_AGAIN && ms < SILENCE_MAX_MS; ms += 10) {
		if (!find(name, line, sizeof(line)))
			return EAI_NONAME;
		rc = resolve(line, service, hints, res);
		if (rc == EAI_AGAIN)
			nanosleep(&moment, NULL);
	}
	return rc;
}
