/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FEEDPROTO_H
#define ZNODEFS_FEEDPROTO_H

/*
 * The packets of the corner of ZooKeeper's protocol that the feed speaks.
 * Pure: bytes to structs and back, no socket, no state, no allocation.  What
 * arrives is from the network and trusted in nothing.
 *
 * On the wire everything is a frame: an int, the length of the rest, and the
 * rest in jute (jute.h).  The first frame each way is the connect request and
 * its response; from then on requests carry {xid, opcode} in front and replies
 * {xid, zxid, err}.  The xid of a reply is that of its request, except for
 * three fixed ones, below.  Replies come in the order of the requests, those
 * to pings included; watch events come between them at any time.
 *
 * Source of the numbers: zookeeper.jute, ZooDefs.java and ClientCnxn.java of
 * ZooKeeper 3.6 to 3.9; each was seen on the wire against 3.8.0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEEDPROTO_XID_EVENT (-1)
#define FEEDPROTO_XID_PING  (-2)
#define FEEDPROTO_XID_AUTH  (-4)

/* Codes of the server in a reply's err that the feed itself acts upon. */
#define FEEDPROTO_UNIMPLEMENTED (-6)
#define FEEDPROTO_NOTREADONLY   (-119)
#define FEEDPROTO_THROTTLED     (-127)

#define FEEDPROTO_PASSWD_LEN 16

/*
 * The largest frame that is accepted: a path is at most what fits into a
 * create request, and the server refuses requests above 1 MiB - 1
 * (jute.maxbuffer); the rest is slack for headers.
 */
#define FEEDPROTO_FRAME_MAX (1024 * 1024 + 4096)

/*
 * The longest path that may be asked for, and the longest credential, scheme
 * and all, so that the request fits too.
 */
#define FEEDPROTO_PATH_MAX (1024 * 1024 - 1024)
#define FEEDPROTO_AUTH_MAX FEEDPROTO_PATH_MAX

/* Each request fits into this and the lengths of its strings and buffers. */
#define FEEDPROTO_OVERHEAD 64

struct feedproto_session {
	int64_t id; /* 0: none yet */
	uint8_t passwd[FEEDPROTO_PASSWD_LEN];
};

struct feedproto_connected {
	struct feedproto_session session; /* id 0: the one asked for expired */
	int32_t timeout_ms; /* negotiated; above 0 if id is not 0 */
	bool read_only;     /* the server has no quorum */
};

/* WatcherEvent's types; others exist and are of no concern here. */
enum feedproto_event {
	FEEDPROTO_CREATED = 1,
	FEEDPROTO_DELETED = 2,
	FEEDPROTO_CHANGED = 3,
	FEEDPROTO_CHILD   = 4,
};

enum feedproto_kind {
	FEEDPROTO_REPLY, /* to an AddWatch, RemoveWatches or closeSession */
	FEEDPROTO_PONG,
	FEEDPROTO_AUTH_REPLY,
	FEEDPROTO_EVENT,
	FEEDPROTO_IGNORED, /* well-formed and without meaning for the feed */
};

struct feedproto_msg {
	enum feedproto_kind kind;
	int32_t xid;  /* of a REPLY: above 0 */
	int32_t err;  /* the server's code, 0 for success; not of an EVENT */
	int64_t zxid; /* of an EVENT: -1 from servers before 3.9 */
	enum feedproto_event type; /* of an EVENT */
	const char *path;          /* of an EVENT: inside the buffer */
};

/*
 * Each builds one frame in @buf and returns its length, or 0 if it does not
 * fit into @size.  Xids of the caller's are above 0.
 */
size_t feedproto_connect(void *buf, size_t size, int32_t timeout_ms,
			 const struct feedproto_session *s);
size_t feedproto_ping(void *buf, size_t size);
size_t feedproto_auth(void *buf, size_t size, const char *scheme,
		      const void *data, size_t len);
size_t feedproto_add_watch(void *buf, size_t size, int32_t xid,
			   const char *path, bool recursive);
/* Of any kind, data and children. */
size_t feedproto_remove_watches(void *buf, size_t size, int32_t xid,
				const char *path);
size_t feedproto_close_session(void *buf, size_t size, int32_t xid);

/*
 * Look at the start of what has arrived.  The length of the first frame's
 * content, which begins FEEDPROTO_PREFIX bytes in and may not all be there yet;
 * -EAGAIN if not even the prefix is there; -EBADMSG if the length is negative
 * or above FEEDPROTO_FRAME_MAX.
 */
#define FEEDPROTO_PREFIX 4
int feedproto_frame(void *buf, size_t len);

/*
 * Decode a frame's content.  0, or -EBADMSG for anything that a ZooKeeper
 * server would not send, or -EROFS from feedproto_decode_connected(): a server
 * without a quorum and without local sessions gives no session, and says so by
 * an ordinary reply.  Bytes after the last known field are accepted: newer
 * servers may append fields.  feedproto_decode() writes into @buf to terminate
 * the path, so it can be called once for a frame.
 */
int feedproto_decode_connected(void *buf, size_t len,
			       struct feedproto_connected *out);
int feedproto_decode(void *buf, size_t len, struct feedproto_msg *out);

#endif
