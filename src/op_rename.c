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
	char *from_path;
	char *to_path;
	struct subtree source;
	struct subtree target; /* with RENAME_EXCHANGE */
	struct node_ask from_ask;
	struct node_ask to_ask;
	struct watch_own *own; /* while the transaction is under way */
	size_t n_own;
	struct turn_waiter turn; /* of an embryo's writers */
	bool to_there;
	struct zstat to_stat;
	struct blob *to_data;
	int tries;
};

static void rename_try(struct rename *op);

static void forget_try(struct rename *op)
{
	subtree_release(&op->source);
	subtree_release(&op->target);
	blob_assign(&op->to_data, NULL);
	op->to_there = false;
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

	ephemerals_add(&op->req.fs->eph, to);
}

static void move_ephemerals_locked(struct rename *op)
{
	subtree_each_ephemeral(&op->source, op->to_path, ephemeral_left, op);
	subtree_each_ephemeral(&op->target, op->from_path, ephemeral_left, op);
	subtree_each_ephemeral(&op->source, op->to_path, ephemeral_came, op);
	subtree_each_ephemeral(&op->target, op->from_path, ephemeral_came, op);
}

/* The kernel has moved the entries; events for them are still to come. */
static void renamed_locked(struct rename *op)
{
	struct fs *fs = op->req.fs;
	struct node_table *t = &fs->nodes;
	struct node *from = op->from.node, *to = op->to.node, *place;

	move_ephemerals_locked(op);
	if (op->to.data) {
		watch_removed_locked(fs, from, op->from.view);
		node_unknown(t, to);
		told_moved(&to->told);
	} else if (op->flags & RENAME_EXCHANGE) {
		node_exchanged(t, from, to);
		watch_moved_locked(fs, from);
		watch_moved_locked(fs, to);
	} else if (!to->detached && !from->detached) {
		fs_has_child(fs, to->parent);
		place = node_moved(t, from, to->parent, to->name);
		told_removed(&place->told, op->from.view);
		from->told.in[op->to.view] = true;
		watch_moved_locked(fs, from);
		/* The other view has not been told. */
		if (zstat_is_ephemeral(&from->stat))
			watch_look_locked(fs, from);
		node_put(t, &place);
	}
}

/* --- own changes ----------------------------------------------------------- */

static void own_add_locked(struct rename *op, struct node *node)
{
	watch_own_begin_locked(op->req.fs, node, &op->own[op->n_own++]);
}

/*
 * The names that change: both, and all below each that the transaction moves.
 * Their events may come before its answer does.
 */
static int own_begin_locked(struct rename *op)
{
	struct node *tops[] = {op->from.node, op->to.node}, *n;
	bool exchange = op->flags & RENAME_EXCHANGE;
	size_t count = 2, i;

	for (i = 0; i < 1u + exchange; i++) {
		for (n = tops[i]; n; n = node_next_below(n, tops[i]))
			count++;
	}
	op->own = calloc(count, sizeof(*op->own));
	if (!op->own)
		return -ENOMEM;
	own_add_locked(op, tops[0]);
	own_add_locked(op, tops[1]);
	for (i = 0; i < 1u + exchange; i++) {
		n = node_next_below(tops[i], tops[i]);
		for (; n; n = node_next_below(n, tops[i]))
			own_add_locked(op, n);
	}
	return 0;
}

static void own_end(struct rename *op, bool changed)
{
	struct fs *fs = op->req.fs;
	size_t i;

	fs_lock(fs);
	for (i = 0; i < op->n_own; i++)
		watch_own_end_locked(fs, &op->own[i], changed);
	free(op->own);
	op->own = NULL;
	op->n_own = 0;
	fs_unlock(fs);
	watch_pump(fs);
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

	if (r->rc == 0) {
		fs_lock(fs);
		renamed_locked(op);
		fs_unlock(fs);
	}
	own_end(op, r->rc == 0);
	if (is_conflict(r->rc))
		rename_again(op, r->rc);
	else
		rename_end(op, r->rc);
}

/* --- the transaction ------------------------------------------------------ */

/* A value for a value: what watches the target goes on watching it. */
static bool is_set(const struct rename *op)
{
	const struct zstat *stat = subtree_stat(&op->source);

	if (op->to.data)
		return true;
	return op->to_there && op->source.n == 1 &&
	       node_kind(op->to.node) == INODE_FILE &&
	       op->to_stat.num_children == 0 &&
	       zstat_is_ephemeral(stat) == zstat_is_ephemeral(&op->to_stat);
}

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
	if (rc == 0) {
		fs_lock(op->req.fs);
		rc = own_begin_locked(op);
		fs_unlock(op->req.fs);
	}
	if (rc < 0) {
		zk_ops_release(&ops);
		return rename_end(op, rc);
	}
	zk_multi(op->req.fs->zk, &ops, req_to(&op->req, on_multi, op));
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
	int rc = node_learn(t, &op->from.node, op->from_ask,
			    subtree_stat(&op->source),
			    subtree_data(&op->source), op->req.thread);

	if (rc == 0 && op->to_there)
		rc = node_learn(t, &op->to.node, op->to_ask, &op->to_stat,
				op->to_data, op->req.thread);
	if (rc < 0)
		return -ENOENT;
	return check_kinds(op, node_kind(op->from.node) == INODE_DIR,
			   node_kind(op->to.node) == INODE_DIR);
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
		rename_send(op);
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
static void embryo_move(struct rename *op)
{
	struct fs *fs = op->req.fs;
	struct node *from = op->from.node, *to = op->to.node, *place;
	struct inode *inode;
	struct file *file;

	fs_lock(fs);
	for_each_inode (inode, from) {
		list_for_each (file, &inode->files, in_inode)
			file->cut = file->dirty = true;
	}
	from->embryo = !op->to_there;
	if (!to->detached && !from->detached) {
		place = node_moved(&fs->nodes, from, to->parent, to->name);
		told_removed(&place->told, op->from.view);
		node_put(&fs->nodes, &place);
	}
	fs_unlock(fs);
	rename_end(op, 0);
}

static void embryo_in_turn(struct turn_waiter *w)
{
	struct rename *op = container_of(w, struct rename, turn);
	struct fs *fs = op->req.fs;
	struct turn_waiter *next;
	struct node *node;
	bool embryo;

	fs_lock(fs);
	node = node_ref(op->from.node);
	embryo = node->embryo;
	fs_unlock(fs);
	if (embryo)
		embryo_move(op);
	else
		rename_again(op, -ENOENT);
	fs_lock(fs);
	next = turn_pass(&node->writers);
	node_put(&fs->nodes, &node);
	fs_unlock(fs);
	if (next)
		next->run(next);
}

/* Its first commit may be on its way. */
static void rename_embryo(struct rename *op)
{
	struct fs *fs = op->req.fs;
	bool now;

	op->turn.run = embryo_in_turn;
	fs_lock(fs);
	now = turn_take(&op->from.node->writers, &op->turn);
	fs_unlock(fs);
	if (now)
		embryo_in_turn(&op->turn);
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
	if (op->source.n > 0)
		rename_collected(op);
	else
		rename_embryo(op);
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
	struct node_table *t = &op->req.fs->nodes;

	if (op->from.node->embryo) {
		zk_get(op->req.fs->zk, op->to_path,
		       req_to(&op->req, on_target, op));
		return;
	}
	fs_lock(op->req.fs);
	op->from_ask = node_ask(t, op->from.node);
	op->to_ask = node_ask(t, op->to.node);
	fs_unlock(op->req.fs);
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
	if (op->from.view != op->to.view || op->from.data)
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
