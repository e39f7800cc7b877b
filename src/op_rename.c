/* SPDX-License-Identifier: Apache-2.0 */

/*
 * RENAME: one multi, everything or nothing.
 *
 * ZooKeeper has no rename; a znode is created at its new name and deleted at
 * its old one, with its data, its ACL, and all below it.  Over a file that is
 * there already, a set of that and a delete of the source do: whoever watches
 * or locks the target keeps it, and so does its ACL.
 */

#include <errno.h>
#include <stdio.h>

#include "change.h"
#include "file.h"
#include "fs.h"
#include "op.h"
#include "subtree.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif
#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

/* Each failed try means that somebody else has changed something. */
#define RENAME_TRIES_MAX 20

struct rename {
	struct req req;
	unsigned flags;
	struct target from;
	struct target to;
	bool embryo;  /* the source was never committed */
	bool to_file; /* the target is there, as a file */
	char *from_path;
	char *to_path;
	struct subtree source;
	struct subtree target; /* with RENAME_EXCHANGE */
	bool to_there;
	struct zstat to_stat;
	struct blob *to_data;
	bool of_dirs;
	struct watch_sync sync;
	int tries;
};

static void rename_try(struct rename *op);

static void forget_try(struct rename *op)
{
	subtree_release(&op->source);
	subtree_release(&op->target);
	blob_assign(&op->to_data, NULL);
	op->to_there = false;
	op->sync = (struct watch_sync){0};
}

static void rename_end(struct rename *op, int rc)
{
	struct fs *fs = op->req.fs;

	req_err(&op->req, rc);
	forget_try(op);
	fs_lock(fs);
	fs_target_put(fs, &op->from);
	fs_target_put(fs, &op->to);
	fs_unlock(fs);
	free(op->from_path);
	free(op->to_path);
	free(op);
}

/* The picture was not true any more: take another, but not for ever. */
static void rename_again(struct rename *op, int rc)
{
	if (req_interrupted(&op->req))
		return rename_end(op, -EINTR);
	if (++op->tries >= RENAME_TRIES_MAX)
		return rename_end(op, rc);
	forget_try(op);
	rename_try(op);
}

/* --- what is known afterwards -------------------------------------------- */

static void ephemeral_left(void *arg, const char *from, const char *to _unused_)
{
	struct rename *op = arg;

	ephemerals_del(&op->req.fs->eph, from);
}

static void ephemeral_came(void *arg, const char *from _unused_, const char *to)
{
	struct rename *op = arg;
	struct fs *fs = op->req.fs;
	struct node *node;

	ephemerals_add(&fs->eph, to);
	if (!fs->opt->renew)
		return;
	node = node_at(&fs->nodes, to);
	look_locked(fs, node); /* for its value */
	node_put(&fs->nodes, &node);
}

static void move_ephemerals_locked(struct rename *op)
{
	subtree_each_ephemeral(&op->source, op->to_path, ephemeral_left, op);
	subtree_each_ephemeral(&op->target, op->from_path, ephemeral_left, op);
	subtree_each_ephemeral(&op->source, op->to_path, ephemeral_came, op);
	subtree_each_ephemeral(&op->target, op->from_path, ephemeral_came, op);
}

static void renamed_locked(struct rename *op)
{
	struct node_table *t = &op->req.fs->nodes;
	struct node *from = op->from.node, *to = op->to.node;

	move_ephemerals_locked(op);
	if (op->to.data) {
		node_unlinked(t, from);
		told_removed(&from->told, op->from.view);
		node_unknown(t, to);
	} else if (op->flags & RENAME_EXCHANGE) {
		node_exchanged(t, from, to);
	} else {
		node_has_child(to->parent);
		node_moved(t, from, to, op->to.view);
	}
}

static bool is_conflict(int rc)
{
	return rc == -ESTALE || rc == -ENOTEMPTY || rc == -EEXIST ||
	       rc == -ENOENT;
}

static void on_multi(void *arg, const struct zk_result *r)
{
	struct rename *op = arg;
	struct fs *fs = op->req.fs;

	if (is_conflict(r->rc))
		return rename_again(op, r->rc);
	fs_lock(fs);
	if (r->rc == 0)
		renamed_locked(op);
	fs_unlock(fs);
	rename_end(op, r->rc);
}

/* --- the transaction ------------------------------------------------------ */

/* A value for a value: what watches the target goes on watching it. */
static bool is_set(const struct rename *op)
{
	const struct zstat *stat = subtree_stat(&op->source);

	if (op->to.data)
		return true;
	return op->to_file && op->source.n == 1 &&
	       zstat_is_ephemeral(stat) == zstat_is_ephemeral(&op->to_stat);
}

/*
 * Whatever its version: rename(2) replaces what is there, and against somebody
 * who sets all the time it would never succeed.  A target that has become a
 * directory since it was read takes the value as its `.data`, as it does from
 * who has it open.  The version would not tell: a child does not change it, and
 * a new znode's is that of most files.
 */
static int add_set(struct rename *op, struct zk_ops *ops)
{
	return zk_ops_add(ops, (struct zk_op){
				       .type = ZK_OP_SET,
				       .path = xstrdup(op->to_path),
				       .data = blob_ref(
					       subtree_data(&op->source)),
				       .version = -1,
			       });
}

static int add_target_delete(struct rename *op, struct zk_ops *ops)
{
	return zk_ops_add(ops, (struct zk_op){
				       .type = ZK_OP_DELETE,
				       .path = xstrdup(op->to_path),
				       .version = op->to_stat.version,
			       });
}

static int build_exchange(struct rename *op, struct zk_ops *ops)
{
	int rc = subtree_deletes(&op->source, ops);

	if (rc == 0)
		rc = subtree_deletes(&op->target, ops);
	if (rc == 0)
		rc = subtree_creates(&op->source, op->to_path, ops);
	if (rc == 0)
		rc = subtree_creates(&op->target, op->from_path, ops);
	return rc;
}

static int build_move(struct rename *op, struct zk_ops *ops)
{
	int rc = 0;

	if (is_set(op)) {
		rc = add_set(op, ops);
	} else {
		if (op->to_there)
			rc = add_target_delete(op, ops);
		if (rc == 0)
			rc = subtree_creates(&op->source, op->to_path, ops);
	}
	return rc < 0 ? rc : subtree_deletes(&op->source, ops);
}

static void rename_send(struct rename *op)
{
	struct zk_ops ops = {0};
	int rc = op->flags & RENAME_EXCHANGE ? build_exchange(op, &ops)
					     : build_move(op, &ops);

	if (rc == 0 && zk_ops_size(&ops) > ZK_PACKET_MAX)
		rc = -EXDEV;
	if (rc < 0) {
		zk_ops_release(&ops);
		return rename_end(op, rc);
	}
	change_multi(&op->req, &ops, on_multi, op);
}

static void rename_catch_up(struct rename *op);

static void on_caught_up(void *arg, const struct zk_result *r)
{
	struct rename *op = arg;

	if (r->rc < 0)
		rename_end(op, r->rc);
	else
		rename_catch_up(op);
}

/*
 * What others have changed in a directory has to be heard of while that is
 * where they have: at the new name, no event tells of it.
 */
static void rename_catch_up(struct rename *op)
{
	struct fs *fs = op->req.fs;
	bool wait;

	fs_lock(fs);
	wait = op->of_dirs &&
	       watch_catch_up_locked(fs, &op->sync,
				     req_to(&op->req, on_caught_up, op));
	fs_unlock(fs);
	if (!wait)
		rename_send(op);
}

/* --- what is there -------------------------------------------------------- */

/* A file onto a directory and the like, as rename(2) has it. */
static int check_kinds(const struct rename *op, bool from_dir, bool to_dir)
{
	if (op->to.data)
		return from_dir ? -EISDIR : 0;
	if (!op->to_there || (op->flags & RENAME_EXCHANGE))
		return 0;
	if (from_dir && !to_dir)
		return -ENOTDIR;
	if (!from_dir && to_dir)
		return -EISDIR;
	if (to_dir && (op->to_stat.num_children > 0 || !op->to_data->null))
		return -ENOTEMPTY;
	return 0;
}

static int learn_both_locked(struct rename *op)
{
	struct fs *fs = op->req.fs;
	struct node_table *t = &fs->nodes;
	bool from_dir, to_dir;

	subtree_learn_locked(&op->source);
	if (op->flags & RENAME_EXCHANGE)
		subtree_learn_locked(&op->target);
	else if (op->to_there)
		node_learn(t, op->to.node, &op->to_stat, op->to_data,
			   op->req.thread);
	from_dir = node_kind(op->from.node) == INODE_DIR;
	to_dir = node_kind(op->to.node) == INODE_DIR;
	op->to_file = op->to_there && !to_dir;
	op->of_dirs = from_dir || (op->to_there && to_dir);
	return check_kinds(op, from_dir, to_dir);
}

static void rename_collected(struct rename *op)
{
	struct fs *fs = op->req.fs;
	int rc;

	fs_lock(fs);
	rc = learn_both_locked(op);
	fs_unlock(fs);
	if (rc < 0)
		rename_end(op, rc);
	else
		rename_catch_up(op);
}

static void on_target_tree(struct subtree *s, int rc)
{
	struct rename *op = container_of(s, struct rename, target);

	if (rc == -ESTALE)
		return rename_again(op, rc);
	if (rc < 0)
		return rename_end(op, rc);
	op->to_there = true;
	op->to_stat = *subtree_stat(s);
	blob_assign(&op->to_data, blob_ref(subtree_data(s)));
	rename_collected(op);
}

/*
 * What was opened by a create and never written is only known here: it takes
 * the new name, and its first commit will replace what is there.
 */
static void rename_embryo(struct rename *op)
{
	struct fs *fs = op->req.fs;
	struct node *from = op->from.node, *to = op->to.node;
	struct inode *inode;
	struct file *file;

	fs_lock(fs);
	/* Its first commit has come, or is under way: that is to be renamed. */
	if (!from->embryo || turn_is_taken(&from->writers)) {
		op->embryo = from->embryo;
		fs_unlock(fs);
		return rename_again(op, -EBUSY);
	}
	for_each_inode (inode, from) {
		chain_for_each (file, &inode->files, in_inode)
			file->cut = file->dirty = true;
	}
	from->embryo = !op->to_there;
	node_moved(&fs->nodes, from, to, op->to.view);
	fs_unlock(fs);
	rename_end(op, 0);
}

static void on_target(void *arg, const struct zk_result *r)
{
	struct rename *op = arg;

	if (r->rc < 0 && r->rc != -ENOENT)
		return rename_end(op, r->rc);
	if (r->rc == 0 && (op->flags & RENAME_NOREPLACE))
		return rename_end(op, -EEXIST);
	op->to_there = r->rc == 0;
	if (op->to_there) {
		op->to_stat = *r->stat;
		blob_assign(&op->to_data, blob_ref(r->data));
	}
	if (op->embryo)
		rename_embryo(op);
	else
		rename_collected(op);
}

static void on_source(struct subtree *s, int rc)
{
	struct rename *op = container_of(s, struct rename, source);
	struct zk *zk = op->req.fs->zk;

	if (rc == -ESTALE)
		rename_again(op, rc);
	else if (rc < 0)
		rename_end(op, rc);
	else if (op->flags & RENAME_EXCHANGE)
		subtree_start(&op->target, &op->req, op->to_path,
			      on_target_tree);
	else
		zk_get(zk, op->to_path, req_to(&op->req, on_target, op));
}

static void rename_try(struct rename *op)
{
	if (op->embryo) {
		zk_get(op->req.fs->zk, op->to_path,
		       req_to(&op->req, on_target, op));
		return;
	}
	subtree_start(&op->source, &op->req, op->from_path, on_source);
}

/* --- start ---------------------------------------------------------------- */

static int rename_check_locked(struct rename *op)
{
	struct fs *fs = op->req.fs;

	if (fs->opt->ro)
		return -EROFS;
	if (op->flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (!op->from.node || !op->to.node)
		return -ENOENT;
	/* mv(1) copies then, which is what is wanted. */
	if (op->from.view != op->to.view || op->from.view >= VIEW_COUNT ||
	    op->from.data)
		return -EXDEV;
	if (op->to.data && op->flags)
		return -EINVAL;
	if (op->from.node->embryo && (op->to.data ||
				      (op->flags & RENAME_EXCHANGE)))
		return -EBUSY;
	return 0;
}

static int rename_prepare(struct rename *op, fuse_ino_t parent,
			  const char *entry, fuse_ino_t new_parent,
			  const char *new_entry)
{
	struct fs *fs = op->req.fs;
	int rc;

	fs_lock(fs);
	rc = fs_target_plain(fs, parent, entry, &op->from);
	if (rc == 0)
		rc = fs_target_plain(fs, new_parent, new_entry, &op->to);
	if (rc == 0)
		rc = rename_check_locked(op);
	if (rc == 0) {
		op->embryo = op->from.node->embryo;
		op->from_path = node_path(op->from.node);
		op->to_path = node_path(op->to.node);
	}
	fs_unlock(fs);
	return rc;
}

void op_rename(fuse_req_t freq, fuse_ino_t parent, const char *entry,
	       fuse_ino_t new_parent, const char *new_entry, unsigned flags)
{
	struct rename *op = xcalloc(1, sizeof(*op));
	int rc;

	req_init(&op->req, freq);
	op->flags = flags;
	rc = rename_prepare(op, parent, entry, new_parent, new_entry);
	if (rc < 0)
		rename_end(op, rc);
	else if (op->from.node == op->to.node && !op->to.data)
		rename_end(op, 0);
	else
		rename_try(op);
}
