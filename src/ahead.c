/* SPDX-License-Identifier: Apache-2.0 */
#include "ahead.h"

#include "fs.h"

static struct walk *find_walk(struct ahead *a, const struct node *dir,
			      pid_t thread)
{
	size_t i;

	for (i = 0; i < AHEAD_WALKS; i++) {
		if (a->walks[i].dir == dir && a->walks[i].thread == thread)
			return &a->walks[i];
	}
	return NULL;
}

/* The top level is watched name by name, once somebody has touched it. */
void ahead_listed_locked(struct fs *fs, struct node *dir, pid_t thread)
{
	struct ahead *a = &fs->ahead;
	struct walk *walk = find_walk(a, dir, thread);

	if (!dir->parent || thread == 0)
		return;
	if (!walk)
		walk = &a->walks[a->next++ % AHEAD_WALKS];
	*walk = (struct walk){
		.thread = thread,
		.dir = dir,
		.window = AHEAD_MIN,
		.left = AHEAD_AFTER,
	};
}

/* Listed, and never asked for. */
static bool is_unread(const struct node *node)
{
	return node->in_list && !node->known && !node->absent &&
	       !node->embryo && told_is_idle(&node->told);
}

bool ahead_looked_up_locked(struct fs *fs, struct node *node, pid_t thread)
{
	struct node *dir = node->parent, *next = node;
	struct walk *walk;
	unsigned n = 0;

	walk = dir ? find_walk(&fs->ahead, dir, thread) : NULL;
	if (!walk || !node->in_list || !listing_is_valid_locked(fs, dir) ||
	    session_is_out_locked(fs))
		return false;
	/* To look again at what is known is not to walk on. */
	if (walk->window == AHEAD_MIN && !is_unread(node))
		return false;
	if (walk->left > 0) {
		walk->left--;
		return false;
	}
	while (n < walk->window && (next = node_next_sibling(next))) {
		if (!is_unread(next))
			continue;
		look_locked(fs, next);
		n++;
	}
	walk->left = walk->window / 2;
	walk->window = MIN(walk->window * 2, AHEAD_MAX);
	return n > 0;
}
