/* SPDX-License-Identifier: Apache-2.0 */

/*
 * FLOCK, GETLK and SETLK: what has to be so before a lock is sought (seek.h),
 * or ends.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "fs.h"
#include "op.h"
#include "process.h"
#include "seek.h"

static struct fs *fs_of(const struct seek *op)
{
	return op->w.req.fs;
}

/* --- start ---------------------------------------------------------------- */

static bool will_be_ephemeral(const struct node *embryo)
{
	return embryo->made_in == VIEW_EPHEMERAL ||
	       embryo->made_in == VIEW_EPHEMERAL_SEQUENTIAL;
}

static int lock_check_locked(const struct seek *op)
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
static int lock_prepare_locked(struct seek *op)
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
	struct seek *op = container_of(w, struct seek, w);
	struct fs *fs = fs_of(op);

	/* Not what may be lost with a session, but what begins with one. */
	w->req.session = 0;
	if (rc == 0) {
		fs_lock(fs);
		rc = lock_prepare_locked(op);
		fs_unlock(fs);
	}
	if (rc > 0)
		seek_start(op);
	else
		seek_answer(op, rc);
}

static void unlock_enter(struct write_op *w, int rc)
{
	struct seek *op = container_of(w, struct seek, w);
	struct fs *fs = fs_of(op);

	fs_lock(fs);
	op->erase = lock_drop_locked(
		fs, lock_find_locked(fs, w->file->inode->node, op->posix,
				     op->owner));
	fs_unlock(fs);
	op->rc = rc;
	seek_answer_erased(op);
}

/* `flock new command`: nothing has been written, but there is to be a znode. */
static void lock_run(struct write_op *w)
{
	struct seek *op = container_of(w, struct seek, w);
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
static void lock_start(struct seek *op, struct file *file)
{
	op->w.end = op->unlock ? unlock_enter : lock_enter;
	write_op_start(&op->w, file, op->unlock ? write_op_sync : lock_run);
}

static struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

static struct seek *lock_new(fuse_req_t freq,
				const struct fuse_file_info *fi, bool posix)
{
	struct seek *op = xcalloc(1, sizeof(*op));

	req_init(&op->w.req, freq);
	op->posix = posix;
	op->owner = fi->lock_owner;
	return op;
}

void op_flock(fuse_req_t freq, fuse_ino_t ino _unused_,
	      struct fuse_file_info *fi, int how)
{
	struct seek *op = lock_new(freq, fi, false);

	op->unlock = how & LOCK_UN;
	op->shared = how & LOCK_SH;
	op->block = !(how & LOCK_NB);
	/* As the kernel says it of the others: not the thread. */
	if (!op->unlock)
		op->pid = process_of(op->w.req.thread);
	lock_start(op, file_of(fi));
}

/* --- fcntl(2) ------------------------------------------------------------- */

static bool is_whole(const struct flock *lock)
{
	return lock->l_start == 0 && lock->l_len == 0;
}

void op_setlk(fuse_req_t freq, fuse_ino_t ino _unused_,
	      struct fuse_file_info *fi, struct flock *lock, int sleep)
{
	struct seek *op = lock_new(freq, fi, true);

	if (!is_whole(lock))
		return seek_answer(op, -EOPNOTSUPP);
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
