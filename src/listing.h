/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_LISTING_H
#define ZNODEFS_LISTING_H

/*
 * What lists of children say.  The first list of a directory is taken as what
 * those who watch it believe; every later one is compared with that, and names
 * that came or went are looked at.  So a change that no event told of, because
 * there was no feed meanwhile, is found by listing the directory again.
 *
 * The names are held as nodes as long as the kernel knows the directory.
 *
 * fs->lock protects everything here.
 */

#include "node.h"

struct fs;

struct listing {
	bool root_wanted;
	bool root_running;
};

/* Whether there is a list of the znode that is there. */
bool listing_is_held_locked(const struct node *dir);
/* Whether it is complete, but for what is on its way to be told. */
bool listing_is_valid_locked(const struct fs *fs, struct node *dir);
/* Whether by that, there is no @node. */
bool listing_lacks_locked(const struct fs *fs, const struct node *node);

/*
 * A reader has listed @dir, and is about to see it.  @changes: what
 * dir->list_changes was when it was asked for, @guard its guard.  If either has
 * changed since, it may show names of which nothing more will be heard: they
 * are looked at, or if there was no list before, true is returned: call
 * listing_relist().
 */
bool listing_learn_locked(struct fs *fs, struct node *dir,
			  const char *const *names, size_t n,
			  uint32_t changes, uint64_t guard);
/* The kernel has forgotten @dir: so is its list. */
void listing_drop_locked(struct fs *fs, struct node *dir);
/* List it again, and compare.  Without the lock. */
void listing_relist(struct fs *fs, struct node *dir);
/* The root, by the next listing_pump(); many become one. */
void listing_relist_root_locked(struct fs *fs);
void listing_pump(struct fs *fs);
/*
 * Of a name of which nothing is believed yet, and that was not in the list
 * which those who watch have had: it is not there.
 */
void listing_believe_locked(struct node *node);
/* What is so is told, of a name that may have come or gone. */
void listing_settled_locked(struct fs *fs, struct node *node);

#endif
