/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GETXATTR, LISTXATTR, SETXATTR and REMOVEXATTR.
 *
 * What a Stat tells is answered from what is known while that is guarded, so
 * that the dozen calls of getfattr -d cost no request, or one together.  What
 * the server alone decides cannot be set or removed: EOPNOTSUPP, which cp -a,
 * mv and others take for "not here" and pass over.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "condition.h"
#include "fs.h"
#include "op.h"
#include "process.h"
#include "special.h"
#include "xattr.h"

/* NULL, and answered, if the number is not known. */
static struct inode *inode_of(struct req *req, fuse_ino_t ino)
{
	struct fs *fs = req->fs;
	struct inode *inode;

	fs_lock(fs);
	inode = inode_find(&fs->nodes, ino);
	fs_unlock(fs);
	if (!inode)
		req_err(req, special_is(ino) ? -EOPNOTSUPP : -ESTALE);
	return inode;
}

/* What can be told of a znode; an embryo's is not there yet. */
static struct xattr_has has_locked(struct fs *fs, const struct inode *inode)
{
	return (struct xattr_has){
		.stat = inode->gone || !inode->node->embryo,
		.session = inode->node == fs->nodes.root,
	};
}

/* --- get: what a Stat tells ---------------------------------------------- */

struct getxattr {
	struct req req;
	fuse_ino_t ino;
	const struct xattr *x;
	size_t size; /* the caller's room */
	struct node *node; /* a reference */
	uint32_t births;
};

static bool is_known_locked(struct fs *fs, const struct inode *inode,
			    const struct xattr *x, pid_t thread)
{
	struct node *node = inode->node;
	const struct node_dir *dir = node_dir_of(node);

	if (inode->gone)
		return true;
	if (x->source == XATTR_OF_CHILDREN && dir->births != dir->counted)
		return false;
	return watch_is_usable_locked(fs, node, thread, false);
}

static void on_exists(void *arg, const struct zk_result *r)
{
	struct getxattr *op = arg;
	struct fs *fs = op->req.fs;
	char text[XATTR_NUMBER_MAX];
	struct inode *inode;
	size_t len = 0;

	fs_lock(fs);
	if (r->rc == 0) {
		node_learn(&fs->nodes, op->node, r->stat, NULL,
			   op->req.thread);
		if (op->node->dir)
			op->node->dir->counted = op->births;
	} else if (r->rc == -ENOENT) {
		node_gone(&fs->nodes, op->node);
	}
	inode = inode_find(&fs->nodes, op->ino);
	if (inode)
		len = xattr_format(op->x->id, inode_stat(inode), text);
	node_put(&fs->nodes, &op->node);
	fs_unlock(fs);
	/* Of what was removed, who has it open can still ask. */
	if (r->rc < 0 && r->rc != -ENOENT)
		req_err(&op->req, r->rc);
	else if (!inode)
		req_err(&op->req, -ESTALE);
	else
		req_xattr(&op->req, text, len, op->size);
	free(op);
}

static void get_by_asking(struct req *req, struct inode *inode,
			  const struct xattr *x, size_t size)
{
	struct getxattr *op = xcalloc(1, sizeof(*op));
	_cleanup_free_ char *path = NULL;
	struct fs *fs = req->fs;

	op->req = *req;
	op->x = x;
	op->size = size;
	fs_lock(fs);
	op->ino = inode_number(inode);
	op->node = node_ref(inode->node);
	op->births = node_dir_of(inode->node)->births;
	path = node_path(inode->node);
	fs_unlock(fs);
	zk_exists(fs->zk, path, req_to(&op->req, on_exists, op));
}

static void get_stat(struct req *req, struct inode *inode,
		     const struct xattr *x, size_t size)
{
	struct fs *fs = req->fs;
	char text[XATTR_NUMBER_MAX];
	size_t len = 0;
	bool has, known;

	fs_lock(fs);
	has = has_locked(fs, inode).stat;
	known = is_known_locked(fs, inode, x, req->thread);
	if (has && known)
		len = xattr_format(x->id, inode_stat(inode), text);
	fs_unlock(fs);
	if (!has)
		req_err(req, -ENODATA);
	else if (known)
		req_xattr(req, text, len, size);
	else
		get_by_asking(req, inode, x, size);
}

/* --- get: the rest ------------------------------------------------------- */

static void get_path(struct req *req, struct inode *inode, size_t size)
{
	_cleanup_free_ char *path = NULL;
	struct fs *fs = req->fs;

	fs_lock(fs);
	path = node_path(inode->node);
	fs_unlock(fs);
	req_xattr(req, path, strlen(path), size);
}

/* The fencing token: whose lock it is, where there are several, says the pid. */
static void get_lock(struct req *req, struct inode *inode, size_t size)
{
	pid_t process = process_of(req->thread);
	char text[XATTR_NUMBER_MAX];
	struct fs *fs = req->fs;
	int64_t czxid;
	int rc;

	fs_lock(fs);
	rc = lock_token_locked(fs, inode, process, &czxid);
	fs_unlock(fs);
	if (rc < 0)
		return req_err(req, rc);
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)czxid);
	req_xattr(req, text, strlen(text), size);
}

static void get_session(struct req *req, const struct xattr *x, size_t size)
{
	char text[ZK_SERVER_MAX] = "";
	struct zk_stats stats;

	zk_get_stats(req->fs->zk, &stats);
	if (x->id == XATTR_SESSION)
		snprintf(text, sizeof(text), "0x%llx",
			 (unsigned long long)stats.session_id);
	else if (x->id == XATTR_STATE)
		snprintf(text, sizeof(text), "%s", zk_state_name(stats.state));
	else if (x->id == XATTR_TIMEOUT)
		snprintf(text, sizeof(text), "%d", stats.session_timeout_ms);
	else
		zk_server(req->fs->zk, text);
	req_xattr(req, text, strlen(text), size);
}

static void get(struct req *req, struct inode *inode, const struct xattr *x,
		size_t size)
{
	switch (x->source) {
	case XATTR_OF_STAT:
	case XATTR_OF_CHILDREN:
		return get_stat(req, inode, x, size);
	case XATTR_OF_NAME:
		return get_path(req, inode, size);
	case XATTR_OF_ACL:
		return op_acl_get(req, inode, size);
	case XATTR_OF_SESSION:
		if (fs_is_root(req->fs, inode))
			return get_session(req, x, size);
		return req_err(req, -ENODATA);
	case XATTR_OF_LOCK:
		return get_lock(req, inode, size);
	}
}

/*
 * Other namespaces are not supported rather than empty: ls(1) asks for
 * system.posix_acl_access, and after this answer not again on this mount.
 */
static int find(const char *name, const struct xattr **x)
{
	*x = xattr_find(name);
	if (!xattr_is_user(name))
		return -EOPNOTSUPP;
	return *x ? 0 : -ENODATA;
}

void op_getxattr(fuse_req_t freq, fuse_ino_t ino, const char *name,
		 size_t size)
{
	const struct xattr *x;
	struct inode *inode;
	struct req req;
	int rc = find(name, &x);

	req_init(&req, freq);
	if (rc < 0)
		return req_err(&req, rc);
	inode = inode_of(&req, ino);
	if (inode)
		get(&req, inode, x, size);
}

/* --- list ---------------------------------------------------------------- */

void op_listxattr(fuse_req_t freq, fuse_ino_t ino, size_t size)
{
	char list[XATTR_LIST_MAX];
	struct xattr_has has;
	struct inode *inode;
	struct req req;

	req_init(&req, freq);
	inode = inode_of(&req, ino);
	if (!inode)
		return;
	fs_lock(req.fs);
	has = has_locked(req.fs, inode);
	fs_unlock(req.fs);
	req_xattr(&req, list, xattr_list(has, list), size);
}

/* --- set and remove ------------------------------------------------------ */

/* @put: or take it back. */
static bool change_condition(struct req *req, struct inode *inode, bool put,
			     int32_t version)
{
	pid_t line[PROCESS_LINE_MAX];
	size_t n = process_line(req->thread, line);
	struct fs *fs = req->fs;
	bool found = false;

	fs_lock(fs);
	if (put)
		found = condition_put_locked(inode, line, n, version);
	else
		condition_drop_locked(inode, line, n);
	fs_unlock(fs);
	return found;
}

static void set_version(struct req *req, struct inode *inode,
			const char *value, size_t size)
{
	int32_t version;
	int rc = xattr_parse_version(value, size, &version);

	if (rc == 0 && !change_condition(req, inode, true, version))
		rc = -EOPNOTSUPP;
	req_err(req, rc);
}

/* As a filesystem that has these attributes and cannot store others. */
static int check_set(struct fs *fs, const char *name, int flags,
		     const struct xattr **x)
{
	int rc = find(name, x);

	if (rc == -ENODATA && !(flags & XATTR_REPLACE))
		rc = -EOPNOTSUPP;
	if (rc < 0)
		return rc;
	if (fs->opt->ro)
		return -EROFS;
	return flags & XATTR_CREATE ? -EEXIST : 0;
}

void op_setxattr(fuse_req_t freq, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags)
{
	const struct xattr *x;
	struct inode *inode;
	struct req req;
	int rc;

	req_init(&req, freq);
	rc = check_set(req.fs, name, flags, &x);
	if (rc < 0)
		return req_err(&req, rc);
	inode = inode_of(&req, ino);
	if (!inode)
		return;
	if (x->id == XATTR_ACL)
		op_acl_set(&req, inode, value, size);
	else if (x->id == XATTR_VERSION)
		set_version(&req, inode, value, size);
	else
		req_err(&req, req.fs->opt->quiet ? 0 : -EOPNOTSUPP);
}

void op_removexattr(fuse_req_t freq, fuse_ino_t ino, const char *name)
{
	const struct xattr *x;
	struct inode *inode;
	struct req req;
	int rc = find(name, &x);

	req_init(&req, freq);
	if (rc == 0 && req.fs->opt->ro)
		rc = -EROFS;
	if (rc < 0)
		return req_err(&req, rc);
	inode = inode_of(&req, ino);
	if (!inode)
		return;
	if (x->id == XATTR_VERSION)
		change_condition(&req, inode, false, 0);
	else if (x->id == XATTR_ACL || !req.fs->opt->quiet)
		rc = -EOPNOTSUPP;
	req_err(&req, rc);
}
