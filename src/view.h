/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_VIEW_H
#define ZNODEFS_VIEW_H

/*
 * Views: the same tree once more, below a directory of the mount's own, where
 * what is created is another sort of znode.
 *
 *	                         new file               new directory
 *	the main view            persistent             persistent
 *	.ephemeral               ephemeral              persistent
 *	.sequential              sequential             persistent
 *	.ephemeral-sequential    both                   persistent
 *	.container               -EPERM                 container
 *	.ttl/SECONDS             TTL                    TTL
 *
 * What is there is a directory, so that a child can be made below any znode;
 * but ephemerals are files, and so is in `.ttl` what is one in the main view,
 * for a write is what keeps it alive.  (No server tells its clients which znodes
 * are containers or have a time to live.)  A sequential file is never found by
 * a name, for nobody has chosen one.
 *
 * The view says it all, also the time to live: VIEW_TTL is the directory
 * `.ttl`, VIEW_TTL + n is `.ttl/n`.  Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "name.h"
#include "told.h"
#include "zk.h"

/* 40 bits of milliseconds (the server's EphemeralType.TTL), whole seconds. */
#define VIEW_TTL_MAX 1099511627

/* What the reserved entry at the root is; VIEW_MAIN: no view. */
enum node_view view_of(enum name_special special);
/*
 * What is called @entry in `.ttl`: 1 to VIEW_TTL_MAX in decimal, with no zero
 * in front, so that each has one name.  VIEW_TTL: nothing.
 */
enum node_view view_of_ttl(const char *entry);

static inline bool view_is_sequential(enum node_view view)
{
	return view == VIEW_SEQUENTIAL || view == VIEW_EPHEMERAL_SEQUENTIAL;
}

static inline bool view_is_ttl(enum node_view view)
{
	return view > VIEW_TTL;
}

static inline int64_t view_ttl_ms(enum node_view view)
{
	return view_is_ttl(view) ? (int64_t)(view - VIEW_TTL) * 1000 : -1;
}

/* What is made in it; -EPERM: nothing of that kind. */
int view_mode(enum node_view view, bool dir, enum zk_mode *mode);

#endif
