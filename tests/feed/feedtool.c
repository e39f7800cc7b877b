/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A feed by itself, for the tests against a real server:
 *
 *	feedtool SERVER TIMEOUT_MS [SCHEME CREDENTIAL]...
 *
 * Callbacks are lines on stdout; SERVER "-" means none yet.  Orders are lines
 * on stdin: "watch PATH", "watch1 PATH" (not recursive), "unwatch PATH",
 * "move SERVER", "quiet" (events are counted and not written, all at once at
 * the next "status"), "status".  The end of stdin closes the feed; "closed"
 * follows when that is done.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "feed.h"
#include "log.h"
#include "util.h"

struct tool {
	struct feed *feed;
	atomic_bool quiet;
	atomic_llong first_ms; /* of the events that were not written */
	atomic_llong last_ms;
};

static void on_up(void *arg, uint64_t epoch)
{
	(void)arg;
	printf("up %llu\n", (unsigned long long)epoch);
}

static void on_down(void *arg, uint64_t epoch, int reason)
{
	(void)arg;
	printf("down %llu %s\n", (unsigned long long)epoch,
	       strerrorname_np(-reason));
}

static void on_watching(void *arg, uint64_t epoch, const char *path, int code)
{
	(void)arg;
	printf("watching %llu %s %d\n", (unsigned long long)epoch, path, code);
}

static void on_event(void *arg, enum feedproto_event type, const char *path,
		     int64_t zxid)
{
	static const char *const names[] = {
		[FEEDPROTO_CREATED] = "CREATED",
		[FEEDPROTO_DELETED] = "DELETED",
		[FEEDPROTO_CHANGED] = "CHANGED",
		[FEEDPROTO_CHILD] = "CHILD",
	};
	struct tool *t = arg;

	(void)zxid;
	if (!t->quiet) {
		printf("event %s %s\n", names[type], path);
		return;
	}
	if (!t->first_ms)
		t->first_ms = now_ms();
	t->last_ms = now_ms();
}

static void on_unsupported(void *arg)
{
	(void)arg;
	printf("unsupported\n");
}

static void print_status(struct tool *t)
{
	struct feed_status s;

	feed_get_status(t->feed, &s);
	printf("status up=%d ro=%d reason=%s session=%llx timeout=%d "
	       "watches=%zu epoch=%llu events=%llu ms=%lld\n",
	       s.up, s.read_only, strerrorname_np(-s.last_reason),
	       (unsigned long long)s.session_id, s.timeout_ms, s.watches,
	       (unsigned long long)s.epoch, (unsigned long long)s.events,
	       t->last_ms - t->first_ms);
}

static void order(struct tool *t, const char *verb, const char *arg)
{
	int rc = 0;

	if (strcmp(verb, "watch") == 0)
		rc = feed_watch(t->feed, arg, true);
	else if (strcmp(verb, "watch1") == 0)
		rc = feed_watch(t->feed, arg, false);
	else if (strcmp(verb, "unwatch") == 0)
		feed_unwatch(t->feed, arg);
	else if (strcmp(verb, "move") == 0)
		rc = feed_move(t->feed, arg);
	else if (strcmp(verb, "quiet") == 0)
		t->quiet = true;
	else if (strcmp(verb, "status") == 0)
		print_status(t);
	else
		rc = -EINVAL;
	if (rc)
		printf("failed %s %s\n", verb, strerrorname_np(-rc));
}

static int open_feed(struct tool *t, int argc, char **argv)
{
	static const struct feed_ops ops = {
		.up = on_up,
		.down = on_down,
		.watching = on_watching,
		.event = on_event,
		.unsupported = on_unsupported,
	};
	struct feed_auth auth[8];
	struct feed_config config = {
		.server = strcmp(argv[1], "-") ? argv[1] : NULL,
		.session_timeout_ms = atoi(argv[2]),
		.auth = auth,
		.ops = &ops,
		.arg = t,
	};

	for (int i = 3; i + 1 < argc && config.n_auth < ARRAY_SIZE(auth);
	     i += 2)
		auth[config.n_auth++] = (struct feed_auth){argv[i], argv[i + 1],
							   strlen(argv[i + 1])};
	return feed_open(&t->feed, &config);
}

int main(int argc, char **argv)
{
	struct tool t = {.quiet = false};
	char line[4096];
	int rc;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_open(false, LOG_DEBUG);
	rc = argc < 3 ? -EINVAL : open_feed(&t, argc, argv);
	if (rc) {
		fprintf(stderr, "feedtool: %s\n", strerror(-rc));
		return EXIT_FAILURE;
	}
	while (fgets(line, sizeof(line), stdin)) {
		char *arg = strchr(line, ' ');

		line[strcspn(line, "\n")] = '\0';
		if (arg)
			*arg++ = '\0';
		order(&t, line, arg ? arg : "");
	}
	feed_close(t.feed);
	printf("closed\n");
	return EXIT_SUCCESS;
}
