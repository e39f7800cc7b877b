/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The raw client's side: libzookeeper_mt with nothing around it, as fast as it
 * goes.  See tool.h; usage: client HOST:PORT, and then commands:
 *
 *	get PATH N               N gets, one after the other; N numbers
 *	getall DIR FROM N        each znode n000000... once, one after the other
 *	set PATH N SIZE          likewise
 *	create DIR FROM N SIZE   likewise
 *	children DIR             getChildren: one number
 *	pipeget DIR N            all at once, at most PIPELINE in flight: one number
 *	pipecreate DIR N SIZE    likewise; DIR too if it is not there
 *	pipeset DIR N TOTAL      TOTAL sets over N znodes, and then to each "last":
 *	                         when the first was sent, and when all were done
 *	change PATH              one set; when it was sent
 *	watch DIR N              get each with a watch
 *	event                    when a watch has fired and the get that follows
 *	                         has been answered
 *	drain N                  when N znodes have been read with "last"
 */

#include "tool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADED
#include <zookeeper/zookeeper.h>

/* Where throughput peaks, and what znodefs has in flight at most. */
#define PIPELINE  1024
#define VALUE_MAX 65536
#define PATH_SIZE 1024

static zhandle_t *zh;

/* How many answers are awaited, and what the watches have brought. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool connected;
	long in_flight;
	long events; /* read after their watch has fired */
	long last;   /* of them, with the last value */
} state = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

static void must(int rc, const char *what)
{
	if (rc == ZOK)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, zerror(rc));
	exit(1);
}

static void on_session(zhandle_t *z, int type, int s, const char *path,
		       void *ctx)
{
	(void)z, (void)path, (void)ctx;
	pthread_mutex_lock(&state.lock);
	state.connected = type == ZOO_SESSION_EVENT && s == ZOO_CONNECTED_STATE;
	pthread_cond_broadcast(&state.changed);
	pthread_mutex_unlock(&state.lock);
}

/* The server is on this machine, and has said that it serves. */
static void connect_to(const char *hosts)
{
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	zh = zookeeper_init(hosts, on_session, 60000, NULL, NULL, 0);
	if (!zh)
		tool_die(hosts, errno);
	/* Else the library resolves the names again and again. */
	zoo_set_servers_resolution_delay(zh, -1);
	pthread_mutex_lock(&state.lock);
	while (!state.connected)
		pthread_cond_wait(&state.changed, &state.lock);
	pthread_mutex_unlock(&state.lock);
}

/* --- one after the other ---------------------------------------------------- */

static void get_one(const char *path)
{
	char buf[VALUE_MAX];
	int len = sizeof(buf);

	must(zoo_get(zh, path, 0, buf, &len, NULL), path);
}

static void do_get(char **args)
{
	long n = tool_number(args[1]);

	while (n-- > 0) {
		int64_t start = tool_now();

		get_one(args[0]);
		tool_say(tool_now() - start);
	}
}

static void do_getall(char **args)
{
	long from = tool_number(args[1]), n = tool_number(args[2]), i;
	char path[PATH_SIZE];

	for (i = from; i < from + n; i++) {
		int64_t start = tool_now();

		tool_path(path, sizeof(path), args[0], i);
		get_one(path);
		tool_say(tool_now() - start);
	}
}

static void do_set(char **args)
{
	long n = tool_number(args[1]), size = tool_number(args[2]);
	char buf[VALUE_MAX];

	memset(buf, 'v', (size_t)size);
	while (n-- > 0) {
		int64_t start = tool_now();

		must(zoo_set(zh, args[0], buf, (int)size, -1), args[0]);
		tool_say(tool_now() - start);
	}
}

static void do_create(char **args)
{
	long from = tool_number(args[1]), n = tool_number(args[2]), i;
	long size = tool_number(args[3]);
	char path[PATH_SIZE], buf[VALUE_MAX];

	memset(buf, 'v', (size_t)size);
	for (i = from; i < from + n; i++) {
		int64_t start = tool_now();

		tool_path(path, sizeof(path), args[0], i);
		must(zoo_create(zh, path, buf, (int)size,
				&ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), path);
		tool_say(tool_now() - start);
	}
}

static void do_children(char **args)
{
	struct String_vector names;
	int64_t start = tool_now();

	must(zoo_get_children(zh, args[0], 0, &names), args[0]);
	tool_say(tool_now() - start);
	deallocate_String_vector(&names);
}

/* --- many at once ------------------------------------------------------------ */

static void begin(void)
{
	pthread_mutex_lock(&state.lock);
	while (state.in_flight >= PIPELINE)
		pthread_cond_wait(&state.changed, &state.lock);
	state.in_flight++;
	pthread_mutex_unlock(&state.lock);
}

static void end(int rc, const char *what)
{
	must(rc, what);
	pthread_mutex_lock(&state.lock);
	if (state.in_flight-- == PIPELINE || state.in_flight == 0)
		pthread_cond_broadcast(&state.changed);
	pthread_mutex_unlock(&state.lock);
}

static void await_all(void)
{
	pthread_mutex_lock(&state.lock);
	while (state.in_flight > 0)
		pthread_cond_wait(&state.changed, &state.lock);
	pthread_mutex_unlock(&state.lock);
}

static void on_data(int rc, const char *value, int len, const struct Stat *stat,
		    const void *data)
{
	(void)value, (void)len, (void)stat, (void)data;
	end(rc, "get");
}

static void on_created(int rc, const char *path, const void *data)
{
	(void)path, (void)data;
	end(rc, "create");
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
	(void)stat, (void)data;
	end(rc, "set");
}

static void do_pipeget(char **args)
{
	long n = tool_number(args[1]), i;
	int64_t start = tool_now();
	char path[PATH_SIZE];

	for (i = 0; i < n; i++) {
		tool_path(path, sizeof(path), args[0], i);
		begin();
		must(zoo_aget(zh, path, 0, on_data, NULL), path);
	}
	await_all();
	tool_say(tool_now() - start);
}

static void do_pipecreate(char **args)
{
	long n = tool_number(args[1]), size = tool_number(args[2]), i;
	int64_t start = tool_now();
	char path[PATH_SIZE], buf[VALUE_MAX];
	int rc = zoo_create(zh, args[0], NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0,
			    NULL, 0);

	if (rc != ZNODEEXISTS)
		must(rc, args[0]);
	memset(buf, 'v', (size_t)size);
	for (i = 0; i < n; i++) {
		tool_path(path, sizeof(path), args[0], i);
		begin();
		must(zoo_acreate(zh, path, buf, (int)size,
				 &ZOO_OPEN_ACL_UNSAFE, 0, on_created, NULL),
		     path);
	}
	await_all();
	tool_say(tool_now() - start);
}

static void send_set(const char *dir, long i, const char *value)
{
	char path[PATH_SIZE];

	tool_path(path, sizeof(path), dir, i);
	begin();
	must(zoo_aset(zh, path, value, (int)strlen(value), -1, on_stat, NULL),
	     path);
}

static void do_pipeset(char **args)
{
	long n = tool_number(args[1]), total = tool_number(args[2]), i;

	tool_say(tool_now());
	for (i = 0; i < total; i++)
		send_set(args[0], i % n, i < total - n ? "value" : "last");
	await_all();
	tool_say(tool_now());
}

static void do_change(char **args)
{
	tool_say(tool_now());
	must(zoo_set(zh, args[0], "changed", 7, -1), args[0]);
}

/* --- watches ----------------------------------------------------------------- */

static void get_watched(char *path);

static void on_change(zhandle_t *z, int type, int s, const char *path,
		      void *ctx)
{
	(void)z, (void)s, (void)path;
	if (type != ZOO_SESSION_EVENT)
		get_watched(ctx);
}

static void on_watched(int rc, const char *value, int len,
		       const struct Stat *stat, const void *data)
{
	(void)data;
	must(rc, "get");
	pthread_mutex_lock(&state.lock);
	state.in_flight--;
	state.events += stat->version > 0;
	state.last += len == 4 && memcmp(value, "last", 4) == 0;
	pthread_cond_broadcast(&state.changed);
	pthread_mutex_unlock(&state.lock);
}

/* @path is not freed: as many as are watched are there until the end. */
static void get_watched(char *path)
{
	pthread_mutex_lock(&state.lock);
	state.in_flight++;
	pthread_mutex_unlock(&state.lock);
	must(zoo_awget(zh, path, on_change, path, on_watched, path), path);
}

static void do_watch(char **args)
{
	long n = tool_number(args[1]), i;

	for (i = 0; i < n; i++) {
		char path[PATH_SIZE];

		tool_path(path, sizeof(path), args[0], i);
		get_watched(strdup(path));
	}
	await_all();
	state.events = state.last = 0;
}

static void await_count(const long *count, long n)
{
	pthread_mutex_lock(&state.lock);
	while (*count < n)
		pthread_cond_wait(&state.changed, &state.lock);
	pthread_mutex_unlock(&state.lock);
	tool_say(tool_now());
}

static void do_event(char **args)
{
	(void)args;
	await_count(&state.events, 1);
	state.events = 0;
}

static void do_drain(char **args)
{
	await_count(&state.last, tool_number(args[0]));
}

static const struct tool_command commands[] = {
	{"get", 2, do_get},
	{"getall", 3, do_getall},
	{"set", 3, do_set},
	{"create", 4, do_create},
	{"children", 1, do_children},
	{"pipeget", 2, do_pipeget},
	{"pipecreate", 3, do_pipecreate},
	{"pipeset", 3, do_pipeset},
	{"change", 1, do_change},
	{"watch", 2, do_watch},
	{"event", 0, do_event},
	{"drain", 1, do_drain},
	{NULL, 0, NULL},
};

int main(int argc, char **argv)
{
	if (argc != 2)
		tool_die("usage: client HOST:PORT", 0);
	connect_to(argv[1]);
	return tool_serve(commands);
}
