/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FEED_PRIV_H
#define ZNODEFS_FEED_PRIV_H

/*
 * Shared by feed.c (the calls, from any thread), feedloop.c (the thread: when
 * to connect, read, write, ping and give up) and feedtalk.c (what it says and
 * what it makes of the answers).
 */

#include <limits.h>
#include <pthread.h>

#include "feed.h"
#include "feedconn.h"
#include "feedset.h"
#include "util.h"

enum feed_phase {
	FEED_CONNECTING, /* TCP */
	FEED_HANDSHAKE,  /* connect request sent */
	FEED_AUTH,       /* credentials sent */
	FEED_WATCHING,   /* AddWatch for what was wanted at the start */
	FEED_UP,
};

struct feed {
	/* Given by the caller, constant. */
	const struct feed_ops *ops;
	void *arg;
	int session_timeout_ms;
	struct feed_auth *auth;
	size_t n_auth;

	/* Constant while the thread runs. */
	pthread_t thread;
	int wake_fd; /* an eventfd: something under the lock has changed */

	/* Protected by lock, which is never held in a callback. */
	pthread_mutex_t lock;
	struct feedset set;
	struct feed_status status;
	bool moved; /* status.server has changed */
	uint64_t sync_ticket; /* the last that was given out ... */
	bool stop;

	/* Of the thread: the connection in being. */
	struct feedconn conn;
	enum feed_phase phase;
	uint64_t epoch;
	int timeout_ms;    /* negotiated, or the one asked for until then */
	int32_t xid;       /* of the last request */
	size_t auth_left;  /* replies to credentials still to come */
	int64_t heard_ms;  /* last complete frame, or the start */
	int64_t sent_ms;   /* last request */
	size_t pings_out;  /* pings that are unanswered ... */
	int32_t ping_xid;  /* ... the first of which went after this request */
	uint64_t sync_sent; /* ... and that for which a ping was sent last */
	size_t sync_pongs; /* until that is answered; 0: none is under way */
	bool asked;        /* an AddWatch has been sent ... */
	bool answered;     /* ... and one has been answered */
	uint64_t n_events; /* not in status yet */

	/* Of the thread: across connections. */
	struct feedproto_session session;
	bool keep_session; /* not of a read-only server */
	int backoff_ms;
	int patience_ms; /* with a server that has not answered yet */
	int drops;     /* in a row, at the first AddWatch */
	int64_t up_ms; /* when up() was called */
	bool quiet;    /* failures are logged once until up again */
};

/*
 * Below this a negotiated timeout is not believed: pings would be a flood.
 * A server's least is two of its ticks, and no tick in use is below 50 ms.
 */
#define FEED_TIMEOUT_MIN_MS 100

/* The end of a connection whose session the server no longer knows. */
#define FEED_EXPIRED (-EKEYEXPIRED)

/* What poll() is to wait for at most, to wake at @until. */
static inline int feed_poll_ms(int64_t until)
{
	int64_t left = until - now_ms();

	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

void *feed_thread(void *feed);

/*
 * Each queues a request, moving the phase on where that follows: 0 or -ENOMEM.
 * feedtalk_ask() queues what there is to ask for, within the bounds,
 * feedtalk_sync() the ping that somebody waits for.
 */
int feedtalk_connect(struct feed *f);
int feedtalk_ping(struct feed *f);
int feedtalk_ask(struct feed *f);
int feedtalk_sync(struct feed *f);

/*
 * Act upon one frame: 0, or why the connection must end: -EPROTO, -EBADMSG,
 * -EACCES, -EBUSY, -EROFS, -EOPNOTSUPP (no AddWatch), FEED_EXPIRED, -ENOMEM.
 */
int feedtalk_hear(struct feed *f, void *buf, size_t len);

/* Tell the caller if the last of the answers that up() promises is there. */
void feedtalk_come_up(struct feed *f);

/* Close the session, waiting at most FEED_CLOSE_MS. */
void feedtalk_take_leave(struct feed *f);

#endif
