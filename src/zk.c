/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The session: one library handle at a time, and the keeper thread.
 *
 * The library's completion thread tells of changes of state; it must never
 * block, and zookeeper_close() joins it, so whatever follows from a change is
 * done by the keeper: flushing held calls, giving up those that waited too
 * long, and replacing the handle of an expired session.
 */

#include "zk_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "resolver.h"
#include "zkerr.h"

/* Between two attempts to open a new session when the library refuses. */
#define REOPEN_DELAY_MS 1000

/* Between two attempts to hand over a credential that the library refused. */
#define AUTH_RETRY_MS 20

#define CHECK_CODE(name, code, err)                                            \
	_Static_assert((name) == (code), "zkerr.h disagrees about " #name);

const char *zk_state_name(enum zk_state s)
{
	static const char *const names[] = {
		[ZK_CONNECTING] = "connecting",
		[ZK_CONNECTED] = "connected",
		[ZK_READ_ONLY] = "read-only",
		[ZK_LOST] = "lost",
		[ZK_EXPIRED] = "expired",
		[ZK_AUTH_FAILED] = "auth-failed",
		[ZK_CLOSED] = "closed",
	};

	return names[s];
}

void zk_kick_locked(struct zk *zk)
{
	zk->kicked = true;
	pthread_cond_broadcast(&zk->kick);
}

void zk_handle_put_locked(struct zk *zk, struct zk_handle *h)
{
	/* Only who closes the handle waits for that. */
	if (--h->users == 0 && h != zk->handle)
		pthread_cond_broadcast(&zk->kick);
}

/* --- state --------------------------------------------------------------- */

static void announce_state(struct zk *zk, enum zk_state state, bool changed)
{
	if (zk->config.on_state)
		zk->config.on_state(zk->config.arg, state, changed);
}

static enum zk_state state_from_library(int state)
{
	if (state == ZOO_CONNECTED_STATE)
		return ZK_CONNECTED;
	if (state == ZOO_READONLY_STATE)
		return ZK_READ_ONLY;
	if (state == ZOO_EXPIRED_SESSION_STATE)
		return ZK_EXPIRED;
	if (state == ZOO_AUTH_FAILED_STATE)
		return ZK_AUTH_FAILED;
	return ZK_LOST;
}

static bool is_connected(enum zk_state state)
{
	return state == ZK_CONNECTED || state == ZK_READ_ONLY;
}

/* True if this is a session that was not there before. */
static bool set_session_locked(struct zk *zk, zhandle_t *zh)
{
	int64_t id = zoo_client_id(zh)->client_id;

	zk->granted_ms = zoo_recv_timeout(zh);
	if (id == zk->session_id)
		return false;
	zk->session_id = id;
	zk->sessions++;
	return true;
}

/*
 * zoo_get_current_server() writes to a buffer that the library's other threads
 * use for their log.  Only it tells of a read-only connection, and whoever
 * connects to the address looks at it first (feed_move()).
 */
static void set_server_locked(struct zk *zk, zhandle_t *zh)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[INET6_ADDRSTRLEN], port[6];

	zk->server[0] = '\0';
	if (!zookeeper_get_connected_host(zh, (struct sockaddr *)&addr, &len)) {
		snprintf(zk->server, sizeof(zk->server), "%s",
			 zoo_get_current_server(zh));
		return;
	}
	if (getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	snprintf(zk->server, sizeof(zk->server),
		 addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* Completion thread.  The handle may be one that is being replaced. */
static void on_watch(zhandle_t *zh, int type, int library_state,
		     const char *path _unused_, void *context)
{
	struct zk_handle *h = context;
	struct zk *zk = h->zk;
	enum zk_state state = state_from_library(library_state);
	bool changed = false;

	if (type != ZOO_SESSION_EVENT)
		return;
	pthread_mutex_lock(&zk->lock);
	/* zh is not yet stored when the first event beats zookeeper_init2(). */
	if (zk->handle != h || zk->state == ZK_CLOSED ||
	    (state == ZK_LOST && zk->state == ZK_CONNECTING) ||
	    zk->state == state) {
		pthread_mutex_unlock(&zk->lock);
		return;
	}
	zk->state = state;
	zk->sendable = is_connected(state) && h->ready;
	if (state == ZK_CONNECTED)
		zk->lost_at = 0;
	else if (zk->lost_at == 0)
		zk->lost_at = now_ms();
	if (is_connected(state)) {
		changed = set_session_locked(zk, zh);
		set_server_locked(zk, zh);
		zkcall_watch_all_again_locked(zk);
	}
	zk_kick_locked(zk);
	pthread_cond_broadcast(&zk->changed);
	pthread_mutex_unlock(&zk->lock);
	announce_state(zk, state, changed);
}

/* --- handles ------------------------------------------------------------- */

static void on_library_log(const char *message)
{
	log_debug("libzookeeper: %s", message);
}

/* IO thread.  A refusal also comes as a state; nothing to add to it. */
static void on_auth(int rc, const void *data _unused_)
{
	if (rc != ZOK)
		log_err("a credential was not accepted: %s", zkerr_name(rc));
}

/*
 * The library refuses while its last attempt to connect has failed and the
 * next has not begun; then the keeper tries again.  No call is sent before.
 */
static bool add_auth(struct zk *zk, struct zk_handle *h)
{
	const struct authfile *auth = zk->config.auth;

	while (h->n_auth < auth->count) {
		const struct authfile_entry *a = &auth->entries[h->n_auth];

		if (zoo_add_auth(h->zh, a->scheme, a->cred,
				 (int)strlen(a->cred), on_auth, NULL) != ZOK)
			return false;
		h->n_auth++;
	}
	pthread_mutex_lock(&zk->lock);
	h->ready = true;
	zk->sendable = is_connected(zk->state);
	zk_kick_locked(zk);
	pthread_cond_broadcast(&zk->changed);
	pthread_mutex_unlock(&zk->lock);
	return true;
}

/*
 * Open a session and make it the current one.  The handle is current before
 * the library starts its threads, so that no event of it is missed.
 */
static int open_handle(struct zk *zk)
{
	struct zk_handle *h = calloc(1, sizeof(*h));
	zhandle_t *zh;

	if (!h)
		return -ENOMEM;
	h->zk = zk;
	pthread_mutex_lock(&zk->lock);
	zk->handle = h;
	zk->state = ZK_CONNECTING;
	zk->sendable = false;
	pthread_mutex_unlock(&zk->lock);

	zh = zookeeper_init2(zk->servers, on_watch, zk->config.session_timeout_ms,
			     NULL, h, ZOO_READONLY | ZOO_NO_LOG_CLIENTENV,
			     on_library_log);
	pthread_mutex_lock(&zk->lock);
	h->zh = zh;
	if (!zh)
		zk->handle = NULL;
	zk_kick_locked(zk);
	pthread_mutex_unlock(&zk->lock);
	if (!zh) {
		free(h);
		return -EINVAL;
	}
	/* Or the IO thread parses the addresses again for every reply. */
	zoo_set_servers_resolution_delay(zh, -1);
	add_auth(zk, h);
	return 0;
}

/* Take the current handle away from everybody, and close it. */
static void close_handle(struct zk *zk)
{
	struct zk_handle *h;

	pthread_mutex_lock(&zk->lock);
	h = steal(zk->handle);
	zk->sendable = false;
	while (h && h->users > 0)
		pthread_cond_wait(&zk->kick, &zk->lock);
	pthread_mutex_unlock(&zk->lock);
	if (!h)
		return;
	zookeeper_close(h->zh);
	zkcall_sweep(zk, h);
	zksend_release_buried(h);
	free(h);
}

static void replace_handle(struct zk *zk)
{
	bool expired = zk_get_state(zk) == ZK_EXPIRED;
	int rc;

	close_handle(zk);
	if (expired)
		announce_state(zk, ZK_CONNECTING, false);
	rc = open_handle(zk);
	if (rc < 0)
		log_err("cannot open a new session: %s", strerror(-rc));
	pthread_mutex_lock(&zk->lock);
	zk->reopen_at = now_ms() + REOPEN_DELAY_MS;
	pthread_mutex_unlock(&zk->lock);
}

/* --- names ---------------------------------------------------------------- */

/*
 * While there is no connection, look whether the servers have other addresses.
 * The library takes them on its way to the next server.  Returns when to come
 * again (ms), or 0.
 */
static int64_t follow_names(struct zk *zk, int64_t now)
{
	char *servers;
	bool out;

	pthread_mutex_lock(&zk->lock);
	out = zk->state == ZK_LOST || zk->state == ZK_CONNECTING;
	pthread_mutex_unlock(&zk->lock);
	if (!out)
		return 0;
	if (now < zk->resolve_at)
		return zk->resolve_at;
	zk->resolve_at = now + RESOLVER_INTERVAL_MS;
	servers = resolver_poll(zk->resolver);
	if (servers && strcmp(servers, zk->servers) != 0) {
		free(zk->servers);
		zk->servers = steal(servers);
		if (zk->handle)
			zoo_set_servers(zk->handle->zh, zk->servers);
	}
	free(servers);
	return zk->resolve_at;
}

/* --- the keeper ---------------------------------------------------------- */

/* The one that comes first; 0 is never. */
static int64_t sooner(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a ? a : b;
	return MIN(a, b);
}

static bool must_reopen_locked(struct zk *zk)
{
	return zk->state == ZK_EXPIRED || !zk->handle;
}

/* Returns when to come again (ms), or 0 for when kicked. */
static int64_t keep(struct zk *zk)
{
	int64_t now = now_ms(), wake, resolve_at, reopen_at, auth_at = 0;
	bool reopen, refused;

	pthread_mutex_lock(&zk->lock);
	reopen = must_reopen_locked(zk);
	refused = zk->state == ZK_AUTH_FAILED;
	reopen_at = zk->reopen_at;
	pthread_mutex_unlock(&zk->lock);

	if (reopen && now >= reopen_at)
		replace_handle(zk);
	else if (!reopen && !refused && !zk->handle->ready &&
		 !add_auth(zk, zk->handle))
		auth_at = now + AUTH_RETRY_MS;
	resolve_at = follow_names(zk, now);
	zkcall_flush(zk);
	wake = zkcall_expire(zk, now);
	zkcall_answer_failed(zk);
	if (reopen)
		wake = sooner(wake, MAX(reopen_at, now + 1));
	return sooner(wake, sooner(auth_at, resolve_at));
}

static void *keeper_main(void *arg)
{
	struct zk *zk = arg;

	pthread_mutex_lock(&zk->lock);
	while (!zk->closing) {
		int64_t wake;

		zk->kicked = false;
		zk->wake_at = 0;
		pthread_mutex_unlock(&zk->lock);
		wake = keep(zk);
		pthread_mutex_lock(&zk->lock);
		zk->wake_at = wake;
		if (!zk->kicked && !zk->closing)
			cond_wait_until(&zk->kick, &zk->lock, wake);
	}
	pthread_mutex_unlock(&zk->lock);
	return NULL;
}

/* --- open and close ------------------------------------------------------ */

static void init_locks(struct zk *zk)
{
	pthread_mutex_init(&zk->lock, NULL);
	cond_init(&zk->kick);
	cond_init(&zk->changed);
}

static void zk_free(struct zk *zk)
{
	pthread_cond_destroy(&zk->changed);
	pthread_cond_destroy(&zk->kick);
	pthread_mutex_destroy(&zk->lock);
	resolver_free(zk->resolver);
	free(zk->servers);
	free(zk);
}

int zk_open(struct zk **out, const struct zk_config *config)
{
	struct zk *zk = aligned_alloc(ZK_SLOT_ALIGN, sizeof(*zk));
	int rc;

	if (!zk)
		return -ENOMEM;
	memset(zk, 0, sizeof(*zk));
	init_locks(zk);
	zkcall_init(zk);
	zk->config = *config;
	zk->resolver = resolver_new(config->hosts);
	zk->servers = resolver_look(zk->resolver);
	zk->resolve_at = now_ms() + RESOLVER_INTERVAL_MS;
	rc = -EINVAL;
	if (!zk->servers)
		goto err_free;
	/* A warning of its IO thread prints what zoo_set_servers() may free. */
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	*out = zk; /* on_state() may come before this returns */
	rc = open_handle(zk);
	if (rc < 0)
		goto err_handle;
	rc = -pthread_create(&zk->keeper, NULL, keeper_main, zk);
	if (rc < 0)
		goto err_handle;
	return 0;

err_handle:
	close_handle(zk);
err_free:
	zk_free(zk);
	*out = NULL;
	return rc;
}

int zk_wait_connected(struct zk *zk, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	int rc = 0;

	pthread_mutex_lock(&zk->lock);
	while (!zk->sendable && zk->state != ZK_AUTH_FAILED && rc == 0)
		rc = -cond_wait_until(&zk->changed, &zk->lock, until);
	if (zk->state == ZK_AUTH_FAILED)
		rc = -EACCES;
	else if (zk->sendable)
		rc = 0;
	pthread_mutex_unlock(&zk->lock);
	return rc;
}

void zk_close(struct zk *zk)
{
	pthread_mutex_lock(&zk->lock);
	zk->closing = true;
	zk->state = ZK_CLOSED;
	zk_kick_locked(zk);
	pthread_mutex_unlock(&zk->lock);
	pthread_join(zk->keeper, NULL);

	close_handle(zk);
	zkcall_fail_held(zk, ZCLOSING);
	zkcall_answer_failed(zk);
	announce_state(zk, ZK_CLOSED, false);
	zk_free(zk);
}

void zk_server(struct zk *zk, char server[ZK_SERVER_MAX])
{
	pthread_mutex_lock(&zk->lock);
	snprintf(server, ZK_SERVER_MAX, "%s",
		 is_connected(zk->state) ? zk->server : "");
	pthread_mutex_unlock(&zk->lock);
}

int64_t zk_session_id(struct zk *zk)
{
	int64_t id;

	pthread_mutex_lock(&zk->lock);
	id = zk->session_id;
	pthread_mutex_unlock(&zk->lock);
	return id;
}

enum zk_state zk_get_state(struct zk *zk)
{
	enum zk_state state;

	pthread_mutex_lock(&zk->lock);
	state = zk->state;
	pthread_mutex_unlock(&zk->lock);
	return state;
}

bool zk_is_in_doubt(struct zk *zk)
{
	bool doubt;

	pthread_mutex_lock(&zk->lock);
	doubt = zk->lost_at && now_ms() >= zk->lost_at + zk->granted_ms / 3;
	pthread_mutex_unlock(&zk->lock);
	return doubt;
}

void zk_get_stats(struct zk *zk, struct zk_stats *out)
{
	struct list *l;

	pthread_mutex_lock(&zk->lock);
	*out = (struct zk_stats){
		.state = zk->state,
		.session_id = zk->session_id,
		.session_timeout_ms = zk->granted_ms,
		.sent = zk->sent,
		.in_flight = zk->in_flight,
		.sessions = zk->sessions,
	};
	for (l = zk->held.next; l != &zk->held; l = l->next)
		out->held++;
	pthread_mutex_unlock(&zk->lock);
}

ZKERR_TABLE(CHECK_CODE)
