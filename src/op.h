/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_OP_H
#define ZNODEFS_OP_H

/*
 * The handlers of libfuse's low-level operations, a file for each family.
 * Each runs on a FUSE thread and returns without waiting for the server.
 */

#include "req.h"

struct inode;

/* op_lookup.c */
void op_lookup(fuse_req_t freq, fuse_ino_t parent, const char *entry);
void op_getattr(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi);

/* op_setattr.c */
void op_setattr(fuse_req_t freq, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi);

/* op_make.c */
void op_mknod(fuse_req_t freq, fuse_ino_t parent, const char *entry,
	      mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t freq, fuse_ino_t parent, const char *entry,
	      mode_t mode);
void op_create(fuse_req_t freq, fuse_ino_t parent, const char *entry,
	       mode_t mode, struct fuse_file_info *fi);
void op_symlink(fuse_req_t freq, const char *link, fuse_ino_t parent,
		const char *entry);
void op_link(fuse_req_t freq, fuse_ino_t ino, fuse_ino_t parent,
	     const char *entry);

/* op_remove.c */
void op_unlink(fuse_req_t freq, fuse_ino_t parent, const char *entry);
void op_rmdir(fuse_req_t freq, fuse_ino_t parent, const char *entry);

/* op_rename.c */
void op_rename(fuse_req_t freq, fuse_ino_t parent, const char *entry,
	       fuse_ino_t new_parent, const char *new_entry, unsigned flags);

/* op_file.c */
void op_open(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t freq, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi);

/* op_write.c */
void op_write(fuse_req_t freq, fuse_ino_t ino, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi);
void op_flush(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t freq, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi);
void op_release(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi);

/* op_poll.c */
void op_poll(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph);

/* op_xattr.c */
void op_getxattr(fuse_req_t freq, fuse_ino_t ino, const char *name,
		 size_t size);
void op_listxattr(fuse_req_t freq, fuse_ino_t ino, size_t size);
void op_setxattr(fuse_req_t freq, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags);
void op_removexattr(fuse_req_t freq, fuse_ino_t ino, const char *name);

/* op_acl.c: user.zk.acl, for op_xattr.c; both answer @req. */
void op_acl_get(struct req *req, struct inode *inode, size_t size);
void op_acl_set(struct req *req, struct inode *inode, const char *text,
		size_t len);

/* op_dir.c */
void op_opendir(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t freq, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_releasedir(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi);

/* op_lock.c */
void op_flock(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
	      int op);
void op_getlk(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock);
void op_setlk(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock, int sleep);

#endif
