/* SPDX-License-Identifier: Apache-2.0 */
#include "feedconn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feedproto.h"
#include "util.h"

void feedconn_init(struct feedconn *c)
{
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

/* The host without brackets and the port, or -EINVAL. */
static int split(const char *server, char *host, size_t size, const char **port)
{
	const char *colon = strrchr(server, ':');
	size_t len;

	if (!colon)
		return -EINVAL;
	len = (size_t)(colon - server);
	if (len >= 2 && server[0] == '[' && server[len - 1] == ']') {
		server++;
		len -= 2;
	}
	if (len == 0 || len >= size)
		return -EINVAL;
	memcpy(host, server, len);
	host[len] = '\0';
	*port = colon + 1;
	return 0;
}

/* getaddrinfo() takes 65536 for 0, and blanks and signs. */
static bool is_port(const char *s)
{
	size_t len = strspn(s, "0123456789");
	int n;

	if (len == 0 || len > strlen("65535") || s[len])
		return false;
	n = (int)strtol(s, NULL, 10);
	return n > 0 && n <= UINT16_MAX;
}

int feedconn_parse(const char *server, struct sockaddr_storage *addr,
		   socklen_t *len)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *found;
	char host[NI_MAXHOST];
	const char *port;

	if (split(server, host, sizeof(host), &port) < 0 || !is_port(port))
		return -EINVAL;
	if (getaddrinfo(host, port, &hints, &found))
		return -EINVAL;
	memcpy(addr, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int feedconn_open(struct feedconn *c, const struct sockaddr_storage *addr,
		  socklen_t len)
{
	int one = 1;

	c->fd = socket(addr->ss_family,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	/* Requests are small, and an AddWatch that waits is a late up(). */
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (const struct sockaddr *)addr, len) < 0 &&
	    errno != EINPROGRESS && errno != EINTR)
		return -errno;
	return 0;
}

int feedconn_established(struct feedconn *c)
{
	socklen_t len = sizeof(int);
	int err;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

/* Both kinds hold secrets: credentials going out, a password coming in. */
static void release(struct feedconn_buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void feedconn_close(struct feedconn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	release(&c->in);
	release(&c->out);
}

short feedconn_poll_events(const struct feedconn *c)
{
	return feedconn_unsent(c) ? POLLIN | POLLOUT : POLLIN;
}

/*
 * Make room for @size bytes behind b->end: by moving to the front, else by
 * growing.  Not realloc(), which leaves a copy of the contents behind.
 */
static int make_room(struct feedconn_buf *b, size_t size)
{
	size_t used = b->end - b->start, cap;
	uint8_t *data;

	if (b->cap - b->end >= size)
		return 0;
	if (b->cap - used >= size) {
		memmove(b->data, b->data + b->start, used);
		explicit_bzero(b->data + used, b->start);
		b->start = 0;
		b->end = used;
		return 0;
	}
	cap = MAX(used + size, FEEDCONN_BUFFER);
	data = malloc(cap);
	if (!data)
		return -ENOMEM;
	if (used)
		memcpy(data, b->data + b->start, used);
	release(b);
	*b = (struct feedconn_buf){.data = data, .end = used, .cap = cap};
	return 0;
}

/*
 * How many bytes to make room for: what the frame at the front still lacks,
 * and at least one.  Only called when that frame is not complete.
 */
static size_t lacking(const struct feedconn *c)
{
	size_t used = c->in.end - c->in.start;
	int n = -EAGAIN;

	if (used)
		n = feedproto_frame(c->in.data + c->in.start, used);
	if (n < 0 || (size_t)n + FEEDPROTO_PREFIX <= used)
		return FEEDPROTO_PREFIX;
	return (size_t)n + FEEDPROTO_PREFIX - used;
}

int feedconn_receive(struct feedconn *c)
{
	struct feedconn_buf *b = &c->in;
	ssize_t n;

	/* Empty, as after nearly every round: no byte has to be moved. */
	if (b->start == b->end)
		b->start = b->end = 0;
	if (make_room(b, lacking(c)) < 0)
		return -ENOMEM;
	n = recv(c->fd, b->data + b->end, b->cap - b->end, 0);
	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	b->end += (size_t)n;
	c->bytes_in += (uint64_t)n;
	return (int)n;
}

int feedconn_frame(struct feedconn *c, void **buf, size_t *len)
{
	struct feedconn_buf *b = &c->in;
	size_t used = b->end - b->start;
	int n;

	if (!used)
		return 0;
	n = feedproto_frame(b->data + b->start, used);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return n;
	if (used - FEEDPROTO_PREFIX < (size_t)n)
		return 0;
	*buf = b->data + b->start + FEEDPROTO_PREFIX;
	*len = (size_t)n;
	b->start += FEEDPROTO_PREFIX + (size_t)n;
	return 1;
}

void *feedconn_reserve(struct feedconn *c, size_t size)
{
	if (make_room(&c->out, size) < 0)
		return NULL;
	return c->out.data + c->out.end;
}

void feedconn_commit(struct feedconn *c, size_t len)
{
	c->out.end += len;
}

size_t feedconn_unsent(const struct feedconn *c)
{
	return c->out.end - c->out.start;
}

int feedconn_flush(struct feedconn *c)
{
	struct feedconn_buf *b = &c->out;
	ssize_t n;

	while (b->start < b->end) {
		n = send(c->fd, b->data + b->start, b->end - b->start,
			 MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		explicit_bzero(b->data + b->start, (size_t)n);
		b->start += (size_t)n;
	}
	b->start = b->end = 0;
	return 0;
}
