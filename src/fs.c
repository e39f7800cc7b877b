/* SPDX-License-Identifier: Apache-2.0 */
#include "fs.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "dir.h"
#include "file.h"
#include "name.h"
#include "op.h"
#include "pollers.h"
#include "special.h"
#include "view.h"

/* --- what the kernel is told --------------------------------------------- */

void fs_stat(struct fs *fs, struct inode *inode, struct stat *st)
{
	enum attr_kind kind =
		inode->kind == INODE_DIR ? ATTR_DIR : ATTR_FILE;

	attr_fill(st, inode_number(inode), kind, inode_stat(inode), &fs->attr);
	if (inode->gone)
		st->st_nlink = 0;
}

/*
 * Whether the kernel may keep what it is told: it is valid, and there is
 * nothing to announce that would say otherwise; nor of the directory, for what
 * is announced below one that was replaced is not seen in its successor.  An
 * open handle with uncommitted writes makes its size known by asking.  What
 * the kernel knows in another view too may be changed there, where it does not
 * see that it is the same; so may this session's ephemerals.
 */
static bool is_settled(struct fs *fs, const struct node *node)
{
	return look_is_settled_locked(fs, node) &&
	       (!node->parent || look_is_settled_locked(fs, node->parent));
}

/* Directories are not changed by who only goes through them. */
static bool is_in_another_view(struct fs *fs, const struct node *node)
{
	const struct inode *inode;

	for_each_inode (inode, node) {
		if (!inode->gone && inode->view >= VIEW_COUNT &&
		    inode->kind == INODE_FILE)
			return true;
	}
	return fs_owns(fs, &node->stat);
}

bool fs_kernel_keeps(const struct fs *fs)
{
	return !fs->opt->strict && fs->announcer.able;
}

static bool may_keep(struct fs *fs, struct inode *inode)
{
	struct node *node = inode->node;
	struct file *file;

	if (!fs_kernel_keeps(fs) || inode->gone || inode->view != VIEW_MAIN ||
	    !node->parent || !watch_is_valid_locked(fs, node) || !node->known ||
	    !is_settled(fs, node) || is_in_another_view(fs, node))
		return false;
	chain_for_each (file, &inode->files, in_inode) {
		if (file->dirty || file->cut)
			return false;
	}
	return true;
}

/* What happens to `.data` changes the times of its directory unseen. */
double fs_attr_timeout(struct fs *fs, struct inode *inode)
{
	if (inode_number(inode) == NODE_ROOT_INO)
		return fs->opt->strict ? 0 : FS_ROOT_TIMEOUT;
	if (inode->kind == INODE_DIR && !node_is_null(&fs->nodes, inode->node))
		return 0;
	return may_keep(fs, inode) ? FS_TIMEOUT : 0;
}

void fs_tell_entry(struct fs *fs, struct inode *inode,
		   struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){.ino = inode_number(inode)};
	fs_stat(fs, inode, &e->attr);
	inode->lookups++;
}

void fs_entry(struct fs *fs, struct inode *inode, enum node_view view,
	      struct fuse_entry_param *e)
{
	fs_tell_entry(fs, inode, e);
	look_seen_locked(fs, inode->node, view);
	if (view != VIEW_MAIN || !may_keep(fs, inode))
		return;
	e->entry_timeout = FS_TIMEOUT;
	e->attr_timeout = fs_attr_timeout(fs, inode);
}

double fs_negative_timeout(struct fs *fs, const struct target *target)
{
	struct node *node = target->node;

	/* A name made in another view comes into being here unseen. */
	if (!fs_kernel_keeps(fs) || fs->views_used || !node || target->special ||
	    target->alias ||
	    target->view != VIEW_MAIN || !watch_is_valid_locked(fs, node) ||
	    !is_settled(fs, node))
		return 0;
	if (target->data)
		return FS_TIMEOUT;
	/* Nobody here remembers who was told; the list finds what came. */
	return node->absent && node->parent &&
			       listing_is_held_locked(node->parent)
		       ? FS_TIMEOUT
		       : 0;
}

bool fs_is_root(struct fs *fs, const struct inode *inode)
{
	bool is;

	fs_lock(fs);
	is = inode->node == fs->nodes.root;
	fs_unlock(fs);
	return is;
}

void fs_forget(struct fs *fs, uint64_t ino, uint64_t n)
{
	struct inode *inode;
	struct node *node;

	fs_lock(fs);
	inode = inode_find(&fs->nodes, ino);
	if (inode && ino != NODE_ROOT_INO) {
		node = node_ref(inode->node);
		inode_forget(&fs->nodes, inode, n);
		if (!node_is_open_dir(node))
			listing_drop_locked(fs, node);
		watch_settled_locked(fs, node);
		node_put(&fs->nodes, &node);
	}
	fs_unlock(fs);
}

/* --- names --------------------------------------------------------------- */

static int special_target(struct inode *dir, enum name_special special,
			  struct target *target)
{
	if (dir->view != VIEW_MAIN)
		return -ENOENT;
	target->view = view_of(special);
	target->data = special == NAME_DATA;
	target->special = target->view != VIEW_MAIN;
	if (!target->data && !target->special)
		return -ENOENT;
	target->node = node_ref(dir->node);
	return 0;
}

/* In `.ttl`: a directory for each number of seconds. */
static int ttl_target(struct inode *dir, const char *entry,
		      struct target *target)
{
	target->view = view_of_ttl(entry);
	target->special = true;
	if (target->view == VIEW_TTL)
		return -ENOENT;
	target->node = node_ref(dir->node);
	return 0;
}

/*
 * A long name that a lookup has found already, unless there is a znode that
 * is really called like its alias.
 */
static struct node *find_alias(struct fs *fs, struct node *dir,
			       const char *entry, const char *znode)
{
	struct node *node = node_find(&fs->nodes, dir, znode);
	char shown[NAME_ENTRY_MAX + 1];

	if (node && (node->known || node->embryo))
		return node;
	node_put(&fs->nodes, &node);
	for_each_child (node, dir) {
		if (!node->known || strlen(node->name) <= NAME_ENTRY_MAX)
			continue;
		name_to_entry(node->name, dir == fs->nodes.root, shown);
		if (strcmp(shown, entry) == 0)
			return node_ref(node);
	}
	return NULL;
}

int fs_gone_error(const struct inode *dir)
{
	return dir->unlinked || dir->node->absent ? -ENOENT : -ESTALE;
}

int fs_target(struct fs *fs, fuse_ino_t parent, const char *entry,
	      struct target *target)
{
	struct inode *dir = inode_find(&fs->nodes, parent);
	char znode[NAME_ENTRY_MAX + 1];
	enum name_special special;
	bool at_root;
	int rc;

	*target = (struct target){0};
	if (!dir)
		return special_is(parent) ? -EPERM : -ENOENT;
	if (dir->gone)
		return fs_gone_error(dir);
	if (dir->kind != INODE_DIR)
		return -ENOTDIR;
	if (dir->view == VIEW_TTL)
		return ttl_target(dir, entry, target);
	at_root = dir->node == fs->nodes.root;
	special = name_special(entry, at_root);
	if (special != NAME_PLAIN)
		return special_target(dir, special, target);
	rc = name_to_znode(entry, at_root, znode);
	if (rc < 0)
		return rc;
	target->view = dir->view;
	target->alias = name_maybe_alias(entry);
	if (target->alias)
		target->node = find_alias(fs, dir->node, entry, znode);
	if (!target->node)
		target->node = node_get(&fs->nodes, dir->node, znode);
	return 0;
}

int fs_target_plain(struct fs *fs, fuse_ino_t parent, const char *entry,
		    struct target *target)
{
	int rc = fs_target(fs, parent, entry, target);

	if (rc == 0 && target->special) {
		fs_target_put(fs, target);
		return -EPERM;
	}
	if (rc == -ENOENT &&
	    (target->special || name_special(entry, true) != NAME_PLAIN))
		return -EPERM;
	return rc;
}

char *fs_entry_path(const struct fs *fs, const struct node *node)
{
	char entry[NAME_ENTRY_MAX + 1], *path = xstrdup(""), *longer;
	const struct node *n;

	for (n = node; n->parent; n = n->parent) {
		name_to_entry(n->name, n->parent == fs->nodes.root, entry);
		if (asprintf(&longer, "%s%s%s", entry, *path ? "/" : "",
			     path) < 0)
			abort();
		free(path);
		path = longer;
	}
	return path;
}

void fs_target_put(struct fs *fs, struct target *target)
{
	node_put(&fs->nodes, &target->node);
}

bool fs_owns(struct fs *fs, const struct zstat *stat)
{
	return zstat_is_ephemeral(stat) &&
	       stat->ephemeral_owner == fs->session_id;
}

/* --- small operations ---------------------------------------------------- */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;

	/* O_TRUNC comes with the open: no moment in which a value is empty. */
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
	/* Each entry of a readdirplus would be a request to the server. */
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS |
				  FUSE_CAP_READDIRPLUS_AUTO);
	if (fs->ready)
		fs->ready(fs->ready_arg);
}

/*
 * What was freed stays with the allocator, between what was not.  To look for
 * whole pages in it is worth the time when half of what there was has gone;
 * not for a few nodes, which may each keep a page, though.
 */
#define TRIM_NODES_MIN 1000

static void give_memory_back(struct fs *fs)
{
	bool trim;

	fs_lock(fs);
	trim = fs->most_nodes >= TRIM_NODES_MIN &&
	       fs->nodes.n_nodes < fs->most_nodes / 2;
	if (trim || fs->nodes.n_nodes > fs->most_nodes)
		fs->most_nodes = fs->nodes.n_nodes;
	fs_unlock(fs);
	if (trim)
		malloc_trim(0);
}

static void op_forget(fuse_req_t freq, fuse_ino_t ino, uint64_t n)
{
	struct req req;

	req_init(&req, freq);
	fs_forget(req.fs, ino, n);
	give_memory_back(req.fs);
	req_none(&req);
}

static void op_forget_multi(fuse_req_t freq, size_t count,
			    struct fuse_forget_data *forgets)
{
	struct req req;
	size_t i;

	req_init(&req, freq);
	for (i = 0; i < count; i++)
		fs_forget(req.fs, forgets[i].ino, forgets[i].nlookup);
	give_memory_back(req.fs);
	req_none(&req);
}

/*
 * A server's room is not known; programs that look for some before they write
 * are shown a terabyte, as in sshfs.
 */
static void op_statfs(fuse_req_t freq, fuse_ino_t ino _unused_)
{
	const fsblkcnt_t blocks = (fsblkcnt_t)1 << 28;
	struct statvfs st = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = blocks,
		.f_bfree = blocks,
		.f_bavail = blocks,
		.f_files = blocks,
		.f_ffree = blocks,
		.f_favail = blocks,
		.f_namemax = NAME_ENTRY_MAX,
	};
	struct req req;

	req_init(&req, freq);
	req_statfs(&req, &st);
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = special_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = special_getattr,
	.setattr = special_setattr,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.create = op_create,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.open = special_open,
	.read = special_read,
	.write = op_write,
	.flush = special_flush,
	.fsync = special_fsync,
	.release = special_release,
	.flock = special_flock,
	.getlk = special_getlk,
	.setlk = special_setlk,
	.opendir = special_opendir,
	.readdir = special_readdir,
	.releasedir = special_releasedir,
	.getxattr = op_getxattr,
	.setxattr = op_setxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.poll = op_poll,
	.statfs = op_statfs,
};

/* --- life ---------------------------------------------------------------- */

int fs_init(struct fs *fs, const struct options *opt)
{
	struct node_policy policy = {
		.layout_dir = opt->layout_dir,
		.empty_dir = opt->empty_dir,
	};
	struct zk_config config = {
		.hosts = opt->hosts,
		.session_timeout_ms = opt->session_timeout_ms,
		.timeout_ms = opt->timeout_ms,
		.auth = &opt->auth,
		.on_state = session_on_state,
		.arg = fs,
	};

	*fs = (struct fs){.opt = opt};
	fs->attr = (struct attr_policy){
		.uid = opt->uid,
		.gid = opt->gid,
		.umask = opt->umask,
	};
	pthread_mutex_init(&fs->lock, NULL);
	list_init(&fs->files);
	list_init(&fs->dirs);
	list_init(&fs->texts);
	pollers_init(fs);
	node_table_init(&fs->nodes, opt->chroot, policy, opt->cache_size);
	if (opt->renew)
		fs->eph.keep_in = &fs->nodes;
	session_init(fs);
	renew_init(fs);
	watch_init(fs);
	look_init(fs);
	own_init(fs);
	lock_init(fs);
	erase_init(fs);
	return zk_open(&fs->zk, &config);
}

void fs_learn_root(struct fs *fs, const struct zstat *stat)
{
	fs_lock(fs);
	node_learn(&fs->nodes, fs->nodes.root, stat, NULL, 0);
	fs_unlock(fs);
}

void fs_stop(struct fs *fs)
{
	announce_stop(fs);
	erase_stop(fs);
	if (fs->watch.feed)
		watch_stop(fs);
	/* What is answered meanwhile may still make calls. */
	if (fs->zk)
		zk_close(fs->zk);
	fs->zk = NULL;
}

/* Of a mount that ended with handles open, the kernel releases none. */
static void close_handles(struct fs *fs)
{
	while (!list_empty(&fs->files))
		file_close(fs, list_first(&fs->files, struct file, in_fs));
	while (!list_empty(&fs->dirs))
		dir_close(fs, list_first(&fs->dirs, struct dir, in_fs));
	while (!list_empty(&fs->texts))
		special_close(fs, list_first(&fs->texts, struct special_text,
					     in_fs));
}

void fs_release(struct fs *fs)
{
	close_handles(fs);
	look_release(fs);
	own_release(fs);
	lock_release_all(fs);
	watch_release(fs);
	renew_release(fs);
	ephemerals_clear(&fs->eph);
	node_table_release(&fs->nodes);
	pthread_mutex_destroy(&fs->lock);
}
