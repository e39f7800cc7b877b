/* SPDX-License-Identifier: Apache-2.0 */
#include "tell.h"

#include <errno.h>
#include <string.h>

#include "fs.h"
#include "name.h"

static bool begin(struct req *req)
{
	struct fs *fs = req->fs;
	enum announce_who who;

	fs_lock(fs);
	who = announce_who_locked(fs, req->thread);
	fs_unlock(fs);
	return who != ANNOUNCE_NOBODY;
}

/*
 * What the helper is to do; NULL: it is a stray's, or somebody here has changed
 * the name just now, so that there is another thing to tell.
 */
static struct telling *now_locked(struct req *req)
{
	struct fs *fs = req->fs;
	struct telling *now = &fs->announcer.now;

	if (announce_who_locked(fs, req->thread) != ANNOUNCE_HELPER)
		return NULL;
	if (now->hello || now->done || announce_is_due_locked(fs))
		return now;
	return NULL;
}

static void answer_entry(struct req *req, struct inode *inode,
			 const struct fuse_entry_param *e, int rc)
{
	if (inode)
		req_entry(req, e);
	else
		req_err(req, rc);
}

/* --- the way ------------------------------------------------------------- */

/*
 * The node on the way to what is announced, or that itself, that is called
 * @entry in @dir.
 */
static struct node *on_the_way(struct fs *fs, const struct telling *now,
			       const struct node *dir, const char *entry)
{
	char shown[NAME_ENTRY_MAX + 1];
	struct node *node = now->node;

	while (node && node->parent != dir)
		node = node->parent;
	if (!node)
		return NULL;
	name_to_entry(node->name, dir == fs->nodes.root, shown);
	return strcmp(shown, entry) == 0 ? node : NULL;
}

static bool is_data_entry(const struct telling *now, const struct inode *dir,
			  const char *entry)
{
	return told_is_of_data(now->step) && dir->node == now->node &&
	       strcmp(entry, ".data") == 0;
}

static bool is_target(struct fs *fs, const struct telling *now,
		      const struct inode *dir, const char *entry)
{
	if (dir->kind != INODE_DIR || dir->view != now->view)
		return false;
	if (told_is_of_data(now->step))
		return is_data_entry(now, dir, entry);
	return on_the_way(fs, now, dir->node, entry) == now->node;
}

static enum inode_kind target_kind(enum told_step step)
{
	if (told_is_of_data(step))
		return INODE_DATA;
	return step == TOLD_RMDIR || step == TOLD_MKDIR ? INODE_DIR
							: INODE_FILE;
}

/*
 * What is removed: never the inode of what is there, which the kernel would
 * take for dead from then on.
 */
static struct inode *victim(struct fs *fs, const struct telling *now)
{
	enum inode_kind kind = target_kind(now->step);
	struct inode *inode;

	inode = node_believed_inode(now->node, now->view, kind);
	if (inode && !inode->gone && now->truth.in[now->view] &&
	    kind != INODE_DATA && now->truth.dir == (kind == INODE_DIR))
		inode = NULL;
	return inode ? inode
		     : node_gone_inode(&fs->nodes, now->node, now->view, kind);
}

/* What watchers believe to be there; NULL: nothing. */
static struct inode *target_inode(struct fs *fs, const struct telling *now)
{
	if (told_is_making(now->step))
		return NULL;
	if (told_is_removal(now->step))
		return victim(fs, now);
	return node_inode(&fs->nodes, now->node, VIEW_MAIN,
			  target_kind(now->step));
}

static struct inode *leads_to(struct fs *fs, const struct telling *now,
			      struct inode *dir, const char *entry)
{
	struct node *root = fs->nodes.root, *node;

	if (dir->node == root && dir->view == VIEW_MAIN &&
	    now->view == VIEW_EPHEMERAL && strcmp(entry, ".ephemeral") == 0)
		return node_inode(&fs->nodes, root, VIEW_EPHEMERAL, INODE_DIR);
	if (is_target(fs, now, dir, entry))
		return target_inode(fs, now);
	node = on_the_way(fs, now, dir->node, entry);
	return node ? node_believed_inode(node, dir->view, INODE_DIR)
		    : NULL;
}

static bool is_hello(struct fs *fs, const struct telling *now,
		     fuse_ino_t parent, const char *entry)
{
	if (!now->hello)
		return false;
	if (parent == NODE_ROOT_INO && strcmp(entry, now->hello) == 0)
		fs->announcer.greeted = true;
	return true;
}

bool tell_lookup(struct req *req, fuse_ino_t parent, const char *entry)
{
	struct inode *dir, *inode = NULL;
	struct fs *fs = req->fs;
	struct fuse_entry_param e;
	struct telling *now;

	if (!begin(req))
		return false;
	fs_lock(fs);
	now = now_locked(req);
	dir = inode_find(&fs->nodes, parent);
	if (now && dir && !is_hello(fs, now, parent, entry))
		inode = leads_to(fs, now, dir, entry);
	if (inode)
		fs_tell_entry(fs, inode, &e);
	fs_unlock(fs);
	answer_entry(req, inode, &e, now ? -ENOENT : -EIO);
	return true;
}

/* --- what is announced --------------------------------------------------- */

/* What is made must still be of the kind that the kernel expects. */
static struct inode *make_locked(struct fs *fs, const struct telling *now)
{
	struct node *node = now->node;
	enum inode_kind kind = target_kind(now->step);

	if (!node->known && !node->embryo)
		return NULL;
	if (kind != INODE_DATA && node_kind(node) != kind)
		return NULL;
	return node_inode(&fs->nodes, node,
			  kind == INODE_DIR ? now->view : VIEW_MAIN, kind);
}

bool tell_make(struct req *req, fuse_ino_t parent, const char *entry)
{
	struct inode *dir, *inode = NULL;
	struct fs *fs = req->fs;
	struct fuse_entry_param e;
	struct telling *now;

	if (!begin(req))
		return false;
	fs_lock(fs);
	now = now_locked(req);
	dir = inode_find(&fs->nodes, parent);
	if (now && !now->done && dir && told_is_making(now->step) &&
	    is_target(fs, now, dir, entry))
		inode = make_locked(fs, now);
	if (inode) {
		fs_tell_entry(fs, inode, &e);
		announce_done_locked(fs);
	}
	fs_unlock(fs);
	answer_entry(req, inode, &e, -EIO);
	return true;
}

bool tell_remove(struct req *req, fuse_ino_t parent, const char *entry)
{
	struct fs *fs = req->fs;
	struct telling *now;
	struct inode *dir;
	bool expected;

	if (!begin(req))
		return false;
	fs_lock(fs);
	now = now_locked(req);
	dir = inode_find(&fs->nodes, parent);
	expected = now && dir && told_is_removal(now->step) &&
		   is_target(fs, now, dir, entry);
	if (expected)
		announce_done_locked(fs);
	fs_unlock(fs);
	req_err(req, expected ? 0 : -EIO);
	return true;
}

static bool answer_attr(struct req *req, fuse_ino_t ino, bool modify)
{
	struct fs *fs = req->fs;
	struct telling *now;
	struct inode *inode;
	struct stat st;

	if (!begin(req))
		return false;
	fs_lock(fs);
	now = now_locked(req);
	inode = inode_find(&fs->nodes, ino);
	if (modify && inode &&
	    !(now && inode->node == now->node &&
	      (now->step == TOLD_MODIFY || now->step == TOLD_DATA_MODIFY)))
		inode = NULL;
	if (inode)
		fs_stat(fs, inode, &st);
	if (inode && modify)
		announce_done_locked(fs);
	fs_unlock(fs);
	if (inode)
		req_attr(req, &st, 0);
	else
		req_err(req, -EIO);
	return true;
}

bool tell_getattr(struct req *req, fuse_ino_t ino)
{
	return answer_attr(req, ino, false);
}

bool tell_setattr(struct req *req, fuse_ino_t ino)
{
	return answer_attr(req, ino, true);
}

/* --- open and close ------------------------------------------------------ */

bool tell_open(struct req *req, const struct fuse_file_info *fi)
{
	struct fuse_file_info none = *fi;

	if (!begin(req))
		return false;
	none.fh = 0;
	none.direct_io = 1;
	req_open(req, &none, NULL, NULL);
	return true;
}

bool tell_close(struct req *req, const struct fuse_file_info *fi)
{
	if (fi->fh != 0)
		return false;
	req_err(req, 0);
	return true;
}
