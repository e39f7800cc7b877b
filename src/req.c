/* SPDX-License-Identifier: Apache-2.0 */
#include "req.h"

#include <errno.h>
#include <stdlib.h>

#include "dir.h"
#include "file.h"
#include "fs.h"
#include "log.h"
#include "special.h"

void req_init(struct req *r, fuse_req_t freq)
{
	r->fs = fuse_req_userdata(freq);
	r->freq = freq;
	r->thread = fuse_req_ctx(freq)->pid;
	r->armed = false;
	r->session = 0;
	atomic_init(&r->owner.interrupted, false);
}

/*
 * A FUSE thread, with libfuse's lock of this request held: nothing may be
 * answered here, which zk_interrupt() promises.
 */
static void on_interrupt(fuse_req_t freq _unused_, void *data)
{
	struct req *r = data;

	zk_interrupt(r->fs->zk, &r->owner);
}

struct zk_to req_to(struct req *r, zk_cb *cb, void *arg)
{
	if (!r->armed) {
		r->armed = true;
		fuse_req_interrupt_func(r->freq, on_interrupt, r);
	}
	return (struct zk_to){
		.cb = cb,
		.arg = arg,
		.owner = &r->owner,
		.session = r->session,
	};
}

bool req_interrupted(struct req *r)
{
	return r->freq && fuse_req_interrupted(r->freq);
}

/* The one place through which every answer goes. */
static fuse_req_t take(struct req *r)
{
	fuse_req_t freq = r->freq;

	if (!freq) {
		log_err("a request was answered twice");
		abort();
	}
	/* Waits for an on_interrupt() that is running. */
	if (r->armed)
		fuse_req_interrupt_func(freq, NULL, NULL);
	r->freq = NULL;
	atomic_fetch_add_explicit(&r->fs->messages, 1, memory_order_relaxed);
	return freq;
}

/*
 * -ENOENT says that the kernel has dropped the request meanwhile.  Anything
 * else would be a bug, or the end of the mount.
 */
static bool refused(int rc)
{
	if (rc != 0 && rc != -ENOENT && rc != -ENODEV)
		log_debug("an answer was not taken: %d", rc);
	return rc != 0;
}

void req_err(struct req *r, int rc)
{
	refused(fuse_reply_err(take(r), -rc));
}

void req_none(struct req *r)
{
	fuse_reply_none(take(r));
}

void req_attr(struct req *r, const struct stat *st, double timeout)
{
	refused(fuse_reply_attr(take(r), st, timeout));
}

void req_entry(struct req *r, const struct fuse_entry_param *e)
{
	struct fs *fs = r->fs;

	if (refused(fuse_reply_entry(take(r), e)))
		fs_forget(fs, e->ino, 1);
}

void req_negative(struct req *r, double timeout)
{
	struct fuse_entry_param e = {.entry_timeout = timeout};

	if (timeout > 0)
		refused(fuse_reply_entry(take(r), &e));
	else
		req_err(r, -ENOENT);
}

void req_create(struct req *r, const struct fuse_entry_param *e,
		const struct fuse_file_info *fi, struct file *file)
{
	struct fs *fs = r->fs;

	if (!refused(fuse_reply_create(take(r), e, fi)))
		return;
	file_close(fs, file);
	fs_forget(fs, e->ino, 1);
}

void req_open(struct req *r, const struct fuse_file_info *fi,
	      struct file *file, struct dir *dir)
{
	struct fs *fs = r->fs;

	if (!refused(fuse_reply_open(take(r), fi)))
		return;
	if (file)
		file_close(fs, file);
	if (dir)
		dir_close(fs, dir);
}

void req_open_text(struct req *r, const struct fuse_file_info *fi,
		   struct special_text *text)
{
	struct fs *fs = r->fs;

	if (refused(fuse_reply_open(take(r), fi)))
		special_close(fs, text);
}

void req_buf(struct req *r, const char *buf, size_t size)
{
	refused(fuse_reply_buf(take(r), buf, size));
}

void req_write(struct req *r, size_t count)
{
	refused(fuse_reply_write(take(r), count));
}

void req_statfs(struct req *r, const struct statvfs *st)
{
	refused(fuse_reply_statfs(take(r), st));
}

void req_xattr(struct req *r, const char *value, size_t len, size_t size)
{
	if (size == 0)
		refused(fuse_reply_xattr(take(r), len));
	else if (len > size)
		req_err(r, -ERANGE);
	else
		req_buf(r, value, len);
}

void req_poll(struct req *r, unsigned events)
{
	refused(fuse_reply_poll(take(r), events));
}

void req_lock(struct req *r, const struct flock *lock)
{
	refused(fuse_reply_lock(take(r), lock));
}
