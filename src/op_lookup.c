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
#include "log.h"
#include "name.h"
#include "op.h"
#include "tell.h"

/* Each one means that the name has changed hands while it was asked about. */
#define LOOKUP_TRIES_MAX 100

struct lookup {
	struct req req;
	struct watch_parked parked;
	struct target target;
	struct node_ask ask;
	bool unparked; /* has waited once; not again */
	int tries;
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

/* -ESTALE: renamed meanwhile; the kernel walks the path again. */
static void lookup_fail(struct lookup *op, int rc)
{
	req_err(&op->req, rc);
	lookup_end(op);
}

/* Which face of its node the target is; NULL if there is nothing to see. */
static struct inode *target_inode_locked(struct fs *fs, struct target *target)
{
	struct node *node = target->node;
	bool ephemeral = zstat_is_ephemeral(&node->stat);

	if (target->data) {
		if (node_null_known(node) && node_is_null(&fs->nodes, node))
			return NULL;
		return node_inode(&fs->nodes, node, VIEW_MAIN, INODE_DATA);
	}
	if (target->view == VIEW_MAIN)
		return node_inode(&fs->nodes, node, VIEW_MAIN,
				  node_kind(node));
	if (!ephemeral && !node->embryo)
		return node_inode(&fs->nodes, node, VIEW_EPHEMERAL, INODE_DIR);
	/* Another session's is a face of its own, not to be written. */
	return node_inode(&fs->nodes, node,
			  node->embryo || fs_owns(fs, &node->stat)
				  ? VIEW_MAIN
				  : VIEW_EPHEMERAL,
			  INODE_FILE);
}

static void lookup_found(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	struct fuse_entry_param e;
	struct inode *inode;

	fs_lock(fs);
	inode = target_inode_locked(fs, &op->target);
	if (inode)
		fs_entry(fs, inode, op->target.view, &e);
	fs_unlock(fs);
	watch_pump(fs);
	if (!inode)
		return lookup_fail(op, -ENOENT);
	req_entry(&op->req, &e);
	lookup_end(op);
}

static void lookup_ask(struct lookup *op);

static void on_unparked(struct watch_parked *p)
{
	lookup_ask(container_of(p, struct lookup, parked));
}

/* True if the lookup goes on later. */
static bool lookup_parks_locked(struct lookup *op, bool exists)
{
	if (op->unparked || op->target.special)
		return false;
	op->parked.resume = on_unparked;
	op->unparked = watch_park_locked(op->req.fs, op->target.node, exists,
					 &op->parked);
	return op->unparked;
}

/* Another node has the name meanwhile: ask for that. */
static bool lookup_follows_locked(struct lookup *op)
{
	struct node *old = op->target.node, *node;

	if (!old->detached || !old->parent || ++op->tries > LOOKUP_TRIES_MAX)
		return false;
	node = node_get(&op->req.fs->nodes, old->parent, old->name);
	if (!node)
		return false;
	fs_target_put(op->req.fs, &op->target);
	op->target.node = node;
	return true;
}

static void lookup_learned(struct lookup *op, const struct zk_result *r)
{
	struct fs *fs = op->req.fs;
	bool again;
	int rc;

	fs_lock(fs);
	/* Something new at the top: watch it, then look again. */
	if (lookup_parks_locked(op, true)) {
		fs_unlock(fs);
		return;
	}
	rc = node_learn(&fs->nodes, &op->target.node, op->ask, r->stat,
			r->data, op->req.thread);
	again = rc < 0 && lookup_follows_locked(op);
	fs_unlock(fs);
	if (again)
		lookup_ask(op);
	else if (rc < 0)
		lookup_fail(op, rc);
	else
		lookup_found(op);
}

/* --- a long name --------------------------------------------------------- */

static void on_get(void *arg, const struct zk_result *r);

static void lookup_ask(struct lookup *op)
{
	struct fs *fs = op->req.fs;

	free(op->path);
	fs_lock(fs);
	op->path = node_path(op->target.node);
	op->ask = node_ask(&fs->nodes, op->target.node);
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

/*
 * A directory that is guarded, or the root with its list, will have the new
 * name announced: until then there is none.
 */
static double negative_timeout_locked(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	struct node *node = op->target.node;

	if (op->target.data || op->target.view != VIEW_MAIN ||
	    told_anywhere(&node->told) || node->told.recon != RECON_IDLE ||
	    node->told.own > 0 || !node->parent)
		return 0;
	if (node->parent == fs->nodes.root)
		return fs->nodes.root->listed && !node->detached &&
				       !node_ask_moved(node, op->ask) &&
				       node_guard(&fs->nodes, fs->nodes.root)
			       ? FS_TIMEOUT
			       : 0;
	return node_ask_holds(&fs->nodes, node, op->ask) ? FS_TIMEOUT : 0;
}

static void lookup_negative(struct lookup *op, double timeout)
{
	if (timeout > 0)
		req_negative(&op->req, timeout);
	else
		req_err(&op->req, -ENOENT);
	lookup_end(op);
}

static void lookup_absent(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	double timeout;
	bool embryo;

	fs_lock(fs);
	embryo = op->target.node->embryo && !op->target.data;
	timeout = negative_timeout_locked(op);
	watch_gone_locked(fs, op->target.node, op->ask);
	fs_unlock(fs);
	watch_pump(fs);
	if (embryo)
		lookup_found(op);
	else if (op->target.alias)
		lookup_alias(op);
	else
		lookup_negative(op, timeout);
}

static void on_exists(void *arg, const struct zk_result *r)
{
	struct lookup *op = arg;

	if (r->rc == 0)
		lookup_learned(op, r);
	else if (r->rc == -ENOENT)
		lookup_absent(op);
	else
		lookup_fail(op, r->rc);
}

static void on_get(void *arg, const struct zk_result *r)
{
	struct lookup *op = arg;

	if (r->rc == -EACCES)
		zk_exists(op->req.fs->zk, op->path,
			  req_to(&op->req, on_exists, op));
	else
		on_exists(op, r);
}

/* `.ephemeral` is there because the root is. */
static void lookup_special(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	struct fuse_entry_param e;

	fs_lock(fs);
	fs_entry(fs,
		 node_inode(&fs->nodes, op->target.node, op->target.view,
			    INODE_DIR),
		 op->target.view, &e);
	fs_unlock(fs);
	req_entry(&op->req, &e);
	lookup_end(op);
}

/* What is known and stands needs no request. */
static void lookup_start(struct lookup *op)
{
	struct fs *fs = op->req.fs;
	struct node *node = op->target.node;
	bool parked, known;

	fs_lock(fs);
	parked = lookup_parks_locked(op, false);
	known = !parked && node_is_valid(&fs->nodes, node) &&
		(!op->target.data || node_null_known(node)) &&
		node->told.own == 0;
	fs_unlock(fs);
	if (known)
		lookup_found(op);
	else if (!parked)
		lookup_ask(op);
}

void op_lookup(fuse_req_t freq, fuse_ino_t parent, const char *entry)
{
	struct lookup *op = xcalloc(1, sizeof(*op));
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
	fs_unlock(fs);
	if (rc == -EILSEQ || rc == -EINVAL)
		rc = -ENOENT;
	if (rc < 0)
		return lookup_fail(op, rc);
	if (op->target.special)
		return lookup_special(op);
	if (op->target.alias)
		op->entry = xstrdup(entry);
	lookup_start(op);
}

/* --- getattr ------------------------------------------------------------- */

struct getattr {
	struct req req;
	fuse_ino_t ino;
	struct file *mine; /* the handle asked through, or NULL */
	struct node *node;
	struct node_ask ask;
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
	list_for_each (file, &inode->files, in_inode) {
		if (file->writer == thread && file_size(file) >= 0)
			return file_size(file);
	}
	return -1;
}

static void getattr_stat_locked(struct fs *fs, struct inode *inode,
				struct file *mine, pid_t thread,
				struct stat *st)
{
	int64_t size = pending_size_locked(inode, mine, thread);

	fs_stat(fs, inode, st);
	if (size >= 0)
		st->st_size = size;
}

static void on_getattr(void *arg, const struct zk_result *r)
{
	struct getattr *op = arg;
	struct fs *fs = op->req.fs;
	struct inode *inode;
	struct stat st;
	double timeout = 0;
	int rc = r->rc;

	fs_lock(fs);
	if (rc == 0)
		node_learn(&fs->nodes, &op->node, op->ask, r->stat, NULL,
			   op->req.thread);
	else if (rc == -ENOENT)
		watch_gone_locked(fs, op->node, op->ask);
	inode = inode_find(&fs->nodes, op->ino);
	/* What was removed can still be asked about by who has it open. */
	if (rc == -ENOENT && op->ino != NODE_ROOT_INO)
		rc = 0;
	if (inode && rc == 0) {
		getattr_stat_locked(fs, inode, op->mine, op->req.thread,
				    &st);
		timeout = fs_attr_timeout(fs, inode);
	}
	node_put(&fs->nodes, &op->node);
	fs_unlock(fs);
	watch_pump(fs);
	if (rc == 0 && inode)
		req_attr(&op->req, &st, timeout);
	else
		req_err(&op->req, rc ? rc : -ESTALE);
	free(op);
}

static bool must_ask_locked(const struct inode *inode, const struct req *req)
{
	const struct node *node = inode->node;

	return !node->detached && !node->embryo &&
	       !node_is_fresh(&req->fs->nodes, node, req->thread, false);
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
		path = node_path(op->node);
		op->ask = node_ask(&fs->nodes, op->node);
	} else if (inode) {
		getattr_stat_locked(fs, inode, op->mine, op->req.thread,
				    &st);
		timeout = fs_attr_timeout(fs, inode);
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
