/* SPDX-License-Identifier: Apache-2.0 */
#include "tell.h"

#include <errno.h>
#include <string.h>

#include "fs.h"
#include "name.h"

static bool is_data_step(enum told_step step)
{
	return step == TOLD_DATA_MKNOD || step == TOLD_DATA_UNLINK ||
	       step == TOLD_DATA_MODIFY;
}

static bool makes(enum told_step step)
{
	return step == TOLD_MKNOD || step == TOLD_MKDIR ||
	       step == TOLD_DATA_MKNOD;
}

static bool removes(enum told_step step)
{
	return step == TOLD_UNLINK || step == TOLD_RMDIR ||
	       step == TOLD_DATA_UNLINK;
}

/* False: not a helper's.  A stray one has its answer already. */
static bool begin(struct req *req, enum announce_who *who)
{
	struct fs *fs = req->fs;

	fs_lock(fs);
	*who = announce_who_locked(fs, req->thread);
	fs_unlock(fs);
	if (*who == ANNOUNCE_STRAY)
		req_err(req, -EIO);
	return *who != ANNOUNCE_NOBODY;
}

/* --- lookup ----------------------------------------------------------------- */

/*
 * The node on the way to what is announced, or that itself, that is called
 * @entry in @dir.
 */
static struct node *on_the_way(struct fs *fs, struct node *dir,
			       const char *entry)
{
	char shown[NAME_ENTRY_MAX + 1];
	struct node *node = fs->announcer.now.node;

	while (node && node->parent != dir)
		node = node->parent;
	if (!node)
		return NULL;
	name_to_entry(node->name, dir == fs->nodes.root, shown);
	return strcmp(shown, entry) == 0 ? node : NULL;
}

/* The inode that an entry of the helper's path leads to; NULL: ENOENT. */
static struct inode *leads_to(struct fs *fs, struct inode *dir,
			      const char *entry)
{
	struct telling *now = &fs->announcer.now;
	struct node_table *t = &fs->nodes;
	bool at_root = dir->node == t->root;
	struct node *node;

	if (at_root && dir->view == VIEW_MAIN &&
	    name_special(entry, true) == NAME_EPHEMERAL)
		return node_inode(t, dir->node, VIEW_EPHEMERAL, INODE_DIR);
	if (name_special(entry, at_root) == NAME_DATA)
		node = dir->node;
	else
		node = on_the_way(fs, dir->node, entry);
	if (!node)
		return NULL;
	if (node != now->node ||
	    (is_data_step(now->step) &&
	     name_special(entry, at_root) != NAME_DATA))
		return node_inode(t, node, dir->view, INODE_DIR);
	if (removes(now->step))
		return now->victim;
	if (makes(now->step))
		return NULL;
	return node_inode(t, node, VIEW_MAIN,
			  is_data_step(now->step) ? INODE_DATA : INODE_FILE);
}

static bool is_hello(struct fs *fs, fuse_ino_t parent, const char *entry)
{
	struct announcer *a = &fs->announcer;

	if (!a->now.hello || parent != NODE_ROOT_INO ||
	    strcmp(entry, a->now.hello))
		return false;
	a->greeted = true;
	return true;
}

/* Whether what is on the way is what watchers believe in. */
static bool is_current(struct fs *fs, const struct inode *inode)
{
	const struct telling *now = &fs->announcer.now;

	if (removes(now->step) && inode == now->victim)
		return false;
	return inode->node == now->node ||
	       inode->node->told.recon == RECON_IDLE;
}

bool tell_lookup(struct req *req, fuse_ino_t parent, const char *entry)
{
	struct fuse_entry_param e = {0};
	struct inode *dir, *inode = NULL;
	struct fs *fs = req->fs;
	enum announce_who who;

	if (!begin(req, &who))
		return false;
	if (who == ANNOUNCE_STRAY)
		return true;
	fs_lock(fs);
	dir = inode_find(&fs->nodes, parent);
	if (dir && !is_hello(fs, parent, entry) && !fs->announcer.now.hello)
		inode = leads_to(fs, dir, entry);
	if (inode)
		fs_tell_entry(fs, inode, is_current(fs, inode), &e);
	fs_unlock(fs);
	if (inode)
		req_entry(req, &e);
	else
		req_err(req, -ENOENT);
	return true;
}

/* --- the rest --------------------------------------------------------------- */

bool tell_getattr(struct req *req, fuse_ino_t ino)
{
	struct fs *fs = req->fs;
	enum announce_who who;
	struct inode *inode;
	double timeout = 0;
	struct stat st;

	if (!begin(req, &who))
		return false;
	if (who == ANNOUNCE_STRAY)
		return true;
	fs_lock(fs);
	inode = inode_find(&fs->nodes, ino);
	if (inode) {
		fs_stat(fs, inode, &st);
		if (node_is_valid(&fs->nodes, inode->node))
			timeout = FS_TIMEOUT;
	}
	fs_unlock(fs);
	if (inode)
		req_attr(req, &st, timeout);
	else
		req_err(req, -ESTALE);
	return true;
}

bool tell_make(struct req *req, fuse_ino_t parent, const char *entry)
{
	struct fuse_entry_param e = {0};
	struct inode *dir, *inode = NULL;
	struct fs *fs = req->fs;
	struct telling *now = &fs->announcer.now;
	enum announce_who who;

	if (!begin(req, &who))
		return false;
	if (who == ANNOUNCE_STRAY)
		return true;
	fs_lock(fs);
	dir = inode_find(&fs->nodes, parent);
	if (dir && makes(now->step) && !leads_to(fs, dir, entry))
		inode = node_inode(&fs->nodes, now->node, VIEW_MAIN,
				   now->step == TOLD_DATA_MKNOD ? INODE_DATA
				   : now->step == TOLD_MKDIR	? INODE_DIR
								: INODE_FILE);
	if (inode)
		fs_tell_entry(fs, inode, true, &e);
	fs_unlock(fs);
	if (inode)
		req_entry(req, &e);
	else
		req_err(req, -EIO);
	return true;
}

bool tell_remove(struct req *req)
{
	struct fs *fs = req->fs;
	enum announce_who who;
	bool expected;

	if (!begin(req, &who))
		return false;
	if (who == ANNOUNCE_STRAY)
		return true;
	fs_lock(fs);
	expected = removes(fs->announcer.now.step);
	fs_unlock(fs);
	req_err(req, expected ? 0 : -EIO);
	return true;
}

bool tell_open(struct req *req, const struct fuse_file_info *fi)
{
	struct fuse_file_info none = *fi;
	enum announce_who who;

	if (!begin(req, &who))
		return false;
	if (who == ANNOUNCE_STRAY)
		return true;
	none.fh = 0;
	none.direct_io = 1;
	req_open(req, &none, NULL, NULL);
	return true;
}
