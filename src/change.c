/* SPDX-License-Identifier: Apache-2.0 */
#include "change.h"

#include <errno.h>
#include <string.h>

#include "fs.h"
#include "lockname.h"
#include "settle.h"
#include "view.h"

struct change {
	struct settle settle;
	struct fs *fs;
	zk_cb *cb;
	void *arg;
	pid_t thread;

	enum node_view view;
	enum zk_mode mode;
	int version;
	struct blob *data;
	struct node *unnamed; /* a reference: what is made has no name yet */
	struct zk_ops ops;
	char *path; /* of the first */
	char *gone; /* what a transaction deletes */
	struct own *own;
	size_t n;
};

static void end_all(struct change *c, const struct zk_result *r)
{
	struct fs *fs = c->fs;
	size_t i;

	fs_lock(fs);
	for (i = 0; i < c->n; i++)
		own_end_locked(fs, &c->own[i], r->rc == 0, c->settle.doubted);
	node_put(&fs->nodes, &c->unnamed);
	fs_unlock(fs);
	look_pump(fs);
	zk_ops_release(&c->ops);
	blob_unref(c->data);
	free(c->path);
	free(c->gone);
	free(c->own);
	free(c);
}

static struct change *change_of(struct settle *s)
{
	return container_of(s, struct change, settle);
}

static void answer(struct change *c, const struct zk_result *r)
{
	c->cb(c->arg, r);
	end_all(c, r);
}

static struct change *change_new(struct req *req, size_t n, zk_cb *cb,
				 void *arg)
{
	struct change *c = xcalloc(1, sizeof(*c));

	c->settle.req = req;
	c->fs = req->fs;
	c->thread = req->thread;
	c->cb = cb;
	c->arg = arg;
	c->own = calloc(n + 1, sizeof(*c->own));
	if (!c->own)
		abort();
	return c;
}

/* What is to be looked at, should the outcome not be known. */
static struct outcome_ask *add_look_locked(struct change *c, char *path,
					   enum outcome_type type,
					   const struct blob *data)
{
	struct settle_look *look = &c->settle.look[c->settle.n_looks++];
	struct node *node = node_find_at(&c->fs->nodes, path);

	look->path = path;
	look->ask = (struct outcome_ask){
		.type = type,
		.data = data,
		.version = -1,
		.based = node && node->known,
	};
	if (look->ask.based)
		look->ask.base = node->stat;
	node_put(&c->fs->nodes, &node);
	return &look->ask;
}

static struct change *change_one(struct req *req, struct node *node,
				 enum outcome_type type, struct blob *data,
				 int version, zk_cb *cb, void *arg)
{
	struct change *c = change_new(req, 1, cb, arg);

	c->data = blob_ref(data);
	c->version = version;
	fs_lock(c->fs);
	c->path = node_path(node);
	add_look_locked(c, c->path, type, c->data)->version = version;
	own_begin_locked(c->fs, &c->own[c->n++], node, type != OUTCOME_SET);
	fs_unlock(c->fs);
	return c;
}

/* --- create -------------------------------------------------------------- */

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

static void on_created(struct settle *s, const struct zk_result *r)
{
	struct change *c = change_of(s);

	fs_lock(c->fs);
	if (r->rc == 0)
		created_locked(c, r);
	else if (s->doubted) /* its event counted as that of the change */
		told_absent(&c->own[0].node->told);
	fs_unlock(c->fs);
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

static void on_named(struct settle *s, const struct zk_result *r)
{
	struct change *c = change_of(s);

	if (r->rc == 0) {
		fs_lock(c->fs);
		named_locked(c, r);
		fs_unlock(c->fs);
	}
	answer(c, r);
}

static void send_create(struct settle *s, struct zk_to to)
{
	struct change *c = change_of(s);

	if (c->mode == ZK_TTL)
		zk_create_ttl(c->fs->zk, c->path, c->data,
			      view_ttl_ms(c->view), to);
	else
		zk_create(c->fs->zk, c->path, c->data, c->mode, to);
}

/* The server chooses its name, so there is none to look at. */
static struct change *change_unnamed(struct req *req, struct node *node,
				     struct blob *data, zk_cb *cb, void *arg)
{
	struct change *c = change_new(req, 0, cb, arg);

	c->data = blob_ref(data);
	fs_lock(c->fs);
	c->path = node_path(node);
	c->unnamed = node_ref(node);
	fs_unlock(c->fs);
	c->settle.look[0].path = c->path; /* for the log */
	c->settle.done = on_named;
	return c;
}

static struct change *change_named(struct req *req, struct node *node,
				   struct blob *data, zk_cb *cb, void *arg)
{
	struct change *c =
		change_one(req, node, OUTCOME_CREATE, data, -1, cb, arg);

	/* The first commit of what is open already may be met by another. */
	fs_lock(c->fs);
	c->settle.look[0].ask.claim = !node->embryo;
	fs_unlock(c->fs);
	c->settle.done = on_created;
	return c;
}

void change_create(struct req *req, struct node *node, enum node_view view,
		   struct blob *data, zk_cb *cb, void *arg)
{
	struct change *c = node->unnamed
				   ? change_unnamed(req, node, data, cb, arg)
				   : change_named(req, node, data, cb, arg);

	c->view = view;
	c->mode = ZK_PERSISTENT;
	view_mode(view, data->null, &c->mode); /* a refusal came before this */
	c->settle.look[0].ask.ephemeral = c->mode == ZK_EPHEMERAL;
	c->settle.send = send_create;
	settle_start(&c->settle);
}

/* --- set ----------------------------------------------------------------- */

static void set_locked(struct change *c, const struct zk_result *r)
{
	struct node *node = c->own[0].node;
	struct told_truth truth;
	struct fs *fs = c->fs;

	node_learn(&fs->nodes, node, r->stat, c->data, c->thread);
	if (look_truth_locked(fs, node, &truth))
		told_set(&node->told, &truth, c->view);
}

static void on_set(struct settle *s, const struct zk_result *r)
{
	struct change *c = change_of(s);

	fs_lock(c->fs);
	if (r->rc == 0)
		set_locked(c, r);
	else if (r->rc == -ENOENT)
		node_gone(&c->fs->nodes, c->own[0].node);
	fs_unlock(c->fs);
	answer(c, r);
}

static void send_set(struct settle *s, struct zk_to to)
{
	struct change *c = change_of(s);

	zk_set(c->fs->zk, c->path, c->data, c->version, to);
}

void change_set(struct req *req, struct node *node, enum node_view view,
		struct blob *data, int version, zk_cb *cb, void *arg)
{
	struct change *c =
		change_one(req, node, OUTCOME_SET, data, version, cb, arg);

	c->view = view;
	c->settle.send = send_set;
	c->settle.done = on_set;
	settle_start(&c->settle);
}

/* --- delete -------------------------------------------------------------- */

static void on_deleted(struct settle *s, const struct zk_result *r)
{
	struct change *c = change_of(s);
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

static void send_delete(struct settle *s, struct zk_to to)
{
	struct change *c = change_of(s);

	zk_delete(c->fs->zk, c->path, c->version, to);
}

void change_delete(struct req *req, struct node *node, enum node_view view,
		   int version, zk_cb *cb, void *arg)
{
	struct change *c =
		change_one(req, node, OUTCOME_DELETE, NULL, version, cb, arg);

	c->view = view;
	c->settle.send = send_delete;
	c->settle.done = on_deleted;
	settle_start(&c->settle);
}

/* --- several in one transaction ------------------------------------------ */

static const struct zk_op *first_made(const struct zk_ops *ops)
{
	size_t i;

	for (i = 0; i < ops->n; i++) {
		if (ops->v[i].type != ZK_OP_DELETE)
			return &ops->v[i];
	}
	return NULL;
}

static bool is_made(const struct zk_ops *ops, const char *path)
{
	size_t i;

	for (i = 0; i < ops->n; i++) {
		if (ops->v[i].type != ZK_OP_DELETE &&
		    strcmp(ops->v[i].path, path) == 0)
			return true;
	}
	return false;
}

/* Of a tree the last is the top. */
static const struct zk_op *last_gone(const struct zk_ops *ops)
{
	size_t i;

	for (i = ops->n; i-- > 0;) {
		if (ops->v[i].type == ZK_OP_DELETE &&
		    !is_made(ops, ops->v[i].path))
			return &ops->v[i];
	}
	return NULL;
}

static void add_looks_locked(struct change *c)
{
	const struct zk_op *made = first_made(&c->ops);
	const struct zk_op *gone = last_gone(&c->ops);

	c->settle.multi = true;
	if (!made)
		return;
	if (gone) {
		c->gone = xstrdup(gone->path);
		add_look_locked(c, c->gone, OUTCOME_DELETE, NULL);
	}
	c->path = xstrdup(made->path);
	c->data = blob_ref(made->data);
	add_look_locked(c, c->path,
			made->type == ZK_OP_SET ? OUTCOME_SET : OUTCOME_CREATE,
			c->data);
}

static void begin_all_locked(struct change *c)
{
	struct fs *fs = c->fs;
	struct node *node;
	size_t i;

	for (i = 0; i < c->ops.n; i++) {
		node = node_at(&fs->nodes, c->ops.v[i].path);
		if (!node)
			continue;
		own_begin_locked(fs, &c->own[c->n++], node,
				 c->ops.v[i].type != ZK_OP_SET);
		node_put(&fs->nodes, &node);
	}
}

static void send_multi(struct settle *s, struct zk_to to)
{
	struct change *c = change_of(s);

	zk_multi(c->fs->zk, &c->ops, to);
}

static void on_multi(struct settle *s, const struct zk_result *r)
{
	answer(change_of(s), r);
}

void change_multi(struct req *req, struct zk_ops *ops, zk_cb *cb, void *arg)
{
	struct change *c = change_new(req, ops->n, cb, arg);

	c->ops = *ops;
	*ops = (struct zk_ops){0};
	fs_lock(c->fs);
	add_looks_locked(c);
	begin_all_locked(c);
	fs_unlock(c->fs);
	c->settle.send = send_multi;
	c->settle.done = on_multi;
	settle_start(&c->settle);
}
