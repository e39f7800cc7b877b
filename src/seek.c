/* SPDX-License-Identifier: Apache-2.0 */
#include "seek.h"

#include <errno.h>

#include "fs.h"
#include "path.h"

/*
 * A lock that is granted waits for what is on its way to be told, but something
 * that changes all the time may be so for ever.
 */
#define SETTLE_MS 2000

/* Creates whose answer was lost, and that had not taken place, in a row. */
#define CREATE_TRIES 3

static struct fs *fs_of(const struct seek *op)
{
	return op->w.req.fs;
}

/* --- the end -------------------------------------------------------------- */

void seek_answer(struct seek *op, int rc)
{
	struct fs *fs = fs_of(op);

	fs_lock(fs);
	erase_put_locked(&op->erase);
	lock_put_locked(fs, &op->lock);
	fs_unlock(fs);
	req_err(&op->w.req, rc);
	free(op->dir);
	free(op->name);
	free(op);
}

static void on_erased(void *arg, const struct zk_result *r);

void seek_answer_erased(struct seek *op)
{
	struct fs *fs = fs_of(op);
	bool wait;

	erase_pump(fs);
	fs_lock(fs);
	wait = erase_wait_locked(fs, op->erase,
				 req_to(&op->w.req, on_erased, op));
	fs_unlock(fs);
	if (!wait)
		seek_answer(op, op->rc);
}

static void on_erased(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;

	if (r->rc == 0)
		seek_answer_erased(op); /* or somebody woke everybody */
	else if (op->unlock && op->rc == 0)
		seek_answer(op, r->rc);
	else
		seek_answer(op, op->rc); /* it is held, or it is known why not */
}

/* Not held: our znode, if there may be one, goes. */
static void seek_refuse(struct seek *op, int rc)
{
	struct fs *fs = fs_of(op);

	fs_lock(fs);
	if (op->name)
		op->erase = erase_locked(fs, op->lock->node, op->name);
	else
		op->erase = erase_prefix_locked(fs, op->lock->node, op->prefix);
	/* Who was interrupted, or has waited long enough, does not wait. */
	if (rc != -EAGAIN && rc != 0)
		erase_put_locked(&op->erase);
	fs_unlock(fs);
	op->rc = rc;
	seek_answer_erased(op);
}

static void seek_grant(struct seek *op)
{
	struct fs *fs = fs_of(op);
	struct lock_hold hold = {
		.shared = op->shared,
		.czxid = op->czxid,
		.session = op->session,
		.file = op->w.file,
		.pid = op->pid,
	};
	bool lost;

	fs_lock(fs);
	lost = op->session != fs->session_id;
	if (!lost) {
		hold.name = steal(op->name);
		op->erase = lock_hold_locked(fs, op->lock, hold);
	}
	fs_unlock(fs);
	op->rc = lost ? -EIO : 0;
	seek_answer_erased(op);
}

/* --- our turn ------------------------------------------------------------- */

static void seek_catch_up(struct seek *op);

static void on_caught_up(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;

	if (r->rc < 0)
		seek_refuse(op, r->rc);
	else
		seek_catch_up(op);
}

static void on_told(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;

	if (r->rc == -EINTR)
		seek_refuse(op, r->rc);
	else if (r->rc < 0)
		seek_grant(op); /* our patience is over */
	else
		seek_catch_up(op);
}

static bool is_to_settle_locked(struct seek *op)
{
	int64_t now = now_ms();

	if (op->settle_until == 0)
		op->settle_until = now + SETTLE_MS;
	if (now >= op->settle_until)
		return false;
	return look_await_locked(fs_of(op), &op->since,
				 (int)(op->settle_until - now),
				 req_to(&op->w.req, on_told, op));
}

/*
 * What the one before us has done must be seen here: the events of it have
 * come, and the kernel, which keeps names and sizes, has been told.
 */
static void seek_catch_up(struct seek *op)
{
	struct fs *fs = fs_of(op);
	bool wait;

	fs_lock(fs);
	wait = watch_catch_up_locked(fs, &op->sync,
				     req_to(&op->w.req, on_caught_up, op)) ||
	       is_to_settle_locked(op);
	fs_unlock(fs);
	if (!wait)
		seek_grant(op);
}

/* --- in line -------------------------------------------------------------- */

static void seek_look(struct seek *op);

static void on_gone(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;

	if (r->rc < 0)
		seek_refuse(op, r->rc);
	else
		seek_look(op);
}

static void seek_wait(struct seek *op, const char *blocker)
{
	_cleanup_free_ char *path = path_join(op->dir, blocker);
	struct fs *fs = fs_of(op);
	struct erase *e = NULL;

	if (!path)
		return seek_refuse(op, -ENOMEM);
	if (!op->posix) {
		fs_lock(fs);
		e = lock_drop_locked(fs, op->lock);
		erase_put_locked(&e);
		fs_unlock(fs);
		erase_pump(fs);
	}
	zk_gone(fs->zk, path, req_to(&op->w.req, on_gone, op));
}

static bool is_downgrade_locked(const struct seek *op)
{
	const struct lock_hold *h = &op->lock->hold;

	return op->shared && h->name && !h->shared;
}

static void on_queue(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;
	struct fs *fs = fs_of(op);
	struct lockname_view v;
	bool downgrade;

	if (r->rc < 0)
		return seek_refuse(op, r->rc);
	v = lockname_view(r->names, r->n_names, op->lock->id, op->name);
	fs_lock(fs);
	downgrade = is_downgrade_locked(op);
	fs_unlock(fs);
	/* It went with its session, or somebody has deleted it. */
	if (!v.there)
		seek_refuse(op, -EIO);
	else if (!v.blocker)
		seek_catch_up(op);
	else if (downgrade)
		seek_refuse(op, 0);
	else if (!op->block)
		seek_refuse(op, -EAGAIN);
	else if (op->posix && v.deadlock)
		seek_refuse(op, -EDEADLK);
	else
		seek_wait(op, v.blocker);
}

/* In the session that our znode is of: in another one it is in no line. */
static void seek_look(struct seek *op)
{
	op->w.req.session = op->session;
	zk_children(fs_of(op)->zk, op->dir, req_to(&op->w.req, on_queue, op));
}

/* --- getting into line ---------------------------------------------------- */

/* It is there: by whom, and since when? */
static void on_adopted(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;
	struct fs *fs = fs_of(op);

	if (r->rc < 0)
		return seek_refuse(op, r->rc == -ENOENT ? -EIO : r->rc);
	fs_lock(fs);
	op->session = r->stat->ephemeral_owner;
	fs_unlock(fs);
	op->czxid = r->stat->czxid;
	seek_look(op);
}

static void on_sought(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;
	_cleanup_free_ char *path = NULL;
	const char *name;

	if (r->rc < 0)
		return seek_refuse(op, r->rc);
	name = lockname_find(r->names, r->n_names, op->prefix);
	if (!name)
		return seek_start(op);
	op->name = xstrdup(name);
	path = path_join(op->dir, name);
	if (!path)
		return seek_refuse(op, -ENOMEM);
	zk_exists(fs_of(op)->zk, path, req_to(&op->w.req, on_adopted, op));
}

/* What this server has not heard of may be on its way to it. */
static void on_synced(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;

	if (r->rc < 0)
		seek_refuse(op, r->rc);
	else
		zk_children(fs_of(op)->zk, op->dir,
			    req_to(&op->w.req, on_sought, op));
}

static void on_created(void *arg, const struct zk_result *r)
{
	struct seek *op = arg;
	struct fs *fs = fs_of(op);

	if (r->rc == 0) {
		op->name = xstrdup(path_base(r->path));
		op->czxid = r->stat->czxid;
		fs_lock(fs);
		op->session = fs->session_id;
		fs_unlock(fs);
		seek_look(op);
	} else if (r->unknown && r->rc == -EIO && op->tries < CREATE_TRIES) {
		zk_sync(fs->zk, op->dir, req_to(&op->w.req, on_synced, op));
	} else if (r->unknown) {
		seek_refuse(op, r->rc);
	} else {
		/* An ephemeral has no children, and so no queue. */
		seek_answer(op, r->rc == -ENOTDIR ? -ENOLCK : r->rc);
	}
}

void seek_start(struct seek *op)
{
	_cleanup_free_ char *path = NULL;
	struct fs *fs = fs_of(op);
	char name[LOCKNAME_SIZE];

	op->tries++;
	lockname_make(name, op->prefix, op->shared);
	path = path_join(op->dir, name);
	if (!path)
		return seek_answer(op, -ENOMEM);
	zk_create(fs->zk, path, fs->locks.data, ZK_EPHEMERAL_SEQUENTIAL,
		  req_to(&op->w.req, on_created, op));
}
