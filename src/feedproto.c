/* SPDX-License-Identifier: Apache-2.0 */
#include "feedproto.h"

#include <errno.h>
#include <string.h>

#include "jute.h"

enum opcode {
	OP_PING           = 11,
	OP_REMOVE_WATCHES = 18,
	OP_AUTH           = 100,
	OP_ADD_WATCH      = 106,
	OP_CLOSE_SESSION  = -11,
};

enum watch_mode {
	MODE_PERSISTENT           = 0,
	MODE_PERSISTENT_RECURSIVE = 1,
};

#define WATCHER_TYPE_ANY 3

#define PROTOCOL_VERSION 0

/* Each request is begin(), its fields as in zookeeper.jute, finish(). */
static size_t finish(struct jute_writer *w)
{
	jute_end_frame(w);
	return jute_written(w);
}

static struct jute_writer begin(void *buf, size_t size, int32_t xid,
				enum opcode op)
{
	struct jute_writer w = jute_writer(buf, size);

	jute_begin_frame(&w);
	jute_put_int(&w, xid);
	jute_put_int(&w, op);
	return w;
}

/*
 * lastZxidSeen is sent as 0: a server refuses a client that has seen more than
 * it has, and the feed has seen nothing that must not go back.  The last field
 * says that a server without a quorum will do.
 */
size_t feedproto_connect(void *buf, size_t size, int32_t timeout_ms,
			 const struct feedproto_session *s)
{
	struct jute_writer w = jute_writer(buf, size);

	jute_begin_frame(&w);
	jute_put_int(&w, PROTOCOL_VERSION);
	jute_put_long(&w, 0);
	jute_put_int(&w, timeout_ms);
	jute_put_long(&w, s->id);
	jute_put_buffer(&w, s->passwd, sizeof(s->passwd));
	jute_put_bool(&w, true);
	return finish(&w);
}

size_t feedproto_ping(void *buf, size_t size)
{
	struct jute_writer w = begin(buf, size, FEEDPROTO_XID_PING, OP_PING);

	return finish(&w);
}

size_t feedproto_auth(void *buf, size_t size, const char *scheme,
		      const void *data, size_t len)
{
	struct jute_writer w = begin(buf, size, FEEDPROTO_XID_AUTH, OP_AUTH);

	jute_put_int(&w, 0); /* AuthPacket.type, unused by servers */
	jute_put_string(&w, scheme);
	jute_put_buffer(&w, data, len);
	return finish(&w);
}

size_t feedproto_add_watch(void *buf, size_t size, int32_t xid,
			   const char *path, bool recursive)
{
	struct jute_writer w = begin(buf, size, xid, OP_ADD_WATCH);

	jute_put_string(&w, path);
	jute_put_int(&w,
		     recursive ? MODE_PERSISTENT_RECURSIVE : MODE_PERSISTENT);
	return finish(&w);
}

size_t feedproto_remove_watches(void *buf, size_t size, int32_t xid,
				const char *path)
{
	struct jute_writer w = begin(buf, size, xid, OP_REMOVE_WATCHES);

	jute_put_string(&w, path);
	jute_put_int(&w, WATCHER_TYPE_ANY);
	return finish(&w);
}

size_t feedproto_close_session(void *buf, size_t size, int32_t xid)
{
	struct jute_writer w = begin(buf, size, xid, OP_CLOSE_SESSION);

	return finish(&w);
}

int feedproto_frame(void *buf, size_t len)
{
	struct jute_reader r = jute_reader(buf, len);
	int32_t n = jute_get_int(&r);

	if (!jute_reader_ok(&r))
		return -EAGAIN;
	if (n < 0 || n > FEEDPROTO_FRAME_MAX)
		return -EBADMSG;
	return n;
}

/* A reply header in the place of the connect response, and nothing more. */
static bool refused_read_only(void *buf, size_t len)
{
	struct jute_reader r = jute_reader(buf, len);

	jute_get_int(&r);
	jute_get_long(&r);
	return jute_get_int(&r) == FEEDPROTO_NOTREADONLY &&
	       jute_reader_ok(&r) && jute_remaining(&r) == 0;
}

int feedproto_decode_connected(void *buf, size_t len,
			       struct feedproto_connected *out)
{
	struct jute_reader r = jute_reader(buf, len);
	const uint8_t *passwd;
	size_t passwd_len;

	memset(out, 0, sizeof(*out));
	if (refused_read_only(buf, len))
		return -EROFS;
	jute_get_int(&r); /* protocolVersion */
	out->timeout_ms = jute_get_int(&r);
	out->session.id = jute_get_long(&r);
	passwd = jute_get_buffer(&r, &passwd_len);
	if (!jute_reader_ok(&r))
		return -EBADMSG;

	/* An expired session is told by either field. */
	if (out->timeout_ms <= 0 || out->session.id == 0) {
		out->timeout_ms = 0;
		out->session.id = 0;
		return 0;
	}
	if (passwd_len != FEEDPROTO_PASSWD_LEN)
		return -EBADMSG;
	memcpy(out->session.passwd, passwd, FEEDPROTO_PASSWD_LEN);
	/* Not there at all before 3.4. */
	out->read_only = jute_remaining(&r) && jute_get_bool(&r);
	return 0;
}

/* WatcherEvent: what happened, the state of the session (unused), the path. */
static int decode_event(struct jute_reader *r, struct feedproto_msg *out)
{
	int32_t type = jute_get_int(r);

	jute_get_int(r);
	if (!jute_reader_ok(r))
		return -EBADMSG;
	/* -1 is about the session, 5 and up confirm a removal. */
	if (type < FEEDPROTO_CREATED || type > FEEDPROTO_CHILD) {
		out->kind = FEEDPROTO_IGNORED;
		return 0;
	}
	out->path = jute_get_path(r);
	if (!jute_reader_ok(r) || out->path[0] != '/')
		return -EBADMSG;
	out->kind = FEEDPROTO_EVENT;
	out->type = (enum feedproto_event)type;
	return 0;
}

int feedproto_decode(void *buf, size_t len, struct feedproto_msg *out)
{
	struct jute_reader r = jute_reader(buf, len);

	memset(out, 0, sizeof(*out));
	out->xid = jute_get_int(&r);
	out->zxid = jute_get_long(&r);
	out->err = jute_get_int(&r);
	if (!jute_reader_ok(&r))
		return -EBADMSG;

	switch (out->xid) {
	case FEEDPROTO_XID_EVENT:
		return decode_event(&r, out);
	case FEEDPROTO_XID_PING:
		out->kind = FEEDPROTO_PONG;
		return 0;
	case FEEDPROTO_XID_AUTH:
		out->kind = FEEDPROTO_AUTH_REPLY;
		return 0;
	default:
		out->kind = FEEDPROTO_REPLY;
		return out->xid > 0 ? 0 : -EBADMSG;
	}
}
