/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util.h"

#define PREFIX "znodefs_"

static const struct number {
	const char *key;
	bool counter; /* since the mount; else as of now */
	const char *help;
} numbers[STATUS_NUMBERS] = {
	[STATUS_MESSAGES] = {"messages", true,
			     "Messages of the kernel answered."},
	[STATUS_REQUESTS] = {"requests", true,
			     "Requests sent to the server."},
	[STATUS_REQUESTS_IN_FLIGHT] = {"requests_in_flight", false,
				       "Requests without an answer yet."},
	[STATUS_REQUESTS_HELD] = {"requests_held", false,
				  "Requests that wait to be sent."},
	[STATUS_SESSIONS] = {"sessions", true, "Sessions opened."},
	[STATUS_CONNECTIONS] = {"connections", true,
				"Times that a server was found."},
	[STATUS_NODES] = {"nodes", false, "Znodes of which something is known."},
	[STATUS_INODES] = {"inodes", false, "Inodes that the kernel holds."},
	[STATUS_CACHED_BYTES] = {"cached_bytes", false,
				 "Bytes of values that are kept."},
	[STATUS_CACHE_LIMIT] = {"cache_limit_bytes", false,
				"Bytes of values that may be kept."},
	[STATUS_OPEN_FILES] = {"open_files", false, "Open files."},
	[STATUS_OPEN_DIRECTORIES] = {"open_directories", false,
				     "Open directories."},
	[STATUS_EPHEMERALS] = {"ephemerals", false,
			       "Ephemeral znodes made by this session."},
	[STATUS_EPHEMERALS_TO_RENEW] = {"ephemerals_to_renew", false,
					"Ephemeral znodes to be made again."},
	[STATUS_FEED_WATCHES] = {"feed_watches", false,
				 "Subtrees and nodes that are watched."},
	[STATUS_FEED_EVENTS] = {"feed_events", true,
				"Events received from the server."},
	[STATUS_FEED_BYTES] = {"feed_received_bytes", true,
			       "Bytes received by the feed of events."},
	[STATUS_FEED_CONNECTIONS] = {"feed_connections", true,
				     "Attempts of the feed to connect."},
	[STATUS_NAMES_TO_READ] = {"names_to_read", false,
				  "Names that may have changed."},
	[STATUS_NAMES_TO_ANNOUNCE] = {"names_to_announce", false,
				      "Names with a change to announce."},
	[STATUS_ANNOUNCEMENTS] = {"announcements", true,
				  "Changes announced to watchers."},
	[STATUS_HELPERS] = {"helpers", true, "Helper processes started."},
	[STATUS_HELPERS_STUCK] = {"helpers_stuck", false,
				  "Helper processes that hang in the kernel."},
};

/* --- status --------------------------------------------------------------- */

/* A value is never empty, so that a line always has two words. */
static void put_word(FILE *f, const char *key, const char *word)
{
	fprintf(f, "%s %s\n", key, word[0] ? word : "-");
}

static void put_time(FILE *f, const char *key, int64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	put_word(f, key, text);
}

static void put_status(FILE *f, const struct status *s)
{
	int i;

	put_word(f, "version", s->version);
	put_word(f, "state", s->state);
	put_time(f, "since", s->since);
	fprintf(f, "seconds %" PRId64 "\n", s->seconds);
	put_word(f, "server", s->server);
	fprintf(f, "session 0x%" PRIx64 "\n", s->session);
	fprintf(f, "session_timeout_ms %d\n", s->session_timeout_ms);
	put_word(f, "strict", s->strict ? "yes" : "no");
	put_word(f, "feed", s->feed);
	put_word(f, "feed_server", s->feed_server);
	for (i = 0; i < STATUS_NUMBERS; i++)
		fprintf(f, "%s %" PRIu64 "\n", numbers[i].key, s->n[i]);
}

/* --- metrics -------------------------------------------------------------- */

static void put_head(FILE *f, const char *name, const char *suffix,
		     const char *type, const char *help)
{
	fprintf(f, "# HELP " PREFIX "%s%s %s\n", name, suffix, help);
	fprintf(f, "# TYPE " PREFIX "%s%s %s\n", name, suffix, type);
}

static void put_number(FILE *f, const struct number *number, uint64_t value)
{
	const char *suffix = number->counter ? "_total" : "";

	put_head(f, number->key, suffix, number->counter ? "counter" : "gauge",
		 number->help);
	fprintf(f, PREFIX "%s%s %" PRIu64 "\n", number->key, suffix, value);
}

static void put_gauge(FILE *f, const char *name, double value,
		      const char *help)
{
	put_head(f, name, "", "gauge", help);
	fprintf(f, PREFIX "%s %.15g\n", name, value);
}

static void put_states(FILE *f, const struct status *s,
		       const char *const *states)
{
	put_head(f, "state", "", "gauge", "1 for the state of the session.");
	for (; *states; states++)
		fprintf(f, PREFIX "state{state=\"%s\"} %d\n", *states,
			strcmp(*states, s->state) == 0);
}

static void put_metrics(FILE *f, const struct status *s,
			const char *const *states)
{
	int i;

	put_head(f, "info", "", "gauge", "The program.");
	fprintf(f, PREFIX "info{version=\"%s\"} 1\n", s->version);
	put_states(f, s, states);
	put_gauge(f, "state_seconds", (double)s->seconds,
		  "How long the session has been in its state.");
	put_gauge(f, "session_timeout_seconds", s->session_timeout_ms / 1000.0,
		  "The timeout that the server has granted.");
	put_gauge(f, "feed_up", strcmp(s->feed, "up") == 0,
		  "1 while changes made elsewhere are heard of.");
	for (i = 0; i < STATUS_NUMBERS; i++)
		put_number(f, &numbers[i], s->n[i]);
}

/* --- both ----------------------------------------------------------------- */

static char *finish(FILE *f, char **text)
{
	if (fclose(f) != 0) {
		free(*text);
		return NULL;
	}
	return *text;
}

char *status_text(const struct status *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	put_status(f, s);
	return finish(f, &text);
}

char *status_metrics(const struct status *s, const char *const *states)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	put_metrics(f, s, states);
	return finish(f, &text);
}
