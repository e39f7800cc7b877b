/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_STATUS_H
#define ZNODEFS_STATUS_H

/*
 * How the mount fares, as text: `.znodefs/status` for people and scripts, one
 * "key value" a line, and `.znodefs/metrics` in the text format of Prometheus.
 *
 * Both are made of the same numbers: what is "requests 7" in one is
 * "znodefs_requests_total 7" in the other.  Keys and names are an interface
 * (znodefs(1) lists them): they may be added, not changed.  No secret and
 * nothing that users have written is among them.
 *
 * Pure: who asks collects the numbers first.
 */

#include <stdbool.h>
#include <stdint.h>

enum status_number {
	STATUS_MESSAGES,
	STATUS_REQUESTS,
	STATUS_REQUESTS_IN_FLIGHT,
	STATUS_REQUESTS_HELD,
	STATUS_SESSIONS,
	STATUS_CONNECTIONS,
	STATUS_NODES,
	STATUS_INODES,
	STATUS_CACHED_BYTES,
	STATUS_CACHE_LIMIT,
	STATUS_OPEN_FILES,
	STATUS_OPEN_DIRECTORIES,
	STATUS_EPHEMERALS,
	STATUS_EPHEMERALS_TO_RENEW,
	STATUS_FEED_WATCHES,
	STATUS_FEED_EVENTS,
	STATUS_FEED_BYTES,
	STATUS_FEED_CONNECTIONS,
	STATUS_NAMES_TO_READ,
	STATUS_NAMES_TO_ANNOUNCE,
	STATUS_ANNOUNCEMENTS,
	STATUS_HELPERS,
	STATUS_HELPERS_STUCK,
	STATUS_NUMBERS,
};

struct status {
	const char *version;

	/* The session. */
	const char *state; /* connected, lost, ...; see zk_state_name() */
	int64_t since;     /* when that began; seconds since the epoch */
	int64_t seconds;   /* how long ago */
	const char *server; /* "" for none */
	uint64_t session;   /* 0: none */
	int session_timeout_ms;
	bool strict;

	/* The feed of events. */
	const char *feed; /* up, down, unsupported, refused, off */
	const char *feed_server;

	uint64_t n[STATUS_NUMBERS];
};

/* malloc'ed; NULL if there is no memory. */
char *status_text(const struct status *s);
/* @states: all that s->state can be, so that each has its line; ends in NULL. */
char *status_metrics(const struct status *s, const char *const *states);

#endif
