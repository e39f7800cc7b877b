/* SPDX-License-Identifier: Apache-2.0 */

/*
 * LOOKUP and GETATTR.
 *
 * A lookup is one get: it brings the Stat, tells null data from empty, and the
 * value is there for the open that follows in the same system call.  Where the
 * ACL denies reading, exists still tells the Stat.
 */

#include <errno.h>
#include <string.h>

#include "file.h"
#include "fs.h"
#include "kind.h"
#include "log.h"
#include "name.h"
#include "op.h"
#include "tell.h"
#include "view.h"

struct lookup {
	struct req req;
	struct target target;
	struct watch_ask ask;
	char *path;
	char *entry; /* only while the target may be an alias */
};

static void lookup_end(struct lookup *op)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	fs_target_put(fs, &op->target);
	fs_unlock(fs);
	free(op->path);
	free(op->entry);
	free(op);
}

static void lookup_fail(struct lookup *op, int rc)
{
	req_err(&op->req, rc);
	lookup_end(op);
}

/*
 * In another view than the main one.  Another session's ephemeral is a face of
 * its own, not to be written.
 */
static struct inode *face_locked(struct fs *fs, struct node *node,
				 enum node_view view)
{
	struct node_table *t = &fs->nodes;

	if (view == VIEW_EPHEMERAL &&
	    (node->embryo || fs_owns(fs, &node->stat)))
		return node_inode(t, node, VIEW_MAIN, INODE_FILE);
	if (zstat_is_ephemeral(&node->stat))
		return node_inode(t, node, VIEW_EPHEMERAL, INODE_FILE);
	if (view_is_ttl(view) && node_kind(node) == INODE_FILE)
		return node_inode(t, node, view, INODE_FILE);
	return node->embryo ? NULL : node_inode(t, node, view, INODE_DIR);
}

/* Which face of its node the target is; NULL if there is nothing to see. */
static struct inode *target_inode_locked(struct fs *fs, struct target *target)
{
	struct node *node = target->node;

	if (target->data) {
		if (node_null_known(node) && node_is_null(&fs->nodes, node))
			return NULL;
		return node_inode(&fs->nodes, node, VIEW_MAIN, INODE_DATA);
	}
	if (target->view == VIEW_MAIN)
		return node_inode(&fs->nodes, node, VIEW_MAIN,
				  node_kind(node));
	return face_locked(fs, node, target->view);
}

/* See file_view(). */
static void entered_locked(struct inode *inode, enum node_view view,
			   pid_t thread)
{
	if (view == VIEW_EPHEMERAL)
		inode->entered = thread;
	else if (inode->entered == thread)
		inode->entered = 0;
}

static void lookup_negative(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	double timeout;

	fs_lock(fs);
	timeout = fs_negative_timeout(fs, &op->target);
	fs_unlock(fs);
	req_negative(&op->req, timeout);
	lookup_end(op);
}

/*
 * @late: it may be gone already, or another one, and the event for that has
 * come: whoever sees it now must hear of that.
 */
static void lookup_found(struct lookup *op, bool late)
{
	struct fs *fs = op->req.fs;
	struct fuse_entry_param e;
	struct inode *inode;

	fs_lock(fs);
	inode = target_inode_locked(fs, &op->target);
	if (inode) {
		entered_locked(inode, op->target.view, op->req.thread);
		fs_entry(fs, inode, op->target.view, &e);
	}
	if (inode && late)
		look_locked(fs, op->target.node);
	fs_unlock(fs);
	if (late)
		watch_pump(fs);
	if (!inode)
		return lookup_negative(op);
	req_entry(&op->req, &e);
	lookup_end(op);
}

static void on_watched(void *arg, const struct zk_result *r);
static void lookup_ask(struct lookup *op);
static void lookup_absent(struct lookup *op);

/* The children of what has data: it is a file if these are lock znodes. */
static void on_queue(void *arg, const struct zk_result *r)
{
	struct lookup *op = arg;
	struct fs *fs = op->req.fs;
	bool late, again;

	if (r->rc == -ENOENT)
		return lookup_absent(op);
	if (r->rc < 0 && r->rc != -EACCES)
		return lookup_fail(op, r->rc);
	fs_lock(fs);
	kind_learn_locked(fs, op->target.node, r, &op->ask);
	late = watch_is_late_locked(fs, op->target.node, &op->ask);
	again = !op->target.node->decided;
	fs_unlock(fs);
	if (again)
		lookup_ask(op);
	else
		lookup_found(op, late);
}

static void lookup_learned(struct lookup *op, const struct zk_result *r)
{
	struct node *node = op->target.node;
	struct fs *fs = op->req.fs;
	bool wait, late, ask;

	fs_lock(fs);
	node_learn(&fs->nodes, node, r->stat, r->data, op->req.thread);
	watch_answered_locked(fs, node, &op->ask);
	late = watch_is_late_locked(fs, node, &op->ask);
	wait = watch_wait_locked(fs, node, req_to(&op->req, on_watched, op));
	ask = !wait && kind_ask_locked(fs, node, &op->ask);
	fs_unlock(fs);
	if (ask)
		zk_children(fs->zk, op->path,
			    req_to(&op->req, on_queue, op));
	else if (!wait)
		lookup_found(op, late);
}

/* --- a long name --------------------------------------------------------- */

static void on_get(void *arg, const struct zk_result *r);

static void lookup_ask(struct lookup *op)
{
	struct fs *fs = op->req.fs;

	free(op->path);
	fs_lock(fs);
	op->path = node_path(op->target.node);
	op->ask = watch_ask_locked(fs, op->target.node);
	fs_unlock(fs);
	zk_get(fs->zk, op->path, req_to(&op->req, on_get, op));
}

/* The long name that is shown as @entry, among the children of the parent. */
static const char *find_alias(const struct zk_result *r, const char *entry,
			      bool at_root)
{
	char shown[NAME_ENTRY_MAX + 1];
	size_t i;

	for (i = 0; i < r->n_names; i++) {
		if (strlen(r->names[i]) <= NAME_ENTRY_MAX)
			continue;
		name_to_entry(r->names[i], at_root, shown);
		if (strcmp(shown, entry) == 0)
			return r->names[i];
	}
	return NULL;
}

static void on_siblings(void *arg, const struct zk_result *r)
{
	struct lookup *op = arg;
	struct fs *fs = op->req.fs;
	struct node *parent, *node = NULL;
	const char *name;

	if (r->rc < 0)
		return lookup_fail(op, r->rc);
	fs_lock(fs);
	parent = op->target.node->parent;
	name = find_alias(r, op->entry, parent == fs->nodes.root);
	if (name)
		node = node_get(&fs->nodes, parent, name);
	if (node) {
		fs_target_put(fs, &op->target);
		op->target.node = node;
		op->target.alias = false;
	}
	fs_unlock(fs);
	if (node)
		lookup_ask(op);
	else
		lookup_fail(op, -ENOENT);
}

static void lookup_alias(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	char *parent;

	fs_lock(fs);
	parent = node_path(op->target.node->parent);
	fs_unlock(fs);
	zk_children(fs->zk, parent, req_to(&op->req, on_siblings, op));
	free(parent);
}

/* --- answers ------------------------------------------------------------- */

static void lookup_absent(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	bool embryo;

	fs_lock(fs);
	embryo = op->target.node->embryo && !op->target.data;
	node_gone(&fs->nodes, op->target.node);
	watch_answered_locked(fs, op->target.node, &op->ask);
	fs_unlock(fs);
	if (embryo)
		lookup_found(op, false);
	else if (op->target.alias)
		lookup_alias(op);
	else
		lookup_negative(op);
}

static bool is_answered_locked(struct fs *fs, const struct target *target);
static void lookup_start(struct lookup *op, bool answered);

/* The outage has begun since it was asked for: what is known is served. */
static void lookup_unanswered(struct lookup *op, int rc)
{
	struct fs *fs = op->req.fs;
	bool known;

	fs_lock(fs);
	known = rc == -EIO && is_answered_locked(fs, &op->target);
	fs_unlock(fs);
	if (known)
		lookup_start(op, true);
	else
		lookup_fail(op, rc);
}

static void on_exists(void *arg, const struct zk_result *r)
{
	struct lookup *op = arg;

	if (r->rc == 0)
		lookup_learned(op, r);
	else if (r->rc == -ENOENT)
		lookup_absent(op);
	else
		lookup_unanswered(op, r->rc);
}

static void on_get(void *arg, const struct zk_result *r)
{
	struct lookup *op = arg;

	if (r->rc != -EACCES)
		return on_exists(op, r);
	op->ask.unread = true;
	zk_exists(op->req.fs->zk, op->path, req_to(&op->req, on_exists, op));
}

/* A view is there because the root is. */
static void lookup_special(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	struct fuse_entry_param e;

	fs_lock(fs);
	fs->views_used = true;
	fs_entry(fs,
		 node_inode(&fs->nodes, op->target.node, op->target.view,
			    INODE_DIR),
		 op->target.view, &e);
	fs_unlock(fs);
	req_entry(&op->req, &e);
	lookup_end(op);
}

/* The subtree is watched now, or there is no feed: ask, or ask again. */
static void on_watched(void *arg, const struct zk_result *r)
{
	struct lookup *op = arg;

	if (r->rc < 0)
		lookup_fail(op, r->rc);
	else
		lookup_ask(op);
}

/* Whether what is known is enough for an answer: no need to ask. */
static bool is_answered_locked(struct fs *fs, const struct target *target)
{
	struct node *node = target->node;

	if (!target->alias && !target->data &&
	    listing_lacks_locked(fs, node)) {
		node->absent = true;
		node->valid = watch_guard_locked(fs, node->parent);
	}
	if (!watch_is_valid_locked(fs, node) || node->embryo)
		return false;
	if (node->absent)
		return !target->alias;
	return node->known && node->decided && node_null_known(node);
}

static void lookup_start(struct lookup *op, bool answered)
{
	struct fs *fs = op->req.fs;
	bool absent;

	if (!answered)
		return lookup_ask(op);
	fs_lock(fs);
	absent = op->target.node->absent;
	fs_unlock(fs);
	if (absent)
		lookup_negative(op);
	else
		lookup_found(op, false);
}

static void on_looked(void *arg, const struct zk_result *r)
{
	struct lookup *op = arg;
	struct fs *fs = op->req.fs;
	bool answered;

	if (r->rc < 0)
		return lookup_fail(op, r->rc);
	fs_lock(fs);
	answered = is_answered_locked(fs, &op->target);
	fs_unlock(fs);
	lookup_start(op, answered);
}

/* What has to be waited for first: true if on_looked() or on_watched() comes. */
static bool lookup_waits_locked(struct lookup *op)
{
	struct node *node = op->target.node;
	struct fs *fs = op->req.fs;

	if (look_wait_locked(fs, node, req_to(&op->req, on_looked, op)))
		return true;
	return watch_is_expected_locked(node) &&
	       watch_wait_locked(fs, node,
				 req_to(&op->req, on_watched, op));
}

void op_lookup(fuse_req_t freq, fuse_ino_t parent, const char *entry)
{
	struct lookup *op = xcalloc(1, sizeof(*op));
	bool wait = false, answered = false, ahead = false;
	struct fs *fs;
	int rc;

	req_init(&op->req, freq);
	fs = op->req.fs;
	if (tell_lookup(&op->req, parent, entry)) {
		free(op);
		return;
	}
	fs_lock(fs);
	rc = fs_target(fs, parent, entry, &op->target);
	if (rc == 0 && op->target.alias)
		op->entry = xstrdup(entry);
	if (rc == 0 && !op->target.special) {
		ahead = ahead_looked_up_locked(fs, op->target.node,
					       op->req.thread);
		answered = is_answered_locked(fs, &op->target);
		wait = !answered && lookup_waits_locked(op);
	}
	fs_unlock(fs);
	if (wait)
		; /* the callback goes on, and may have done so */
	else if (rc == -EILSEQ || rc == -EINVAL)
		lookup_fail(op, -ENOENT);
	else if (rc < 0)
		lookup_fail(op, rc);
	else if (op->target.special)
		lookup_special(op);
	else
		lookup_start(op, answered);
	if (ahead)
		look_pump(fs);
}

/* --- getattr ------------------------------------------------------------- */

struct getattr {
	struct req req;
	fuse_ino_t ino;
	struct file *mine; /* the handle asked through, or NULL */
	struct node *node;
	struct watch_ask ask;
};

/*
 * A handle with uncommitted writes, of its own caller, sees the size that they
 * make; nobody else does.
 */
static int64_t pending_size_locked(struct inode *inode, struct file *mine,
				   pid_t thread)
{
	struct file *file;

	if (mine)
		return file_size(mine);
	chain_for_each (file, &inode->files, in_inode) {
		if (file->writer == thread && file_size(file) >= 0)
			return file_size(file);
	}
	return -1;
}

/* Returns for how long the kernel may keep it. */
static double getattr_stat_locked(struct fs *fs, struct inode *inode,
				  struct file *mine, pid_t thread,
				  struct stat *st)
{
	int64_t size = pending_size_locked(inode, mine, thread);

	fs_stat(fs, inode, st);
	if (size >= 0)
		st->st_size = size;
	return size >= 0 ? 0 : fs_attr_timeout(fs, inode);
}

static bool must_ask_locked(const struct inode *inode, const struct req *req);

static void on_getattr(void *arg, const struct zk_result *r)
{
	struct getattr *op = arg;
	struct fs *fs = op->req.fs;
	struct inode *inode;
	double timeout = 0;
	struct stat st;
	int rc = r->rc;

	fs_lock(fs);
	if (rc == 0)
		node_learn(&fs->nodes, op->node, r->stat, NULL,
			   op->req.thread);
	else if (rc == -ENOENT)
		node_gone(&fs->nodes, op->node);
	/* Of one that has been read before, the rest is known. */
	if (rc == -ENOENT || (rc == 0 && node_null_known(op->node) &&
			      !op->node->unread))
		watch_answered_locked(fs, op->node, &op->ask);
	inode = inode_find(&fs->nodes, op->ino);
	/* What was removed can still be asked about by who has it open. */
	if (rc == -ENOENT && op->ino != NODE_ROOT_INO)
		rc = 0;
	/* The outage has begun since. */
	if (rc == -EIO && inode && !must_ask_locked(inode, &op->req))
		rc = 0;
	if (inode && rc == 0)
		timeout = getattr_stat_locked(fs, inode, op->mine,
					      op->req.thread, &st);
	node_put(&fs->nodes, &op->node);
	fs_unlock(fs);
	if (rc == 0 && inode)
		req_attr(&op->req, &st, timeout);
	else
		req_err(&op->req, rc ? rc : -ESTALE);
	free(op);
}

static bool must_ask_locked(const struct inode *inode, const struct req *req)
{
	struct node *node = inode->node;

	/* Of the root, only the time can change; a walk is not to ask. */
	if (!node->parent && node->known)
		return false;
	return !inode->gone && !node->embryo &&
	       !watch_is_usable_locked(req->fs, node, req->thread, false);
}

void op_getattr(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct getattr *op = xcalloc(1, sizeof(*op));
	_cleanup_free_ char *path = NULL;
	struct inode *inode;
	double timeout = 0;
	struct stat st;
	struct fs *fs;

	req_init(&op->req, freq);
	fs = op->req.fs;
	if (tell_getattr(&op->req, ino)) {
		free(op);
		return;
	}
	op->ino = ino;
	op->mine = fi ? (struct file *)(uintptr_t)fi->fh : NULL;
	fs_lock(fs);
	inode = inode_find(&fs->nodes, ino);
	if (inode && must_ask_locked(inode, &op->req)) {
		op->node = node_ref(inode->node);
		op->ask = watch_ask_locked(fs, op->node);
		path = node_path(op->node);
	} else if (inode) {
		timeout = getattr_stat_locked(fs, inode, op->mine,
					      op->req.thread, &st);
	}
	fs_unlock(fs);
	if (path)
		return zk_exists(fs->zk, path,
				 req_to(&op->req, on_getattr, op));
	if (inode)
		req_attr(&op->req, &st, timeout);
	else
		req_err(&op->req, -ESTALE);
	free(op);
}
