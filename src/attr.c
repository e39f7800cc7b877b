/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "attr.h"

/* Rounds down, so that tv_nsec is never negative. */
static struct timespec ms_to_timespec(int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000};
	int64_t rest = ms % 1000;

	if (rest < 0) {
		ts.tv_sec--;
		rest += 1000;
	}
	ts.tv_nsec = rest * 1000000;
	return ts;
}

void attr_fill(struct stat *st, uint64_t ino, enum attr_kind kind,
	       const struct zstat *zs, const struct attr_policy *p)
{
	mode_t allowed = ~p->umask;

	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_uid = p->uid;
	st->st_gid = p->gid;
	st->st_nlink = 1;
	st->st_blksize = ATTR_BLKSIZE;
	if (kind == ATTR_DIR) {
		st->st_mode = S_IFDIR | (0777 & allowed);
	} else {
		st->st_mode = S_IFREG | (0666 & allowed);
		/* A length below 0 is no server's, but comes from outside. */
		if (zs->data_length > 0)
			st->st_size = zs->data_length;
	}
	st->st_blocks = (st->st_size + 511) / 512;
	st->st_mtim = ms_to_timespec(zs->mtime);
	st->st_ctim = st->st_mtim;
	st->st_atim = st->st_mtim;
}

int attr_check_chmod(const struct stat *have, mode_t want)
{
	return ((have->st_mode ^ want) & 07777) == 0 ? 0 : -EPERM;
}

int attr_check_chown(const struct stat *have, uid_t uid, gid_t gid)
{
	if (uid != (uid_t)-1 && uid != have->st_uid)
		return -EPERM;
	if (gid != (gid_t)-1 && gid != have->st_gid)
		return -EPERM;
	return 0;
}
