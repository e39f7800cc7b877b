/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs.h"
#include "log.h"
#include "pollers.h"

struct file *file_new(struct fs *fs, struct inode *inode, int flags)
{
	struct file *file = xcalloc(1, sizeof(*file));

	inode_open(inode);
	file->refs = 1;
	file->inode = inode;
	file->view = inode->view;
	chain_add_tail(&inode->files, &file->in_inode);
	list_add_tail(&fs->files, &file->in_fs);
	file->append = flags & O_APPEND;
	file->sync = flags & (O_SYNC | O_DSYNC);
	file->direct = flags & O_DIRECT;
	file->cut = file->dirty = file->bare = flags & O_TRUNC;
	file->amid = told_is_changing(&inode->node->told);
	list_init(&file->polled);
	file_saw(file, inode->node->known ? inode->node->stat.mzxid : 0);
	file->given = inode->node->given;
	return file;
}

enum node_view file_view(struct inode *inode, pid_t thread)
{
	if (inode->view != VIEW_MAIN || inode->entered == 0)
		return inode->view;
	if (inode->entered != thread)
		return VIEW_COUNT;
	inode->entered = 0;
	return VIEW_EPHEMERAL;
}

void file_saw(struct file *file, int64_t mzxid)
{
	file->inode->node->given++;
	file->seen = mzxid;
	file->seen_gone = file->inode->gone;
}

int64_t file_size(const struct file *file)
{
	const struct node *node = file->inode->node;
	int64_t size = file->cut ? 0 : node->stat.data_length;

	if (!file->cut && file->run_len == 0)
		return -1;
	if (file->append)
		return size + (int64_t)file->run_len;
	return MAX(size, file->run_len ? file->run_off + (int64_t)file->run_len
				       : 0);
}

/* The last handle of a create that never came to the server. */
static void drop_embryo_locked(struct fs *fs, struct inode *inode)
{
	struct node *node = inode->node;

	if (!node->embryo || inode->gone || inode->opens > 1)
		return;
	node->embryo = false;
	node_gone(&fs->nodes, node);
	/* Those who watch have been told that it was there. */
	look_compare_locked(fs, node);
}

void file_close(struct fs *fs, struct file *file)
{
	struct fuse_pollhandle *ph;

	fs_lock(fs);
	if (--file->refs > 0)
		return fs_unlock(fs);
	if (file->dirty && file->run_len > 0 && !file->inode->unlinked)
		log_warn("closed with %zu bytes that could not be committed",
			 file->run_len);
	drop_embryo_locked(fs, file->inode);
	ph = pollers_closed_locked(file);
	chain_del(&file->in_inode);
	list_del(&file->in_fs);
	inode_close(&fs->nodes, file->inode);
	fs_unlock(fs);
	if (ph)
		fuse_pollhandle_destroy(ph);
	blob_unref(file->base);
	free(file->run);
	free(file);
}

bool file_continues(const struct file *file, off_t off)
{
	return file->run_len == 0 || file->append ||
	       off == file->run_off + (off_t)file->run_len;
}

static int reserve(struct file *file, size_t need)
{
	size_t cap = MAX(file->run_cap * 2, need);
	char *run;

	if (need <= file->run_cap)
		return 0;
	run = realloc(file->run, cap);
	if (!run)
		return -ENOMEM;
	file->run = run;
	file->run_cap = cap;
	return 0;
}

int file_gather(struct file *file, const char *data, size_t size, off_t off,
		size_t max)
{
	size_t start = file->append ? 0 : (size_t)off;
	int rc;

	if (file->append)
		start = file->run_len;
	if (start > max || size > max - start)
		return -EFBIG;
	rc = reserve(file, file->run_len + size);
	if (rc < 0)
		return rc;
	if (file->run_len == 0)
		file->run_off = off;
	memcpy(file->run + file->run_len, data, size);
	file->run_len += size;
	file->dirty = true;
	file->bare = false;
	return 0;
}

static size_t applied_size(const struct file *file, size_t old, int64_t resize,
			   size_t *at)
{
	size_t size = old;

	*at = file->append ? old : (size_t)file->run_off;
	if (file->run_len > 0)
		size = MAX(size, *at + file->run_len);
	return resize >= 0 ? (size_t)resize : size;
}

int file_apply(const struct file *file, const struct blob *base,
	       int64_t resize, size_t max, struct blob **out)
{
	size_t old = base && !file->cut ? base->len : 0;
	size_t at, size = applied_size(file, old, resize, &at);
	struct blob *b;

	if (size > max)
		return -EFBIG;
	b = blob_new(NULL, size);
	if (!b)
		return -ENOMEM;
	old = MIN(old, size);
	if (old > 0)
		memcpy(b->data, base->data, old);
	memset(b->data + old, 0, size - old);
	if (file->run_len > 0 && at < size)
		memcpy(b->data + at, file->run, MIN(file->run_len, size - at));
	*out = b;
	return 0;
}

/* A run of a megabyte is not kept by a file that goes on with short lines. */
static void clear_run(struct file *file)
{
	file->run_len = 0;
	if (file->run_cap > 65536) {
		free(file->run);
		file->run = NULL;
		file->run_cap = 0;
	}
}

void file_committed(struct file *file, struct blob *content)
{
	clear_run(file);
	file->cut = file->dirty = file->bare = false;
	if (content)
		blob_assign(&file->base, blob_ref(content));
}

/* Whether what is written is to be the whole content, with nothing below it. */
static bool is_made_anew(const struct file *file)
{
	return file->cut || file->inode->node->embryo;
}

void file_failed(struct file *file, int rc, size_t own)
{
	if (file->run_len > own || (rc == -EFBIG && is_made_anew(file)))
		file->error = rc;
	clear_run(file);
	file->dirty = file->bare = false;
}
