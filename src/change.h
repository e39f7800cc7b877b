/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_CHANGE_H
#define ZNODEFS_CHANGE_H

/*
 * Changes made here: each sends its call, and when that has succeeded, notes
 * what is so now (node.h) and what the kernel tells of it by itself (told.h),
 * before the caller's callback hears of it.  The feed will report the same
 * change; it is told there that this one is no news.
 *
 * As with the calls of zk.h, on which these stand, the callback comes once,
 * from another thread, with no lock held; what is passed is copied or
 * referenced.  A change that fails with -ENOENT has learned that, too.
 *
 * One whose answer got lost is looked up before the callback hears of it, and
 * sent again where it has not taken place (settle.h).  Of a transaction that
 * is for the caller, who is told -ESTALE.
 */

#include "node.h"
#include "req.h"

/*
 * @view: in which of them the kernel makes the name; it says what is made
 * (view.h).  Null @data makes a directory, any other a file.  The inodes of an
 * unnamed node are then where the server has put it.
 */
void change_create(struct req *req, struct node *node, enum node_view view,
		   struct blob *data, zk_cb *cb, void *arg);
/* @view: in which of them the kernel tells of it. */
void change_set(struct req *req, struct node *node, enum node_view view,
		struct blob *data, int version, zk_cb *cb, void *arg);
/* @view: in which of them the kernel removes the name. */
void change_delete(struct req *req, struct node *node, enum node_view view,
		   int version, zk_cb *cb, void *arg);
/* Takes what is in @ops.  What has become of which node, the caller knows. */
void change_multi(struct req *req, struct zk_ops *ops, zk_cb *cb, void *arg);

#endif
