/* SPDX-License-Identifier: Apache-2.0 */
#include "subtree.h"

#include <errno.h>
#include <string.h>

#include "fs.h"
#include "lockname.h"
#include "path.h"

/* What a create and a delete of one znode cost beside paths and data. */
#define ITEM_OVERHEAD 80

struct subtree_item {
	struct subtree *s;
	char *path;
	struct zstat stat;
	struct blob *data;
	struct acl acl;
};

static void collect(struct subtree_item *item);

/* --- the end of each answer ---------------------------------------------- */

static void fail_locked(struct subtree *s, int rc)
{
	if (s->rc == 0)
		s->rc = rc;
}

/* One answer less to wait for, or the attempt has failed. */
static void answered(struct subtree *s, int rc)
{
	struct fs *fs = s->req->fs;
	bool last;

	fs_lock(fs);
	if (rc < 0)
		fail_locked(s, rc);
	last = --s->open == 0;
	rc = s->rc;
	fs_unlock(fs);
	if (last)
		s->done(s, rc);
}

/* The root may be gone; what is below it, only meanwhile. */
static int item_error(const struct subtree_item *item, int rc)
{
	if (rc == -ENOENT && item != item->s->items[0])
		return -ESTALE;
	return rc;
}

/* --- items --------------------------------------------------------------- */

static int charge_locked(struct subtree *s, size_t bytes)
{
	s->size += bytes;
	return s->size > ZK_PACKET_MAX ? -EXDEV : 0;
}

/* A new item, which has two answers to come.  Takes @path. */
static int add_item_locked(struct subtree *s, char *path,
			   struct subtree_item **out)
{
	struct subtree_item *item;

	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 8;
		void *v = reallocarray(s->items, cap, sizeof(*s->items));

		if (!v) {
			free(path);
			return -ENOMEM;
		}
		s->items = v;
		s->cap = cap;
	}
	item = xcalloc(1, sizeof(*item));
	item->s = s;
	item->path = path;
	s->items[s->n++] = item;
	s->open += 2;
	*out = item;
	return charge_locked(s, ITEM_OVERHEAD + 2 * strlen(path));
}

/* --- answers ------------------------------------------------------------- */

/*
 * Who may not administer a znode is shown its digests as "user:x" (3.8): a
 * copy of that would lock everybody out.
 */
static bool is_redacted(const struct acl_entry *e)
{
	const char *colon = strrchr(e->id, ':');

	return strcmp(e->scheme, "digest") == 0 && colon &&
	       strcmp(colon, ":x") == 0;
}

static int copy_acl(struct acl *to, const struct acl *from, size_t *bytes)
{
	size_t i;
	int rc;

	*bytes = 0;
	for (i = 0; i < from->count; i++) {
		const struct acl_entry *e = &from->entries[i];

		if (is_redacted(e))
			return -EPERM;
		rc = acl_add(to, e->scheme, e->id, e->perms);
		if (rc < 0)
			return rc;
		*bytes += 12 + strlen(e->scheme) + strlen(e->id);
	}
	return 0;
}

static void on_acl(void *arg, const struct zk_result *r)
{
	struct subtree_item *item = arg;
	struct subtree *s = item->s;
	int rc = item_error(item, r->rc);
	size_t bytes;

	if (rc == 0)
		rc = copy_acl(&item->acl, r->acl, &bytes);
	if (rc == 0) {
		fs_lock(s->req->fs);
		rc = charge_locked(s, bytes);
		fs_unlock(s->req->fs);
	}
	answered(s, rc);
}

static void on_children(void *arg, const struct zk_result *r)
{
	struct subtree_item *item = arg;
	struct subtree *s = item->s;
	struct fs *fs = s->req->fs;
	int rc = item_error(item, r->rc);
	size_t i;

	for (i = 0; rc == 0 && i < r->n_names; i++) {
		struct subtree_item *child = NULL;
		char *path = path_join(item->path, r->names[i]);

		fs_lock(fs);
		rc = path ? add_item_locked(s, path, &child) : -ENOMEM;
		if (s->rc < 0)
			rc = s->rc; /* no use to go on */
		if (rc < 0 && child)
			s->open -= 2;
		fs_unlock(fs);
		if (rc == 0)
			collect(child);
	}
	answered(s, rc);
}

static int check_movable(struct fs *fs, const char *path,
			 const struct zstat *stat)
{
	/* Who is in line, is in line there. */
	if (zstat_is_ephemeral(stat) && lockname_is(path_base(path)))
		return -EBUSY;
	if (zstat_is_ephemeral(stat) && !fs_owns(fs, stat))
		return -EPERM;
	return 0;
}

static void on_value(void *arg, const struct zk_result *r)
{
	struct subtree_item *item = arg;
	struct subtree *s = item->s;
	struct fs *fs = s->req->fs;
	int rc = item_error(item, r->rc);

	if (rc == 0) {
		item->stat = *r->stat;
		item->data = blob_ref(r->data);
		rc = check_movable(fs, item->path, r->stat);
	}
	if (rc == 0) {
		fs_lock(fs);
		rc = charge_locked(s, r->data->len);
		if (rc == 0 && r->stat->num_children > 0)
			s->open++;
		fs_unlock(fs);
	}
	if (rc == 0 && r->stat->num_children > 0)
		zk_children(fs->zk, item->path,
			    req_to(s->req, on_children, item));
	answered(s, rc);
}

static void collect(struct subtree_item *item)
{
	struct req *req = item->s->req;
	struct zk *zk = req->fs->zk;

	zk_get(zk, item->path, req_to(req, on_value, item));
	zk_get_acl(zk, item->path, req_to(req, on_acl, item));
}

/* --- calls --------------------------------------------------------------- */

void subtree_start(struct subtree *s, struct req *req, const char *root,
		   void (*done)(struct subtree *s, int rc))
{
	struct subtree_item *item = NULL;
	int rc;

	*s = (struct subtree){.req = req, .done = done, .open = 1};
	s->root = xstrdup(root);
	fs_lock(req->fs);
	rc = add_item_locked(s, xstrdup(root), &item);
	if (rc < 0 && item)
		s->open -= 2;
	fs_unlock(req->fs);
	if (rc == 0)
		collect(item);
	answered(s, rc);
}

void subtree_release(struct subtree *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		blob_unref(s->items[i]->data);
		acl_release(&s->items[i]->acl);
		free(s->items[i]->path);
		free(s->items[i]);
	}
	free(s->items);
	free(s->root);
	*s = (struct subtree){0};
}

/* Where an item is when the tree stands at @path.  malloc'ed. */
static char *path_at(const struct subtree *s, const struct subtree_item *item,
		     const char *path)
{
	const char *rest = item->path + strlen(s->root);

	return *rest ? path_join(path, rest + 1) : strdup(path);
}

int subtree_creates(const struct subtree *s, const char *path,
		    struct zk_ops *ops)
{
	size_t i, bytes;
	int rc = 0;

	for (i = 0; i < s->n && rc == 0; i++) {
		const struct subtree_item *item = s->items[i];
		struct zk_op op = {
			.type = ZK_OP_CREATE,
			.path = path_at(s, item, path),
			.data = blob_ref(item->data),
			.mode = zstat_is_ephemeral(&item->stat)
					? ZK_EPHEMERAL
					: ZK_PERSISTENT,
		};

		rc = copy_acl(&op.acl, &item->acl, &bytes);
		if (rc < 0 || !op.path)
			rc = -ENOMEM;
		if (rc < 0)
			zk_op_release(&op);
		else
			rc = zk_ops_add(ops, op);
	}
	return rc;
}

int subtree_deletes(const struct subtree *s, struct zk_ops *ops)
{
	size_t i;
	int rc = 0;

	for (i = s->n; i > 0 && rc == 0; i--) {
		const struct subtree_item *item = s->items[i - 1];

		rc = zk_ops_add(ops, (struct zk_op){
					     .type = ZK_OP_DELETE,
					     .path = xstrdup(item->path),
					     .version = item->stat.version,
				     });
	}
	return rc;
}

const struct zstat *subtree_stat(const struct subtree *s)
{
	return &s->items[0]->stat;
}

struct blob *subtree_data(const struct subtree *s)
{
	return s->items[0]->data;
}

void subtree_learn_locked(const struct subtree *s)
{
	struct node_table *t = &s->req->fs->nodes;
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct subtree_item *item = s->items[i];
		struct node *node = node_find_at(t, item->path);

		if (node)
			node_learn(t, node, &item->stat, item->data,
				   s->req->thread);
		node_put(t, &node);
	}
}

void subtree_each_ephemeral(const struct subtree *s, const char *path,
			    void (*f)(void *arg, const char *from,
				      const char *to),
			    void *arg)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		_cleanup_free_ char *to = NULL;

		if (!zstat_is_ephemeral(&s->items[i]->stat))
			continue;
		to = path_at(s, s->items[i], path);
		if (to)
			f(arg, s->items[i]->path, to);
	}
}
