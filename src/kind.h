/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_KIND_H
#define ZNODEFS_KIND_H

/*
 * A file stays a file while it is locked: its children are lock znodes then.
 *
 * What has data and children is a directory if one of them is anything else,
 * and only their names tell.  So they are listed, once, when such a znode is
 * first met.  From then on events tell: a child that comes has a name, and
 * while the same watch is over the file, one of which no event has told is a
 * lock znode.  Null data is a directory's, with no question asked.
 *
 *	node_learn(), watch_answered_locked()
 *	if (kind_ask_locked(fs, node, &ask))
 *		zk_children(), and in its answer kind_learn_locked()
 *
 * fs->lock protects everything here.
 */

#include "node.h"
#include "watch.h"
#include "zk.h"

struct fs;

/* Whether the children have to be listed.  @ask: of what has been learned. */
bool kind_ask_locked(struct fs *fs, struct node *node,
		     const struct watch_ask *ask);
/*
 * They have been, or it has failed; what may not be listed is a directory.
 * @ask may be older than the list.
 */
void kind_learn_locked(struct fs *fs, struct node *node,
		       const struct zk_result *r,
		       const struct watch_ask *ask);
/*
 * An event: @name has come below @parent.  Whether that may make a directory
 * of it.
 */
bool kind_is_concerned_locked(struct node *parent, const char *name);

#endif
