/* SPDX-License-Identifier: Apache-2.0 */
#include "kind.h"

#include <errno.h>

#include "fs.h"
#include "lockname.h"

/* What was asked for is so, and whatever comes will be heard of. */
static void guard_locked(struct fs *fs, struct node *node,
			 const struct watch_ask *ask)
{
	uint64_t guard = watch_guard_locked(fs, node);

	if (ask->guard == guard && ask->changes == node->changes &&
	    !ask->unread)
		node->queue_guard = guard;
}

bool kind_ask_locked(struct fs *fs, struct node *node,
		     const struct watch_ask *ask)
{
	uint64_t guard = watch_guard_locked(fs, node);

	if (node_kind(node) == INODE_DIR && node->decided)
		return false;
	if (!node_is_doubtful(node)) {
		guard_locked(fs, node, ask);
		return false;
	}
	return !node->decided || guard == 0 || node->queue_guard != guard;
}

void kind_learn_locked(struct fs *fs, struct node *node,
		       const struct zk_result *r, const struct watch_ask *ask)
{
	if (r->rc == -EACCES)
		return node_has_child(node);
	if (r->rc < 0)
		return;
	node_learn(&fs->nodes, node, r->stat, NULL, node->fresh_for);
	/* Of another session's answers, something newer may be known. */
	if (!node->known || node->stat.pzxid != r->stat->pzxid)
		return;
	node_learn_queue(&fs->nodes, node,
			 lockname_are_all(r->names, r->n_names));
	guard_locked(fs, node, ask);
}

bool kind_is_concerned_locked(struct node *parent, const char *name)
{
	if (lockname_is(name))
		return false;
	if (!parent->is_dir) {
		parent->queue_guard = 0;
		parent->changes++;
	}
	return true;
}
