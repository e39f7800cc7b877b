/* SPDX-License-Identifier: Apache-2.0 */

/*
 * WRITE, FLUSH, FSYNC and RELEASE.
 *
 * All of these run in the turn of the node's writers: one at a time for each
 * znode, in the order in which they came.
 */

#include "op_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "erase.h"
#include "fs.h"
#include "log.h"
#include "op.h"
#include "sequential.h"
#include "tell.h"

/* Whole blocks of this size are gathered; anything else commits. */
#define GATHER_BLOCK 4096

/*
 * A write(2) from a buffer that is not aligned is split where 256 pages are
 * full (FUSE_MAX_MAX_PAGES): what is larger than this may be the first part of
 * one, and is gathered too.  It is followed by the rest, or by a close.
 */
#define GATHER_SPLIT ((size_t)255 * 4096)

static struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

/* --- the turn ------------------------------------------------------------ */

/*
 * The file is elsewhere if it has been renamed meanwhile, or has got its name.
 * Then it is another node whose turn is to be waited for.
 */
static void in_turn(struct turn_waiter *w)
{
	struct write_op *op = container_of(w, struct write_op, turn);
	struct fs *fs = op->req.fs;
	struct turn_waiter *next;
	bool moved;

	fs_lock(fs);
	moved = op->file->inode->node != op->node;
	next = moved ? turn_pass(&op->node->writers) : NULL;
	if (moved)
		node_put(&fs->nodes, &op->node);
	fs_unlock(fs);
	if (!moved)
		return op->run(op);
	write_op_start(op, op->file, op->run);
	if (next)
		next->run(next);
}

void write_op_start(struct write_op *op, struct file *file,
		    void (*run)(struct write_op *op))
{
	struct fs *fs = op->req.fs;
	bool now;

	op->file = file;
	op->run = run;
	op->turn.run = in_turn;
	fs_lock(fs);
	op->node = node_ref(file->inode->node);
	op->req.session = file->session;
	now = turn_take(&op->node->writers, &op->turn);
	fs_unlock(fs);
	if (now)
		run(op);
}

void write_op_end(struct write_op *op, int rc)
{
	struct fs *fs = op->req.fs;
	struct turn_waiter *next;

	/* Before the answer: after it, the kernel may close the file. */
	fs_lock(fs);
	next = turn_pass(&op->node->writers);
	node_put(&fs->nodes, &op->node);
	fs_unlock(fs);
	op->end(op, rc);
	if (next)
		next->run(next);
}

static void on_committed(struct commit *c, int rc)
{
	struct write_op *op = container_of(c, struct write_op, commit);
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	if (rc < 0)
		file_failed(op->file, rc, op->own);
	fs_unlock(fs);
	op->committed(op, rc);
}

void write_op_commit(struct write_op *op, int64_t resize,
		     void (*committed)(struct write_op *op, int rc))
{
	op->committed = committed;
	op->commit = (struct commit){.req = &op->req,
				     .file = op->file,
				     .resize = resize,
				     .done = on_committed};
	commit_start(&op->commit);
}

/* --- write --------------------------------------------------------------- */

struct write_data {
	struct write_op w;
	off_t off;
	size_t size;
	char data[];
};

static void write_answer(struct write_op *w, int rc)
{
	struct write_data *op = container_of(w, struct write_data, w);

	if (rc < 0)
		req_err(&w->req, rc);
	else
		req_write(&w->req, op->size);
	free(op);
}

/* What the run may grow to; a set and a create differ by a few bytes. */
static size_t gather_max(struct write_data *op)
{
	struct fs *fs = op->w.req.fs;
	_cleanup_free_ char *path = NULL;
	const struct node *node;
	size_t max;

	fs_lock(fs);
	node = op->w.file->inode->node;
	path = node_path(node);
	max = commit_max_size(fs, node, path, node->embryo);
	fs_unlock(fs);
	return max;
}

static bool is_gathered(size_t size)
{
	return size % GATHER_BLOCK == 0 || size > GATHER_SPLIT;
}

static void write_gather(struct write_data *op)
{
	struct file *file = op->w.file;
	struct fs *fs = op->w.req.fs;
	size_t max = gather_max(op);
	int rc;

	fs_lock(fs);
	rc = sequential_check_write_locked(file, op->off);
	if (rc == 0)
		rc = file_gather(file, op->data, op->size, op->off, max);
	if (rc < 0)
		file_failed(file, rc, 0);
	file->writer = op->w.req.thread;
	fs_unlock(fs);
	op->w.own = op->size;
	if (rc < 0 || (is_gathered(op->size) && !file->sync))
		write_op_end(&op->w, rc);
	else
		write_op_commit(&op->w, -1, write_op_end);
}

static void write_after_commit(struct write_op *w, int rc)
{
	if (rc < 0)
		write_op_end(w, rc);
	else
		write_gather(container_of(w, struct write_data, w));
}

/* A condition is about this write, and not about those before it. */
static bool condition_waits(struct write_op *w)
{
	struct fs *fs = w->req.fs;
	bool waits;

	fs_lock(fs);
	waits = w->file->condition == FILE_IF_LATER;
	fs_unlock(fs);
	return waits;
}

static void write_run(struct write_op *w)
{
	struct write_data *op = container_of(w, struct write_data, w);

	if (w->file->error)
		write_op_end(w, w->file->error);
	else if (!file_continues(w->file, op->off) || condition_waits(w))
		write_op_commit(w, -1, write_after_commit);
	else
		write_gather(op);
}

void op_write(fuse_req_t freq, fuse_ino_t ino _unused_, const char *buf,
	      size_t size, off_t off, struct fuse_file_info *fi)
{
	struct write_data *op = malloc(sizeof(*op) + size);
	struct req req;

	req_init(&req, freq);
	if (!op)
		return req_err(&req, -ENOMEM);
	memset(op, 0, sizeof(*op));
	op->w.req = req;
	op->w.end = write_answer;
	op->off = off;
	op->size = size;
	memcpy(op->data, buf, size);
	write_op_start(&op->w, file_of(fi), write_run);
}

/* --- flush and fsync ----------------------------------------------------- */

struct flush_op {
	struct write_op w;
	uint64_t lock_owner; /* 0: its locks stay */
	struct erase *erase; /* a reference: of its lock */
	int rc;
};

static void on_unlocked(void *arg, const struct zk_result *r);

static void flush_answer_unlocked(struct flush_op *op, bool wait)
{
	struct fs *fs = op->w.req.fs;

	fs_lock(fs);
	wait = wait && erase_wait_locked(fs, op->erase,
					 req_to(&op->w.req, on_unlocked, op));
	if (!wait)
		erase_put_locked(&op->erase);
	fs_unlock(fs);
	if (wait)
		return;
	req_err(&op->w.req, op->rc);
	free(op);
}

/* It is erased, or all were woken; else it is closed all the same. */
static void on_unlocked(void *arg, const struct zk_result *r)
{
	flush_answer_unlocked(arg, r->rc == 0);
}

/* What was written under a lock is at the server before that ends. */
static void flush_answer(struct write_op *w, int rc)
{
	struct flush_op *op = container_of(w, struct flush_op, w);

	op->rc = rc;
	if (op->lock_owner)
		op->erase = lock_flush(w->req.fs, w->file, op->lock_owner);
	flush_answer_unlocked(op, true);
}

/* What was only to be created may have been, by another handle. */
static bool must_commit(struct write_op *op)
{
	const struct file *file = op->file;
	struct fs *fs = op->req.fs;
	bool must;

	fs_lock(fs);
	must = file->dirty &&
	       (!file->bare || file->cut || file->inode->node->embryo);
	fs_unlock(fs);
	return must;
}

void write_op_sync(struct write_op *op)
{
	if (op->file->error)
		write_op_end(op, op->file->error);
	else if (must_commit(op))
		write_op_commit(op, -1, write_op_end);
	else
		write_op_end(op, 0);
}

static void flush_run(struct write_op *op)
{
	if (op->file->bare)
		write_op_end(op, 0);
	else
		write_op_sync(op);
}

static void flush_file(fuse_req_t freq, struct file *file,
		       void (*run)(struct write_op *op), uint64_t lock_owner)
{
	struct flush_op *op = xcalloc(1, sizeof(*op));

	req_init(&op->w.req, freq);
	op->w.end = flush_answer;
	op->lock_owner = lock_owner;
	write_op_start(&op->w, file, run);
}

void op_flush(fuse_req_t freq, fuse_ino_t ino _unused_,
	      struct fuse_file_info *fi)
{
	struct req req;

	req_init(&req, freq);
	if (!tell_close(&req, fi))
		flush_file(freq, file_of(fi), flush_run, fi->lock_owner);
}

void op_fsync(fuse_req_t freq, fuse_ino_t ino _unused_, int datasync _unused_,
	      struct fuse_file_info *fi)
{
	flush_file(freq, file_of(fi), write_op_sync, 0);
}

/* --- release -------------------------------------------------------------- */

/*
 * The kernel does not wait for this answer; it comes when the commit is
 * through, and the file is closed with it.
 */
static void release_answer(struct write_op *op, int rc)
{
	struct fs *fs = op->req.fs;

	if (rc < 0)
		log_warn("a file was closed and could not be committed: %s",
			 strerror(-rc));
	lock_release_file(fs, op->file);
	file_close(fs, op->file);
	req_err(&op->req, 0);
	free(op);
}

/* A flush has been told already of what failed. */
static void release_run(struct write_op *op)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	op->file->condition = FILE_ALWAYS;
	fs_unlock(fs);
	if (op->file->error || !op->file->bare || !must_commit(op))
		write_op_end(op, 0);
	else
		write_op_commit(op, -1, write_op_end);
}

void op_release(fuse_req_t freq, fuse_ino_t ino _unused_,
		struct fuse_file_info *fi)
{
	struct write_op *op = xcalloc(1, sizeof(*op));

	req_init(&op->req, freq);
	if (tell_close(&op->req, fi)) {
		free(op);
		return;
	}
	op->end = release_answer;
	write_op_start(op, file_of(fi), release_run);
}
