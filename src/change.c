/* SPDX-License-Identifier: Apache-2.0 */
#include "change.h"

#include <errno.h>

#include "fs.h"
#include "lockname.h"
#include "view.h"

struct change {
	struct fs *fs;
	zk_cb *cb;
	void *arg;
	pid_t thread;

	enum node_view view;
	struct blob *data;
	struct node *unnamed; /* a reference: what is made has no name yet */
	char *path; /* of the first */
	struct own *own;
	size_t n;
};

static void end_all(struct change *c, const struct zk_result *r)
{
	struct fs *fs = c->fs;
	size_t i;

	fs_lock(fs);
	for (i = 0; i < c->n; i++)
		own_end_locked(fs, &c->own[i], r->rc == 0, r->unknown);
	node_put(&fs->nodes, &c->unnamed);
	fs_unlock(fs);
	look_pump(fs);
	blob_unref(c->data);
	free(c->path);
	free(c->own);
	free(c);
}

static void answer(void *arg, const struct zk_result *r)
{
	struct change *c = arg;

	c->cb(c->arg, r);
	end_all(c, r);
}

static struct change *change_new(struct req *req, size_t n, zk_cb *cb,
				 void *arg)
{
	struct change *c = xcalloc(1, sizeof(*c));

	c->fs = req->fs;
	c->thread = req->thread;
	c->cb = cb;
	c->arg = arg;
	c->own = calloc(n + 1, sizeof(*c->own));
	if (!c->own)
		abort();
	return c;
}

static struct change *change_one(struct req *req, struct node *node,
				 bool lists, zk_cb *cb, void *arg)
{
	struct change *c = change_new(req, 1, cb, arg);

	fs_lock(c->fs);
	c->path = node_path(node);
	own_begin_locked(c->fs, &c->own[c->n++], node, lists);
	fs_unlock(c->fs);
	return c;
}

/* --- create ---------------------------------------------------------------- */

static void created_locked(struct change *c, const struct zk_result *r)
{
	struct node *node = c->own[0].node;
	struct told_truth truth;
	struct fs *fs = c->fs;

	if (node->parent && !lockname_is(node->name))
		node_has_child(node->parent);
	/* What is made as a file stays one, also where empty ones are not. */
	if (!c->data->null)
		node_made_as_file(node);
	node_learn(&fs->nodes, node, r->stat, c->data, c->thread);
	if (zstat_is_ephemeral(r->stat))
		ephemerals_add(&fs->eph, c->path);
	if (look_truth_locked(fs, node, &truth))
		told_made(&node->told, &truth, c->view);
}

static void on_created(void *arg, const struct zk_result *r)
{
	struct change *c = arg;

	if (r->rc == 0) {
		fs_lock(c->fs);
		created_locked(c, r);
		fs_unlock(c->fs);
	}
	answer(c, r);
}

/*
 * The kernel knows another name, so this one is announced, and its event is no
 * own one: it was not expected while it could come first.
 */
static void named_locked(struct change *c, const struct zk_result *r)
{
	struct fs *fs = c->fs;
	struct node *node = node_at(&fs->nodes, r->path);

	if (!node)
		return;
	node_has_child(node->parent);
	node_made_as_file(node);
	node_learn(&fs->nodes, node, r->stat, c->data, c->thread);
	node_named(&fs->nodes, c->unnamed, node);
	if (zstat_is_ephemeral(r->stat))
		ephemerals_add(&fs->eph, r->path);
	told_absent(&node->told);
	look_compare_locked(fs, node);
	node_put(&fs->nodes, &node);
}

static void on_named(void *arg, const struct zk_result *r)
{
	struct change *c = arg;

	if (r->rc == 0) {
		fs_lock(c->fs);
		named_locked(c, r);
		fs_unlock(c->fs);
	}
	answer(c, r);
}

static struct change *change_unnamed(struct req *req, struct node *node,
				     zk_cb *cb, void *arg)
{
	struct change *c = change_new(req, 0, cb, arg);

	fs_lock(c->fs);
	c->path = node_path(node);
	c->unnamed = node_ref(node);
	fs_unlock(c->fs);
	return c;
}

void change_create(struct req *req, struct node *node, enum node_view view,
		   struct blob *data, zk_cb *cb, void *arg)
{
	struct change *c = node->unnamed
				   ? change_unnamed(req, node, cb, arg)
				   : change_one(req, node, true, cb, arg);
	struct zk_to to = req_to(req, node->unnamed ? on_named : on_created, c);
	enum zk_mode mode = ZK_PERSISTENT;

	c->view = view;
	c->data = blob_ref(data);
	view_mode(view, data->null, &mode); /* a refusal came before this */
	if (mode == ZK_TTL)
		zk_create_ttl(c->fs->zk, c->path, data, view_ttl_ms(view), to);
	else
		zk_create(c->fs->zk, c->path, data, mode, to);
}

/* --- set ------------------------------------------------------------------- */

static void set_locked(struct change *c, const struct zk_result *r)
{
	struct node *node = c->own[0].node;
	struct told_truth truth;
	struct fs *fs = c->fs;

	node_learn(&fs->nodes, node, r->stat, c->data, c->thread);
	if (c->view == VIEW_MAIN && look_truth_locked(fs, node, &truth))
		told_set(&node->told, &truth);
}

static void on_set(void *arg, const struct zk_result *r)
{
	struct change *c = arg;

	fs_lock(c->fs);
	if (r->rc == 0)
		set_locked(c, r);
	else if (r->rc == -ENOENT)
		node_gone(&c->fs->nodes, c->own[0].node);
	fs_unlock(c->fs);
	answer(c, r);
}

void change_set(struct req *req, struct node *node, enum node_view view,
		struct blob *data, int version, zk_cb *cb, void *arg)
{
	struct change *c = change_one(req, node, false, cb, arg);

	c->view = view;
	c->data = blob_ref(data);
	zk_set(c->fs->zk, c->path, data, version, req_to(req, on_set, c));
}

/* --- delete ---------------------------------------------------------------- */

static void on_deleted(void *arg, const struct zk_result *r)
{
	struct change *c = arg;
	struct node *node = c->own[0].node;
	struct fs *fs = c->fs;

	fs_lock(fs);
	if (r->rc == 0) {
		ephemerals_del(&fs->eph, c->path);
		node_unlinked(&fs->nodes, node);
		told_removed(&node->told, c->view);
	} else if (r->rc == -ENOENT) {
		node_gone(&fs->nodes, node);
	}
	fs_unlock(fs);
	answer(c, r);
}

void change_delete(struct req *req, struct node *node, enum node_view view,
		   int version, zk_cb *cb, void *arg)
{
	struct change *c = change_one(req, node, true, cb, arg);

	c->view = view;
	zk_delete(c->fs->zk, c->path, version, req_to(req, on_deleted, c));
}

/* --- several in one transaction -------------------------------------------- */

void change_multi(struct req *req, struct zk_ops *ops, zk_cb *cb, void *arg)
{
	struct change *c = change_new(req, ops->n, cb, arg);
	struct fs *fs = c->fs;
	struct node *node;
	size_t i;

	fs_lock(fs);
	for (i = 0; i < ops->n; i++) {
		node = node_at(&fs->nodes, ops->v[i].path);
		if (!node)
			continue;
		own_begin_locked(fs, &c->own[c->n++], node,
				 ops->v[i].type != ZK_OP_SET);
		node_put(&fs->nodes, &node);
	}
	fs_unlock(fs);
	zk_multi(fs->zk, ops, req_to(req, answer, c));
}
