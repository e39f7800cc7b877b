/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OPEN and READ.
 *
 * An open for reading has the value in hand before it is answered, so that
 * whoever may not read learns it from open(2).
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "file.h"
#include "fs.h"
#include "op.h"
#include "process.h"
#include "sequential.h"
#include "tell.h"

static struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

/*
 * The newest value, for a file's base.  An operation embeds this; done() is
 * called without a lock.  A file whose znode is gone keeps what it has.
 */
struct fetch {
	/* Given by the caller. */
	struct req *req;
	struct file *file;
	void (*done)(struct fetch *f, int rc);

	/* Internal state. */
	struct node *node; /* a reference */
	struct watch_ask ask;
	char *path;
};

/* It may have been removed meanwhile: then this is what has its name now. */
static void learn_base_locked(struct fetch *f, const struct zk_result *r)
{
	struct fs *fs = f->req->fs;
	const struct inode *inode = f->file->inode;

	node_learn(&fs->nodes, f->node, r->stat, r->data, f->req->thread);
	watch_answered_locked(fs, f->node, &f->ask);
	if (!inode->gone || !f->file->base)
		blob_assign(&f->file->base, blob_ref(r->data));
	file_saw(f->file, r->stat->mzxid);
	f->file->eof = false;
}

static bool base_is_in_hand_locked(struct fetch *f);

/* Takes fs->lock. */
static void fetch_end(struct fetch *f, int rc)
{
	struct fs *fs = f->req->fs;

	fs_lock(fs);
	node_put(&fs->nodes, &f->node);
	fs_unlock(fs);
	free(f->path);
	f->done(f, rc);
}

static void on_fetched(void *arg, const struct zk_result *r)
{
	struct fetch *f = arg;
	struct fs *fs = f->req->fs;
	int rc = r->rc;

	fs_lock(fs);
	if (rc == 0)
		learn_base_locked(f, r);
	else if (rc == -ENOENT)
		node_gone(&fs->nodes, f->node);
	if (rc == -ENOENT) {
		file_saw(f->file, f->file->seen);
		rc = f->file->base ? 0 : -ESTALE;
	}
	/* The outage has begun since. */
	if (rc == -EIO && base_is_in_hand_locked(f))
		rc = 0;
	fs_unlock(fs);
	fetch_end(f, rc);
}

static void fetch_get(struct fetch *f)
{
	zk_get(f->req->fs->zk, f->path, req_to(f->req, on_fetched, f));
}

static void on_sync(void *arg, const struct zk_result *r)
{
	struct fetch *f = arg;

	if (r->rc == 0)
		fetch_get(f);
	else
		fetch_end(f, r->rc);
}

/* Of what is not at the server, or not any more. */
static struct blob *last_base_locked(const struct inode *inode)
{
	struct file *file;

	chain_for_each (file, &inode->files, in_inode) {
		if (file->base)
			return blob_ref(file->base);
	}
	return inode->last && inode->last->data ? blob_ref(inode->last->data)
						: blob_new(NULL, 0);
}

/*
 * What was removed here between the lookup and the open was there when it was
 * looked up.  But who wants the newest may know of what was there later: that
 * is what has the name now.
 */
static bool wants_what_is_there(const struct file *file)
{
	return file->direct && file->inode->unlinked && !file->base;
}

/* What is in hand already is as good as what a get would bring. */
static bool base_is_in_hand_locked(struct fetch *f)
{
	struct file *file = f->file;
	struct node *node = file->inode->node;

	if (wants_what_is_there(file))
		return false;
	if (file->inode->gone ||
	    (node->embryo && file->inode->kind == INODE_FILE)) {
		if (!file->base)
			file->base = last_base_locked(file->inode);
		file_saw(file, file->seen);
		return true;
	}
	if (file->direct || !watch_is_usable_locked(f->req->fs, node,
						    f->req->thread, true))
		return false;
	blob_assign(&file->base, blob_ref(node_data(node)));
	file_saw(file, node->stat.mzxid);
	file->eof = false;
	return true;
}

static void fetch_start(struct fetch *f);

static void on_looked(void *arg, const struct zk_result *r)
{
	struct fetch *f = arg;

	if (r->rc < 0)
		f->done(f, r->rc);
	else
		fetch_start(f);
}

static void fetch_start(struct fetch *f)
{
	struct fs *fs = f->req->fs;
	bool in_hand, wait;
	struct node *node;

	fs_lock(fs);
	node = f->file->inode->node; /* a rename moves inodes */
	in_hand = base_is_in_hand_locked(f);
	wait = !in_hand && !f->file->direct &&
	       look_wait_locked(fs, node, req_to(f->req, on_looked, f));
	if (!in_hand && !wait) {
		f->node = node_ref(node);
		f->path = node_path(f->node);
		f->ask = watch_ask_locked(fs, f->node);
	}
	fs_unlock(fs);
	if (wait)
		return;
	if (in_hand)
		f->done(f, 0);
	else if (f->file->direct)
		zk_sync(fs->zk, f->path, req_to(f->req, on_sync, f));
	else
		fetch_get(f);
}

/* --- open ---------------------------------------------------------------- */

struct open_op {
	struct req req;
	struct fetch fetch;
	struct fuse_file_info fi;
	struct file *file;
};

static void open_end(struct open_op *op, int rc)
{
	if (rc < 0) {
		file_close(op->req.fs, op->file);
		req_err(&op->req, rc);
	} else {
		req_open(&op->req, &op->fi, op->file, NULL);
	}
	free(op);
}

static void open_fetched(struct fetch *f, int rc)
{
	open_end(container_of(f, struct open_op, fetch), rc);
}

static bool wants_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int open_check_locked(struct fs *fs, const struct inode *inode,
			     int flags)
{
	/*
	 * The kernel walks the path again.  What was removed here between the
	 * lookup and the open was there when it was looked up; but what is
	 * written must not be lost with it.
	 */
	if (!inode ||
	    (inode->gone && (!inode->unlinked || wants_write(flags))) ||
	    (inode->gone && !inode->opens && !inode->last->data))
		return -ESTALE;
	if (inode->kind == INODE_DIR)
		return -EISDIR;
	if (!wants_write(flags))
		return 0;
	if (fs->opt->ro)
		return -EROFS;
	/* Met in `.ephemeral`, but it would not go with this session. */
	return inode->view == VIEW_EPHEMERAL ? -EEXIST : 0;
}

static bool needs_value(int flags)
{
	return (flags & O_ACCMODE) != O_WRONLY && !(flags & O_TRUNC);
}

void op_open(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct open_op *op = xcalloc(1, sizeof(*op));
	struct inode *inode;
	pid_t process = 0;
	struct fs *fs;
	int rc;

	req_init(&op->req, freq);
	fs = op->req.fs;
	if (tell_open(&op->req, fi)) {
		free(op);
		return;
	}
	op->fi = *fi;
	op->fi.direct_io = 1;
	/* What was not written needs no flush. */
	op->fi.noflush = (fi->flags & O_ACCMODE) == O_RDONLY;
	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		process = process_of(op->req.thread);
	fs_lock(fs);
	inode = inode_find(&fs->nodes, ino);
	rc = open_check_locked(fs, inode, fi->flags);
	if (rc == 0) {
		op->file = file_new(fs, inode, fi->flags);
		op->file->process = process;
		op->file->view = file_view(inode, op->req.thread);
	}
	fs_unlock(fs);
	if (rc < 0) {
		req_err(&op->req, rc);
		free(op);
		return;
	}
	op->fi.fh = (uintptr_t)op->file;
	op->fetch = (struct fetch){
		.req = &op->req, .file = op->file, .done = open_fetched};
	if (needs_value(fi->flags))
		fetch_start(&op->fetch);
	else
		open_end(op, 0);
}

/* --- read ---------------------------------------------------------------- */

struct read_op {
	struct req req;
	struct fetch fetch;
	struct file *file;
	size_t size;
	off_t off;
};

/* What is read: one version, with this handle's uncommitted writes in it. */
static struct blob *image_locked(struct file *file)
{
	struct blob *image;

	if (file->run_len == 0 && !file->cut)
		return blob_ref(file->base);
	return file_apply(file, file->base, -1, SIZE_MAX, &image) < 0 ? NULL
								       : image;
}

static void read_answer(struct read_op *op)
{
	struct fs *fs = op->req.fs;
	struct blob *image;
	size_t off;

	fs_lock(fs);
	image = image_locked(op->file);
	if (image && (size_t)op->off >= image->len)
		op->file->eof = true;
	fs_unlock(fs);
	if (!image) {
		req_err(&op->req, -ENOMEM);
	} else {
		off = MIN((size_t)op->off, image->len);
		req_buf(&op->req, image->data + off,
			MIN(op->size, image->len - off));
	}
	blob_unref(image);
	free(op);
}

static void read_fetched(struct fetch *f, int rc)
{
	struct read_op *op = container_of(f, struct read_op, fetch);

	if (rc == 0)
		return read_answer(op);
	req_err(&op->req, rc);
	free(op);
}

/* See file.h: which reads take the newest version. */
static bool wants_newest(const struct file *file, off_t off)
{
	if (file->cut)
		return false;
	return off == 0 || !file->base ||
	       (file->eof && (size_t)off >= file->base->len);
}

void op_read(fuse_req_t freq, fuse_ino_t ino _unused_, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct read_op *op = xcalloc(1, sizeof(*op));
	bool fetch, lost;
	struct fs *fs;

	if (sequential_is(file_of(fi))) {
		free(op);
		return sequential_read(freq, file_of(fi), size, off);
	}
	req_init(&op->req, freq);
	fs = op->req.fs;
	op->file = file_of(fi);
	op->size = size;
	op->off = off;
	op->fetch = (struct fetch){
		.req = &op->req, .file = op->file, .done = read_fetched};
	fs_lock(fs);
	lost = lock_is_lost_locked(fs, op->file);
	fetch = wants_newest(op->file, op->off);
	fs_unlock(fs);
	if (lost)
		read_fetched(&op->fetch, -EIO);
	else if (fetch)
		fetch_start(&op->fetch);
	else
		read_answer(op);
}
