/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <fcntl.h>
#include <stdio.h>

#include "util.h"

struct status {
	pid_t process;
	pid_t parent;
};

/* The lines in question are among the first, long before this many bytes. */
#define STATUS_MAX 1024

static pid_t number_at(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? (pid_t)strtol(at + strlen(key), NULL, 10) : 0;
}

static struct status read_status(pid_t thread)
{
	char path[64], text[STATUS_MAX + 1];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, STATUS_MAX);
	if (n < 0)
		return (struct status){0};
	text[n] = '\0';
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
