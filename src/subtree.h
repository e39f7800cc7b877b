/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_SUBTREE_H
#define ZNODEFS_SUBTREE_H

/*
 * Everything there is to know of a znode and all below it, for moving it in
 * one transaction: three requests a znode (value, ACL, children where it has
 * any), all in flight together.
 *
 *	struct subtree s;
 *	subtree_start(&s, req, path, done);    done(&s, rc) comes exactly once
 *	subtree_creates(&s, "/new", &ops); subtree_deletes(&s, &ops);
 *	subtree_release(&s);
 *
 * It is a picture taken in pieces.  The versions in subtree_deletes() and the
 * server's refusal to delete what has children make the transaction fail if
 * it is not true any more.
 *
 * rc is 0, or:
 *
 *	-EXDEV	more than one request can move
 *	-EBUSY	a lock is held or waited for in it
 *	-EPERM	there is another session's ephemeral in it, or an ACL that
 *		is not shown to this session in full
 *	-ENOENT	the znode is gone
 *	-ESTALE	something below it vanished meanwhile: try again
 *	-EACCES	something may not be read
 *	and what else the server says
 *
 * A container or TTL znode in it becomes a plain one: no Stat tells of them.
 */

#include "req.h"

struct subtree_item;

struct subtree {
	/* Internal state.  fs->lock protects what changes. */
	struct req *req;
	void (*done)(struct subtree *s, int rc);
	char *root;
	struct subtree_item **items; /* parents before their children */
	size_t n;
	size_t cap;
	size_t size; /* bytes of requests so far */
	size_t open; /* answers that are still to come */
	int rc;
};

void subtree_start(struct subtree *s, struct req *req, const char *root,
		   void (*done)(struct subtree *s, int rc));
void subtree_release(struct subtree *s);

/* Append the steps that make the same tree at @path.  -ENOMEM. */
int subtree_creates(const struct subtree *s, const char *path,
		    struct zk_ops *ops);
/* Append the steps that delete it, leaves first.  -ENOMEM. */
int subtree_deletes(const struct subtree *s, struct zk_ops *ops);

/* Of the root itself. */
const struct zstat *subtree_stat(const struct subtree *s);
struct blob *subtree_data(const struct subtree *s);

/* Enter all of it in the node table, where that has nodes for it. */
void subtree_learn_locked(const struct subtree *s);

/*
 * Call @f for each of this session's ephemerals: where it is, and where it is
 * when the tree stands at @path.
 */
void subtree_each_ephemeral(const struct subtree *s, const char *path,
			    void (*f)(void *arg, const char *from,
				      const char *to),
			    void *arg);

#endif
