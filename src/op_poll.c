/* SPDX-License-Identifier: Apache-2.0 */

/* POLL: see pollers.h. */

#include <poll.h>

#include "fs.h"
#include "op.h"
#include "pollers.h"
#include "special.h"

#define ALWAYS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

/*
 * POLLERR comes with POLLPRI, as in sysfs, but only for those who ask for that:
 * poll(2) reports it unasked, and others would take it for an error.
 */
static unsigned events_locked(const struct file *file, unsigned asked)
{
	if (!file || !(asked & POLLPRI) || !pollers_has_news_locked(file))
		return ALWAYS;
	return ALWAYS | POLLPRI | POLLERR;
}

void op_poll(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph)
{
	struct file *file = NULL;
	unsigned events;
	struct req req;

	req_init(&req, freq);
	if (!special_is(ino))
		file = (struct file *)(uintptr_t)fi->fh;
	fs_lock(req.fs);
	/* The helper's handles are none. */
	if (file)
		ph = pollers_wait_locked(file, ph);
	events = events_locked(file, fi->poll_events);
	fs_unlock(req.fs);
	if (ph)
		fuse_pollhandle_destroy(ph);
	req_poll(&req, events);
}
