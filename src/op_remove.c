/* SPDX-License-Identifier: Apache-2.0 */

/*
 * UNLINK and RMDIR.
 *
 * Both are one delete.  A directory is deleted under the version at which its
 * data was null: data that somebody has put into it meanwhile is not lost.
 */

#include <errno.h>

#include "fs.h"
#include "op.h"

struct removal {
	struct req req;
	struct target target;
	bool embryo; /* the target was never committed */
	char *path;
};

static void remove_end(struct removal *op, int rc)
{
	struct fs *fs = op->req.fs;

	req_err(&op->req, rc);
	fs_lock(fs);
	fs_target_put(fs, &op->target);
	fs_unlock(fs);
	free(op->path);
	free(op);
}

static void on_deleted(void *arg, const struct zk_result *r)
{
	struct removal *op = arg;
	struct fs *fs = op->req.fs;
	struct node *node = op->target.node;
	int rc = r->rc;

	fs_lock(fs);
	if (rc == 0) {
		ephemerals_del(&fs->eph, op->path);
		node_unlinked(&fs->nodes, node);
	} else if (rc == -ENOENT) {
		node_gone(&fs->nodes, node);
	}
	fs_unlock(fs);
	remove_end(op, rc);
}

/* --- unlink -------------------------------------------------------------- */

static void on_data_removed(void *arg, const struct zk_result *r)
{
	struct removal *op = arg;
	struct fs *fs = op->req.fs;
	struct blob *null = blob_new_null();

	fs_lock(fs);
	if (r->rc == 0 && null)
		node_learn(&fs->nodes, &op->target.node, r->stat, null,
			   op->req.thread);
	fs_unlock(fs);
	blob_unref(null);
	remove_end(op, r->rc);
}

static void remove_data(struct removal *op)
{
	struct blob *null = blob_new_null();

	if (!null)
		return remove_end(op, -ENOMEM);
	zk_set(op->req.fs->zk, op->path, null, -1,
	       req_to(&op->req, on_data_removed, op));
	blob_unref(null);
}

static int remove_prepare(struct removal *op, fuse_ino_t parent,
			  const char *entry)
{
	struct fs *fs = op->req.fs;
	int rc;

	if (fs->opt->ro)
		return -EROFS;
	fs_lock(fs);
	rc = fs_target_plain(fs, parent, entry, &op->target);
	if (rc == 0 && !op->target.node)
		rc = -ENOENT;
	if (rc == 0) {
		op->path = node_path(op->target.node);
		op->embryo = op->target.node->embryo;
	}
	fs_unlock(fs);
	return rc;
}

/* The server has never heard of it. */
static void remove_embryo(struct removal *op)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	node_unlinked(&fs->nodes, op->target.node);
	fs_unlock(fs);
	remove_end(op, 0);
}

void op_unlink(fuse_req_t freq, fuse_ino_t parent, const char *entry)
{
	struct removal *op = xcalloc(1, sizeof(*op));
	int rc;

	req_init(&op->req, freq);
	rc = remove_prepare(op, parent, entry);
	if (rc < 0)
		remove_end(op, rc);
	else if (op->target.data)
		remove_data(op);
	else if (op->embryo)
		remove_embryo(op);
	else
		zk_delete(op->req.fs->zk, op->path, -1,
			  req_to(&op->req, on_deleted, op));
}

/* --- rmdir --------------------------------------------------------------- */

static void rmdir_look(struct removal *op);

static void on_dir_deleted(void *arg, const struct zk_result *r)
{
	struct removal *op = arg;

	/* Its data has been set since: look again. */
	if (r->rc == -ESTALE)
		rmdir_look(op);
	else
		on_deleted(op, r);
}

static void rmdir_known(struct removal *op)
{
	struct fs *fs = op->req.fs;
	bool null;
	int version;

	fs_lock(fs);
	null = node_is_null(&fs->nodes, op->target.node);
	version = op->target.node->stat.version;
	fs_unlock(fs);
	if (null)
		zk_delete(fs->zk, op->path, version,
			  req_to(&op->req, on_dir_deleted, op));
	else
		remove_end(op, -ENOTEMPTY);
}

static void on_dir(void *arg, const struct zk_result *r)
{
	struct removal *op = arg;
	struct fs *fs = op->req.fs;
	int rc = r->rc;

	if (rc == -ENOENT)
		return on_deleted(op, r);
	fs_lock(fs);
	if (rc == 0)
		rc = node_learn(&fs->nodes, &op->target.node, r->stat, r->data,
				op->req.thread);
	fs_unlock(fs);
	if (rc < 0)
		remove_end(op, rc == -ESTALE ? -ENOENT : rc);
	else
		rmdir_known(op);
}

static void rmdir_look(struct removal *op)
{
	zk_get(op->req.fs->zk, op->path, req_to(&op->req, on_dir, op));
}

void op_rmdir(fuse_req_t freq, fuse_ino_t parent, const char *entry)
{
	struct removal *op = xcalloc(1, sizeof(*op));
	struct fs *fs;
	bool known;
	int rc;

	req_init(&op->req, freq);
	fs = op->req.fs;
	rc = remove_prepare(op, parent, entry);
	if (rc == 0 && op->target.data)
		rc = -ENOTDIR;
	if (rc < 0)
		return remove_end(op, rc);
	fs_lock(fs);
	known = node_null_known(op->target.node);
	fs_unlock(fs);
	if (known)
		rmdir_known(op);
	else
		rmdir_look(op);
}
