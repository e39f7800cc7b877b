/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_DEVICE_H
#define ZNODEFS_DEVICE_H

/*
 * Between libfuse and /dev/fuse, for what libfuse 3.14 has no call for.
 *
 * FUSE_PARALLEL_DIROPS, which the kernel offers in its first message, is added
 * to the answer: lookups in one directory do not wait for each other.  (That
 * libfuse knows it, and takes it to be on, does not tell the kernel.)
 *
 * And the thread that reads stays close to who calls: on the same CPU, as far
 * as the scheduler lets it (follow.h), or else awake for a moment after it has
 * answered.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "follow.h"

/* Only the thread that reads touches it, but for what the others may read. */
struct device {
	pthread_t reader;
	uint64_t init;    /* the first message's number; 0: none is to answer */
	uint32_t offered; /* the flags in it */
	bool answered;    /* the last message, by the thread that read it */
	struct follow follow;
};

struct fuse_session;
struct fs;

/*
 * After fuse_session_mount(), on the thread that is to run the loop.  0, or a
 * negative errno: -ENOMEM.
 */
int device_attach(struct fs *fs, struct fuse_session *se);

#endif
