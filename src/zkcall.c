/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of a call: made, held, sent, answered.  See zk.h.
 *
 * A sent call lives in a slot until its completion comes or its handle is
 * closed, even when its owner has long been answered: the library writes into
 * the results of a multi whenever the server's reply arrives.
 */

#include "zk_priv.h"

#include <errno.h>
#include <string.h>

#include "zkerr.h"

/* --- memory -------------------------------------------------------------- */

struct zk_call *zkcall_new(enum zk_call_type type, const char *path,
			   struct zk_to to)
{
	struct zk_call *call = xcalloc(1, sizeof(*call));

	list_init(&call->link);
	call->type = type;
	call->path = path ? xstrdup(path) : NULL;
	call->to = to;
	return call;
}

static void call_free(struct zk_call *call)
{
	zksend_release(call);
	zk_ops_release(&call->ops);
	acl_release(&call->acl);
	blob_unref(call->data);
	free(call->path);
	free(call);
}

static bool is_read(const struct zk_call *call)
{
	return call->type <= ZK_CALL_SYNC;
}

/* --- slots --------------------------------------------------------------- */

void zkcall_init(struct zk *zk)
{
	int i;

	list_init(&zk->held);
	list_init(&zk->waiting);
	list_init(&zk->watching);
	list_init(&zk->failed);
	list_init(&zk->free_slots);
	for (i = 0; i < ZK_IN_FLIGHT_MAX; i++) {
		zk->slots[i].zk = zk;
		list_add_tail(&zk->free_slots, &zk->slots[i].free);
	}
}

static void slot_take_locked(struct zk *zk, struct zk_call *call)
{
	struct zk_slot *slot =
		list_first(&zk->free_slots, struct zk_slot, free);

	list_del(&slot->free);
	slot->generation++;
	slot->call = call;
	call->slot = slot;
	call->handle = zk->handle;
	call->handle->users++;
	zk->in_flight++;
	zk->sent++;
}

static void slot_release_locked(struct zk *zk, struct zk_call *call)
{
	call->slot->call = NULL;
	list_add_tail(&zk->free_slots, &call->slot->free);
	call->slot = NULL;
	zk->in_flight--;
}

static const void *slot_cookie(const struct zk_slot *slot)
{
	return (const char *)slot + slot->generation % ZK_SLOT_ALIGN;
}

/* The call that @cookie was made for, if its slot still holds it. */
static struct zk_call *slot_find_locked(const void *cookie)
{
	struct zk_slot *slot = zk_slot_of(cookie);

	return slot_cookie(slot) == cookie ? slot->call : NULL;
}

/* --- answers ------------------------------------------------------------- */

/* Leave the answer to the keeper: here is not the place to call back. */
void zkcall_fail_locked(struct zk *zk, struct zk_call *call, int rc, int code)
{
	call->fail_rc = rc;
	call->fail_code = code;
	list_del(&call->link);
	list_add_tail(&zk->failed, &call->link);
	zk_kick_locked(zk);
}

/* The owner hears @r; the call is gone.  No lock held. */
static void call_answer(struct zk_call *call, const struct zk_result *r)
{
	if (!call->answered)
		call->to.cb(call->to.arg, r);
	call_free(call);
}

void zkcall_answer_failed(struct zk *zk)
{
	for (;;) {
		struct zk_call *call;
		struct zk_result r = {0};

		pthread_mutex_lock(&zk->lock);
		call = list_first(&zk->failed, struct zk_call, link);
		if (call)
			list_del(&call->link);
		pthread_mutex_unlock(&zk->lock);
		if (!call)
			return;
		r.rc = call->fail_rc;
		r.code = call->fail_code;
		r.unknown = call->unknown;
		call_answer(call, &r);
	}
}

void zkcall_hold_locked(struct zk *zk, struct zk_call *call)
{
	if (zk->closing)
		zkcall_fail_locked(zk, call, -EIO, ZCLOSING);
	else
		list_add_tail(&zk->held, &call->link);
}

/*
 * The connection or the session went away under the call: every error that is
 * not a server's answer to this request.
 */
static bool code_is_loss(int code)
{
	if (code == ZSESSIONEXPIRED || code == ZSESSIONMOVED ||
	    code == ZCLOSING)
		return true;
	return code < ZOK && code > ZAPIERROR && code != ZBADARGUMENTS &&
	       code != ZUNIMPLEMENTED;
}

/*
 * A lost read may be sent again, a moment later; a lost change may have taken
 * place.
 */
static bool hold_again_locked(struct zk *zk, struct zk_call *call)
{
	call->unknown = !is_read(call);
	if (call->unknown || call->answered)
		return false;
	zk->pause_until = now_ms() + ZK_LOSS_PAUSE_MS;
	zkcall_hold_locked(zk, call);
	return true;
}

struct zk_call *zkcall_take(const void *cookie, int code)
{
	struct zk *zk = zk_slot_of(cookie)->zk;
	struct zk_call *call;

	pthread_mutex_lock(&zk->lock);
	call = slot_find_locked(cookie);
	if (call) {
		slot_release_locked(zk, call);
		if (code_is_loss(code) && hold_again_locked(zk, call)) {
			zk_kick_locked(zk);
			call = NULL;
		}
	}
	pthread_mutex_unlock(&zk->lock);
	return call;
}

void zkcall_complete(struct zk *zk, struct zk_call *call, struct zk_result *r,
		     int code)
{
	r->code = code;
	r->rc = zkerr_to_errno(code);
	r->unknown = call->unknown;
	call_answer(call, r);
	zkcall_flush(zk);
}

/* --- patience ------------------------------------------------------------- */

static int64_t earliest(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a ? a : b;
	return MIN(a, b);
}

/* When the owner of a sent call is to be told, whatever has become of it. */
static int64_t patience_ends(const struct zk_call *call)
{
	return earliest(call->deadline, call->give_up_at);
}

/* --- sending ------------------------------------------------------------- */

/*
 * The library did not take the call.  A handle that is no longer valid has
 * not sent it: it waits for the next session.
 */
static void send_failed(struct zk *zk, const void *cookie, int code)
{
	struct zk_call *call;

	pthread_mutex_lock(&zk->lock);
	call = slot_find_locked(cookie);
	if (call) {
		/* A refused call may be completed all the same. */
		zksend_bury(call, call->handle);
		slot_release_locked(zk, call);
		if (code == ZINVALIDSTATE) {
			zk->sendable = false;
			zkcall_hold_locked(zk, call);
		} else {
			zkcall_fail_locked(zk, call, zkerr_to_errno(code),
					   code);
		}
	}
	pthread_mutex_unlock(&zk->lock);
}

/* Send a call that has its slot.  No lock held. */
static void call_send(struct zk *zk, struct zk_call *call)
{
	/* Once sent, the call may be answered and gone at any moment. */
	struct zk_handle *h = call->handle;
	const void *cookie = slot_cookie(call->slot);
	int code = zksend(call, h->zh, cookie);

	if (code != ZOK)
		send_failed(zk, cookie, code);
	pthread_mutex_lock(&zk->lock);
	zk_handle_put_locked(zk, h);
	pthread_mutex_unlock(&zk->lock);
}

static bool can_send_locked(struct zk *zk)
{
	return zk->sendable && zk->handle && zk->handle->zh && !zk->closing &&
	       !list_empty(&zk->free_slots) &&
	       (zk->pause_until == 0 || zk->pause_until <= now_ms());
}

/* What was meant for a session that is no more. */
static bool is_too_late(const struct zk *zk, const struct zk_call *call)
{
	return call->to.session && call->to.session != zk->session_id;
}

static struct zk_call *next_held_locked(struct zk *zk)
{
	struct zk_call *call = NULL;

	while (can_send_locked(zk)) {
		call = list_first(&zk->held, struct zk_call, link);
		if (!call || !is_too_late(zk, call))
			break;
		zkcall_fail_locked(zk, call, -EIO, ZSESSIONEXPIRED);
		call = NULL;
	}
	if (call) {
		list_del(&call->link);
		slot_take_locked(zk, call);
	}
	return call;
}

/*
 * One thread at a time, or two calls that were made one after the other could
 * be sent the other way round.
 */
void zkcall_flush(struct zk *zk)
{
	struct zk_call *call = NULL;

	pthread_mutex_lock(&zk->lock);
	if (!zk->flushing)
		call = next_held_locked(zk);
	zk->flushing |= call != NULL;
	while (call) {
		pthread_mutex_unlock(&zk->lock);
		call_send(zk, call);
		pthread_mutex_lock(&zk->lock);
		call = next_held_locked(zk);
		if (!call)
			zk->flushing = false;
	}
	pthread_mutex_unlock(&zk->lock);
}

void zkcall_submit(struct zk *zk, struct zk_call *call)
{
	int64_t now = now_ms();
	bool send;

	pthread_mutex_lock(&zk->lock);
	call->deadline =
		call->to.until ? call->to.until : now + zk->config.timeout_ms;
	if (call->to.owner && atomic_load(&call->to.owner->interrupted))
		call->give_up_at = now + ZK_INTERRUPT_GRACE_MS;
	send = can_send_locked(zk) && list_empty(&zk->held) && !zk->flushing;
	if (send && is_too_late(zk, call)) {
		zkcall_fail_locked(zk, call, -EIO, ZSESSIONEXPIRED);
		send = false;
	} else if (send) {
		slot_take_locked(zk, call);
	} else {
		zkcall_hold_locked(zk, call);
	}
	if (zk->wake_at == 0 || zk->wake_at > patience_ends(call))
		zk_kick_locked(zk); /* a deadline to watch */
	pthread_mutex_unlock(&zk->lock);
	if (send)
		call_send(zk, call);
}

/* --- giving up ----------------------------------------------------------- */

static int64_t expire_locked(struct zk *zk, struct list *calls, int64_t now)
{
	struct zk_call *call, *tmp;
	int64_t next = 0;

	list_for_each_safe (call, tmp, calls, link) {
		if (call->give_up_at)
			zkcall_fail_locked(zk, call, -EINTR, 0);
		else if (call->deadline <= now)
			zkcall_fail_locked(zk, call, -EIO, ZCONNECTIONLOSS);
		else
			next = earliest(next, call->deadline);
	}
	return next;
}

/* Their patience is with the connection. */
static int64_t expire_watching_locked(struct zk *zk, int64_t now)
{
	int64_t until = zk->lost_at ? zk->lost_at + zk->config.timeout_ms : 0;
	struct zk_call *call, *tmp;
	int64_t next = 0;

	list_for_each_safe (call, tmp, &zk->watching, link) {
		int64_t end = until ? until : call->deadline;

		if (call->give_up_at)
			zkcall_fail_locked(zk, call, -EINTR, 0);
		else if (end > now)
			next = earliest(next, end);
		else if (until)
			zkcall_fail_locked(zk, call, -EIO, ZCONNECTIONLOSS);
		else
			zkcall_watch_again_locked(zk, call);
	}
	return next;
}

static struct zk_call *next_given_up_locked(struct zk *zk, int64_t now,
					    int64_t *next)
{
	size_t i;

	for (i = 0; i < ZK_IN_FLIGHT_MAX && zk->in_flight > 0; i++) {
		struct zk_call *call = zk->slots[i].call;

		if (!call || call->answered)
			continue;
		if (patience_ends(call) <= now)
			return call;
		*next = earliest(*next, patience_ends(call));
	}
	return NULL;
}

/* The owner of a sent call is told; the call stays for its completion. */
static bool give_up_one(struct zk *zk, int64_t now, int64_t *next)
{
	struct zk_result r = {0};
	struct zk_call *call;
	struct zk_to to;

	pthread_mutex_lock(&zk->lock);
	call = next_given_up_locked(zk, now, next);
	if (call) {
		call->answered = true;
		to = call->to;
		r.rc = call->give_up_at ? -EINTR : -EIO;
		r.unknown = !is_read(call);
	}
	pthread_mutex_unlock(&zk->lock);
	if (!call)
		return false;
	to.cb(to.arg, &r);
	return true;
}

int64_t zkcall_expire(struct zk *zk, int64_t now)
{
	int64_t next;

	pthread_mutex_lock(&zk->lock);
	next = expire_locked(zk, &zk->held, now);
	next = earliest(next, expire_locked(zk, &zk->waiting, now));
	next = earliest(next, expire_watching_locked(zk, now));
	if (zk->pause_until > now)
		next = earliest(next, zk->pause_until);
	else
		zk->pause_until = 0;
	pthread_mutex_unlock(&zk->lock);
	while (give_up_one(zk, now, &next))
		;
	return next;
}

static void interrupt_locked(struct list *calls, const struct zk_owner *owner,
			     int64_t now)
{
	struct zk_call *call;

	list_for_each (call, calls, link) {
		if (call->to.owner == owner)
			call->give_up_at = now;
	}
}

void zk_interrupt(struct zk *zk, struct zk_owner *owner)
{
	int64_t now = now_ms();
	struct zk_call *call;
	size_t i;

	pthread_mutex_lock(&zk->lock);
	atomic_store(&owner->interrupted, true);
	interrupt_locked(&zk->held, owner, now);
	interrupt_locked(&zk->waiting, owner, now);
	interrupt_locked(&zk->watching, owner, now);
	for (i = 0; i < ZK_IN_FLIGHT_MAX; i++) {
		call = zk->slots[i].call;
		if (call && call->to.owner == owner && !call->give_up_at)
			call->give_up_at = now + ZK_INTERRUPT_GRACE_MS;
	}
	zk_kick_locked(zk);
	pthread_mutex_unlock(&zk->lock);
}

/* --- the end of a handle or of everything -------------------------------- */

void zkcall_sweep(struct zk *zk, struct zk_handle *handle)
{
	struct zk_call *watching, *tmp;
	size_t i;

	pthread_mutex_lock(&zk->lock);
	for (i = 0; i < ZK_IN_FLIGHT_MAX; i++) {
		struct zk_call *call = zk->slots[i].call;

		if (!call || call->handle != handle)
			continue;
		slot_release_locked(zk, call);
		if (!hold_again_locked(zk, call))
			zkcall_fail_locked(zk, call, -EIO, ZSESSIONEXPIRED);
	}
	list_for_each_safe (watching, tmp, &zk->watching, link) {
		if (watching->handle == handle)
			zkcall_fail_locked(zk, watching, -EIO, ZSESSIONEXPIRED);
	}
	pthread_mutex_unlock(&zk->lock);
}

static void fail_all_locked(struct zk *zk, struct list *calls, int code)
{
	struct zk_call *call, *tmp;

	list_for_each_safe (call, tmp, calls, link) {
		zkcall_fail_locked(zk, call, -EIO, code);
	}
}

void zkcall_fail_held(struct zk *zk, int code)
{
	pthread_mutex_lock(&zk->lock);
	fail_all_locked(zk, &zk->held, code);
	fail_all_locked(zk, &zk->waiting, code);
	fail_all_locked(zk, &zk->watching, code);
	pthread_mutex_unlock(&zk->lock);
}
