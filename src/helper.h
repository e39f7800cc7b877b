/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_HELPER_H
#define ZNODEFS_HELPER_H

/*
 * The helper: a process of its own that performs operations on the mount, so
 * that the kernel raises inotify events for them.
 *
 * Not a thread: one that waits on its own filesystem keeps /dev/fuse open when
 * the daemon is killed, and then neither ends.  It is this program again, so
 * it can be started at any time and holds none of the daemon's descriptors;
 * it dies with the daemon (PR_SET_PDEATHSIG, and the socket's end).
 *
 * It touches nothing but the mount it was made for.  The mount is known by its
 * device number, which the first command (HELPER_HELLO) finds out and the
 * daemon confirms by seeing the lookup; after that, each directory on the way
 * is compared with it before anything is done there, so that a mountpoint
 * that has been unmounted or mounted over is left alone.  Nothing on the mount
 * stays open between two commands.  It works on a clone of the mount, so the
 * mount itself is busy only for the moment in which that is made.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum helper_op {
	/*
	 * Look @path up at the root; not there is right.  1: the kernel would
	 * refuse all the others, because of uid=, gid= or umask=.
	 */
	HELPER_HELLO,
	HELPER_MKNOD,
	HELPER_MKDIR,
	HELPER_UNLINK,
	HELPER_RMDIR,
	HELPER_MODIFY, /* open for writing, ftruncate to @size, close */
};

/* Longest path in the mount; deeper names get no events. */
#define HELPER_PATH_MAX 16384

struct helper {
	pid_t pid; /* 0: none */
	int sock;
};

/* How the daemon's main() knows that it is to be the helper. */
#define HELPER_ARG "--helper"
/* The helper's main(): never returns to anything but exit. */
int helper_main(const char *mountpoint);

/* -errno.  From the thread that runs commands: the helper dies with it. */
int helper_start(struct helper *h, const char *mountpoint);

/*
 * Perform one operation and wait for it.  @path is relative to the mount.
 * Returns what the system call did, 0 (HELPER_HELLO: or 1) or -errno; -EPIPE if
 * the helper is gone;
 * -ETIME if it has not answered within @timeout_ms: then it is stuck in
 * the kernel, and will do what it was told whenever it can.
 */
int helper_run(struct helper *h, enum helper_op op, const char *path,
	       int64_t size, int timeout_ms);

/* Close the socket; reap the process if it has ended.  True if it has. */
bool helper_reap(struct helper *h);
/* Close the socket and wait for its end, at most @timeout_ms, then kill. */
void helper_stop(struct helper *h, int timeout_ms);

#endif
