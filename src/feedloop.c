/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feed's thread: one connection after the other, each from its first byte
 * to its end in converse(), which returns why it ended.  Nobody else touches
 * the connection, so only what the calls in feed.c share takes the lock.
 */
#include "feed_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "log.h"
#include "util.h"

/* A connection that was up for so long makes a new start for the backoff. */
#define STABLE_MS 1000

#define DROPS_MAX 3

static void publish(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->status.events += f->n_events;
	f->status.bytes += f->conn.bytes_in;
	pthread_mutex_unlock(&f->lock);
	f->n_events = 0;
	f->conn.bytes_in = 0;
}

/*
 * What the kernel has, up to a buffer full.  Only complete frames count as a
 * sign of life, and the callbacks' own time does not count as silence.
 */
static int receive(struct feed *f)
{
	int rc = feedconn_receive(&f->conn);
	bool heard = false;
	size_t len;
	void *buf;

	if (rc < 0)
		return rc == -EAGAIN ? 0 : rc;
	while ((rc = feedconn_frame(&f->conn, &buf, &len)) > 0) {
		heard = true;
		rc = feedtalk_hear(f, buf, len);
		if (rc < 0)
			break;
	}
	if (heard)
		f->heard_ms = now_ms();
	publish(f);
	return rc;
}

static bool unanswered(const struct feed *f)
{
	return f->asked && !f->answered;
}

/*
 * A server that starts may accept a client and never answer it.  So the first
 * answer is waited for a short time, and longer with each attempt.
 */
static int64_t silent_until(const struct feed *f)
{
	int64_t patience = f->timeout_ms * 2LL / 3;

	if (f->phase < FEED_WATCHING)
		patience = MIN(patience, (int64_t)f->patience_ms);
	return f->heard_ms + patience;
}

/* When there will be something to do even if nothing comes. */
static int64_t next_deadline(const struct feed *f)
{
	int64_t silence = silent_until(f);

	if (f->phase < FEED_WATCHING)
		return silence;
	return MIN(silence, f->sent_ms + f->timeout_ms / 3);
}

/*
 * A ping follows a third of the timeout after the last request, and the first
 * AddWatch at once (see on_pong).  Whether the one before has been answered
 * does not matter: in a flood the answer stands behind the events, and the
 * server would take a client that waits for it for dead.
 */
static int keep_alive(struct feed *f)
{
	int64_t now = now_ms();

	if (now >= silent_until(f)) {
		f->patience_ms = MIN(f->patience_ms * 2, FEED_PATIENCE_MAX_MS);
		return -ETIMEDOUT;
	}
	if (f->phase < FEED_WATCHING)
		return 0;
	if ((unanswered(f) && !f->pings_out) ||
	    now >= f->sent_ms + f->timeout_ms / 3)
		return feedtalk_ping(f);
	return 0;
}

/* A server that closes may have said why before: look before giving up. */
static int flush(struct feed *f)
{
	int rc = feedconn_flush(&f->conn);
	int last = rc ? receive(f) : 0;

	return last ? last : rc;
}

/* Before looking for orders: what is given after that wakes again. */
static void empty_wake(struct feed *f)
{
	uint64_t n;
	ssize_t got = read(f->wake_fd, &n, sizeof(n));

	(void)got;
}

static int orders_locked(const struct feed *f)
{
	if (f->stop)
		return -ESHUTDOWN;
	return f->moved ? -ESTALE : 0;
}

static int check_orders(struct feed *f)
{
	int rc;

	empty_wake(f);
	pthread_mutex_lock(&f->lock);
	rc = orders_locked(f);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static int on_socket(struct feed *f)
{
	int rc;

	if (f->phase > FEED_CONNECTING)
		return receive(f);
	rc = feedconn_established(&f->conn);
	return rc ? rc : feedtalk_connect(f);
}

/* One round: wait, read, write.  0, or why the connection is over. */
static int step(struct feed *f)
{
	struct pollfd p[] = {
		{.fd = f->wake_fd, .events = POLLIN},
		{.fd = f->conn.fd, .events = feedconn_poll_events(&f->conn)},
	};
	int rc = 0;

	if (f->phase == FEED_CONNECTING)
		p[1].events = POLLOUT;
	if (poll(p, ARRAY_SIZE(p), feed_poll_ms(next_deadline(f))) < 0)
		return errno == EINTR ? 0 : -errno;
	/* To stop comes first, then to hear: a closing server may say why. */
	if (p[0].revents)
		rc = check_orders(f);
	if (!rc && p[1].revents)
		rc = on_socket(f);
	if (!rc)
		rc = feedtalk_ask(f);
	if (!rc)
		rc = feedtalk_sync(f);
	if (!rc)
		rc = keep_alive(f);
	if (!rc && f->phase > FEED_CONNECTING)
		rc = flush(f);
	if (!rc)
		feedtalk_come_up(f);
	return rc;
}

/* Reset what belongs to a connection, and start it. */
static int begin(struct feed *f)
{
	struct sockaddr_storage addr;
	char server[FEED_SERVER_LEN];
	socklen_t len;
	int rc;

	pthread_mutex_lock(&f->lock);
	strcpy(server, f->status.server);
	f->moved = false;
	f->epoch = ++f->status.epoch;
	feedset_restart(&f->set); /* with what has been added since end() */
	pthread_mutex_unlock(&f->lock);

	f->phase = FEED_CONNECTING;
	f->timeout_ms = MAX(f->session_timeout_ms, FEED_TIMEOUT_MIN_MS);
	f->xid = 0;
	f->pings_out = f->sync_pongs = 0;
	f->asked = f->answered = false;
	f->heard_ms = f->sent_ms = now_ms();
	if (!server[0])
		return -ESTALE; /* moved away since rest() has looked */
	rc = feedconn_parse(server, &addr, &len);
	return rc ? rc : feedconn_open(&f->conn, &addr, len);
}

/* The first failure is worth a line, those after it until up() are not. */
static void log_end(struct feed *f, int reason)
{
	switch (reason) {
	case -ESHUTDOWN:
	case -ESTALE:
		return;
	case FEED_EXPIRED:
		log_info("feed: session expired");
		return;
	default:
		if (!f->quiet)
			log_warn("feed: no connection: %s", strerror(-reason));
		f->quiet = true;
	}
}

/* The connection is gone: nothing is guarded, the server knows no watch. */
static void end(struct feed *f, int reason)
{
	bool was_up = f->phase == FEED_UP;

	if (reason == -ESHUTDOWN && f->phase > FEED_HANDSHAKE)
		feedtalk_take_leave(f);
	feedconn_close(&f->conn);
	/* What a server without a quorum gave is unknown to all others. */
	if (!f->keep_session)
		f->session.id = 0;
	pthread_mutex_lock(&f->lock);
	feedset_restart(&f->set);
	f->status.up = false;
	f->status.read_only = false;
	f->status.auth_failed = reason == -EACCES;
	f->status.last_reason = reason;
	f->status.session_id = f->session.id;
	pthread_mutex_unlock(&f->lock);

	log_end(f, reason);
	if (was_up)
		f->ops->down(f->arg, f->epoch, reason);
}

static void set_unsupported(struct feed *f)
{
	bool first;

	pthread_mutex_lock(&f->lock);
	first = !f->status.unsupported;
	f->status.unsupported = true;
	pthread_mutex_unlock(&f->lock);
	if (first)
		f->ops->unsupported(f->arg);
}

/* A closed connection says so only by repetition. */
static int judge(struct feed *f, int reason)
{
	bool closed = reason == -ECONNRESET || reason == -EPIPE;

	if (!closed || !unanswered(f)) {
		f->drops = 0;
		return reason;
	}
	if (++f->drops < DROPS_MAX)
		return reason;
	f->drops = 0;
	return -EOPNOTSUPP;
}

/*
 * Between half of what it has come to and all of it, so that the feeds of many
 * machines do not come back to a restarted server in step.
 */
static int64_t backoff(struct feed *f)
{
	int half = f->backoff_ms / 2;
	unsigned int r = 0;
	ssize_t got = getrandom(&r, sizeof(r), GRND_NONBLOCK);

	(void)got; /* without randomness half the delay it is */
	f->backoff_ms = MIN(f->backoff_ms * 2, FEED_BACKOFF_MAX_MS);
	return half + (int64_t)(r % (unsigned int)(half + 1));
}

/* How long to rest before the next attempt. */
static int64_t delay_after(struct feed *f, int reason)
{
	switch (reason) {
	case -ESTALE:
	case FEED_EXPIRED:
		return 0;
	case -EOPNOTSUPP:
	case -EACCES:
		return FEED_RETRY_MS;
	default:
		if (f->phase == FEED_UP && now_ms() >= f->up_ms + STABLE_MS)
			f->backoff_ms = FEED_BACKOFF_MIN_MS;
		return backoff(f);
	}
}

/* One connection; returns how long to rest after it, in ms. */
static int64_t converse(struct feed *f)
{
	int rc = begin(f);

	while (!rc)
		rc = step(f);
	rc = judge(f, rc);
	end(f, rc);
	if (rc == -EOPNOTSUPP)
		set_unsupported(f);
	return delay_after(f, rc);
}

/*
 * Until the time has come, or there is another server: true.  False when all is
 * over.
 */
static bool rest(struct feed *f, int64_t ms)
{
	struct pollfd p = {.fd = f->wake_fd, .events = POLLIN};
	int64_t until = now_ms() + ms;
	bool idle;
	int rc;

	for (;;) {
		empty_wake(f);
		pthread_mutex_lock(&f->lock);
		rc = orders_locked(f);
		idle = !f->status.server[0];
		f->moved = false;
		pthread_mutex_unlock(&f->lock);
		if (rc == -ESHUTDOWN)
			return false;
		if (rc == -ESTALE)
			f->backoff_ms = FEED_BACKOFF_MIN_MS;
		if (!idle && (rc == -ESTALE || now_ms() >= until))
			return true;
		poll(&p, 1, idle ? -1 : feed_poll_ms(until));
	}
}

void *feed_thread(void *arg)
{
	struct feed *f = arg;
	int64_t delay = 0;

	f->backoff_ms = FEED_BACKOFF_MIN_MS;
	f->patience_ms = FEED_PATIENCE_MIN_MS;
	while (rest(f, delay))
		delay = converse(f);
	return NULL;
}
