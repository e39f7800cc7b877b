/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_REQ_H
#define ZNODEFS_REQ_H

/*
 * A request of the kernel, from the handler to its one answer.
 *
 * struct req is the first member of the cookie of each operation:
 *
 *	struct mkdir_op { struct req req; ... };
 *
 *	req_init(&op->req, freq);
 *	zk_create(fs->zk, path, data, mode, req_to(&op->req, on_created, op));
 *	...
 *	req_entry(&op->req, ...);     the answer; op->req is dead
 *	free(op);
 *
 * Every request gets exactly one req_*() answer; a second one aborts.  Only
 * req.c calls fuse_reply_*(), and only it turns the sign of an errno: rc is 0
 * or -errno here as everywhere.
 *
 * No lock may be held when answering: an answer that the kernel no longer
 * wants gives back the lookup or the handle it carried, under fs->lock.
 */

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <sys/types.h>

#include "zk.h"

struct fs;
struct file;
struct dir;
struct special_text;

struct req {
	struct fs *fs;
	fuse_req_t freq; /* NULL once answered, or if there is none to answer */
	pid_t thread;    /* who made the system call; 0 for the kernel itself */
	bool armed;
	int64_t session; /* what it changes is to be in this one; 0: in any */
	struct zk_owner owner;
};

void req_init(struct req *r, fuse_req_t freq);

/* For a call made on behalf of this request: an interrupt of it ends both. */
struct zk_to req_to(struct req *r, zk_cb *cb, void *arg);

/* Whether the caller has been interrupted (and may have waited in line). */
bool req_interrupted(struct req *r);

void req_err(struct req *r, int rc);
/* For FORGET, which has no answer. */
void req_none(struct req *r);
void req_attr(struct req *r, const struct stat *st, double timeout);
/* Takes back one lookup of e->ino if the kernel does not take it. */
void req_entry(struct req *r, const struct fuse_entry_param *e);
/* There is no such entry, which the kernel may keep in mind. */
void req_negative(struct req *r, double timeout);
/* The same as req_entry(), and closes @file. */
void req_create(struct req *r, const struct fuse_entry_param *e,
		const struct fuse_file_info *fi, struct file *file);
/* Closes whichever is not NULL if the kernel does not take it. */
void req_open(struct req *r, const struct fuse_file_info *fi,
	      struct file *file, struct dir *dir);
/* The same of `.znodefs`. */
void req_open_text(struct req *r, const struct fuse_file_info *fi,
		   struct special_text *text);
void req_buf(struct req *r, const char *buf, size_t size);
void req_write(struct req *r, size_t count);
/* The value of an attribute, or its length if @size is 0; -ERANGE. */
void req_xattr(struct req *r, const char *value, size_t len, size_t size);
void req_poll(struct req *r, unsigned events);
void req_statfs(struct req *r, const struct statvfs *st);
/* For GETLK. */
void req_lock(struct req *r, const struct flock *lock);

#endif
