/* SPDX-License-Identifier: Apache-2.0 */
#include "pollers.h"

#include "fs.h"

void pollers_init(struct fs *fs)
{
	list_init(&fs->polled);
}

bool pollers_has_news_locked(const struct file *file)
{
	const struct node *node = file->inode->node;

	if (file->inode->gone)
		return !file->seen_gone;
	return node->known && node->stat.mzxid != file->seen;
}

void pollers_changed_locked(struct fs *fs, struct node *node)
{
	struct inode *inode;
	struct file *file;

	for_each_inode (inode, node) {
		chain_for_each (file, &inode->files, in_inode) {
			if (file->poll && list_empty(&file->polled) &&
			    pollers_has_news_locked(file))
				list_add_tail(&fs->polled, &file->polled);
		}
	}
}

static struct fuse_pollhandle *take_poll(struct file *file)
{
	list_del(&file->polled);
	return steal(file->poll);
}

static struct fuse_pollhandle *next_to_wake(struct fs *fs)
{
	struct fuse_pollhandle *ph = NULL;
	struct file *file;

	fs_lock(fs);
	file = list_first(&fs->polled, struct file, polled);
	if (file)
		ph = take_poll(file);
	fs_unlock(fs);
	return ph;
}

/* The handle says which file; if that is closed by now, nobody is woken. */
void pollers_pump(struct fs *fs)
{
	struct fuse_pollhandle *ph;

	while ((ph = next_to_wake(fs))) {
		fuse_lowlevel_notify_poll(ph);
		fuse_pollhandle_destroy(ph);
	}
}

struct fuse_pollhandle *pollers_wait_locked(struct file *file,
					    struct fuse_pollhandle *ph)
{
	struct fuse_pollhandle *old;

	if (!ph)
		return NULL;
	old = take_poll(file);
	file->poll = ph;
	return old;
}

struct fuse_pollhandle *pollers_closed_locked(struct file *file)
{
	return take_poll(file);
}
