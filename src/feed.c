/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls.  Each changes what is wanted, under the lock, and wakes the
 * thread, which does the rest: none of them waits for the network, except that
 * feed_close() waits for the thread.
 */
#include "feed_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util.h"

/* Ours were made by copy_auth(), so the const of the caller's view goes. */
static void free_auth(struct feed_auth *auth, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (auth[i].data)
			explicit_bzero((void *)auth[i].data, auth[i].len);
		free((void *)auth[i].data);
		free((void *)auth[i].scheme);
	}
	free(auth);
}

/*
 * Credentials may hold any bytes.  One more entry and one more byte than there
 * are, so that none is not NULL.  What is there after an error is freed with
 * the rest.
 */
static int copy_auth(struct feed *f, const struct feed_config *config)
{
	f->auth = calloc(config->n_auth + 1, sizeof(*f->auth));
	if (!f->auth)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_auth; i++) {
		const struct feed_auth *from = &config->auth[i];
		char *data = malloc(from->len + 1);

		if (data && from->len)
			memcpy(data, from->data, from->len);
		f->n_auth = i + 1;
		f->auth[i].scheme = strdup(from->scheme);
		f->auth[i].data = data;
		f->auth[i].len = from->len;
		if (!data || !f->auth[i].scheme)
			return -ENOMEM;
	}
	return 0;
}

/* Refused here, where there is somebody to tell; the thread only retries. */
static int check_server(const char *server)
{
	struct sockaddr_storage addr;
	socklen_t len;

	if (!*server)
		return 0;
	if (strlen(server) >= FEED_SERVER_LEN)
		return -EINVAL;
	return feedconn_parse(server, &addr, &len);
}

/* What does not fit into a request is nothing that a server would accept. */
static int check_auth(const struct feed_config *config)
{
	for (size_t i = 0; i < config->n_auth; i++) {
		const struct feed_auth *auth = &config->auth[i];

		if (auth->len > FEEDPROTO_AUTH_MAX ||
		    strlen(auth->scheme) > FEEDPROTO_AUTH_MAX - auth->len)
			return -EINVAL;
	}
	return 0;
}

/* The thread inherits a mask that leaves signals to the others. */
static int start_thread(struct feed *f)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&f->thread, NULL, feed_thread, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!rc)
		pthread_setname_np(f->thread, "feed");
	return -rc;
}

/* The thread has ended or was never started. */
static void feed_free(struct feed *f)
{
	free_auth(f->auth, f->n_auth);
	feedset_clear(&f->set);
	if (f->wake_fd >= 0)
		close(f->wake_fd);
	pthread_mutex_destroy(&f->lock);
	explicit_bzero(&f->session, sizeof(f->session));
	free(f);
}

int feed_open(struct feed **out, const struct feed_config *config)
{
	const char *server = config->server ? config->server : "";
	struct feed *f;
	int rc;

	*out = NULL;
	if (config->session_timeout_ms <= 0 || check_server(server) < 0 ||
	    check_auth(config) < 0)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->ops = config->ops;
	f->arg = config->arg;
	f->session_timeout_ms = config->session_timeout_ms;
	strcpy(f->status.server, server);
	pthread_mutex_init(&f->lock, NULL);
	feedset_init(&f->set);
	feedconn_init(&f->conn);
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = f->wake_fd < 0 ? -errno : copy_auth(f, config);
	/* Last the thread: it and the callbacks find all else complete. */
	*out = f;
	if (!rc)
		rc = start_thread(f);
	if (rc) {
		*out = NULL;
		feed_free(f);
	}
	return rc;
}

/* An eventfd whose counter is full is awake already. */
static void wake(struct feed *f)
{
	uint64_t one = 1;
	ssize_t n = write(f->wake_fd, &one, sizeof(one));

	(void)n;
}

void feed_close(struct feed *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_mutex_unlock(&f->lock);
	wake(f);
	pthread_join(f->thread, NULL);
	feed_free(f);
}

/*
 * The server refuses no path at all; one that can be no znode's would be a
 * watch that never fires.
 */
static int check_path(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || (len > 1 && path[len - 1] == '/'))
		return -EINVAL;
	return len > FEEDPROTO_PATH_MAX ? -ENAMETOOLONG : 0;
}

int feed_watch(struct feed *f, const char *path, bool recursive)
{
	int rc = check_path(path);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&f->lock);
	rc = feedset_want(&f->set, path, recursive);
	pthread_mutex_unlock(&f->lock);
	if (rc <= 0)
		return rc;
	wake(f);
	return 0;
}

void feed_unwatch(struct feed *f, const char *path)
{
	int rc;

	pthread_mutex_lock(&f->lock);
	rc = feedset_unwant(&f->set, path);
	pthread_mutex_unlock(&f->lock);
	if (rc > 0)
		wake(f);
}

int feed_move(struct feed *f, const char *server)
{
	bool moved;

	if (!server)
		server = "";
	if (check_server(server) < 0)
		return -EINVAL;
	pthread_mutex_lock(&f->lock);
	/* The same again must not cost a connection: callers just repeat. */
	moved = strcmp(f->status.server, server) != 0;
	if (moved) {
		strcpy(f->status.server, server);
		f->moved = true;
	}
	pthread_mutex_unlock(&f->lock);
	if (moved)
		wake(f);
	return 0;
}

uint64_t feed_sync(struct feed *f)
{
	uint64_t ticket;

	pthread_mutex_lock(&f->lock);
	ticket = ++f->sync_ticket;
	pthread_mutex_unlock(&f->lock);
	wake(f);
	return ticket;
}

void feed_get_status(struct feed *f, struct feed_status *out)
{
	pthread_mutex_lock(&f->lock);
	*out = f->status;
	out->watches = f->set.n_wanted;
	pthread_mutex_unlock(&f->lock);
}
