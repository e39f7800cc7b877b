/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t tool_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void tool_say(int64_t number)
{
	printf("%lld ", (long long)number);
}

void tool_flush(void)
{
	putchar('\n');
	fflush(stdout);
}

void tool_die(const char *what, int rc)
{
	fprintf(stderr, "bench: %s%s%s\n", what, rc ? ": " : "",
		rc ? strerror(rc) : "");
	exit(1);
}

long tool_number(const char *word)
{
	char *end;
	long n = strtol(word, &end, 10);

	if (end == word || *end || n < 0)
		tool_die(word, 0);
	return n;
}

void tool_path(char *buf, size_t size, const char *dir, long i)
{
	snprintf(buf, size, "%s/n%06ld", dir, i);
}

static void run(const struct tool_command *commands, char *line)
{
	char *words[TOOL_WORDS_MAX] = {NULL}, *save = NULL;
	const struct tool_command *c;
	int n = 0;

	for (line = strtok_r(line, " \n", &save); line && n < TOOL_WORDS_MAX;
	     line = strtok_r(NULL, " \n", &save))
		words[n++] = line;
	for (c = commands; n > 0 && c->name; c++) {
		if (strcmp(c->name, words[0]) == 0 && c->args == n - 1) {
			c->run(words + 1);
			tool_flush();
			return;
		}
	}
	tool_die(n ? words[0] : "empty command", 0);
}

int tool_serve(const struct tool_command *commands)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin))
		run(commands, line);
	return 0;
}
