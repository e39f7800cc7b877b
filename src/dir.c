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
	dir->len = 0;
	dir->n = 0;
	dir->loaded = false;
}

void dir_close(struct fs *fs, struct dir *dir)
{
	fs_lock(fs);
	list_del(&dir->in_fs);
	inode_close(&fs->nodes, dir->inode);
	fs_unlock(fs);
	free(dir->buf);
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

int dir_add(struct dir *dir, const char *entry, const struct stat *st)
{
	size_t size = fuse_add_direntry(NULL, NULL, 0, entry, NULL, 0);

	if (dir->len + size > UINT32_MAX ||
	    grow((void **)&dir->buf, &dir->cap, dir->len + size, 1) ||
	    grow((void **)&dir->at, &dir->at_cap, dir->n + 1,
		 sizeof(*dir->at)))
		return -ENOMEM;
	dir->at[dir->n++] = (uint32_t)dir->len;
	dir->len += fuse_add_direntry(NULL, dir->buf + dir->len, size, entry,
				      st, (off_t)dir->n);
	return 0;
}

size_t dir_slice(const struct dir *dir, size_t first, size_t size,
		 const char **buf)
{
	size_t i, len = 0;

	if (first >= dir->n)
		return 0;
	*buf = dir->buf + dir->at[first];
	for (i = first + 1; i <= dir->n; i++) {
		size_t end = i < dir->n ? dir->at[i] : dir->len;

		if (end - dir->at[first] > size)
			break;
		len = end - dir->at[first];
	}
	return len;
}
