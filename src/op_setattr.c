/* SPDX-License-Identifier: Apache-2.0 */

/*
 * SETATTR: truncate(2) and touch(1) change the value, everything else changes
 * nothing and is refused or accepted accordingly (attr.h).
 */

#include <errno.h>
#include <fcntl.h>

#include "fs.h"
#include "op.h"
#include "op_write.h"
#include "tell.h"

#define SET_MODE_OR_OWNER                                                      \
	(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)
#define SET_BOTH_NOW (FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW)

struct setattr {
	struct write_op w;
	bool own_file; /* made for this operation, to be closed by it */
	int64_t size;  /* -1: touch */
};

/* The size is what was asked for, also while it waits for its commit. */
static void setattr_answer(struct setattr *op)
{
	struct req *req = &op->w.req;
	struct fs *fs = req->fs;
	struct stat st;

	fs_lock(fs);
	fs_stat(fs, op->w.file->inode, &st);
	fs_unlock(fs);
	if (op->size >= 0)
		st.st_size = op->size;
	req_attr(req, &st, 0);
}

static void setattr_end(struct write_op *w, int rc)
{
	struct setattr *op = container_of(w, struct setattr, w);
	struct fs *fs = w->req.fs;

	if (rc < 0)
		req_err(&w->req, rc);
	else
		setattr_answer(op);
	if (op->own_file)
		file_close(fs, w->file);
	free(op);
}

static void setattr_run(struct write_op *w)
{
	struct setattr *op = container_of(w, struct setattr, w);

	if (w->file->error)
		write_op_end(w, w->file->error);
	else
		write_op_commit(w, op->size, write_op_end);
}

/*
 * ftruncate(fd, 0) is as O_TRUNC: the write that follows replaces the value,
 * and nobody sees an empty one in between.  In the node's turn, for the run.
 */
static void cut_run(struct write_op *w)
{
	struct fs *fs = w->req.fs;

	fs_lock(fs);
	w->file->cut = w->file->dirty = true;
	w->file->bare = false;
	w->file->run_len = 0;
	w->file->writer = w->req.thread;
	fs_unlock(fs);
	write_op_end(w, w->file->error);
}

static int check_policy_locked(struct fs *fs, struct inode *inode,
			       const struct stat *attr, int to_set)
{
	struct stat st;
	int rc = 0;

	if (fs->opt->ro)
		return -EROFS;
	if (fs->opt->quiet)
		return 0;
	fs_stat(fs, inode, &st);
	if (to_set & FUSE_SET_ATTR_MODE)
		rc = attr_check_chmod(&st, attr->st_mode);
	if (rc == 0 && (to_set & FUSE_SET_ATTR_UID))
		rc = attr_check_chown(&st, attr->st_uid, (gid_t)-1);
	if (rc == 0 && (to_set & FUSE_SET_ATTR_GID))
		rc = attr_check_chown(&st, (uid_t)-1, attr->st_gid);
	return rc;
}

static bool changes_value(const struct inode *inode, int to_set)
{
	if (inode->kind == INODE_DIR)
		return to_set & FUSE_SET_ATTR_SIZE;
	return (to_set & FUSE_SET_ATTR_SIZE) ||
	       (to_set & SET_BOTH_NOW) == SET_BOTH_NOW;
}

static void setattr_start(struct setattr *op, struct inode *inode,
			  const struct stat *attr, int to_set,
			  struct fuse_file_info *fi)
{
	struct file *file = fi ? (struct file *)(uintptr_t)fi->fh : NULL;
	struct fs *fs = op->w.req.fs;

	op->w.end = setattr_end;
	op->size = to_set & FUSE_SET_ATTR_SIZE ? attr->st_size : -1;
	op->own_file = !file;
	if (!file) {
		fs_lock(fs);
		file = file_new(fs, inode, op->size == 0 ? O_TRUNC : 0);
		file->view = file_view(inode, op->w.req.thread);
		fs_unlock(fs);
	}
	if (op->size == 0 && !op->own_file)
		write_op_start(&op->w, file, cut_run);
	else
		write_op_start(&op->w, file, setattr_run);
}

void op_setattr(fuse_req_t freq, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct setattr *op = xcalloc(1, sizeof(*op));
	struct inode *inode;
	bool change = false;
	struct fs *fs;
	int rc = -ESTALE;

	req_init(&op->w.req, freq);
	fs = op->w.req.fs;
	if (tell_setattr(&op->w.req, ino)) {
		free(op);
		return;
	}
	fs_lock(fs);
	inode = inode_find(&fs->nodes, ino);
	if (inode)
		rc = check_policy_locked(fs, inode, attr, to_set);
	if (rc == 0)
		change = changes_value(inode, to_set);
	if (rc == 0 && change && inode->kind == INODE_DIR)
		rc = -EISDIR;
	/* By a path that leads to another file by now: it is walked again. */
	if (rc == 0 && change && inode->gone && !fi)
		rc = -ESTALE;
	fs_unlock(fs);
	if (rc == 0 && change)
		return setattr_start(op, inode, attr, to_set, fi);
	if (rc < 0)
		req_err(&op->w.req, rc);
	else
		op_getattr(freq, ino, fi);
	free(op);
}
