/* SPDX-License-Identifier: Apache-2.0 */
#include "own.h"

#include "fs.h"

static void hold_or_let_go(struct fs *fs, struct node *node)
{
	struct told_way *way = node->told.way;
	bool held = way && !list_empty(&way->credited);
	bool due = way && way->credit.n > 0;

	if (due && !held) {
		list_add_tail(&fs->own.credited, &way->credited);
		node_ref(node);
	} else if (!due && held) {
		list_del(&way->credited);
		node_put(&fs->nodes, &node);
	}
}

void own_begin_locked(struct fs *fs, struct own *own, struct node *node,
		      bool lists)
{
	*own = (struct own){
		.node = node_ref(node),
		.epoch = fs->watch.epoch,
		.guard = watch_guard_locked(fs, node),
		.valid = node->valid,
		.changes = node->changes + 1,
		.lists = lists && node->parent == fs->nodes.root,
		.births = lists && node->parent,
	};
	node->valid = 0;
	node->changes++;
	if (own->births)
		node_dir(node->parent)->births++;
	told_credit_begin(&told_way(&node->told)->credit);
	if (own->lists)
		told_credit_begin(&fs->own.root_list);
}

/* Returns whether the root's list has changed by others meanwhile. */
static bool end_root_list(struct fs *fs, struct own *own, bool changed)
{
	bool comes = changed && own->epoch && own->epoch == fs->watch.epoch;

	return own->lists &&
	       told_credit_end(&fs->own.root_list, comes, now_ms());
}

/*
 * The event comes for sure only if the same watch has been there all the time.
 * If it may or may not come, a look tells, as when the outcome is not known.
 */
void own_end_locked(struct fs *fs, struct own *own, bool changed, bool unknown)
{
	struct node *node = own->node;
	struct told *told = &node->told;
	uint64_t guard = watch_guard_locked(fs, node);
	bool look = unknown || (changed && own->guard != guard);
	bool foreign;

	/* The Stat of the parent may have been read since it began. */
	if (own->births)
		node_dir(node->parent)->births++;
	foreign = told_credit_end(&told_way(told)->credit,
				  changed && guard && own->guard == guard,
				  now_ms());
	/* Was it before or after ours?  Only of a rename that is not known. */
	if (foreign)
		node_doubted(&fs->nodes, node);
	look |= foreign;
	if (end_root_list(fs, own, changed))
		listing_relist_root_locked(fs);
	hold_or_let_go(fs, node);
	if (told_is_idle(told))
		look |= told_take_again(told);
	if (look) {
		look_locked(fs, node);
	} else {
		/* The answer has told all there is to know. */
		if (changed && !told_is_changing(told) &&
		    (node->known || node->absent))
			node->valid = guard;
		look_compare_locked(fs, node);
	}
	/* It was never sent: what was served before still is. */
	if (!changed && !unknown && session_is_out_locked(fs) &&
	    node->changes == own->changes)
		node->valid = own->valid;
	node_put(&fs->nodes, &own->node);
}

bool own_is_not_locked(struct fs *fs, struct node *node, enum told_event type)
{
	bool foreign = told_event(&node->told, type, now_ms());

	hold_or_let_go(fs, node);
	return foreign;
}

bool own_root_list_is_not_locked(struct fs *fs)
{
	return told_credit_event(&fs->own.root_list, now_ms());
}

int64_t own_expire_locked(struct fs *fs, int64_t now)
{
	struct list *credited = &fs->own.credited;

	while (!list_empty(credited)) {
		struct told_way *way =
			list_first(credited, struct told_way, credited);

		if (way->credit.until > now)
			return way->credit.until;
		way->credit.n = 0;
		hold_or_let_go(fs, container_of(way->told, struct node, told));
	}
	return 0;
}

void own_init(struct fs *fs)
{
	list_init(&fs->own.credited);
}

void own_release(struct fs *fs)
{
	own_expire_locked(fs, INT64_MAX);
}
