/* SPDX-License-Identifier: Apache-2.0 */

/*
 * user.zk.acl, read and written as text (acl.h).
 *
 * A change of an ACL raises no event, so ACLs are not cached: reading one is a
 * request each time.  And what the session may not read raises none either: so
 * after a change made here the znode is read again, and kept only if that is
 * still allowed.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "fs.h"
#include "op.h"
#include "settle.h"

struct acl_op {
	struct req req;
	struct settle settle; /* set */
	char *text; /* set: valid */
	size_t len;
	struct node *node; /* a reference */
	struct watch_ask ask;
	char *path;
	size_t size; /* get: the caller's room */
	int rc;      /* set: what the server said */
};

/* NULL, and answered, if there is no such znode any more. */
static struct acl_op *acl_new(struct req *req, struct inode *inode)
{
	struct acl_op *op = xcalloc(1, sizeof(*op));
	struct fs *fs = req->fs;
	bool gone;

	op->req = *req;
	fs_lock(fs);
	gone = inode->gone || inode->node->embryo;
	op->node = node_ref(inode->node);
	op->path = node_path(inode->node);
	fs_unlock(fs);
	if (!gone)
		return op;
	req_err(&op->req, -ENOENT);
	fs_lock(fs);
	node_put(&fs->nodes, &op->node);
	fs_unlock(fs);
	free(op->path);
	free(op);
	return NULL;
}

static void acl_end(struct acl_op *op)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	node_put(&fs->nodes, &op->node);
	fs_unlock(fs);
	free(op->path);
	free(op->text);
	free(op);
}

/* --- get ----------------------------------------------------------------- */

static void on_get_acl(void *arg, const struct zk_result *r)
{
	_cleanup_free_ char *text = NULL;
	struct acl_op *op = arg;
	int rc = r->rc;

	if (rc == 0)
		rc = acl_format(r->acl, &text);
	if (rc < 0)
		req_err(&op->req, rc);
	else /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
		req_xattr(&op->req, text, strlen(text), op->size);
	acl_end(op);
}

void op_acl_get(struct req *req, struct inode *inode, size_t size)
{
	struct acl_op *op = acl_new(req, inode);

	if (!op)
		return;
	op->size = size;
	zk_get_acl(op->req.fs->zk, op->path,
		   req_to(&op->req, on_get_acl, op));
}

/* --- set ----------------------------------------------------------------- */

/* Nothing that was known of it counts any more. */
static void doubt(struct acl_op *op)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	op->node->valid = 0;
	op->node->fresh_for = 0;
	op->node->changes++;
	op->ask = watch_ask_locked(fs, op->node);
	fs_unlock(fs);
}

static void on_judged(void *arg, const struct zk_result *r)
{
	struct acl_op *op = arg;
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	op->ask.unread = r->rc == -EACCES;
	if (r->rc == 0)
		node_learn(&fs->nodes, op->node, r->stat, r->data,
			   op->req.thread);
	else if (r->rc == -ENOENT)
		node_gone(&fs->nodes, op->node);
	if (r->rc == 0 || r->rc == -ENOENT || r->rc == -EACCES)
		watch_answered_locked(fs, op->node, &op->ask);
	fs_unlock(fs);
	req_err(&op->req, op->rc);
	acl_end(op);
}

static void on_set_acl(struct settle *s, const struct zk_result *r)
{
	struct acl_op *op = container_of(s, struct acl_op, settle);

	op->rc = r->rc;
	doubt(op);
	zk_get(op->req.fs->zk, op->path, req_to(&op->req, on_judged, op));
}

static void send_acl(struct settle *s, struct zk_to to)
{
	struct acl_op *op = container_of(s, struct acl_op, settle);
	struct acl acl = ACL_INIT;

	if (acl_parse(&acl, op->text, op->len) < 0)
		abort(); /* out of memory */
	zk_set_acl(op->req.fs->zk, op->path, &acl, -1, to);
}

static int check_acl(const char *text, size_t len)
{
	struct acl acl = ACL_INIT;
	int rc = acl_parse(&acl, text, len);

	acl_release(&acl);
	return rc;
}

/* If somebody else sets another in between, ours counts as the later one. */
void op_acl_set(struct req *req, struct inode *inode, const char *text,
		size_t len)
{
	int rc = check_acl(text, len);
	struct acl_op *op;

	if (rc < 0)
		return req_err(req, rc);
	op = acl_new(req, inode);
	if (!op)
		return;
	op->text = xcalloc(1, len + 1);
	memcpy(op->text, text, len);
	op->len = len;
	op->settle.req = &op->req;
	op->settle.send = send_acl;
	op->settle.done = on_set_acl;
	op->settle.repeatable = true;
	op->settle.look[0].path = op->path; /* for the log */
	doubt(op);
	settle_start(&op->settle);
}
