/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_OP_WRITE_H
#define ZNODEFS_OP_WRITE_H

/*
 * An operation that changes a value, in the turn of the node's writers.
 *
 *	req_init(&op->req, freq);
 *	op->end = how to answer and free;
 *	write_op_start(op, file, run);
 *	  run(op)                          once it is this one's turn
 *	    write_op_commit(op, resize, committed)   as often as need be
 *	      committed(op, rc)
 *	  write_op_end(op, rc)             passes the turn, calls op->end
 *
 * No lock is held in any of these.
 */

#include "commit.h"

struct write_op {
	struct req req;
	struct turn_waiter turn;
	struct commit commit;
	struct file *file;
	struct node *node; /* a reference: whose turn it is */
	size_t own; /* bytes of the run that this operation added */
	void (*run)(struct write_op *op);
	void (*committed)(struct write_op *op, int rc);
	void (*end)(struct write_op *op, int rc);
};

void write_op_start(struct write_op *op, struct file *file,
		    void (*run)(struct write_op *op));
void write_op_commit(struct write_op *op, int64_t resize,
		     void (*committed)(struct write_op *op, int rc));
/* A run(): commit all there is to commit, as fsync(2). */
void write_op_sync(struct write_op *op);
void write_op_end(struct write_op *op, int rc);

#endif
