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

/*
 * Entries are asked for in the order in which the children mostly stand.  The
 * next one after @last, the one before, if that is @entry; else NULL.
 */
static struct node *next_locked(struct node *last, const char *entry)
{
	struct node *next = last ? node_next_sibling(last) : NULL;

	return next && !next->unnamed && name_is_itself(entry) &&
			       strcmp(next->name, entry) == 0
		       ? node_ref(next)
		       : NULL;
}

/* Number and type as far as they are known; readers stat what they must. */
static void entry_stat_locked(struct fs *fs, struct dir *dir,
			      const char *entry, struct node **last,
			      struct stat *st)
{
	struct node *parent = dir->inode->node, *node;
	char znode[NAME_ENTRY_MAX + 1];

	st->st_ino = 0xffffffff; /* libfuse's FUSE_UNKNOWN_INO */
	st->st_mode = 0;
	if (dir->inode->view != VIEW_MAIN || dir->inode->gone)
		return;
	node = next_locked(*last, entry);
	if (!node && name_to_znode(entry, parent == fs->nodes.root, znode) < 0)
		return;
	if (!node)
		node = node_find(&fs->nodes, parent, znode);
	*last = node;
	st->st_ino = node ? node_ino(node) : node_child_ino(parent, znode);
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

static void readdir_fail(struct readdir *op, int rc)
{
	req_err(&op->req, rc);
	readdir_end(op);
}

static void readdir_answer(struct readdir *op)
{
	_cleanup_free_ char *buf = malloc(op->size);
	struct fs *fs = op->req.fs;
	struct dir *dir = op->dir;
	struct node *last = NULL; /* others have a reference, or it is gone */
	size_t used = 0, i;

	if (!buf)
		return readdir_fail(op, -ENOMEM);
	dir->loaded = true;
	fs_lock(fs);
	for (i = (size_t)op->off; i < dir->n; i++) {
		const char *entry = dir_entry(dir, i);
		struct stat st = {0};
		size_t len;

		entry_stat_locked(fs, dir, entry, &last, &st);
		len = fuse_add_direntry(op->req.freq, buf + used,
					op->size - used, entry, &st,
					(off_t)(i + 1));
		if (len > op->size - used)
			break;
		used += len;
	}
	fs_unlock(fs);
	req_buf(&op->req, buf, used);
	readdir_end(op);
}

/* --- the entries --------------------------------------------------------- */

static int add_child(struct dir *dir, const char *znode, bool at_root)
{
	char entry[NAME_ENTRY_MAX + 1];

	if (name_is_itself(znode) && strlen(znode) <= NAME_ENTRY_MAX)
		return dir_add(dir, znode);
	name_to_entry(znode, at_root, entry);
	return dir_add(dir, entry);
}

/* --- the main view ------------------------------------------------------- */

/* Opened for creation here, and for the others not there yet. */
static int add_embryos_locked(struct fs *fs, struct dir *dir)
{
	struct node *parent = dir->inode->node, *node;
	int rc = 0;

	for_each_child (node, parent) {
		if (node->embryo && rc == 0)
			rc = add_child(dir, node->name,
				       parent == fs->nodes.root);
	}
	return rc;
}

static int add_children(struct readdir *op, const struct zk_result *r)
{
	struct fs *fs = op->req.fs;
	bool at_root = fs_is_root(fs, op->dir->inode);
	size_t i;
	int rc = 0;

	for (i = 0; i < r->n_names && rc == 0; i++) {
		/* Only a broken server lists what could not be created. */
		if (name_check(r->names[i]) == 0)
			rc = add_child(op->dir, r->names[i], at_root);
	}
	return rc;
}

static int add_dots(struct dir *dir)
{
	int rc;

	dir_clear(dir);
	rc = dir_add(dir, ".");
	return rc < 0 ? rc : dir_add(dir, "..");
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
		rc = dir_add(op->dir, ".data");
	seen_locked(op);
	fs_unlock(fs);
	watch_pump(fs);
	/* Data that may not be read is none to the eye; -ENOENT is too late. */
	if (r->rc < 0 && r->rc != -EACCES && r->rc != -ENOENT)
		rc = r->rc;
	if (rc < 0)
		readdir_fail(op, rc);
	else
		readdir_answer(op);
}

/* 1: listed or not, as it must be; 0: the data has to be asked for. */
static int add_data_locked(struct fs *fs, struct dir *dir)
{
	const struct node *node = dir->inode->node;

	if (!node_null_known(node))
		return 0;
	if (!node_is_null(&fs->nodes, node) && dir_add(dir, ".data") < 0)
		return -ENOMEM;
	return 1;
}

static void on_children(void *arg, const struct zk_result *r)
{
	struct readdir *op = arg;
	struct fs *fs = op->req.fs;
	bool main_view = op->dir->inode->view == VIEW_MAIN;
	struct node *node;
	bool late;
	int rc = r->rc;

	if (rc == 0)
		rc = add_dots(op->dir);
	if (rc == 0)
		rc = add_children(op, r);
	if (rc < 0)
		return readdir_fail(op, rc);
	fs_lock(fs);
	node = op->dir->inode->node;
	node_learn(&fs->nodes, node, r->stat, NULL, op->req.thread);
	if (op->dir->inode->gone) {
		fs_unlock(fs);
		return readdir_fail(op, -ENOENT); /* it is another's list */
	}
	/* Before there is a node for each name, most of which are none. */
	rc = main_view ? add_embryos_locked(fs, op->dir) : 1;
	late = listing_learn_locked(fs, node, r->names, r->n_names,
				    op->changes, op->ask.guard);
	if (main_view)
		ahead_listed_locked(fs, node, op->req.thread);
	if (rc == 0)
		rc = add_data_locked(fs, op->dir);
	if (rc > 0 && main_view)
		seen_locked(op);
	fs_unlock(fs);
	if (late)
		listing_relist(fs, node);
	watch_pump(fs);
	if (rc < 0)
		readdir_fail(op, rc);
	else if (rc > 0)
		readdir_answer(op);
	else
		zk_get(fs->zk, op->path, req_to(&op->req, on_own_data, op));
}

/* During an outage: the list that was guarded until it began. */
static int add_known_locked(struct readdir *op)
{
	struct dir *dir = op->dir;
	struct node *parent = dir->inode->node, *node;
	bool at_root = parent == op->req.fs->nodes.root;
	int rc = add_dots(dir);

	for_each_child (node, parent) {
		if (node->in_list && !node->absent && rc == 0)
			rc = add_child(dir, node->name, at_root);
	}
	if (rc == 0)
		rc = add_embryos_locked(op->req.fs, dir);
	if (rc == 0)
		rc = add_data_locked(op->req.fs, dir);
	return rc;
}

static void list_known(struct readdir *op)
{
	struct fs *fs = op->req.fs;
	int rc;

	fs_lock(fs);
	rc = add_known_locked(op);
	fs_unlock(fs);
	if (rc < 0)
		readdir_fail(op, rc);
	else
		readdir_answer(op);
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
static int add_component(struct readdir *op, const char *path, char **last)
{
	bool at_root = fs_is_root(op->req.fs, op->dir->inode);
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
	return add_child(op->dir, znode, at_root);
}

static void ephemerals_answer(struct readdir *op)
{
	_cleanup_free_ char *last = NULL;
	int rc = op->rc;
	size_t i;

	for (i = 0; i < op->n_queries && rc == 0; i++) {
		if (op->queries[i].there)
			rc = add_component(op, op->queries[i].path, &last);
	}
	if (rc < 0)
		readdir_fail(op, rc);
	else
		readdir_answer(op);
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
		return readdir_fail(op, rc);
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
	int rc = add_dots(op->dir);

	if (rc < 0)
		readdir_fail(op, rc);
	else
		readdir_answer(op);
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
		return readdir_answer(op);
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
		readdir_fail(op, -ENOENT);
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
