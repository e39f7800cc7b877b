/* SPDX-License-Identifier: Apache-2.0 */

/*
 * MKNOD, MKDIR and CREATE, and the refusals of SYMLINK and LINK.
 *
 * A create opens an embryo: the znode comes with the first commit, which has
 * its data.  O_EXCL creates at once, for the server decides who was first.
 */

#include <errno.h>
#include <fcntl.h>

#include "change.h"
#include "file.h"
#include "fs.h"
#include "op.h"
#include "process.h"
#include "tell.h"
#include "view.h"

struct make {
	struct req req;
	struct target target;
	struct blob *data; /* of the znode that is made */
	char *path;
	enum inode_kind kind;
	bool open; /* a CREATE, which also opens */
	pid_t process; /* that opens it to write */
	struct fuse_file_info fi;
};

static void make_end(struct make *op)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	fs_target_put(fs, &op->target);
	fs_unlock(fs);
	blob_unref(op->data);
	free(op->path);
	free(op);
}

static void make_fail(struct make *op, int rc)
{
	req_err(&op->req, rc);
	make_end(op);
}

static struct file *open_made_locked(struct make *op, struct inode *inode)
{
	struct file *file = file_new(op->req.fs, inode, op->fi.flags);

	file->process = op->process;
	if (op->target.view == VIEW_EPHEMERAL)
		file->view = VIEW_EPHEMERAL;
	op->fi.fh = (uintptr_t)file;
	op->fi.direct_io = 1;
	return file;
}

/*
 * Answer with the inode of what was made, and a handle if it was a CREATE.
 * @dirty: there is something to commit even if nothing is written.
 */
static void make_answer(struct make *op, bool dirty)
{
	struct fs *fs = op->req.fs;
	struct fuse_entry_param e;
	struct file *file = NULL;
	struct inode *inode;
	enum node_view view = op->target.view;

	/* An own ephemeral is one file, in whichever of the two it is met. */
	if (op->kind == INODE_FILE && view == VIEW_EPHEMERAL)
		view = VIEW_MAIN;
	fs_lock(fs);
	inode = node_inode(&fs->nodes, op->target.node, view, op->kind);
	fs_entry(fs, inode, op->target.view, &e);
	if (op->open) {
		file = open_made_locked(op, inode);
		file->dirty = file->bare = dirty;
		if (fs_kernel_keeps(fs))
			e.attr_timeout = MAX(e.attr_timeout, FS_MADE_TIMEOUT);
	}
	fs_unlock(fs);
	if (file)
		req_create(&op->req, &e, &op->fi, file);
	else
		req_entry(&op->req, &e);
	make_end(op);
}

/* --- made at once -------------------------------------------------------- */

static void on_made(void *arg, const struct zk_result *r)
{
	struct make *op = arg;

	if (r->rc < 0)
		make_fail(op, r->rc);
	else
		make_answer(op, false);
}

/* `.data` comes into being when null data becomes some. */
static void on_null_data(void *arg, const struct zk_result *r)
{
	struct make *op = arg;

	if (r->rc == 0 && !r->data->null)
		make_fail(op, -EEXIST);
	else if (r->rc < 0)
		make_fail(op, r->rc);
	else
		change_set(&op->req, op->target.node, VIEW_MAIN, op->data,
			   r->stat->version, on_made, op);
}

static void make_now(struct make *op)
{
	struct zk *zk = op->req.fs->zk;

	if (!op->data)
		op->data = blob_new(NULL, 0);
	if (!op->data)
		make_fail(op, -ENOMEM);
	else if (op->target.data)
		zk_get(zk, op->path, req_to(&op->req, on_null_data, op));
	else
		change_create(&op->req, op->target.node, op->target.view,
			      op->data, on_made, op);
}

/* --- start --------------------------------------------------------------- */

/*
 * Whether it may be made.  A sequential znode that is not opened could not tell
 * its name.
 */
static int make_check_locked(struct make *op)
{
	enum node_view view = op->target.view;
	struct fs *fs = op->req.fs;
	enum zk_mode mode;

	if (fs->opt->ro)
		return -EROFS;
	if (op->target.data)
		return op->kind == INODE_DIR ? -EPERM : 0;
	if (!op->target.node)
		return -ENOENT;
	if (op->kind == INODE_DIR)
		return op->target.node->embryo ? -EEXIST : 0;
	if (fs->opt->layout_dir && (view == VIEW_MAIN || view_is_ttl(view)))
		return -EPERM;
	if (view_is_sequential(view) && !op->open)
		return -EPERM;
	return view_mode(view, false, &mode);
}

/* Each open makes a znode of its own, whatever name the kernel has for it. */
static void unname_locked(struct make *op)
{
	struct node_table *t = &op->req.fs->nodes;
	struct node *named = op->target.node;

	op->target.node = node_unnamed(t, named->parent, named->name);
	node_put(t, &named);
}

static int make_prepare(struct make *op, fuse_ino_t parent, const char *entry)
{
	struct fs *fs = op->req.fs;
	int rc;

	fs_lock(fs);
	rc = fs_target_plain(fs, parent, entry, &op->target);
	if (rc == 0)
		rc = make_check_locked(op);
	if (rc == 0 && op->open && view_is_sequential(op->target.view))
		unname_locked(op);
	if (rc == 0) {
		op->path = node_path(op->target.node);
		if (op->target.data)
			op->kind = INODE_DATA;
	}
	fs_unlock(fs);
	return rc;
}

static struct make *make_new(fuse_req_t freq, enum inode_kind kind)
{
	struct make *op = xcalloc(1, sizeof(*op));

	req_init(&op->req, freq);
	op->kind = kind;
	return op;
}

void op_mkdir(fuse_req_t freq, fuse_ino_t parent, const char *entry,
	      mode_t mode _unused_)
{
	struct make *op = make_new(freq, INODE_DIR);
	int rc;

	if (tell_make(&op->req, parent, entry))
		return make_end(op);
	rc = make_prepare(op, parent, entry);
	if (rc < 0)
		return make_fail(op, rc);
	op->data = blob_new_null();
	make_now(op);
}

void op_mknod(fuse_req_t freq, fuse_ino_t parent, const char *entry,
	      mode_t mode, dev_t rdev _unused_)
{
	struct make *op = make_new(freq, INODE_FILE);
	int rc;

	if (tell_make(&op->req, parent, entry))
		return make_end(op);
	rc = S_ISREG(mode) ? make_prepare(op, parent, entry) : -EPERM;
	if (rc < 0)
		return make_fail(op, rc);
	make_now(op);
}

/* The kernel tells of it when it is opened. */
static void make_embryo_locked(struct make *op)
{
	struct node *node = op->target.node;

	if (!node->embryo)
		node->made_in = op->target.view;
	node_make_embryo(node);
	if (node->embryo)
		told_made(&node->told, &(struct told_truth){0},
			  op->target.view);
}

void op_create(fuse_req_t freq, fuse_ino_t parent, const char *entry,
	       mode_t mode _unused_, struct fuse_file_info *fi)
{
	struct make *op = make_new(freq, INODE_FILE);
	struct fs *fs = op->req.fs;
	int rc;

	op->open = true;
	op->fi = *fi;
	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		op->process = process_of(op->req.thread);
	rc = make_prepare(op, parent, entry);
	if (rc < 0)
		return make_fail(op, rc);
	if ((fi->flags & O_EXCL) && !view_is_sequential(op->target.view))
		return make_now(op);
	fs_lock(fs);
	if (!op->target.data)
		make_embryo_locked(op);
	fs_unlock(fs);
	make_answer(op, true);
}

/* --- what a znode cannot be ---------------------------------------------- */

static void refuse(fuse_req_t freq)
{
	struct req req;

	req_init(&req, freq);
	req_err(&req, -EPERM);
}

void op_symlink(fuse_req_t freq, const char *link _unused_,
		fuse_ino_t parent _unused_, const char *entry _unused_)
{
	refuse(freq);
}

void op_link(fuse_req_t freq, fuse_ino_t ino _unused_,
	     fuse_ino_t parent _unused_, const char *entry _unused_)
{
	refuse(freq);
}
