/* SPDX-License-Identifier: Apache-2.0 */
#include "dir.h"

#include <errno.h>
#include <string.h>

#include "fs.h"

struct dir *dir_new(struct fs *fs, struct inode *inode)
{
	struct dir *dir = xcalloc(1, sizeof(*dir));

	inode_open(inode);
	dir->inode = inode;
	list_add_tail(&fs->dirs, &dir->in_fs);
	return dir;
}

void dir_clear(struct dir *dir)
{
	dir->text_len = 0;
	dir->n = 0;
	dir->loaded = false;
}

void dir_close(struct fs *fs, struct dir *dir)
{
	fs_lock(fs);
	list_del(&dir->in_fs);
	inode_close(&fs->nodes, dir->inode);
	fs_unlock(fs);
	free(dir->text);
	free(dir->at);
	free(dir);
}

static int grow(void **p, size_t *cap, size_t need, size_t size)
{
	size_t n = MAX(*cap * 2, need + 64);
	void *q;

	if (need <= *cap)
		return 0;
	q = reallocarray(*p, n, size);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = n;
	return 0;
}

int dir_add(struct dir *dir, const char *entry)
{
	size_t len = strlen(entry) + 1;

	if (dir->text_len + len > UINT32_MAX ||
	    grow((void **)&dir->text, &dir->text_cap, dir->text_len + len, 1) ||
	    grow((void **)&dir->at, &dir->cap, dir->n + 1, sizeof(*dir->at)))
		return -ENOMEM;
	memcpy(dir->text + dir->text_len, entry, len);
	dir->at[dir->n++] = (uint32_t)dir->text_len;
	dir->text_len += len;
	return 0;
}
