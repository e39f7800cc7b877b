/* SPDX-License-Identifier: Apache-2.0 */

/*
 * UNLINK and RMDIR.
 *
 * Both are one delete.  A directory is deleted under the version at which its
 * data was null: data that somebody has put into it meanwhile is not lost.
 */

#include <errno.h>

#include "change.h"
#include "fs.h"
#include "op.h"
#include "tell.h"

struct removal {
	struct req req;
	struct target target;
	bool embryo; /* the target was never committed */
	char *path;
};

static void remove_free(struct removal *op)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	fs_target_put(fs, &op->target);
	fs_unlock(fs);
	free(op->path);
	free(op);
}

static void remove_end(struct removal *op, int rc)
{
	req_err(&op->req, rc);
	remove_free(op);
}

static void on_removed(void *arg, const struct zk_result *r)
{
	remove_end(arg, r->rc);
}

/* --- unlink -------------------------------------------------------------- */

/* What a file has in it are the znodes of those who lock it. */
static void on_unlinked(void *arg, const struct zk_result *r)
{
	remove_end(arg, r->rc == -ENOTEMPTY ? -EBUSY : r->rc);
}

static void remove_data(struct removal *op)
{
	struct blob *null = blob_new_null();

	if (!null)
		return remove_end(op, -ENOMEM);
	change_set(&op->req, op->target.node, VIEW_MAIN, null, -1, on_removed,
		   op);
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
	told_removed(&op->target.node->told, op->target.view);
	fs_unlock(fs);
	remove_end(op, 0);
}

void op_unlink(fuse_req_t freq, fuse_ino_t parent, const char *entry)
{
	struct removal *op = xcalloc(1, sizeof(*op));
	int rc;

	req_init(&op->req, freq);
	if (tell_remove(&op->req, parent, entry))
		return remove_free(op);
	rc = remove_prepare(op, parent, entry);
	if (rc < 0)
		remove_end(op, rc);
	else if (op->target.data)
		remove_data(op);
	else if (op->embryo)
		remove_embryo(op);
	else
		change_delete(&op->req, op->target.node, op->target.view, -1,
			      on_unlinked, op);
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
		on_removed(op, r);
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
		change_delete(&op->req, op->target.node, op->target.view,
			      version, on_dir_deleted, op);
	else
		remove_end(op, -ENOTEMPTY);
}

static void on_dir(void *arg, const struct zk_result *r)
{
	struct removal *op = arg;
	struct fs *fs = op->req.fs;
	int rc = r->rc;

	fs_lock(fs);
	if (rc == 0)
		node_learn(&fs->nodes, op->target.node, r->stat, r->data,
			   op->req.thread);
	else if (rc == -ENOENT)
		node_gone(&fs->nodes, op->target.node);
	fs_unlock(fs);
	if (rc < 0)
		remove_end(op, rc);
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
	if (tell_remove(&op->req, parent, entry))
		return remove_free(op);
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
