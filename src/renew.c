/* SPDX-License-Identifier: Apache-2.0 */
#include "renew.h"

#include <errno.h>
#include <string.h>

#include "fs.h"
#include "log.h"

struct renewal {
	struct list link;
	struct fs *fs;
	char *path;
	struct blob *data; /* NULL: it is only reported */
	const char *why_not; /* and why */
};

static void renewal_free(struct renewal *op)
{
	free(op->path);
	blob_unref(op->data);
	free(op);
}

static bool may_log(struct fs *fs)
{
	bool log;

	fs_lock(fs);
	log = fs->renewals.logged < RENEW_LOG_MAX;
	fs->renewals.logged += log;
	fs_unlock(fs);
	return log;
}

/* --- what goes with a session -------------------------------------------- */

/* NULL: nothing keeps it from being made again. */
static const char *why_not(const struct node *node, const char *path)
{
	if (!node || !node->known || !node->value)
		return "its value is not known";
	if (node->stat.aversion != 0)
		return "its ACL was changed";
	if (node_data(node)->len > zk_max_create(path))
		return "it does not fit into a create";
	return NULL;
}

/* Others may have deleted it before, or made another one in its place. */
static bool was_ours(struct fs *fs, const struct node *node)
{
	if (!node)
		return true;
	return !node->absent && (!node->known || fs_owns(fs, &node->stat));
}

static void take_one_locked(struct fs *fs, const char *path,
			    struct list *gone)
{
	struct node *node = node_find_at(&fs->nodes, path);
	struct renewal *op;

	if (was_ours(fs, node)) {
		op = xcalloc(1, sizeof(*op));
		op->fs = fs;
		op->path = xstrdup(path);
		if (fs->opt->renew)
			op->why_not = why_not(node, path);
		if (fs->opt->renew && !op->why_not)
			op->data = blob_ref(node_data(node));
		list_add_tail(gone, &op->link);
	}
	node_put(&fs->nodes, &node);
}

static void report(struct fs *fs, const struct list *gone, int64_t id)
{
	const struct renewal *op;
	size_t more = 0;

	list_for_each (op, gone, link) {
		if (may_log(fs))
			log_notice("ephemeral %s is gone with session 0x%llx%s%s",
				   op->path, (unsigned long long)id,
				   op->why_not ? ", for good: " : "",
				   op->why_not ? op->why_not : "");
		else
			more++;
	}
	if (more)
		log_notice("%zu more ephemerals are gone with session 0x%llx",
			   more, (unsigned long long)id);
}

static bool is_in(const struct list *renewals, const char *path)
{
	const struct renewal *op;

	list_for_each (op, renewals, link) {
		if (strcmp(op->path, path) == 0)
			return true;
	}
	return false;
}

/* What is still to be made from the time before is not wanted twice. */
static void queue(struct fs *fs, struct list *gone)
{
	struct renewals *r = &fs->renewals;
	struct renewal *op;
	struct list fresh;

	list_init(&fresh);
	fs_lock(fs);
	while ((op = list_first(gone, struct renewal, link))) {
		list_del(&op->link);
		if (!op->data || is_in(&r->pending, op->path) ||
		    is_in(&r->busy, op->path)) {
			renewal_free(op);
			continue;
		}
		list_add_tail(&fresh, &op->link);
		r->n++;
	}
	list_splice(&r->pending, &fresh);
	r->logged = 0;
	fs_unlock(fs);
}

void renew_session_changed(struct fs *fs, int64_t id)
{
	struct list gone;
	int64_t old;
	size_t i;

	list_init(&gone);
	fs_lock(fs);
	for (i = 0; i < fs->eph.n; i++)
		take_one_locked(fs, fs->eph.paths[i], &gone);
	ephemerals_clear(&fs->eph);
	old = fs->session_id;
	fs->session_id = id;
	fs->renewals.logged = 0;
	fs_unlock(fs);
	report(fs, &gone, old);
	queue(fs, &gone);
}

/* --- making them again --------------------------------------------------- */

static void end(struct renewal *op)
{
	struct fs *fs = op->fs;

	fs_lock(fs);
	list_del(&op->link);
	fs->renewals.n--;
	fs_unlock(fs);
	renewal_free(op);
}

static void give_up(struct renewal *op, const char *why)
{
	if (may_log(op->fs))
		log_notice("ephemeral %s is not made again: %s", op->path,
			   why);
	end(op);
}

/*
 * When there is a connection again, or at once if the server only did not
 * answer in time.
 */
static void try_again(struct renewal *op)
{
	struct fs *fs = op->fs;

	fs_lock(fs);
	list_del(&op->link);
	list_add_tail(&fs->renewals.pending, &op->link);
	fs_unlock(fs);
	if (zk_get_state(fs->zk) == ZK_CONNECTED)
		renew_pump(fs);
}

/* To those who watch, it has gone and come as any other. */
static void made(struct renewal *op, const struct zk_result *r,
		 struct blob *data)
{
	struct fs *fs = op->fs;
	struct node *node;

	if (may_log(fs))
		log_notice("ephemeral %s made again", op->path);
	fs_lock(fs);
	node = node_at(&fs->nodes, op->path);
	if (node) {
		node_has_child(node->parent);
		node_learn(&fs->nodes, node, r->stat, data, 0);
		ephemerals_add(&fs->eph, op->path);
		look_locked(fs, node);
		node_put(&fs->nodes, &node);
	}
	fs_unlock(fs);
	look_pump(fs);
	end(op);
}

static bool is_ours(struct fs *fs, const struct zk_result *r)
{
	bool ours;

	fs_lock(fs);
	ours = fs_owns(fs, r->stat);
	fs_unlock(fs);
	return ours;
}

/* There is one: made by a create whose answer was lost, or by somebody. */
static void on_get(void *arg, const struct zk_result *r)
{
	struct renewal *op = arg;

	if (r->rc == 0 && is_ours(op->fs, r))
		made(op, r, r->data);
	else if (r->rc == 0 || r->rc == -EACCES)
		give_up(op, "there is another one");
	else
		try_again(op);
}

static void on_created(void *arg, const struct zk_result *r)
{
	struct renewal *op = arg;

	if (r->rc == 0 && is_ours(op->fs, r))
		made(op, r, op->data);
	else if (r->rc == -EEXIST)
		zk_get(op->fs->zk, op->path,
		       (struct zk_to){.cb = on_get, .arg = op});
	else if (r->rc == 0 || r->rc == -EIO || r->rc == -EROFS)
		try_again(op);
	else
		give_up(op, strerror(-r->rc));
}

void renew_pump(struct fs *fs)
{
	struct renewal *op;

	for (;;) {
		fs_lock(fs);
		op = list_first(&fs->renewals.pending, struct renewal, link);
		if (op) {
			list_del(&op->link);
			list_add_tail(&fs->renewals.busy, &op->link);
		}
		fs_unlock(fs);
		if (!op)
			return;
		zk_create(fs->zk, op->path, op->data, ZK_EPHEMERAL,
			  (struct zk_to){.cb = on_created, .arg = op});
	}
}

/* --- life ---------------------------------------------------------------- */

void renew_init(struct fs *fs)
{
	list_init(&fs->renewals.pending);
	list_init(&fs->renewals.busy);
}

/* The session is closed: nothing is busy any more. */
void renew_release(struct fs *fs)
{
	struct renewal *op;

	while ((op = list_first(&fs->renewals.pending, struct renewal, link))) {
		list_del(&op->link);
		renewal_free(op);
	}
}
