/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FILE_H
#define ZNODEFS_FILE_H

/*
 * An open file: the version it reads, and the writes it has not committed.
 *
 * Reading.  `base` is one version of the value.  A read from offset 0 takes the
 * newest, and so does one behind the end once the end has been reported (a
 * follower such as tail -f); any other read continues in `base`.
 *
 * Writing.  What a commit has to do to the value is kept as a cut (everything
 * old goes, as O_TRUNC says) and one run of bytes to be written at an offset,
 * or appended.  A write that does not continue the run commits it first, so
 * that one run is enough.  The commit (commit.h) applies both to the newest
 * version, unless there is a cut: then the content is complete by itself.
 *
 * Opening.  O_CREAT and O_TRUNC alone commit when the last descriptor is
 * closed: a shell closes one before it writes (open, dup2, close), which the
 * kernel tells as it tells of the last, and nobody is to see an empty value
 * then.  Nobody is there any more to hear of an error, so the log does.
 *
 * When a write fails, its own bytes are gone and the cut stays for the next
 * try; but if the run held bytes of earlier writes that were reported as
 * written, the file is broken: whatever is written later fails with the same
 * error, lest the value be composed of parts with a hole.  So it is when a new
 * content is too large: echo of a shell writes the end of the line all the
 * same, which would be the whole value then.
 *
 * fs->lock protects all fields, except that `run` belongs to whoever has the
 * turn of the node's writers.
 */

#include <sys/types.h>

#include "list.h"
#include "node.h"
#include "zk.h"

struct fs;
struct fuse_pollhandle;

/* Under what condition a file commits; see condition.h. */
enum file_condition {
	FILE_ALWAYS,
	FILE_IF_LATER, /* only if, once what is gathered has been committed */
	FILE_IF,       /* only if the znode has if_version */
};

struct file {
	struct inode *inode; /* counted by inode_open() */
	unsigned refs; /* the kernel's handle, and of a flush at the end */
	struct link in_inode;
	struct list in_fs;
	enum node_view view; /* where it was opened, see file_view() */
	bool append;      /* O_APPEND */
	bool sync;        /* O_SYNC or O_DSYNC: every write commits */
	bool direct;      /* O_DIRECT: reads are linearizable */
	bool amid;        /* opened while an own change was under way */
	pid_t process; /* that opened it to write; 0: to read, or not known */

	struct blob *base; /* NULL before the first fetch */
	bool eof;          /* the end of base has been reported */

	bool cut;        /* the old value goes */
	bool bare;       /* opened to create or truncate, not written yet */
	bool dirty;      /* there is something to commit */
	char *run;
	size_t run_len;
	size_t run_cap;
	off_t run_off;   /* of no meaning with append */
	pid_t writer;    /* the thread that left it dirty */
	int error;       /* broken: -errno */
	uint32_t given;  /* node->given when it was opened */

	enum file_condition condition;
	int32_t if_version;

	/* For poll(2), see pollers.h. */
	int64_t seen;   /* the mzxid of the version that was last taken */
	bool seen_gone; /* the same of the end of the znode */
	struct fuse_pollhandle *poll; /* NULL: nobody waits */
	struct list polled; /* in fs->polled while there is news for them */
	bool lost;       /* a lock taken through it went with its session */
	int64_t session; /* of the lock taken through it; 0: none is held */
};

/* With fs->lock held. */
struct file *file_new(struct fs *fs, struct inode *inode, int flags);
/*
 * In which view @thread opens @inode now: where it has looked it up.  An own
 * ephemeral is one inode in both, and as neither keeps its name, the lookup
 * comes right before.  VIEW_COUNT: that of others has come in between, so that
 * it is not known.
 */
enum node_view file_view(struct inode *inode, pid_t thread);
/* Its user has been given, or has made, the version of @mzxid. */
void file_saw(struct file *file, int64_t mzxid);
/* The size that this handle's user expects, or -1 if it is the node's. */
int64_t file_size(const struct file *file);

/*
 * Close: takes fs->lock.  A create that was never committed is forgotten with
 * its last handle.
 */
void file_close(struct fs *fs, struct file *file);

/*
 * *@out is @base (NULL for nothing) with the pending writes applied, and of the
 * size @resize if that is not negative.  -EFBIG if it is larger than @max,
 * -ENOMEM.
 */
int file_apply(const struct file *file, const struct blob *base,
	       int64_t resize, size_t max, struct blob **out);
/* Add to the run.  -EFBIG, -ENOMEM; the run is unchanged then. */
int file_gather(struct file *file, const char *data, size_t size, off_t off,
		size_t max);
/* Whether a write at @off goes on where the run ends. */
bool file_continues(const struct file *file, off_t off);
/* A commit has succeeded: @content is what the server has now (referenced). */
void file_committed(struct file *file, struct blob *content);
/* A commit has failed with @rc; the last @own bytes are the failing write's. */
void file_failed(struct file *file, int rc, size_t own);

#endif
