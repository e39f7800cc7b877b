/* SPDX-License-Identifier: Apache-2.0 */
#include "flush.h"

#include <errno.h>
#include <string.h>

#include "fs.h"
#include "log.h"
#include "op_write.h"

struct flush {
	struct write_op w; /* on behalf of nobody: no request to answer */
	struct flush_wait *wait;
};

struct flush_wait {
	pthread_mutex_t lock;
	pthread_cond_t done;
	int refs; /* the waiter's and one for each commit under way */
};

static void wait_put(struct flush_wait *wait)
{
	bool last;

	pthread_mutex_lock(&wait->lock);
	last = --wait->refs == 0;
	pthread_cond_signal(&wait->done);
	pthread_mutex_unlock(&wait->lock);
	if (last)
		free(wait);
}

static void flush_end(struct write_op *w, int rc)
{
	struct flush *op = container_of(w, struct flush, w);

	if (rc < 0)
		log_warn("a file was open at the end and could not be "
			 "committed: %s",
			 strerror(-rc));
	file_close(w->req.fs, w->file);
	wait_put(op->wait);
	free(op);
}

static void flush_run(struct write_op *w)
{
	if (w->file->dirty && !w->file->error)
		write_op_commit(w, -1, write_op_end);
	else
		write_op_end(w, 0);
}

static void flush_file(struct fs *fs, struct file *file,
		       struct flush_wait *wait)
{
	struct flush *op = xcalloc(1, sizeof(*op));

	op->wait = wait;
	pthread_mutex_lock(&wait->lock);
	wait->refs++;
	pthread_mutex_unlock(&wait->lock);
	op->w.req.fs = fs;
	op->w.req.armed = true; /* nobody interrupts */
	op->w.end = flush_end;
	write_op_start(&op->w, file, flush_run);
}

static void await(struct flush_wait *wait, int timeout_ms)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	pthread_mutex_lock(&wait->lock);
	while (wait->refs > 1 && rc == 0)
		rc = pthread_cond_timedwait(&wait->done, &wait->lock, &until);
	pthread_mutex_unlock(&wait->lock);
	wait_put(wait);
}

/*
 * With references: a RELEASE that is under way may be about to close one.
 * Returns how many.
 */
static size_t take_dirty_locked(struct fs *fs, struct file ***files)
{
	struct file *file;
	size_t n = 0;

	list_for_each (file, &fs->files, in_fs)
		n++;
	*files = calloc(n + 1, sizeof(**files));
	n = 0;
	list_for_each (file, &fs->files, in_fs) {
		if (*files && file->dirty && !file->error) {
			file->refs++;
			(*files)[n++] = file;
		}
	}
	return n;
}

void flush_all(struct fs *fs, int timeout_ms)
{
	struct flush_wait *wait = xcalloc(1, sizeof(*wait));
	struct file **files;
	size_t n, i;

	pthread_mutex_init(&wait->lock, NULL);
	pthread_cond_init(&wait->done, NULL);
	wait->refs = 1;
	fs_lock(fs);
	n = take_dirty_locked(fs, &files);
	fs_unlock(fs);
	for (i = 0; i < n; i++)
		flush_file(fs, files[i], wait);
	free(files);
	await(wait, timeout_ms);
}
