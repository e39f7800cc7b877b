/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_COMMIT_H
#define ZNODEFS_COMMIT_H

/*
 * One transaction that makes a file's pending writes the value of its znode.
 *
 *   opened by a create        create with the whole content; if somebody else
 *                             was faster, as below
 *   cut (O_TRUNC)             set with the whole content, whatever was there
 *   anything else             get, apply, set under the version that was read;
 *                             again if that has changed meanwhile
 *   unlinked by this mount    nothing: the bytes go where they go on a disk;
 *                             but if it was opened when the server may have
 *                             had another in its place already, -ENOENT
 *   under a condition         get, apply, set under the version, once; the get
 *                             finds out whether it is still the same znode
 *
 * The caller holds the turn of the node's writers and keeps it until done() is
 * called, which is exactly once, with no lock held, possibly before
 * commit_start() returns.  rc is 0, or:
 *
 *	-EFBIG		the value would not fit a request; nothing was sent
 *	-ENOENT		the znode is gone, or another one has its name
 *	-EEXIST		another sort than a plain file was to be created, and
 *			something is there
 *	-ESTALE		changed by others again and again; or, under a
 *			condition, changed or gone at all
 *	and what the server says (zkerr.h)
 *
 * The file is as file_committed() leaves it after 0, else untouched: what a
 * failure means to it is for the caller to say.
 */

#include "file.h"
#include "req.h"

struct commit {
	/* Given by the caller. */
	struct req *req;
	struct file *file;
	int64_t resize; /* the size it is to have in the end, or -1 */
	void (*done)(struct commit *c, int rc);

	/* Internal state. */
	struct node *node; /* a reference: a rename may move the file */
	enum node_view view; /* in which it was opened, of a create */
	char *path;
	struct blob *content;
	bool conditional; /* only on if_version; see condition.h */
	int32_t if_version;
	int tries;
};

void commit_start(struct commit *c);

/* Bytes a value at @path, that of @node, may have. */
size_t commit_max_size(const struct fs *fs, const struct node *node,
		       const char *path, bool create);

#endif
