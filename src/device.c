/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "fs.h"

/*
 * To wake a CPU that sleeps takes some 30 us on a virtual machine; a program that
 * reads files comes again after 10 to 30 (measured: grep -r, find).  It is no use
 * to let others run meanwhile: to yield is to be put behind who computes, and to
 * be woken is not.
 */
#define LINGER_US 50

/* --- from the kernel ------------------------------------------------------ */

/* Until the next message is there, or it is time to sleep: false then. */
static bool linger(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t until = now_us() + LINGER_US;

	while (now_us() < until) {
		if (poll(&p, 1, 0) != 0)
			return true;
	}
	return false;
}

static void remember_offer(struct device *d, const char *buf, size_t len)
{
	struct fuse_in_header head;
	struct fuse_init_in init;

	memcpy(&head, buf, sizeof(head));
	/* Its end is newer than the kernel may be. */
	if (len < sizeof(head) + offsetof(struct fuse_init_in, flags2))
		return;
	memcpy(&init, buf + sizeof(head), offsetof(struct fuse_init_in, flags2));
	d->init = head.unique;
	d->offered = init.flags;
}

static ssize_t device_read(int fd, void *buf, size_t size, void *userdata)
{
	struct fs *fs = userdata;
	struct device *d = &fs->device;
	struct fuse_in_header head;
	ssize_t len;

	if (d->answered && follow_is_apart(&d->follow) && !linger(fd))
		follow_missed(&d->follow);
	d->answered = false;
	/* A signal that has come meanwhile would not interrupt the read. */
	if (fuse_session_exited(fs->se)) {
		errno = EINTR;
		return -1;
	}
	len = read(fd, buf, size);
	if (len < (ssize_t)sizeof(head))
		return len;
	memcpy(&head, buf, sizeof(head));
	if (head.opcode == FUSE_INIT)
		remember_offer(d, buf, (size_t)len);
	else
		follow_caller(&d->follow, (pid_t)head.pid);
	return len;
}

/* --- to the kernel -------------------------------------------------------- */

/* Whether this is the answer to the first message, and one that accepts. */
static bool is_acceptance(const struct device *d, const struct iovec *iov,
			  int count)
{
	struct fuse_out_header head;

	if (d->init == 0 || count != 2 || iov[0].iov_len != sizeof(head) ||
	    iov[1].iov_len < offsetof(struct fuse_init_out, max_background))
		return false;
	memcpy(&head, iov[0].iov_base, sizeof(head));
	return head.unique == d->init && head.error == 0;
}

static void accept_more(struct device *d, void *buf)
{
	char *flags = (char *)buf + offsetof(struct fuse_init_out, flags);
	uint32_t value;

	memcpy(&value, flags, sizeof(value));
	value |= d->offered & FUSE_PARALLEL_DIROPS;
	memcpy(flags, &value, sizeof(value));
	d->init = 0;
}

static ssize_t device_writev(int fd, struct iovec *iov, int count,
			     void *userdata)
{
	struct device *d = &((struct fs *)userdata)->device;

	if (pthread_equal(pthread_self(), d->reader)) {
		d->answered = true;
		if (is_acceptance(d, iov, count))
			accept_more(d, iov[1].iov_base);
	}
	return writev(fd, iov, count);
}

int device_attach(struct fs *fs, struct fuse_session *se)
{
	static const struct fuse_custom_io io = {
		.read = device_read,
		.writev = device_writev,
	};

	fs->device.reader = pthread_self();
	return fuse_session_custom_io(se, &io, fuse_session_fd(se));
}
