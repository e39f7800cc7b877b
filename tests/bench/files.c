/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The filesystem's side: system calls on a mount, or on tmpfs or another FUSE
 * filesystem, each timed.  See tool.h; usage: files, and then commands:
 *
 *	stat PATH N              N times; N numbers
 *	read PATH N              open, read, close
 *	write PATH N SIZE        open with O_TRUNC, write, close, as echo does
 *	create DIR FROM N SIZE   a new file each
 *	cat DIR FROM N           read each file once
 *	list DIR                 getdents until the end: one number
 *	parallel DIR N THREADS   each file once, by all threads: one number
 *	watch DIR                then "event" and "drain" are about what is in it
 *	event                    when something has been modified; one number
 *	drain N                  when N files have been read with a value that
 *	                         begins with "last"
 */

#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VALUE_MAX 65536

static void stat_one(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		tool_die(path, errno);
}

/* What cat(1) does, less its own start; the value is in @buf. */
static ssize_t read_one(const char *path, char *buf)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, VALUE_MAX);

	if (n < 0)
		tool_die(path, errno);
	close(fd);
	return n;
}

static void write_one(const char *path, size_t size)
{
	char buf[VALUE_MAX];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	memset(buf, 'v', size);
	if (fd < 0 || write(fd, buf, size) != (ssize_t)size || close(fd) < 0)
		tool_die(path, errno);
}

/* --- one after the other ---------------------------------------------------- */

static void do_stat(char **args)
{
	long n = tool_number(args[1]);

	while (n-- > 0) {
		int64_t start = tool_now();

		stat_one(args[0]);
		tool_say(tool_now() - start);
	}
}

static void do_read(char **args)
{
	long n = tool_number(args[1]);
	char buf[VALUE_MAX];

	while (n-- > 0) {
		int64_t start = tool_now();

		read_one(args[0], buf);
		tool_say(tool_now() - start);
	}
}

static void do_write(char **args)
{
	long n = tool_number(args[1]), size = tool_number(args[2]);

	while (n-- > 0) {
		int64_t start = tool_now();

		write_one(args[0], (size_t)size);
		tool_say(tool_now() - start);
	}
}

static void do_create(char **args)
{
	long from = tool_number(args[1]), n = tool_number(args[2]), i;
	long size = tool_number(args[3]);
	char path[PATH_MAX];

	for (i = from; i < from + n; i++) {
		int64_t start = tool_now();

		tool_path(path, sizeof(path), args[0], i);
		write_one(path, (size_t)size);
		tool_say(tool_now() - start);
	}
}

static void do_cat(char **args)
{
	long from = tool_number(args[1]), n = tool_number(args[2]), i;
	char path[PATH_MAX], buf[VALUE_MAX];

	for (i = from; i < from + n; i++) {
		int64_t start = tool_now();

		tool_path(path, sizeof(path), args[0], i);
		read_one(path, buf);
		tool_say(tool_now() - start);
	}
}

static void do_list(char **args)
{
	int64_t start = tool_now();
	int fd = open(args[0], O_RDONLY | O_DIRECTORY);
	char buf[VALUE_MAX];
	long n = fd < 0 ? -1 : 1;

	while (n > 0)
		n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
	if (n < 0)
		tool_die(args[0], errno);
	close(fd);
	tool_say(tool_now() - start);
}

/* --- many at once ------------------------------------------------------------ */

struct crowd {
	const char *dir;
	long n;
	atomic_long next;
};

static void *reader(void *arg)
{
	struct crowd *c = arg;
	char path[PATH_MAX], buf[VALUE_MAX];
	long i;

	while ((i = atomic_fetch_add(&c->next, 1)) < c->n) {
		tool_path(path, sizeof(path), c->dir, i);
		read_one(path, buf);
	}
	return NULL;
}

static void do_parallel(char **args)
{
	struct crowd c = {.dir = args[0], .n = tool_number(args[1])};
	long n_threads = tool_number(args[2]), i;
	pthread_t *threads = calloc((size_t)n_threads, sizeof(*threads));
	int64_t start = tool_now();

	if (!threads)
		tool_die("threads", ENOMEM);
	for (i = 0; i < n_threads; i++) {
		if (pthread_create(&threads[i], NULL, reader, &c) != 0)
			tool_die("pthread_create", errno);
	}
	for (i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	tool_say(tool_now() - start);
	free(threads);
}

/* --- events ------------------------------------------------------------------ */

static struct {
	int fd;
	char dir[PATH_MAX];
} watch = {.fd = -1};

static void do_watch(char **args)
{
	if (watch.fd >= 0)
		close(watch.fd);
	watch.fd = inotify_init1(IN_CLOEXEC);
	snprintf(watch.dir, sizeof(watch.dir), "%s", args[0]);
	if (inotify_add_watch(watch.fd, args[0], IN_MODIFY) < 0)
		tool_die(args[0], errno);
}

/* Read what has come, and call @f for each; waits for the first. */
static void read_events(void (*f)(const char *name))
{
	_Alignas(struct inotify_event) char buf[65536];
	ssize_t n = read(watch.fd, buf, sizeof(buf));
	char *p = buf;

	if (n <= 0)
		tool_die("inotify", errno);
	while (p < buf + n) {
		struct inotify_event *e = (struct inotify_event *)p;

		if (e->mask & IN_Q_OVERFLOW)
			tool_die("too many events", 0);
		if (e->len && f)
			f(e->name);
		p += sizeof(*e) + e->len;
	}
}

static void do_event(char **args)
{
	(void)args;
	read_events(NULL);
	tool_say(tool_now());
}

static bool *is_last; /* by the number of the file */
static long n_files, n_last;

static void read_value(const char *name)
{
	char path[PATH_MAX + NAME_MAX + 2], buf[VALUE_MAX];
	long i = tool_number(name + 1);
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", watch.dir, name);
	n = read_one(path, buf);
	if (i >= n_files || is_last[i] || n < 4 || memcmp(buf, "last", 4) != 0)
		return;
	is_last[i] = true;
	n_last++;
}

static void do_drain(char **args)
{
	n_files = tool_number(args[0]);
	n_last = 0;
	is_last = calloc((size_t)n_files, sizeof(*is_last));
	if (!is_last)
		tool_die("drain", ENOMEM);
	while (n_last < n_files)
		read_events(read_value);
	tool_say(tool_now());
	free(is_last);
}

static const struct tool_command commands[] = {
	{"stat", 2, do_stat},
	{"read", 2, do_read},
	{"write", 3, do_write},
	{"create", 4, do_create},
	{"cat", 3, do_cat},
	{"list", 1, do_list},
	{"parallel", 3, do_parallel},
	{"watch", 1, do_watch},
	{"event", 0, do_event},
	{"drain", 1, do_drain},
	{NULL, 0, NULL},
};

int main(void)
{
	return tool_serve(commands);
}
