/* SPDX-License-Identifier: Apache-2.0 */
#include "commit.h"

#include <errno.h>
#include <string.h>

#include "change.h"
#include "condition.h"
#include "fs.h"
#include "view.h"

/*
 * Each failed try means that somebody else's write succeeded.  A bound all the
 * same: nothing loops for ever.
 */
#define COMMIT_TRIES_MAX 10000

size_t commit_max_size(const struct fs *fs, const struct node *node,
		       const char *path, bool create)
{
	size_t max = create ? zk_max_create(path) : zk_max_set(path);

	if (create && view_is_ttl(node->made_in))
		max -= sizeof(int64_t); /* the time to live */
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
	struct fs *fs = c->req->fs;

	if (c->conditional && rc == -ENOENT)
		rc = -ESTALE;
	fs_lock(fs);
	/* Whoever asks why is to see why. */
	if (rc == -ESTALE)
		c->node->fresh_for = 0;
	node_put(&fs->nodes, &c->node);
	fs_unlock(fs);
	free(steal(c->path));
	blob_assign(&c->content, NULL);
	c->done(c, rc);
}

/*
 * Of a truncation the kernel tells when the file is opened; if nothing is
 * written, it is committed by the close.  Who has read meanwhile has seen the
 * value before, and must hear of it once more.
 */
static void tell_again_locked(struct commit *c)
{
	const struct file *file = c->file;

	if (file->bare && file->inode->node->given != file->given)
		told_unheard(&file->inode->node->told);
}

/* The server has c->content. */
static void committed(struct commit *c, const struct zk_result *r)
{
	struct fs *fs = c->req->fs;

	fs_lock(fs);
	tell_again_locked(c);
	file_committed(c->file, c->content);
	file_saw(c->file, r->stat->mzxid);
	fs_unlock(fs);
	finish(c, 0);
}

/* --- get, apply, set ----------------------------------------------------- */

static void read_modify_write(struct commit *c);

static void on_set(void *arg, const struct zk_result *r)
{
	struct commit *c = arg;

	if (r->rc == 0)
		return committed(c, r);
	if (r->rc == -ESTALE && !c->conditional &&
	    ++c->tries < COMMIT_TRIES_MAX)
		return req_interrupted(c->req) ? finish(c, -EINTR)
					       : read_modify_write(c);
	finish(c, r->rc);
}

static void on_base(void *arg, const struct zk_result *r)
{
	struct commit *c = arg;
	struct fs *fs = c->req->fs;
	int rc = r->rc;

	if (rc < 0 && rc != -ENOENT)
		return finish(c, rc);
	fs_lock(fs);
	if (rc == 0)
		node_learn(&fs->nodes, c->node, r->stat, r->data,
			   c->req->thread);
	else
		node_gone(&fs->nodes, c->node);
	/* Another znode has the name now. */
	if (c->file->inode->gone)
		rc = -ENOENT;
	fs_unlock(fs);
	if (rc == 0 && c->conditional && r->stat->version != c->if_version)
		rc = -ESTALE;
	if (rc == 0)
		rc = build_content(c, r->data,
				   commit_max_size(fs, c->node, c->path,
						   false));
	if (rc < 0)
		return finish(c, rc);
	change_set(c->req, c->node, c->file->view, c->content,
		   r->stat->version, on_set, c);
}

static void read_modify_write(struct commit *c)
{
	zk_get(c->req->fs->zk, c->path, req_to(c->req, on_base, c));
}

/* --- create -------------------------------------------------------------- */

static void on_create(void *arg, const struct zk_result *r)
{
	struct commit *c = arg;

	if (r->rc == 0)
		committed(c, r);
	else if (r->rc == -EEXIST && c->view == VIEW_MAIN)
		read_modify_write(c);
	else
		finish(c, r->rc);
}

/* --- start --------------------------------------------------------------- */

enum way { WAY_NONE, WAY_GONE, WAY_CREATE, WAY_SET, WAY_MODIFY };

static enum way choose_way_locked(struct commit *c)
{
	const struct node *node = c->file->inode->node;

	if (c->conditional)
		return node->embryo || c->file->inode->gone ? WAY_GONE
							    : WAY_MODIFY;
	if (c->file->inode->unlinked && !c->file->amid)
		return WAY_NONE;
	if (c->file->inode->gone)
		return WAY_GONE;
	if (node->embryo && c->file->inode->kind == INODE_FILE)
		return WAY_CREATE;
	return c->file->cut ? WAY_SET : WAY_MODIFY;
}

static void send_whole(struct commit *c, bool create)
{
	struct fs *fs = c->req->fs;
	size_t max = commit_max_size(fs, c->node, c->path, create);
	int rc = build_content(c, NULL, max);

	if (rc < 0)
		finish(c, rc);
	else if (create)
		change_create(c->req, c->node, c->view, c->content, on_create,
			      c);
	else
		change_set(c->req, c->node, c->file->view, c->content,
			   -1, on_set, c);
}

void commit_start(struct commit *c)
{
	struct fs *fs = c->req->fs;
	enum way way;
	int rc = 0;

	c->content = NULL;
	c->tries = 0;
	fs_lock(fs);
	c->conditional = condition_take_locked(c->file, &c->if_version);
	way = choose_way_locked(c);
	c->node = node_ref(c->file->inode->node);
	c->path = node_path(c->node);
	c->view = c->node->made_in;
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
