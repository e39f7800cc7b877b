/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FAKEZK_H
#define ZNODEFS_FAKEZK_H

/*
 * A ZooKeeper server that does what a test tells it, in a thread of the test's
 * process: right, late, in pieces, or nonsense.  One connection at a time; for
 * each it calls the test's function, which plays the server's part on a plain
 * blocking socket and returns to close it.
 *
 *	static void serve(struct fakezk *z, int fd, int nth)
 *	{
 *		fakezk_accept_session(z, fd);
 *		fakezk_serve(z, fd);
 *	}
 *	z = fakezk_start(serve, NULL);
 *	... z->address ...
 *	fakezk_stop(z);
 *
 * Functions that read return false, or NULL, when the client has closed; every
 * read has a deadline, after which the process is aborted: a test that waits
 * for something that never comes has failed.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fakezk;

typedef void fakezk_serve_fn(struct fakezk *z, int fd, int nth);

struct fakezk {
	char address[32]; /* "127.0.0.1:port" */
	void *arg;        /* the test's */
	size_t piece;     /* send so many bytes at a time; 0: all at once */
	int32_t timeout_ms;  /* given to clients; 0: what they ask for */
	int64_t session_id;  /* given to clients; 0: they have expired */
	bool read_only;

	/* What the client said last, for the test's function to look at. */
	int64_t asked_session;
	bool asked_read_only;
	uint8_t frame[4096];
	size_t frame_len;
	int32_t xid;
	int32_t op;
	char path[1024]; /* of an AddWatch or RemoveWatches */
	int32_t mode;    /* of an AddWatch, or the watcher type */

	/* Internal state. */
	fakezk_serve_fn *serve;
	pthread_t thread;
	pthread_mutex_t lock;
	int listen_fd;
	int fd; /* of the connection; this and the rest under lock */
	int connections;
	bool stopping;
};

/* The numbers of the requests, for z->op. */
enum fakezk_op {
	FAKEZK_PING           = 11,
	FAKEZK_REMOVE_WATCHES = 18,
	FAKEZK_AUTH           = 100,
	FAKEZK_ADD_WATCH      = 106,
	FAKEZK_CLOSE_SESSION  = -11,
};

struct fakezk *fakezk_start(fakezk_serve_fn *serve, void *arg);
void fakezk_stop(struct fakezk *z);

/* Connections accepted so far. */
int fakezk_connections(struct fakezk *z);

/* Exactly these bytes, whatever they mean; errors are ignored. */
void fakezk_send(struct fakezk *z, int fd, const void *data, size_t len);

/* Read one request into z->frame and take it apart. */
bool fakezk_read(struct fakezk *z, int fd);

/* Read a connect request and answer it. */
bool fakezk_accept_session(struct fakezk *z, int fd);

void fakezk_reply(struct fakezk *z, int fd, int32_t xid, int32_t err);
void fakezk_event(struct fakezk *z, int fd, int32_t type, const char *path);

/* Answer what was read last as a good server would; false on closeSession. */
bool fakezk_answer(struct fakezk *z, int fd);

/* Read and answer until the client closes. */
void fakezk_serve(struct fakezk *z, int fd);

/* Read without ever answering, until the client closes. */
void fakezk_hang(struct fakezk *z, int fd);

/*
 * A whole connection of a good server, with an event, CREATED "/well", once
 * "/a" is watched.
 */
void fakezk_be_well(struct fakezk *z, int fd);

/* Read and answer up to and including the AddWatch for @path. */
bool fakezk_serve_until(struct fakezk *z, int fd, const char *path);

#endif
