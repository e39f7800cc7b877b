/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "util.h"

/* The parent: 0 if the child says so, 1 if it ends without. */
static void wait_for_child(int fd)
{
	ssize_t n;
	char byte;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 ? 0 : 1);
}

int daemon_start(struct daemon *d, bool foreground)
{
	int fds[2];
	pid_t pid;

	d->pipe = -1;
	if (foreground)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int err = errno;

		close(fds[0]);
		close(fds[1]);
		return -err;
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	d->pipe = fds[1];
	setsid();
	return 0;
}

void daemon_ready(struct daemon *d)
{
	int null;

	if (d->pipe < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		if (null > 2)
			close(null);
	}
	if (chdir("/") < 0 || write(d->pipe, "", 1) != 1) {
		/* Nobody is left to be told. */
	}
	close(d->pipe);
	d->pipe = -1;
}
