/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_SPECIAL_H
#define ZNODEFS_SPECIAL_H

/*
 * `.znodefs` at the root of the mount: how it fares, in files that are made up
 * when they are opened, with no request to the server.
 *
 * It is no part of the tree: three inode numbers that no node has (those have
 * NODE_ROOT_INO or 2^52 and more), no lookup counts, no handles but the text.
 * So these handlers stand before those of op.h: each answers what is about
 * `.znodefs` and passes on all else.  An operation on an open file that has
 * none here must not take fi->fh of such an inode for a struct file: ask
 * special_is().
 *
 * Nothing of it is kept by the kernel.  As in proc(5) a file's size is 0, and
 * one open is one version.
 */

#include "list.h"
#include "op.h"

/* An open file; fs->lock protects the list. */
struct special_text {
	struct list in_fs;
	struct blob *text;
};

void special_close(struct fs *fs, struct special_text *t);

static inline bool special_is(fuse_ino_t ino)
{
	return ino > FUSE_ROOT_ID && ino < FUSE_ROOT_ID + 4;
}

void special_lookup(fuse_req_t freq, fuse_ino_t parent, const char *entry);
void special_getattr(fuse_req_t freq, fuse_ino_t ino,
		     struct fuse_file_info *fi);
void special_setattr(fuse_req_t freq, fuse_ino_t ino, struct stat *attr,
		     int to_set, struct fuse_file_info *fi);
void special_open(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi);
void special_read(fuse_req_t freq, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi);
void special_flush(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi);
void special_fsync(fuse_req_t freq, fuse_ino_t ino, int datasync,
		   struct fuse_file_info *fi);
void special_release(fuse_req_t freq, fuse_ino_t ino,
		     struct fuse_file_info *fi);
void special_flock(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
		   int how);
void special_getlk(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
		   struct flock *lock);
void special_setlk(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
		   struct flock *lock, int sleep);
void special_opendir(fuse_req_t freq, fuse_ino_t ino,
		     struct fuse_file_info *fi);
void special_readdir(fuse_req_t freq, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi);
void special_releasedir(fuse_req_t freq, fuse_ino_t ino,
			struct fuse_file_info *fi);

#endif
