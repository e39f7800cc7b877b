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

#include "list.h"

struct fs;
struct inode;

struct dir {
	struct inode *inode; /* counted by inode_open() */
	struct list in_fs;
	char *text;          /* the entries, each with its NUL */
	size_t text_len;
	size_t text_cap;
	uint32_t *at; /* offsets into text */
	size_t n;
	size_t cap;
	bool loaded;
};

/* With fs->lock held. */
struct dir *dir_new(struct fs *fs, struct inode *inode);
void dir_close(struct fs *fs, struct dir *dir);

void dir_clear(struct dir *dir);
/* -ENOMEM; a listing is outside data. */
int dir_add(struct dir *dir, const char *entry);
static inline const char *dir_entry(const struct dir *dir, size_t i)
{
	return dir->text + dir->at[i];
}

#endif
