/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What waits for something else than the answer to a request: for zk_wake(),
 * and until a znode is gone.
 */

#include "zk_priv.h"

#include <errno.h>
#include <string.h>

void zk_wait(struct zk *zk, const void *key, struct zk_to to)
{
	zk_wait_ms(zk, key, zk->config.timeout_ms, to);
}

void zk_wait_ms(struct zk *zk, const void *key, int ms, struct zk_to to)
{
	struct zk_call *call = zkcall_new(ZK_CALL_WAIT, NULL, to);

	call->key = key;
	pthread_mutex_lock(&zk->lock);
	call->deadline = now_ms() + ms;
	list_add_tail(&zk->waiting, &call->link);
	if (zk->closing)
		zkcall_fail_locked(zk, call, -EIO, ZCLOSING);
	else if (to.owner && atomic_load(&to.owner->interrupted))
		zkcall_fail_locked(zk, call, -EINTR, 0);
	zk_kick_locked(zk); /* a deadline to watch */
	pthread_mutex_unlock(&zk->lock);
}

void zk_wake(struct zk *zk, const void *key)
{
	struct zk_call *call, *tmp;

	pthread_mutex_lock(&zk->lock);
	list_for_each_safe (call, tmp, &zk->waiting, link) {
		if (!key || call->key == key)
			zkcall_fail_locked(zk, call, 0, ZOK);
	}
	pthread_mutex_unlock(&zk->lock);
}

/* --- watching --------------------------------------------------------------
 */

void zk_gone(struct zk *zk, const char *path, struct zk_to to)
{
	zkcall_submit(zk, zkcall_new(ZK_CALL_GONE, path, to));
}

/* A watch tells once: ask again. */
void zkcall_watch_again_locked(struct zk *zk, struct zk_call *call)
{
	call->fired = false;
	call->deadline = now_ms() + zk->config.timeout_ms;
	list_del(&call->link);
	zkcall_hold_locked(zk, call);
	zk_kick_locked(zk);
}

/*
 * The library sets its watches again on a new connection, but nobody looks
 * whether the server has.
 */
void zkcall_watch_all_again_locked(struct zk *zk)
{
	struct zk_call *call, *tmp;

	list_for_each_safe (call, tmp, &zk->watching, link)
		zkcall_watch_again_locked(zk, call);
}

void zkcall_watch(struct zk *zk, struct zk_call *call)
{
	pthread_mutex_lock(&zk->lock);
	if (zk->closing || call->answered) {
		zkcall_fail_locked(zk, call, -EIO, ZCLOSING);
	} else if (call->fired) {
		zkcall_watch_again_locked(zk, call);
	} else {
		call->deadline = now_ms() + zk->granted_ms;
		list_add_tail(&zk->watching, &call->link);
		zk_kick_locked(zk); /* it may be interrupted already */
	}
	pthread_mutex_unlock(&zk->lock);
}

/* Of those whose answer is still to come, it is out of date when it does. */
static void mark_fired_locked(struct zk *zk, const struct zk_handle *h,
			      const char *path)
{
	size_t i;

	for (i = 0; i < ZK_IN_FLIGHT_MAX && zk->in_flight > 0; i++) {
		struct zk_call *call = zk->slots[i].call;

		if (call && call->handle == h && call->type == ZK_CALL_GONE &&
		    strcmp(call->path, path) == 0)
			call->fired = true;
	}
}

void zkcall_watch_fired(struct zk_handle *h, const char *path, bool gone)
{
	struct zk_call *call, *tmp;
	struct zk *zk = h->zk;

	pthread_mutex_lock(&zk->lock);
	list_for_each_safe (call, tmp, &zk->watching, link) {
		if (call->handle != h || strcmp(call->path, path) != 0)
			continue;
		if (gone)
			zkcall_fail_locked(zk, call, 0, ZOK);
		else
			zkcall_watch_again_locked(zk, call);
	}
	mark_fired_locked(zk, h, path);
	pthread_mutex_unlock(&zk->lock);
}
