/* SPDX-License-Identifier: Apache-2.0 */
#include "sequential.h"

#include <errno.h>
#include <stdio.h>

#include "fs.h"
#include "op_write.h"
#include "view.h"

struct name_read {
	struct write_op w;
	size_t size;
	off_t off;
};

bool sequential_is(const struct file *file)
{
	return view_is_sequential(file->inode->view) &&
	       file->inode->kind == INODE_FILE;
}

int sequential_check_write_locked(const struct file *file, off_t off)
{
	if (!sequential_is(file) || file->inode->node->embryo || file->append ||
	    file->run_len > 0)
		return 0;
	return file->base && (size_t)off <= file->base->len ? 0 : -EINVAL;
}

/* --- reading ------------------------------------------------------------- */

/* malloc'ed, with its newline. */
static char *name_locked(struct fs *fs, const struct file *file)
{
	_cleanup_free_ char *path = fs_entry_path(fs, file->inode->node);
	char *line;

	if (asprintf(&line, "%s\n", path) < 0)
		abort();
	return line;
}

/* Answer with what is at @op->off of @value and the path behind it. */
static void answer_from(struct name_read *op, const struct blob *value,
			const char *name)
{
	size_t off = (size_t)op->off, old = value ? value->len : 0;
	size_t len = old + strlen(name), i;
	_cleanup_free_ char *buf = NULL;

	off = MIN(off, len);
	len = MIN(len - off, op->size);
	buf = malloc(len + 1);
	if (!buf)
		return req_err(&op->w.req, -ENOMEM);
	for (i = 0; i < len; i++, off++) {
		if (off < old)
			buf[i] = value->data[off];
		else
			buf[i] = name[off - old];
	}
	req_buf(&op->w.req, buf, len);
}

static void read_answer(struct write_op *w, int rc)
{
	struct name_read *op = container_of(w, struct name_read, w);
	struct fs *fs = w->req.fs;
	struct blob *value = NULL;
	char *name = NULL;

	if (rc == 0) {
		fs_lock(fs);
		name = name_locked(fs, w->file);
		if (w->file->base)
			value = blob_ref(w->file->base);
		fs_unlock(fs);
		answer_from(op, value, name);
	} else {
		req_err(&w->req, rc);
	}
	blob_unref(value);
	free(name);
	free(op);
}

static void read_run(struct write_op *w)
{
	struct fs *fs = w->req.fs;
	bool commit;

	fs_lock(fs);
	commit = w->file->dirty || w->file->inode->node->embryo;
	fs_unlock(fs);
	if (w->file->error)
		write_op_end(w, w->file->error);
	else if (commit)
		write_op_commit(w, -1, write_op_end);
	else
		write_op_end(w, 0);
}

void sequential_read(fuse_req_t freq, struct file *file, size_t size, off_t off)
{
	struct name_read *op = xcalloc(1, sizeof(*op));

	req_init(&op->w.req, freq);
	op->w.end = read_answer;
	op->size = size;
	op->off = off;
	write_op_start(&op->w, file, read_run);
}
