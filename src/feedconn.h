/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FEEDCONN_H
#define ZNODEFS_FEEDCONN_H

/*
 * One TCP connection that carries frames (feedproto.h), and its two buffers.
 * Never blocks; knows nothing of what is in a frame.  For one thread.
 *
 *	feedconn_open()        starts connecting
 *	poll(fd, POLLOUT), feedconn_established()
 *	poll(fd, feedconn_poll_events()), then
 *	  feedconn_receive(), feedconn_frame() until there is none
 *	  feedconn_reserve(), build, feedconn_commit(); feedconn_flush()
 *	feedconn_close()       from any state; the struct can be opened again
 *
 * What has been sent is wiped from memory at once, since it may be a
 * credential.  The receive buffer holds FEEDCONN_BUFFER bytes and grows only
 * for a frame that is larger than that, up to FEEDPROTO_FRAME_MAX.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* About a thousand events; larger ones did not make the feed faster. */
#define FEEDCONN_BUFFER ((size_t)64 * 1024)

struct feedconn_buf {
	uint8_t *data;
	size_t start; /* of what is still of interest */
	size_t end;
	size_t cap;
};

struct feedconn {
	int fd; /* -1: closed */
	struct feedconn_buf in;
	struct feedconn_buf out;
	uint64_t bytes_in;
};

void feedconn_init(struct feedconn *c);

/*
 * @server is numeric: "10.0.0.7:2181", "[fd00::7]:2181", and also
 * "fd00::7:2181", where the last colon counts.  0 or -EINVAL; no lookups.
 */
int feedconn_parse(const char *server, struct sockaddr_storage *addr,
		   socklen_t *len);

/* 0 or -errno; 0 says only that connecting has begun. */
int feedconn_open(struct feedconn *c, const struct sockaddr_storage *addr,
		  socklen_t len);

/* Once poll() says that the socket is writable: 0, or why it failed. */
int feedconn_established(struct feedconn *c);

void feedconn_close(struct feedconn *c);

/* POLLIN, and POLLOUT while something waits to be sent. */
short feedconn_poll_events(const struct feedconn *c);

/*
 * Read what is there, at most one buffer full.  Above 0: bytes read; -EAGAIN:
 * nothing now; -ECONNRESET: the server has closed; -ENOMEM; other -errno.
 */
int feedconn_receive(struct feedconn *c);

/*
 * The next complete frame's content, which is valid and may be written to
 * until feedconn_receive() or feedconn_close().  1: there is one; 0: not yet;
 * -EBADMSG: this can be no frame.
 */
int feedconn_frame(struct feedconn *c, void **buf, size_t *len);

/* Room for @size bytes to be sent, or NULL for want of memory. */
void *feedconn_reserve(struct feedconn *c, size_t size);
void feedconn_commit(struct feedconn *c, size_t len);

/* Bytes committed and not yet taken by the kernel. */
size_t feedconn_unsent(const struct feedconn *c);

/* Send what the kernel takes.  0 or -errno. */
int feedconn_flush(struct feedconn *c);

#endif
