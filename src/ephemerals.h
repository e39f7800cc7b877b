/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_EPHEMERALS_H
#define ZNODEFS_EPHEMERALS_H

/*
 * The paths of the ephemerals that this mount's session has created: what
 * listing a directory in `.ephemeral` leads to.  The server's word on whether
 * one still exists is asked for before it is shown.
 *
 * Not locked: fs->lock.
 */

#include <stdbool.h>
#include <stddef.h>

struct node;
struct node_table;

struct ephemerals {
	/*
	 * Set once, or NULL: the nodes of all paths are held, with their
	 * values (node_keep_data()), so that they can be made again.
	 */
	struct node_table *keep_in;
	struct node **nodes; /* references; only with keep_in */

	char **paths; /* sorted */
	size_t n;
	size_t cap;
};

void ephemerals_add(struct ephemerals *e, const char *path); /* once only */
void ephemerals_del(struct ephemerals *e, const char *path);
/* Everything: the session is gone, or the mount ends. */
void ephemerals_clear(struct ephemerals *e);

/*
 * Those below @dir: the first index, and one past the last.  They stay
 * put until the next change.
 */
void ephemerals_below(const struct ephemerals *e, const char *dir,
		      size_t *first, size_t *end);

#endif
