/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ERASE_H
#define ZNODEFS_ERASE_H

/*
 * Deleting znodes of our own that must not stay, whatever happens meanwhile: a
 * lock's, and one of which it is not known whether it was created.  Nobody is
 * interrupted out of it; it is tried until the server confirms, or the session
 * is another one, which takes the znode with it.
 *
 *	e = erase_locked(fs, dir, name)     with fs->lock held; a reference
 *	erase_pump(fs)                      without: sends
 *	if (erase_wait_locked(fs, e, to))   who wants to know
 *		to.cb() is called, as of zk_wait(); then ask again
 *	erase_put_locked(&e)
 *
 * fs->lock protects everything here.
 */

#include "node.h"
#include "zk.h"

struct fs;
struct erase;

struct erase_book {
	struct list waiting; /* of struct erase, to be sent */
	bool stopping;
};

void erase_init(struct fs *fs);
/* Before zk_close(): nothing is tried again. */
void erase_stop(struct fs *fs);

/* The child @name of @dir. */
struct erase *erase_locked(struct fs *fs, const struct node *dir,
			   const char *name);
/* The same of all children that begin with @prefix, if there are any. */
struct erase *erase_prefix_locked(struct fs *fs, const struct node *dir,
				  const char *prefix);
void erase_put_locked(struct erase **e); /* NULL is fine */
void erase_pump(struct fs *fs);
/* False: it is done; NULL is. */
bool erase_wait_locked(struct fs *fs, struct erase *e, struct zk_to to);

#endif
