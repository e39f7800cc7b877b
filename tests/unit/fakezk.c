/* SPDX-License-Identifier: Apache-2.0 */
#include "fakezk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "feedproto.h"
#include "jute.h"

#define DEADLINE_S 30

static void die(const char *what)
{
	fprintf(stderr, "fakezk: %s: %s\n", what, strerror(errno));
	abort();
}

static void serve_one(struct fakezk *z, int fd)
{
	const struct timeval deadline = {.tv_sec = DEADLINE_S};
	int one = 1, nth;
	bool stopping;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	pthread_mutex_lock(&z->lock);
	z->fd = fd;
	nth = ++z->connections;
	stopping = z->stopping;
	pthread_mutex_unlock(&z->lock);
	if (!stopping)
		z->serve(z, fd, nth);
	pthread_mutex_lock(&z->lock);
	z->fd = -1;
	pthread_mutex_unlock(&z->lock);
	close(fd);
}

static void *run(void *arg)
{
	struct fakezk *z = arg;
	int fd;

	while ((fd = accept(z->listen_fd, NULL, NULL)) >= 0)
		serve_one(z, fd);
	return NULL;
}

static void listen_anywhere(struct fakezk *z)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(a);

	z->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (z->listen_fd < 0 || bind(z->listen_fd, (void *)&a, len) < 0 ||
	    listen(z->listen_fd, 16) < 0 ||
	    getsockname(z->listen_fd, (void *)&a, &len) < 0)
		die("listen");
	snprintf(z->address, sizeof(z->address), "127.0.0.1:%d",
		 ntohs(a.sin_port));
}

struct fakezk *fakezk_start(fakezk_serve_fn *serve, void *arg)
{
	struct fakezk *z = calloc(1, sizeof(*z));

	if (!z)
		die("calloc");
	z->serve = serve;
	z->arg = arg;
	z->session_id = 0x1001;
	z->fd = -1;
	pthread_mutex_init(&z->lock, NULL);
	listen_anywhere(z);
	errno = pthread_create(&z->thread, NULL, run, z);
	if (errno)
		die("pthread_create");
	return z;
}

void fakezk_stop(struct fakezk *z)
{
	shutdown(z->listen_fd, SHUT_RDWR);
	pthread_mutex_lock(&z->lock);
	z->stopping = true;
	if (z->fd >= 0)
		shutdown(z->fd, SHUT_RDWR);
	pthread_mutex_unlock(&z->lock);
	pthread_join(z->thread, NULL);
	close(z->listen_fd);
	pthread_mutex_destroy(&z->lock);
	free(z);
}

int fakezk_connections(struct fakezk *z)
{
	int n;

	pthread_mutex_lock(&z->lock);
	n = z->connections;
	pthread_mutex_unlock(&z->lock);
	return n;
}

void fakezk_send(struct fakezk *z, int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		size_t n = z->piece && z->piece < len ? z->piece : len;
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0)
			return;
		p += sent;
		len -= (size_t)sent;
	}
}

static bool read_all(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = recv(fd, p, len, 0);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			die("nothing from the client");
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_frame(struct fakezk *z, int fd)
{
	uint32_t be;

	if (!read_all(fd, &be, sizeof(be)))
		return false;
	z->frame_len = ntohl(be);
	if (z->frame_len > sizeof(z->frame))
		die("request too large");
	return read_all(fd, z->frame, z->frame_len);
}

bool fakezk_read(struct fakezk *z, int fd)
{
	struct jute_reader r;

	if (!read_frame(z, fd))
		return false;
	r = jute_reader(z->frame, z->frame_len);
	z->xid = jute_get_int(&r);
	z->op = jute_get_int(&r);
	if (z->op == FAKEZK_ADD_WATCH || z->op == FAKEZK_REMOVE_WATCHES) {
		snprintf(z->path, sizeof(z->path), "%s", jute_get_path(&r));
		z->mode = jute_get_int(&r);
	}
	if (!jute_reader_ok(&r))
		die("request cut short");
	return true;
}

bool fakezk_accept_session(struct fakezk *z, int fd)
{
	struct jute_reader r;
	struct jute_writer w;
	uint8_t buf[64];
	int32_t timeout;
	size_t len;

	if (!read_frame(z, fd))
		return false;
	r = jute_reader(z->frame, z->frame_len);
	jute_get_int(&r);
	jute_get_long(&r);
	timeout = jute_get_int(&r);
	z->asked_session = jute_get_long(&r);
	jute_get_buffer(&r, &len);
	z->asked_read_only = jute_get_bool(&r);
	if (!jute_reader_ok(&r) || len != 16)
		die("connect request");

	w = jute_writer(buf, sizeof(buf));
	jute_begin_frame(&w);
	jute_put_int(&w, 0);
	jute_put_int(&w, z->timeout_ms ? z->timeout_ms : timeout);
	jute_put_long(&w, z->session_id);
	jute_put_buffer(&w, "sixteen letters.", 16);
	jute_put_bool(&w, z->read_only);
	jute_end_frame(&w);
	fakezk_send(z, fd, buf, jute_written(&w));
	return true;
}

void fakezk_reply(struct fakezk *z, int fd, int32_t xid, int32_t err)
{
	uint8_t buf[32];
	struct jute_writer w = jute_writer(buf, sizeof(buf));

	jute_begin_frame(&w);
	jute_put_int(&w, xid);
	jute_put_long(&w, 77);
	jute_put_int(&w, err);
	jute_end_frame(&w);
	fakezk_send(z, fd, buf, jute_written(&w));
}

void fakezk_event(struct fakezk *z, int fd, int32_t type, const char *path)
{
	size_t size = strlen(path) + 64;
	uint8_t *buf = malloc(size);
	struct jute_writer w = jute_writer(buf, size);

	jute_begin_frame(&w);
	jute_put_int(&w, -1);
	jute_put_long(&w, -1);
	jute_put_int(&w, 0);
	jute_put_int(&w, type);
	jute_put_int(&w, 3);
	jute_put_string(&w, path);
	jute_end_frame(&w);
	fakezk_send(z, fd, buf, jute_written(&w));
	free(buf);
}

bool fakezk_answer(struct fakezk *z, int fd)
{
	fakezk_reply(z, fd, z->xid, 0);
	return z->op != FAKEZK_CLOSE_SESSION;
}

void fakezk_serve(struct fakezk *z, int fd)
{
	while (fakezk_read(z, fd) && fakezk_answer(z, fd))
		;
}

bool fakezk_serve_until(struct fakezk *z, int fd, const char *path)
{
	while (fakezk_read(z, fd)) {
		if (!fakezk_answer(z, fd))
			return false;
		if (z->op == FAKEZK_ADD_WATCH && strcmp(z->path, path) == 0)
			return true;
	}
	return false;
}

void fakezk_hang(struct fakezk *z, int fd)
{
	while (fakezk_read(z, fd))
		;
}

void fakezk_be_well(struct fakezk *z, int fd)
{
	if (!fakezk_accept_session(z, fd) || !fakezk_serve_until(z, fd, "/a"))
		return;
	fakezk_event(z, fd, FEEDPROTO_CREATED, "/well");
	fakezk_serve(z, fd);
}
