/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_AHEAD_H
#define ZNODEFS_AHEAD_H

/*
 * Reading ahead: who lists a directory and then looks up what is in it (find,
 * ls -l, grep -r, tar) looks up one name after the other, and each would wait
 * for the server.  So what comes next in the list is read meanwhile.
 *
 * A name that is read ahead is looked at (look.h) as if an event had come for
 * it: the lookup finds it valid, or waits for the answer that is on its way.
 * Nothing is read twice, and nothing that is not guarded is read.
 *
 * It must be the same thread that has listed the directory: a shell that lists,
 * and a program that then reads one file, are two.  What is read ahead grows
 * with what has been looked up, so that whoever stops early has cost little.
 *
 * fs->lock protects everything here.
 */

#include <stdbool.h>

#include "node.h"

struct fs;

/* Directories that are being walked; the oldest is forgotten for a new one. */
#define AHEAD_WALKS 16

/* Who looks up no more names than these does not walk. */
#define AHEAD_AFTER 2

/*
 * From how many names on, up to how many.  A server answers one in some 30 us,
 * and its round trip is that of ten: more in flight gain nothing, but make
 * everybody else wait.
 */
#define AHEAD_MIN 4U
#define AHEAD_MAX 128U

struct walk {
	pid_t thread;           /* 0: none */
	const struct node *dir; /* only compared: no reference */
	unsigned window;        /* how many names are read ahead */
	unsigned left;          /* lookups until the next are */
};

struct ahead {
	struct walk walks[AHEAD_WALKS];
	unsigned next; /* to be forgotten */
};

/* @thread has been given the list of @dir. */
void ahead_listed_locked(struct fs *fs, struct node *dir, pid_t thread);
/*
 * @thread looks up @node.  True if there is something to read now:
 * look_pump(), once the lock is dropped.
 */
bool ahead_looked_up_locked(struct fs *fs, struct node *node, pid_t thread);

#endif
