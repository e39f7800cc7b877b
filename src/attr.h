/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ATTR_H
#define ZNODEFS_ATTR_H

/*
 * What stat(2) says of a znode, and what chmod(2) and chown(2) are answered.
 *
 * ZooKeeper has no owners and no mode; its ACLs do not map to them, and the
 * server enforces them.  So all znodes of a mount have the owner and mode that
 * its policy says, and an attempt to change them is refused, unless it changes
 * nothing: a permission that is not enforced is not promised.  Pure.
 */

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "zstat.h"

/*
 * st_blksize: programs that copy write in pieces of this size, and a piece is
 * a transaction.  The largest value a server takes is a little less than this.
 */
#define ATTR_BLKSIZE (1 << 20)

/* The same for the whole mount. */
struct attr_policy {
	uid_t uid;
	gid_t gid;
	mode_t umask; /* permission bits that nothing has */
};

enum attr_kind {
	ATTR_FILE,
	ATTR_DIR,
};

/*
 * Fill @st, all of it, for a znode shown as @kind.
 *
 * Mode 0666 or 0777 less the umask.  One link, for directories too: 1 says
 * "not counted", where 2 would tell find(1) that there are no directories
 * below.  A file's size is that of its data, a directory's 0; st_blocks is in
 * units of 512 bytes, rounded up.  All three times are the znode's mtime, of
 * which the server has milliseconds, also before 1970.
 */
void attr_fill(struct stat *st, uint64_t ino, enum attr_kind kind,
	       const struct zstat *zs, const struct attr_policy *p);

/*
 * Whether what has @have may be given the mode @want: 0 if it has it already
 * (the 07777 bits are compared, not the type), else -EPERM.
 */
int attr_check_chmod(const struct stat *have, mode_t want);

/* The same for the owner; (uid_t)-1 and (gid_t)-1 leave that one alone. */
int attr_check_chown(const struct stat *have, uid_t uid, gid_t gid);

#endif
