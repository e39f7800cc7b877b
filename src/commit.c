/* SPDX-License-Identifier: Apache-2.0 */
#include "commit.h"

#include <errno.h>
#include <string.h>

#include "fs.h"

/*
 * Each failed try means that somebody else's write succeeded.  A bound all the
 * same: nothing loops for ever.
 */
#define COMMIT_TRIES_MAX 10000

size_t commit_max_size(const struct fs *fs, const char *path, bool create)
{
	size_t max = create ? zk_max_create(path) : zk_max_set(path);

	return MIN(max, fs->opt->max_size);
}

static int build_content(struct commit *c, const struct blob *base, size_t max)
{
	struct blob *b;
	int rc = file_apply(c->file, base, c->resize, max, &b);

	if (rc == 0)
		blob_assign(&c->content, b);
	return rc;
}

/* --- the end ------------------------------------------------------------- */

static void finish(struct commit *c, int rc)
{
	free(steal(c->path));
	blob_assign(&c->content, NULL);
	c->done(c, rc);
}

/* The server has c->content, as of @stat. */
static int learn_locked(struct commit *c, const struct zstat *stat,
			struct blob *data)
{
	struct fs *fs = c->req->fs;
	struct node *node = node_ref(c->file->inode->node);
	int rc = node_learn(&fs->nodes, &node, stat, data, c->req->thread);

	/* Another znode has the name now. */
	if (rc == 0 && node != c->file->inode->node)
		rc = -ENOENT;
	node_put(&fs->nodes, &node);
	return rc;
}

static void committed(struct commit *c, const struct zstat *stat)
{
	struct fs *fs = c->req->fs;

	fs_lock(fs);
	learn_locked(c, stat, c->content);
	file_committed(c->file, c->content);
	fs_unlock(fs);
	finish(c, 0);
}

static void gone(struct commit *c)
{
	struct fs *fs = c->req->fs;

	fs_lock(fs);
	node_gone(&fs->nodes, c->file->inode->node);
	fs_unlock(fs);
	finish(c, -ENOENT);
}

/* --- get, apply, set ----------------------------------------------------- */

static void read_modify_write(struct commit *c);

static void on_set(void *arg, const struct zk_result *r)
{
	struct commit *c = arg;

	if (r->rc == 0)
		return committed(c, r->stat);
	if (r->rc == -ENOENT)
		return gone(c);
	if (r->rc == -ESTALE && ++c->tries < COMMIT_TRIES_MAX)
		return req_interrupted(c->req) ? finish(c, -EINTR)
					       : read_modify_write(c);
	finish(c, r->rc);
}

static void on_base(void *arg, const struct zk_result *r)
{
	struct commit *c = arg;
	struct fs *fs = c->req->fs;
	int rc;

	if (r->rc == -ENOENT)
		return gone(c);
	if (r->rc < 0)
		return finish(c, r->rc);
	fs_lock(fs);
	rc = learn_locked(c, r->stat, r->data);
	fs_unlock(fs);
	if (rc == 0)
		rc = build_content(c, r->data,
				   commit_max_size(fs, c->path, false));
	if (rc < 0)
		return finish(c, rc == -ESTALE ? -ENOENT : rc);
	zk_set(fs->zk, c->path, c->content, r->stat->version,
	       req_to(c->req, on_set, c));
}

static void read_modify_write(struct commit *c)
{
	zk_get(c->req->fs->zk, c->path, req_to(c->req, on_base, c));
}

/* --- create -------------------------------------------------------------- */

static void created(struct commit *c, const struct zstat *stat)
{
	struct fs *fs = c->req->fs;
	struct node *node = c->file->inode->node;

	fs_lock(fs);
	if (node->parent)
		node_has_child(node->parent);
	node_made_as_file(node);
	if (zstat_is_ephemeral(stat))
		ephemerals_add(&fs->eph, c->path);
	fs_unlock(fs);
	committed(c, stat);
}

static void on_create(void *arg, const struct zk_result *r)
{
	struct commit *c = arg;

	if (r->rc == 0)
		created(c, r->stat);
	else if (r->rc == -EEXIST && c->file->mode == ZK_PERSISTENT)
		read_modify_write(c);
	else
		finish(c, r->rc);
}

/* --- start --------------------------------------------------------------- */

enum way { WAY_NONE, WAY_GONE, WAY_CREATE, WAY_SET, WAY_MODIFY };

static enum way choose_way_locked(struct commit *c)
{
	const struct node *node = c->file->inode->node;

	if (node->unlinked)
		return WAY_NONE;
	if (node->detached)
		return WAY_GONE;
	if (node->embryo && c->file->inode->kind == INODE_FILE)
		return WAY_CREATE;
	return c->file->cut ? WAY_SET : WAY_MODIFY;
}

static void send_whole(struct commit *c, bool create)
{
	struct fs *fs = c->req->fs;
	int rc = build_content(c, NULL, commit_max_size(fs, c->path, create));

	if (rc < 0)
		finish(c, rc);
	else if (create)
		zk_create(fs->zk, c->path, c->content, c->file->mode,
			  req_to(c->req, on_create, c));
	else
		zk_set(fs->zk, c->path, c->content, -1,
		       req_to(c->req, on_set, c));
}

void commit_start(struct commit *c)
{
	struct fs *fs = c->req->fs;
	enum way way;
	int rc = 0;

	c->content = NULL;
	c->tries = 0;
	fs_lock(fs);
	way = choose_way_locked(c);
	c->path = node_path(c->file->inode->node);
	if (way == WAY_NONE) {
		rc = build_content(c, c->file->base, ZK_PACKET_MAX);
		if (rc == 0)
			file_committed(c->file, c->content);
	}
	fs_unlock(fs);

	if (way == WAY_NONE)
		finish(c, rc);
	else if (way == WAY_GONE)
		finish(c, -ENOENT);
	else if (way == WAY_MODIFY)
		read_modify_write(c);
	else
		send_whole(c, way == WAY_CREATE);
}
