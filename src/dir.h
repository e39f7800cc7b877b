/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_DIR_H
#define ZNODEFS_DIR_H

/*
 * An open directory: the entries as of one moment, which offsets count.
 *
 * A listing is fetched when it is read from its beginning, and rewinddir(3)
 * fetches another.  Whatever comes and goes meanwhile, an entry that is there
 * all the time is listed exactly once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "list.h"

struct fs;
struct inode;

struct dir {
	struct inode *inode; /* counted by inode_open() */
	struct list in_fs;
	char *buf;           /* the entries, as READDIR answers them */
	size_t len;
	size_t cap;
	uint32_t *at; /* where each begins */
	size_t at_cap;
	size_t n;
	bool loaded;
};

/* With fs->lock held. */
struct dir *dir_new(struct fs *fs, struct inode *inode);
void dir_close(struct fs *fs, struct dir *dir);

void dir_clear(struct dir *dir);
/*
 * @st: the number and the type, as fuse_add_direntry() takes them.  -ENOMEM; a
 * listing is outside data.
 */
int dir_add(struct dir *dir, const char *entry, const struct stat *st);
/*
 * As many entries as @size bytes hold, of those from @first on.  Returns their
 * bytes, which are at *@buf until something is added; 0 at the end.
 */
size_t dir_slice(const struct dir *dir, size_t first, size_t size,
		 const char **buf);

#endif
