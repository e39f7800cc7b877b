/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OPENDIR, READDIR and RELEASEDIR.
 *
 * A listing is one getChildren, and in the main view a get of the directory
 * itself where it is not known whether it has data: `.data` is listed then.
 *
 * A listing in `.ephemeral` shows what leads to ephemerals of this mount.  The
 * mount knows their paths; the server is asked of each whether it still is.
 */

#include <errno.h>
#include <string.h>

#include "dir.h"
#include "fs.h"
#include "log.h"
#include "name.h"
#include "op.h"
#include "path.h"

struct readdir {
	struct req req;
	struct dir *dir;
	size_t size;
	off_t off;
	char *path;
	uint32_t changes; /* of the list, when it was asked for */
	struct watch_ask ask;

	/* In `.ephemeral`: the paths asked about, and what is still open. */
	struct eph_query *queries;
	size_t n_queries;
	size_t n_open; /* under fs->lock */
	int rc;        /* under fs->lock */
};

struct eph_query {
	struct readdir *op;
	char *path;
	bool there;
};

static struct dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct dir *)(uintptr_t)fi->fh;
}

/* --- the answer ---------------------------------------------------------- */

/* As the kernel knows it. */
static void known_stat_locked(struct node *node, struct stat *st)
{
	enum inode_kind kind = node_kind(node);
	struct inode *inode = node_find_inode(node, VIEW_MAIN, kind);

	if (!inode)
		return;
	st->st_mode = kind == INODE_DIR ? S_IFDIR : S_IFREG;
	st->st_ino = inode_number(inode);
}

/* Number and type as far as they are known; readers stat what they must. */
static void entry_stat_locked(struct fs *fs, struct dir *dir,
			      const char *znode, struct stat *st)
{
	struct node *parent = dir->inode->node, *node;

	st->st_ino = node_child_ino(parent, znode);
	if (!node_first_child(parent))
		return;
	node = node_find(&fs->nodes, parent, znode);
	if (node && node->decided && watch_guard_locked(fs, node))
		known_stat_locked(node, st);
	node_put(&fs->nodes, &node);
}

static void readdir_end(struct readdir *op)
{
	size_t i;

	for (i = 0; i < op->n_queries; i++)
		free(op->queries[i].path);
	free(op->queries);
	free(op->path);
	free(op);
}

/*
 * Entries are answered in the thread that runs the handlers, or with fs->lock
 * held: an answer is not over yet when its reader closes the directory, which
 * frees them.
 */
static void readdir_answer(struct readdir *op, int rc)
{
	const char *buf = NULL;
	size_t size;

	if (rc >= 0) {
		op->dir->loaded = true;
		size = dir_slice(op->dir, (size_t)op->off, op->size, &buf);
		req_buf(&op->req, buf, size);
	} else {
		req_err(&op->req, rc);
	}
	readdir_end(op);
}

/* --- the entries --------------------------------------------------------- */

static const struct stat unknown = {
	.st_ino = 0xffffffff, /* libfuse's FUSE_UNKNOWN_INO */
};

static int add_dots(struct dir *dir)
{
	int rc;

	dir_clear(dir);
	rc = dir_add(dir, ".", &unknown);
	return rc < 0 ? rc : dir_add(dir, "..", &unknown);
}

static int add_child_locked(struct fs *fs, struct dir *dir, const char *znode)
{
	char buf[NAME_ENTRY_MAX + 1];
	struct stat st = unknown;
	const char *entry = znode;

	if (!name_is_itself(znode) || strlen(znode) > NAME_ENTRY_MAX) {
		name_to_entry(znode, dir->inode->node == fs->nodes.root, buf);
		entry = buf;
	}
	if (dir->inode->view == VIEW_MAIN)
		entry_stat_locked(fs, dir, znode, &st);
	return dir_add(dir, entry, &st);
}

/* --- the main view ------------------------------------------------------- */

/* Opened for creation here, and for the others not there yet. */
static int add_embryos_locked(struct fs *fs, struct dir *dir)
{
	struct node *node;
	int rc = 0;

	for_each_child (node, dir->inode->node) {
		if (node->embryo && rc == 0)
			rc = add_child_locked(fs, dir, node->name);
	}
	return rc;
}

/* 1: listed or not, as it must be; 0: the data has to be asked for. */
static int add_data_locked(struct fs *fs, struct dir *dir)
{
	const struct node *node = dir->inode->node;

	if (!node_null_known(node))
		return 0;
	if (!node_is_null(&fs->nodes, node) &&
	    dir_add(dir, ".data", &unknown) < 0)
		return -ENOMEM;
	return 1;
}

/* 1: that is all; 0: as above. */
static int add_all_locked(struct fs *fs, struct dir *dir,
			  const struct zk_result *r)
{
	bool main_view = dir->inode->view == VIEW_MAIN;
	int rc = add_dots(dir);
	size_t i;

	for (i = 0; i < r->n_names && rc == 0; i++) {
		/* Only a broken server lists what could not be created. */
		if (name_check(r->names[i]) == 0)
			rc = add_child_locked(fs, dir, r->names[i]);
	}
	if (rc == 0 && main_view)
		rc = add_embryos_locked(fs, dir);
	if (rc == 0)
		rc = main_view ? add_data_locked(fs, dir) : 1;
	return rc;
}

/* Whoever sees `.data` in the list, or not, must hear when that changes. */
static void seen_locked(struct readdir *op)
{
	struct node *node = op->dir->inode->node;
	struct fs *fs = op->req.fs;

	if (op->dir->inode->gone)
		return;
	look_seen_locked(fs, node, VIEW_MAIN);
	if (watch_is_late_locked(fs, node, &op->ask))
		look_locked(fs, node);
}

static void on_own_data(void *arg, const struct zk_result *r)
{
	struct readdir *op = arg;
	struct fs *fs = op->req.fs;
	struct node *node;
	int rc = 0;

	fs_lock(fs);
	node = op->dir->inode->node;
	if (r->rc == 0)
		node_learn(&fs->nodes, node, r->stat, r->data,
			   op->req.thread);
	if (r->rc == 0 && !node_is_null(&fs->nodes, node))
		rc = dir_add(op->dir, ".data", &unknown);
	/* Data that may not be read is none to the eye; -ENOENT is too late. */
	if (r->rc < 0 && r->rc != -EACCES && r->rc != -ENOENT)
		rc = r->rc;
	seen_locked(op);
	readdir_answer(op, rc);
	fs_unlock(fs);
	watch_pump(fs);
}

/* 0: the data has to be asked for; else it is answered, < 0 with an error. */
static int answer_locked(struct readdir *op, const struct zk_result *r)
{
	int rc = -ENOENT; /* it is another's list */

	if (!op->dir->inode->gone)
		rc = add_all_locked(op->req.fs, op->dir, r);
	if (rc > 0 && op->dir->inode->view == VIEW_MAIN)
		seen_locked(op);
	if (rc != 0)
		readdir_answer(op, rc);
	return rc;
}

/*
 * Who reads the list has it before we have learnt it: to make a node for each
 * name takes as long as all the rest.  Nothing comes between the two, for the
 * lock is held.
 */
static void on_children(void *arg, const struct zk_result *r)
{
	struct readdir *op = arg;
	struct fs *fs = op->req.fs;
	bool main_view = op->dir->inode->view == VIEW_MAIN, late = false;
	pid_t thread = op->req.thread;
	struct watch_ask ask = op->ask;
	uint32_t changes = op->changes;
	struct node *node;
	int rc;

	if (r->rc < 0)
		return readdir_answer(op, r->rc);
	fs_lock(fs);
	node = node_ref(op->dir->inode->node);
	node_learn(&fs->nodes, node, r->stat, NULL, thread);
	rc = answer_locked(op, r);
	if (rc >= 0)
		late = listing_learn_locked(fs, node, r->names, r->n_names,
					    changes, ask.guard);
	if (rc >= 0 && main_view)
		ahead_listed_locked(fs, node, thread);
	fs_unlock(fs);
	if (late)
		listing_relist(fs, node);
	watch_pump(fs);
	if (rc == 0)
		zk_get(fs->zk, op->path, req_to(&op->req, on_own_data, op));
	fs_lock(fs);
	node_put(&fs->nodes, &node);
	fs_unlock(fs);
}

/* During an outage: the list that was guarded until it began. */
static int add_known_locked(struct readdir *op)
{
	struct fs *fs = op->req.fs;
	struct dir *dir = op->dir;
	struct node *node;
	int rc = add_dots(dir);

	for_each_child (node, dir->inode->node) {
		if (node->in_list && !node->absent && rc == 0)
			rc = add_child_locked(fs, dir, node->name);
	}
	if (rc == 0)
		rc = add_embryos_locked(fs, dir);
	if (rc == 0)
		rc = add_data_locked(fs, dir);
	return rc;
}

static void list_known(struct readdir *op)
{
	struct fs *fs = op->req.fs;

	fs_lock(fs);
	readdir_answer(op, add_known_locked(op));
	fs_unlock(fs);
}

/* --- the ephemeral view -------------------------------------------------- */

/* The entry below @dir that leads to @path; *@len is its length. */
static const char *next_component(const char *path, const char *dir,
				  size_t *len)
{
	const char *name = path + (strcmp(dir, "/") ? strlen(dir) : 0) + 1;

	*len = strcspn(name, "/");
	return name;
}

/* Sorted paths: those that share a component stand together. */
static int add_component_locked(struct readdir *op, const char *path,
				char **last)
{
	size_t len;
	const char *name = next_component(path, op->path, &len);
	char *znode = strndup(name, len);

	if (!znode)
		return -ENOMEM;
	if (*last && strcmp(*last, znode) == 0) {
		free(znode);
		return 0;
	}
	free(*last);
	*last = znode;
	return add_child_locked(op->req.fs, op->dir, znode);
}

static void ephemerals_answer(struct readdir *op)
{
	_cleanup_free_ char *last = NULL;
	struct fs *fs = op->req.fs;
	int rc = op->rc;
	size_t i;

	fs_lock(fs);
	for (i = 0; i < op->n_queries && rc == 0; i++) {
		if (op->queries[i].there)
			rc = add_component_locked(op, op->queries[i].path,
						  &last);
	}
	readdir_answer(op, rc);
	fs_unlock(fs);
}

static void on_ephemeral(void *arg, const struct zk_result *r)
{
	struct eph_query *q = arg;
	struct readdir *op = q->op;
	struct fs *fs = op->req.fs;
	bool last;

	fs_lock(fs);
	q->there = r->rc == 0 && fs_owns(fs, r->stat);
	if (!q->there && (r->rc == 0 || r->rc == -ENOENT))
		ephemerals_del(&fs->eph, q->path);
	else if (r->rc < 0)
		op->rc = r->rc;
	last = --op->n_open == 0;
	fs_unlock(fs);
	if (last)
		ephemerals_answer(op);
}

static int collect_queries_locked(struct readdir *op)
{
	struct fs *fs = op->req.fs;
	size_t first, end, i;

	ephemerals_below(&fs->eph, op->path, &first, &end);
	op->queries = calloc(end - first + 1, sizeof(*op->queries));
	if (!op->queries)
		return -ENOMEM;
	op->n_queries = end - first;
	for (i = 0; i < op->n_queries; i++) {
		op->queries[i].op = op;
		op->queries[i].path = xstrdup(fs->eph.paths[first + i]);
	}
	/* One more, for the time in which they are sent. */
	op->n_open = op->n_queries + 1;
	return add_dots(op->dir);
}

static void list_ephemerals(struct readdir *op)
{
	struct fs *fs = op->req.fs;
	bool last;
	size_t i;
	int rc;

	fs_lock(fs);
	rc = collect_queries_locked(op);
	fs_unlock(fs);
	if (rc < 0)
		return readdir_answer(op, rc);
	for (i = 0; i < op->n_queries; i++)
		zk_exists(fs->zk, op->queries[i].path,
			  req_to(&op->req, on_ephemeral, &op->queries[i]));
	fs_lock(fs);
	last = --op->n_open == 0;
	fs_unlock(fs);
	if (last)
		ephemerals_answer(op);
}

/* --- `.ttl` --------------------------------------------------------------- */

/* There is a directory for every number. */
static void list_nothing(struct readdir *op)
{
	readdir_answer(op, add_dots(op->dir));
}

/* --- the operations ------------------------------------------------------ */

/*
 * The kernel may keep the listing while it is guarded: each entry that comes
 * or goes is announced, and that makes the kernel drop it.
 */
static void keep_listing_locked(struct fs *fs, struct inode *inode,
				struct fuse_file_info *fi)
{
	if (!fs_kernel_keeps(fs) || inode->gone || inode->view != VIEW_MAIN ||
	    fs->views_used ||
	    watch_guard_locked(fs, inode->node) == 0 ||
	    !look_is_settled_locked(fs, inode->node))
		return;
	fi->cache_readdir = 1;
	fi->keep_cache = listing_is_valid_locked(fs, inode->node);
}

void op_opendir(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir *dir = NULL;
	struct inode *inode;
	struct req req;
	int rc = 0;

	req_init(&req, freq);
	fs_lock(req.fs);
	inode = inode_find(&req.fs->nodes, ino);
	if (!inode)
		rc = -ESTALE;
	else if (inode->kind != INODE_DIR)
		rc = -ENOTDIR;
	else if (inode->gone)
		rc = fs_gone_error(inode);
	else
		dir = dir_new(req.fs, inode);
	if (dir)
		keep_listing_locked(req.fs, inode, fi);
	fs_unlock(req.fs);
	if (rc < 0)
		return req_err(&req, rc);
	fi->fh = (uintptr_t)dir;
	req_open(&req, fi, NULL, dir);
}

void op_readdir(fuse_req_t freq, fuse_ino_t ino _unused_, size_t size,
		off_t off, struct fuse_file_info *fi)
{
	struct readdir *op = xcalloc(1, sizeof(*op));
	enum node_view view;
	struct fs *fs;
	bool gone, known;

	req_init(&op->req, freq);
	fs = op->req.fs;
	op->dir = dir_of(fi);
	op->size = size;
	op->off = off;
	if (off > 0 && op->dir->loaded)
		return readdir_answer(op, 0);
	fs_lock(fs);
	gone = op->dir->inode->gone;
	op->path = node_path(op->dir->inode->node);
	op->changes = node_dir_of(op->dir->inode->node)->list_changes;
	op->ask = watch_ask_locked(fs, op->dir->inode->node);
	view = op->dir->inode->view;
	known = view == VIEW_MAIN && session_is_out_locked(fs) &&
		listing_is_valid_locked(fs, op->dir->inode->node);
	fs_unlock(fs);
	if (gone)
		readdir_answer(op, -ENOENT);
	else if (view == VIEW_EPHEMERAL)
		list_ephemerals(op);
	else if (view == VIEW_TTL)
		list_nothing(op);
	else if (known)
		list_known(op);
	else
		zk_children(fs->zk, op->path,
			    req_to(&op->req, on_children, op));
}

void op_releasedir(fuse_req_t freq, fuse_ino_t ino _unused_,
		   struct fuse_file_info *fi)
{
	struct req req;

	req_init(&req, freq);
	dir_close(req.fs, dir_of(fi));
	req_err(&req, 0);
}
