/* SPDX-License-Identifier: Apache-2.0 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "util.h"

#define HELPER_FD        3
#define FUSE_SUPER_MAGIC 0x65735546 /* linux/magic.h has it from 6.0 on */

struct command {
	uint32_t op;
	uint32_t len;
	int64_t size;
	char path[HELPER_PATH_MAX];
};

#define COMMAND_HEADER offsetof(struct command, path)

/* --- in the helper ------------------------------------------------------- */

struct mount {
	const char *path;
	dev_t dev; /* 0 until the daemon has been greeted */
};

/*
 * A copy of the mount that is in no tree: what is done through it does not
 * make the mount busy.  Needs CAP_SYS_ADMIN; without it, an umount at the very
 * moment of an announcement is EBUSY.
 */
static int open_mount(const char *path)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path,
			      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd >= 0 ? fd : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Where @fd is, with no request to the daemon. */
static int device_of(int fd, dev_t *dev)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return -errno;
	*dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

/* fstatfs(2) would ask the daemon, so only the greeting does. */
static int open_root(struct mount *m)
{
	int fd = open_mount(m->path);
	struct statfs fs;
	dev_t dev = 0;

	if (fd < 0)
		return -errno;
	if (device_of(fd, &dev) < 0 || (m->dev && dev != m->dev) ||
	    (!m->dev &&
	     (fstatfs(fd, &fs) < 0 || fs.f_type != FUSE_SUPER_MAGIC))) {
		close(fd);
		return -ENODEV;
	}
	return fd;
}

/* The directory that holds the last component, which *@name becomes. */
static int open_parent(struct mount *m, char *path, char **name)
{
	int fd = open_root(m);
	char *slash;

	while (fd >= 0 && (slash = strchr(path, '/'))) {
		dev_t dev = 0;
		int next;

		*slash = '\0';
		next = openat(fd, path,
			      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			next = -errno;
		close(fd);
		fd = next;
		if (fd >= 0 && (device_of(fd, &dev) < 0 || dev != m->dev)) {
			close(fd);
			return -EXDEV;
		}
		path = slash + 1;
	}
	*name = path;
	return fd;
}

static int modify(int dir, const char *name, int64_t size)
{
	int fd = openat(dir, name,
			O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

/*
 * The kernel may have kept in mind that there is no such name.  mknod(2) looks
 * it up in any case, and is told that it is there.  Or it knows it as one of
 * the other kind, by a rename.
 */
static int removed(int dir, const char *name, int flags)
{
	if (unlinkat(dir, name, flags) == 0)
		return 0;
	if (errno == ENOTDIR || errno == EISDIR)
		return unlinkat(dir, name, flags ^ AT_REMOVEDIR);
	if (errno != ENOENT || mknodat(dir, name, S_IFREG | 0666, 0) == 0 ||
	    errno != EEXIST)
		return -1;
	return unlinkat(dir, name, flags);
}

static int hello(struct mount *m, int dir, const char *name)
{
	struct stat st;
	int rc;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	if (errno != ENOENT)
		return -errno;
	rc = device_of(dir, &m->dev);
	if (rc == 0 && faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		rc = 1;
	return rc;
}

static int perform(struct mount *m, struct command *c)
{
	_cleanup_close_ int dir = -1;
	char *name;
	int rc = 0;

	dir = open_parent(m, c->path, &name);
	if (dir < 0)
		return dir;
	if (c->op == HELPER_HELLO)
		return hello(m, dir, name);
	if (!m->dev)
		return -ENODEV;
	switch (c->op) {
	case HELPER_MKNOD:
		rc = mknodat(dir, name, S_IFREG | 0666, 0);
		break;
	case HELPER_MKDIR:
		rc = mkdirat(dir, name, 0777);
		break;
	case HELPER_UNLINK:
		rc = removed(dir, name, 0);
		break;
	case HELPER_RMDIR:
		rc = removed(dir, name, AT_REMOVEDIR);
		break;
	case HELPER_MODIFY:
		return modify(dir, name, c->size);
	default:
		return -EINVAL;
	}
	return rc < 0 ? -errno : 0;
}

int helper_main(const char *mountpoint)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct mount m = {.path = mountpoint};
	struct command c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "znodefs-helper");
	signal(SIGINT, SIG_IGN); /* Ctrl-C is for the daemon */
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &unlimited);
	for (;;) {
		ssize_t n = recv(HELPER_FD, &c, sizeof(c), 0);
		int32_t rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)COMMAND_HEADER || c.len >= HELPER_PATH_MAX ||
		    (size_t)n != COMMAND_HEADER + c.len)
			return n != 0;
		c.path[c.len] = '\0';
		rc = perform(&m, &c);
		if (send(HELPER_FD, &rc, sizeof(rc), MSG_NOSIGNAL) < 0)
			return 1;
	}
}

/* --- in the daemon ------------------------------------------------------- */

static int spawn(struct helper *h, const char *mountpoint, int sock)
{
	char name[] = "znodefs-helper", arg[] = HELPER_ARG;
	char *path = xstrdup(mountpoint);
	char *argv[] = {name, arg, path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	/* Whoever reads what the daemon's parent says must see an end. */
	for (rc = 0; rc < HELPER_FD; rc++)
		posix_spawn_file_actions_addopen(&actions, rc, "/dev/null",
						 O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, sock, HELPER_FD);
	/* The library's: a connection ends when all who have it close it. */
	posix_spawn_file_actions_addclosefrom_np(&actions, HELPER_FD + 1);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	rc = posix_spawn(&h->pid, "/proc/self/exe", &actions, &attr, argv,
			 environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	free(path);
	return -rc;
}

int helper_start(struct helper *h, const char *mountpoint)
{
	int socks[2], rc;

	*h = (struct helper){.sock = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	rc = spawn(h, mountpoint, socks[1]);
	close(socks[1]);
	if (rc < 0) {
		close(socks[0]);
		h->pid = 0;
		return rc;
	}
	h->sock = socks[0];
	return 0;
}

static int await_reply(struct helper *h, int timeout_ms)
{
	struct pollfd p = {.fd = h->sock, .events = POLLIN};
	int64_t until = now_ms() + timeout_ms;
	int32_t rc;
	int n;

	do
		n = poll(&p, 1, (int)MAX(until - now_ms(), (int64_t)0));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ETIME;
	if (recv(h->sock, &rc, sizeof(rc), 0) != sizeof(rc))
		return -EPIPE;
	return rc;
}

int helper_run(struct helper *h, enum helper_op op, const char *path,
	       int64_t size, int timeout_ms)
{
	struct command c = {.op = op, .size = size};
	size_t len = strlen(path);

	if (h->pid == 0)
		return -EPIPE;
	if (len >= HELPER_PATH_MAX)
		return -ENAMETOOLONG;
	c.len = (uint32_t)len;
	memcpy(c.path, path, len);
	if (send(h->sock, &c, COMMAND_HEADER + len, MSG_NOSIGNAL) < 0)
		return -EPIPE;
	return await_reply(h, timeout_ms);
}

bool helper_reap(struct helper *h)
{
	if (h->sock >= 0)
		close(h->sock);
	h->sock = -1;
	if (h->pid == 0)
		return true;
	if (waitpid(h->pid, NULL, WNOHANG) == 0)
		return false;
	h->pid = 0;
	return true;
}

void helper_stop(struct helper *h, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	const struct timespec ms = {.tv_nsec = 1000000};

	while (!helper_reap(h)) {
		if (now_ms() > until) {
			kill(h->pid, SIGKILL);
			return; /* init reaps it when the kernel lets it go */
		}
		nanosleep(&ms, NULL);
	}
}
