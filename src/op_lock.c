/* SPDX-License-Identifier: Apache-2.0 */

/*
 * FLOCK, GETLK and SETLK.
 *
 * To take a lock is to stand in line for it (lockname.h):
 *
 *	create our znode, list the queue
 *	  nobody before us that we have to wait for: it is held, as soon as
 *	  all events of what was done before have come
 *	  else wait until the nearest one is gone, and list again
 *
 * Each waits for one other znode, so each release wakes one exclusive waiter.
 * A change of what is held creates the other znode first:
 *
 *	upgrade    flock(2) lets go of the shared lock before it waits, as Linux
 *	           does; fcntl(2) keeps it, and two who both do find a deadlock
 *	downgrade  never waits.  If somebody exclusive has come in between, the
 *	           exclusive znode is kept: it is stronger than what was asked
 *	           for, and those who might share would wait for him anyway
 *
 * However it ends, znodes that are not to be held are erased.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "fs.h"
#include "op.h"
#include "op_write.h"
#include "path.h"

/*
 * A lock that is granted waits for what is on its way to be told, but on a
 * busy tree there is always something.
 */
#define SETTLE_MS 250

/* Creates whose answer was lost, and that had not taken place, in a row. */
#define CREATE_TRIES 3

struct lock_op {
	struct write_op w;
	bool posix;
	bool unlock;
	bool shared;
	bool block;
	uint64_t owner;
	pid_t pid;

	struct lock *lock; /* a reference */
	char *dir;         /* the znode that is locked */
	char *name;        /* of our znode, once it is known */
	char prefix[LOCKNAME_PREFIX_SIZE];
	int64_t czxid;
	int64_t session;
	int tries;
	struct watch_sync sync;

	struct erase *erase; /* a reference: to be done before the answer */
	int rc;
};

static struct fs *fs_of(const struct lock_op *op)
{
	return op->w.req.fs;
}

/* --- the end --------------------------------------------------------------- */

static void lock_answer(struct lock_op *op, int rc)
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

/* Answer with op->rc, when what is to be erased is. */
static void lock_answer_erased(struct lock_op *op)
{
	struct fs *fs = fs_of(op);
	bool wait;

	erase_pump(fs);
	fs_lock(fs);
	wait = erase_wait_locked(fs, op->erase,
				 req_to(&op->w.req, on_erased, op));
	fs_unlock(fs);
	if (!wait)
		lock_answer(op, op->rc);
}

static void on_erased(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;

	if (r->rc == 0)
		lock_answer_erased(op); /* or somebody woke everybody */
	else
		lock_answer(op, op->rc ? op->rc : r->rc);
}

/* Not held: our znode, if there may be one, goes. */
static void lock_refuse(struct lock_op *op, int rc)
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
	lock_answer_erased(op);
}

static void lock_grant(struct lock_op *op)
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
		lock_hold_locked(fs, op->lock, hold);
	}
	fs_unlock(fs);
	erase_pump(fs);
	lock_answer(op, lost ? -EIO : 0);
}

/* --- our turn -------------------------------------------------------------- */

static void lock_catch_up(struct lock_op *op);

static void on_caught_up(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;

	if (r->rc < 0)
		lock_refuse(op, r->rc);
	else
		lock_catch_up(op);
}

/* Or our patience is over. */
static void on_idle(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;

	if (r->rc == -EINTR)
		lock_refuse(op, r->rc);
	else
		lock_grant(op);
}

/*
 * What the one before us has done must be seen here: the events of it have
 * come, and the kernel, which keeps names and sizes, has been told.
 */
static void lock_catch_up(struct lock_op *op)
{
	struct fs *fs = fs_of(op);
	bool wait;

	fs_lock(fs);
	wait = watch_catch_up_locked(fs, &op->sync,
				     req_to(&op->w.req, on_caught_up, op)) ||
	       look_await_idle_locked(fs, SETTLE_MS,
				      req_to(&op->w.req, on_idle, op));
	fs_unlock(fs);
	if (!wait)
		lock_grant(op);
}

/* --- in line --------------------------------------------------------------- */

static void lock_look(struct lock_op *op);

static void on_gone(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;

	if (r->rc < 0)
		lock_refuse(op, r->rc);
	else
		lock_look(op);
}

static void lock_wait(struct lock_op *op, const char *blocker)
{
	_cleanup_free_ char *path = path_join(op->dir, blocker);
	struct fs *fs = fs_of(op);
	struct erase *e = NULL;

	if (!path)
		return lock_refuse(op, -ENOMEM);
	if (!op->posix) {
		fs_lock(fs);
		e = lock_drop_locked(fs, op->lock);
		erase_put_locked(&e);
		fs_unlock(fs);
		erase_pump(fs);
	}
	zk_gone(fs->zk, path, req_to(&op->w.req, on_gone, op));
}

static bool is_downgrade_locked(const struct lock_op *op)
{
	const struct lock_hold *h = &op->lock->hold;

	return op->shared && h->name && !h->shared;
}

static void on_queue(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;
	struct fs *fs = fs_of(op);
	struct lockname_view v;
	bool downgrade;

	if (r->rc < 0)
		return lock_refuse(op, r->rc);
	v = lockname_view(r->names, r->n_names, op->lock->id, op->name);
	fs_lock(fs);
	downgrade = is_downgrade_locked(op);
	fs_unlock(fs);
	/* It went with its session, or somebody has deleted it. */
	if (!v.there)
		lock_refuse(op, -EIO);
	else if (!v.blocker)
		lock_catch_up(op);
	else if (downgrade)
		lock_refuse(op, 0);
	else if (!op->block)
		lock_refuse(op, -EAGAIN);
	else if (op->posix && v.deadlock)
		lock_refuse(op, -EDEADLK);
	else
		lock_wait(op, v.blocker);
}

static void lock_look(struct lock_op *op)
{
	zk_children(fs_of(op)->zk, op->dir, req_to(&op->w.req, on_queue, op));
}

/* --- getting into line ----------------------------------------------------- */

static void lock_create(struct lock_op *op);

/* It is there: by whom, and since when? */
static void on_adopted(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;
	struct fs *fs = fs_of(op);

	if (r->rc < 0)
		return lock_refuse(op, r->rc == -ENOENT ? -EIO : r->rc);
	fs_lock(fs);
	op->session = r->stat->ephemeral_owner;
	fs_unlock(fs);
	op->czxid = r->stat->czxid;
	lock_look(op);
}

static void on_sought(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;
	_cleanup_free_ char *path = NULL;
	const char *name;

	if (r->rc < 0)
		return lock_refuse(op, r->rc);
	name = lockname_find(r->names, r->n_names, op->prefix);
	if (!name)
		return lock_create(op);
	op->name = xstrdup(name);
	path = path_join(op->dir, name);
	if (!path)
		return lock_refuse(op, -ENOMEM);
	zk_exists(fs_of(op)->zk, path, req_to(&op->w.req, on_adopted, op));
}

/* What this server has not heard of may be on its way to it. */
static void on_synced(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;

	if (r->rc < 0)
		lock_refuse(op, r->rc);
	else
		zk_children(fs_of(op)->zk, op->dir,
			    req_to(&op->w.req, on_sought, op));
}

static void on_created(void *arg, const struct zk_result *r)
{
	struct lock_op *op = arg;
	struct fs *fs = fs_of(op);

	if (r->rc == 0) {
		op->name = xstrdup(path_base(r->path));
		op->czxid = r->stat->czxid;
		fs_lock(fs);
		op->session = fs->session_id;
		fs_unlock(fs);
		lock_look(op);
	} else if (r->unknown && r->rc == -EIO && op->tries < CREATE_TRIES) {
		zk_sync(fs->zk, op->dir, req_to(&op->w.req, on_synced, op));
	} else if (r->unknown) {
		lock_refuse(op, r->rc);
	} else {
		/* An ephemeral has no children, and so no queue. */
		lock_answer(op, r->rc == -ENOTDIR ? -ENOLCK : r->rc);
	}
}

static void lock_create(struct lock_op *op)
{
	_cleanup_free_ char *path = NULL;
	struct fs *fs = fs_of(op);
	char name[LOCKNAME_SIZE];

	op->tries++;
	lockname_make(name, op->prefix, op->shared);
	path = path_join(op->dir, name);
	if (!path)
		return lock_answer(op, -ENOMEM);
	zk_create(fs->zk, path, fs->locks.data, ZK_EPHEMERAL_SEQUENTIAL,
		  req_to(&op->w.req, on_created, op));
}

/* --- start ----------------------------------------------------------------- */

static bool will_be_ephemeral(const struct node *embryo)
{
	return embryo->made_in == VIEW_EPHEMERAL ||
	       embryo->made_in == VIEW_EPHEMERAL_SEQUENTIAL;
}

static int lock_check_locked(const struct lock_op *op)
{
	const struct file *file = op->w.file;
	const struct inode *inode = file->inode;
	const struct node *node = inode->node;

	if (file->lost)
		return -EIO;
	if (op->w.req.fs->opt->ro)
		return -EROFS;
	if (inode->gone)
		return -ESTALE;
	if (node->embryo ? will_be_ephemeral(node)
			 : node->known && zstat_is_ephemeral(&node->stat))
		return -ENOLCK;
	return 0;
}

/* The znode is at the server: 1 if the lock has to be sought. */
static int lock_prepare_locked(struct lock_op *op)
{
	struct node *node = op->w.file->inode->node;
	struct fs *fs = fs_of(op);
	int rc = lock_check_locked(op);

	if (rc < 0)
		return rc;
	op->lock = lock_get_locked(fs, node, op->posix, op->owner);
	if (op->lock->hold.name && op->lock->hold.shared == op->shared)
		return 0;
	op->dir = node_path(node);
	lockname_prefix(op->prefix, op->lock->id, ++op->lock->attempts);
	return 1;
}

/* What was to be committed first is, or could not be. */
static void lock_enter(struct write_op *w, int rc)
{
	struct lock_op *op = container_of(w, struct lock_op, w);
	struct fs *fs = fs_of(op);

	/* Not what may be lost with a session, but what begins with one. */
	w->req.session = 0;
	if (rc == 0) {
		fs_lock(fs);
		rc = lock_prepare_locked(op);
		fs_unlock(fs);
	}
	if (rc > 0)
		lock_create(op);
	else
		lock_answer(op, rc);
}

static void unlock_enter(struct write_op *w, int rc)
{
	struct lock_op *op = container_of(w, struct lock_op, w);
	struct fs *fs = fs_of(op);

	fs_lock(fs);
	op->erase = lock_drop_locked(
		fs, lock_find_locked(fs, w->file->inode->node, op->posix,
				     op->owner));
	fs_unlock(fs);
	op->rc = rc;
	lock_answer_erased(op);
}

/* `flock new command`: nothing has been written, but there is to be a znode. */
static void lock_run(struct write_op *w)
{
	struct lock_op *op = container_of(w, struct lock_op, w);
	struct fs *fs = fs_of(op);
	bool embryo;
	int rc;

	fs_lock(fs);
	rc = lock_check_locked(op);
	embryo = w->file->inode->node->embryo;
	fs_unlock(fs);
	if (rc == 0 && embryo && w->file->inode->kind == INODE_FILE)
		write_op_commit(w, -1, write_op_end);
	else
		write_op_end(w, rc);
}

/* What was written under the lock is at the server before it ends. */
static void lock_start(struct lock_op *op, struct file *file)
{
	op->w.end = op->unlock ? unlock_enter : lock_enter;
	write_op_start(&op->w, file, op->unlock ? write_op_sync : lock_run);
}

static struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

static struct lock_op *lock_new(fuse_req_t freq,
				const struct fuse_file_info *fi, bool posix)
{
	struct lock_op *op = xcalloc(1, sizeof(*op));

	req_init(&op->w.req, freq);
	op->posix = posix;
	op->owner = fi->lock_owner;
	op->pid = op->w.req.thread;
	return op;
}

void op_flock(fuse_req_t freq, fuse_ino_t ino _unused_,
	      struct fuse_file_info *fi, int how)
{
	struct lock_op *op = lock_new(freq, fi, false);

	op->unlock = how & LOCK_UN;
	op->shared = how & LOCK_SH;
	op->block = !(how & LOCK_NB);
	lock_start(op, file_of(fi));
}

/* --- fcntl(2) -------------------------------------------------------------- */

static bool is_whole(const struct flock *lock)
{
	return lock->l_start == 0 && lock->l_len == 0;
}

void op_setlk(fuse_req_t freq, fuse_ino_t ino _unused_,
	      struct fuse_file_info *fi, struct flock *lock, int sleep)
{
	struct lock_op *op = lock_new(freq, fi, true);

	if (!is_whole(lock))
		return lock_answer(op, -EOPNOTSUPP);
	op->unlock = lock->l_type == F_UNLCK;
	op->shared = lock->l_type == F_RDLCK;
	op->block = sleep;
	op->pid = lock->l_pid;
	lock_start(op, file_of(fi));
}

struct getlk {
	struct req req;
	struct node *node; /* a reference */
	struct flock lock;
	char id[LOCKNAME_OWNER_SIZE];
};

static void getlk_end(struct getlk *op, int rc)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	node_put(&fs->nodes, &op->node);
	fs_unlock(fs);
	if (rc < 0)
		req_err(&op->req, rc);
	else
		req_lock(&op->req, &op->lock);
	free(op);
}

static void on_holders(void *arg, const struct zk_result *r)
{
	struct getlk *op = arg;
	struct fs *fs = op->req.fs;
	const char *name;

	if (r->rc < 0)
		return getlk_end(op, r->rc);
	name = lockname_first(r->names, r->n_names, op->id,
			      op->lock.l_type == F_RDLCK);
	op->lock.l_type = F_UNLCK;
	if (name) {
		op->lock.l_type = lockname_parse(name, NULL) == LOCKNAME_SHARED
					  ? F_RDLCK
					  : F_WRLCK;
		fs_lock(fs);
		op->lock.l_pid = lock_pid_locked(fs, op->node, name);
		fs_unlock(fs);
	}
	getlk_end(op, 0);
}

static int getlk_prepare_locked(struct getlk *op, const struct file *file,
				uint64_t owner)
{
	struct node *node = file->inode->node;
	const struct lock *own =
		lock_find_locked(op->req.fs, node, true, owner);

	op->node = node_ref(node);
	if (own)
		memcpy(op->id, own->id, sizeof(op->id));
	if (file->lost)
		return -EIO;
	if (!is_whole(&op->lock))
		return -EOPNOTSUPP;
	return file->inode->gone ? -ESTALE : 0;
}

void op_getlk(fuse_req_t freq, fuse_ino_t ino _unused_,
	      struct fuse_file_info *fi, struct flock *lock)
{
	struct getlk *op = xcalloc(1, sizeof(*op));
	_cleanup_free_ char *path = NULL;
	struct fs *fs;
	bool embryo;
	int rc;

	req_init(&op->req, freq);
	fs = op->req.fs;
	op->lock = *lock;
	fs_lock(fs);
	rc = getlk_prepare_locked(op, file_of(fi), fi->lock_owner);
	embryo = op->node->embryo;
	path = node_path(op->node);
	fs_unlock(fs);
	if (rc == 0 && embryo)
		op->lock.l_type = F_UNLCK;
	if (rc < 0 || embryo)
		return getlk_end(op, rc);
	zk_children(fs->zk, path, req_to(&op->req, on_holders, op));
}
