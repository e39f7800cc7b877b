/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the feed says on a connection, and what it makes of each frame that it
 * hears.  When to read, write and give up is decided in feedloop.c.
 */
#include "feed_priv.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "log.h"
#include "util.h"

/*
 * Room for a frame.  Each sender is of the form
 *
 *	buf = room(f, size);
 *	return sent(f, feedproto_...(buf, size, ...));
 */
static void *room(struct feed *f, size_t size)
{
	return feedconn_reserve(&f->conn, size);
}

static int sent(struct feed *f, size_t len)
{
	feedconn_commit(&f->conn, len);
	f->sent_ms = now_ms();
	return 0;
}

static int32_t next_xid(struct feed *f)
{
	f->xid = f->xid == INT32_MAX ? 1 : f->xid + 1;
	return f->xid;
}

int feedtalk_connect(struct feed *f)
{
	size_t size = FEEDPROTO_OVERHEAD;
	void *buf = room(f, size);

	if (!buf)
		return -ENOMEM;
	f->phase = FEED_HANDSHAKE;
	return sent(f, feedproto_connect(buf, size, f->session_timeout_ms,
					 &f->session));
}

static int send_auth(struct feed *f, const struct feed_auth *auth)
{
	size_t size = FEEDPROTO_OVERHEAD + strlen(auth->scheme) + auth->len;
	void *buf = room(f, size);

	if (!buf)
		return -ENOMEM;
	return sent(f, feedproto_auth(buf, size, auth->scheme, auth->data,
				      auth->len));
}

int feedtalk_ping(struct feed *f)
{
	size_t size = FEEDPROTO_OVERHEAD;
	void *buf = room(f, size);

	if (!buf)
		return -ENOMEM;
	if (f->pings_out++ == 0)
		f->ping_xid = f->xid;
	return sent(f, feedproto_ping(buf, size));
}

/* One at a time: whoever comes meanwhile is served by the next. */
int feedtalk_sync(struct feed *f)
{
	uint64_t ticket;
	int rc;

	if (f->phase != FEED_UP || f->sync_pongs)
		return 0;
	pthread_mutex_lock(&f->lock);
	ticket = f->sync_ticket;
	pthread_mutex_unlock(&f->lock);
	if (ticket == f->sync_sent)
		return 0;
	rc = feedtalk_ping(f);
	f->sync_sent = ticket;
	f->sync_pongs = f->pings_out;
	return rc;
}

static int send_op_locked(struct feed *f, struct feedset_watch *w)
{
	size_t size = FEEDPROTO_OVERHEAD + strlen(w->path), len;
	void *buf = room(f, size);
	int32_t xid = next_xid(f);

	if (!buf)
		return -ENOMEM;
	if (w->op == FEEDSET_ADD)
		len = feedproto_add_watch(buf, size, xid, w->path,
					  w->recursive);
	else
		len = feedproto_remove_watches(buf, size, xid, w->path);
	/* Under the same lock as the choice of w: no order comes in between. */
	f->asked |= w->op == FEEDSET_ADD;
	feedset_sent(&f->set, w, xid);
	return sent(f, len);
}

/* Ask for what is to be asked for, within the bounds. */
int feedtalk_ask(struct feed *f)
{
	struct feedset_watch *w;
	int rc = 0;

	if (f->phase < FEED_WATCHING)
		return 0;
	pthread_mutex_lock(&f->lock);
	while (!rc && f->set.n_flight < FEED_IN_FLIGHT_MAX &&
	       feedconn_unsent(&f->conn) < FEEDCONN_BUFFER &&
	       (w = feedset_next(&f->set)))
		rc = send_op_locked(f, w);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/*
 * Called after each answer, and once a round for want of any.  What has been
 * asked for since the connection began is not waited for, or a busy caller
 * would put it off for ever.
 */
void feedtalk_come_up(struct feed *f)
{
	struct feed_status *s = &f->status;
	bool ready;

	if (f->phase != FEED_WATCHING)
		return;
	pthread_mutex_lock(&f->lock);
	ready = f->set.initial == 0;
	if (ready) {
		s->up = true;
		s->unsupported = false;
		s->auth_failed = false;
	}
	pthread_mutex_unlock(&f->lock);
	if (!ready)
		return;
	f->phase = FEED_UP;
	f->patience_ms = FEED_PATIENCE_MIN_MS;
	f->up_ms = now_ms();
	f->quiet = false;
	log_debug("feed: up, session 0x%llx",
		  (unsigned long long)f->session.id);
	f->ops->up(f->arg, f->epoch);
	f->heard_ms = now_ms(); /* the caller's time is not silence */
}

static int on_connected(struct feed *f, void *buf, size_t len)
{
	struct feedproto_connected c;
	int rc = feedproto_decode_connected(buf, len, &c);

	explicit_bzero(buf, len); /* the password */
	if (rc < 0)
		return rc;
	if (!c.session.id) {
		rc = f->session.id ? FEED_EXPIRED : -EPROTO;
		f->session.id = 0;
		return rc;
	}
	f->session = c.session;
	explicit_bzero(&c.session.passwd, sizeof(c.session.passwd));
	f->keep_session = !c.read_only;
	f->timeout_ms = MAX(c.timeout_ms, FEED_TIMEOUT_MIN_MS);
	pthread_mutex_lock(&f->lock);
	f->status.session_id = f->session.id;
	f->status.timeout_ms = f->timeout_ms;
	f->status.read_only = c.read_only;
	pthread_mutex_unlock(&f->lock);

	/* All at once: the server answers each, in order. */
	for (size_t i = 0; !rc && i < f->n_auth; i++)
		rc = send_auth(f, &f->auth[i]);
	f->auth_left = f->n_auth;
	f->phase = f->n_auth ? FEED_AUTH : FEED_WATCHING;
	return rc;
}

/* A server that refuses a credential closes the connection after this. */
static int on_auth_reply(struct feed *f, int32_t err)
{
	if (f->phase != FEED_AUTH)
		return -EPROTO;
	if (err)
		return -EACCES;
	if (--f->auth_left == 0)
		f->phase = FEED_WATCHING;
	return 0;
}

/*
 * Replies come in order, so a request that went before the ping and has no
 * answer yet was ignored.  Of several pings only the first is judged by.
 */
static int on_pong(struct feed *f)
{
	const struct feedset_watch *w;
	bool ignored;

	if (!f->pings_out)
		return -EPROTO;
	f->pings_out--;
	if (f->sync_pongs && --f->sync_pongs == 0)
		f->ops->synced(f->arg, f->sync_sent);
	pthread_mutex_lock(&f->lock);
	w = feedset_oldest(&f->set);
	ignored = w && w->xid <= f->ping_xid;
	pthread_mutex_unlock(&f->lock);
	if (!ignored)
		return 0;
	return f->answered ? -EPROTO : -EOPNOTSUPP;
}

static int on_reply_locked(struct feed *f, const struct feedproto_msg *m,
			   struct feedset_watch **settled)
{
	const struct feedset_watch *w = feedset_oldest(&f->set);

	if (!w || w->xid != m->xid)
		return -EPROTO;
	/* An overloaded server: come again later, with everything. */
	if (m->err == FEEDPROTO_THROTTLED)
		return -EBUSY;
	if (w->op == FEEDSET_ADD && m->err == FEEDPROTO_UNIMPLEMENTED)
		return -EOPNOTSUPP;
	f->answered |= w->op == FEEDSET_ADD;
	*settled = feedset_reply(&f->set, m->err == 0);
	return 0;
}

static int on_reply(struct feed *f, const struct feedproto_msg *m)
{
	struct feedset_watch *w = NULL;
	int rc;

	pthread_mutex_lock(&f->lock);
	rc = on_reply_locked(f, m, &w);
	pthread_mutex_unlock(&f->lock);
	if (w) {
		/* Pinned: its path stays, though the lock is not held. */
		f->ops->watching(f->arg, f->epoch, w->path, m->err);
		pthread_mutex_lock(&f->lock);
		feedset_unpin(&f->set);
		pthread_mutex_unlock(&f->lock);
	}
	if (!rc)
		feedtalk_come_up(f);
	return rc;
}

int feedtalk_hear(struct feed *f, void *buf, size_t len)
{
	struct feedproto_msg m;
	int rc;

	/* The first frame is of another form than all that follow. */
	if (f->phase == FEED_HANDSHAKE)
		return on_connected(f, buf, len);
	rc = feedproto_decode(buf, len, &m);
	if (rc < 0)
		return rc;

	switch (m.kind) {
	case FEEDPROTO_EVENT:
		f->n_events++;
		f->ops->event(f->arg, m.type, m.path, m.zxid);
		return 0;
	case FEEDPROTO_REPLY:
		return on_reply(f, &m);
	case FEEDPROTO_PONG:
		return on_pong(f);
	case FEEDPROTO_AUTH_REPLY:
		return on_auth_reply(f, m.err);
	case FEEDPROTO_IGNORED:
		break;
	}
	return 0;
}

/* The server confirms by closing the connection. */
void feedtalk_take_leave(struct feed *f)
{
	int64_t until = now_ms() + FEED_CLOSE_MS;
	size_t len, size = FEEDPROTO_OVERHEAD;
	void *buf = room(f, size);
	struct pollfd p = {.fd = f->conn.fd};

	if (!buf)
		return;
	len = feedproto_close_session(buf, size, next_xid(f));
	sent(f, len);
	while (now_ms() < until && feedconn_flush(&f->conn) == 0) {
		int rc;

		p.events = feedconn_poll_events(&f->conn);
		if (poll(&p, 1, feed_poll_ms(until)) <= 0 || !p.revents)
			return;
		rc = feedconn_receive(&f->conn);
		if (rc < 0 && rc != -EAGAIN)
			return;
		while ((rc = feedconn_frame(&f->conn, &buf, &len)) > 0)
			; /* nobody listens any more */
		if (rc < 0)
			return;
	}
}
