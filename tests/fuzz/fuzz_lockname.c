/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the queue of a lock (src/lockname.c), which anybody can put
 * names into.
 *
 * The input is the names, a line each; the first is ours, and the second what
 * our names begin with.
 */
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "lockname.h"

#define NAMES_MAX 64

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (names[i] == name)
			return true;
	return false;
}

static void check_queue(const char *const *names, size_t n, const char *owner)
{
	const char *mine = names[0], *first;
	struct lockname_view v = lockname_view(names, n, owner, mine);

	FUZZ_CHECK(v.there);
	if (v.blocker) {
		FUZZ_CHECK(is_one_of(v.blocker, names, n));
		FUZZ_CHECK(strcmp(v.blocker, mine) && lockname_is(v.blocker));
		FUZZ_CHECK(!*owner ||
			   strncmp(v.blocker, owner, strlen(owner)));
	}
	first = lockname_first(names, n, owner, false);
	if (first)
		FUZZ_CHECK(is_one_of(first, names, n) && lockname_is(first));
	/* Who would share waits for nobody for whom no other one does. */
	if (!first)
		FUZZ_CHECK(!lockname_first(names, n, owner, true));
	if (lockname_are_all(names, n))
		FUZZ_CHECK(lockname_is(mine));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *names[NAMES_MAX] = {NULL};
	char *text = malloc(size + 1), *rest = text, *line;
	size_t n = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	while (n < NAMES_MAX && (line = strsep(&rest, "\n")))
		names[n++] = line;
	check_queue(names, n, "");
	if (n > 1)
		check_queue(names, n, names[1]);
	free(text);
	return 0;
}
