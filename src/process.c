/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>

#include "util.h"

struct status {
	pid_t process;
	pid_t parent;
};

/* What is looked for is among the first, long before this many bytes. */
#define TEXT_MAX 1024

/* proc(5): the CPU is field 39 of "stat", and a name ends the second. */
#define FIELDS_TO_CPU 37

static pid_t number_at(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? (pid_t)strtol(at + strlen(key), NULL, 10) : 0;
}

/* The beginning of a file about @thread; false if there is no such thread. */
static bool read_about(pid_t thread, const char *file, char text[TEXT_MAX + 1])
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, TEXT_MAX);
	if (n < 0)
		return false;
	text[n] = '\0';
	return true;
}

static struct status read_status(pid_t thread)
{
	char text[TEXT_MAX + 1];

	if (!read_about(thread, "status", text))
		return (struct status){0};
	/* The name stands before them, and newlines in it are escaped. */
	return (struct status){
		.process = number_at(text, "\nTgid:"),
		.parent = number_at(text, "\nPPid:"),
	};
}

pid_t process_of(pid_t thread)
{
	return thread > 0 ? read_status(thread).process : 0;
}

size_t process_line(pid_t thread, pid_t line[PROCESS_LINE_MAX])
{
	struct status s = {.parent = thread};
	size_t n = 0;

	while (n < PROCESS_LINE_MAX && s.parent > (n > 0)) {
		s = read_status(s.parent);
		if (s.process == 0)
			break;
		line[n++] = s.process;
	}
	return n;
}

int process_cpu(pid_t thread)
{
	char text[TEXT_MAX + 1];
	const char *at;
	int i;

	if (!read_about(thread, "stat", text))
		return -1;
	/* The name may have anything in it, the numbers no parenthesis. */
	at = strrchr(text, ')');
	for (i = 0; at && i < FIELDS_TO_CPU; i++)
		at = strchr(at + 1, ' ');
	return at ? (int)strtol(at, NULL, 10) : -1;
}
