/* SPDX-License-Identifier: Apache-2.0 */
#include "mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "util.h"

static bool is_ours(const char *path)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	bool found = false;
	struct mntent *m;

	if (!mounts)
		return false;
	while (!found && (m = getmntent(mounts)))
		found = strcmp(m->mnt_type, "fuse.znodefs") == 0 &&
			strcmp(m->mnt_dir, path) == 0;
	endmntent(mounts);
	return found;
}

static int check_dir(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		int err = errno;

		if (err == ENOTCONN)
			log_err("%s: a dead mount is in the way; end it with "
				"fusermount3 -u %s",
				path, path);
		else
			log_err("%s: %s", path, strerror(err));
		return -err;
	}
	if (!S_ISDIR(st.st_mode)) {
		log_err("%s: %s", path, strerror(ENOTDIR));
		return -ENOTDIR;
	}
	return 0;
}

static int check_device(void)
{
	_cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int err = errno;

	if (fd >= 0)
		return 0;
	log_err("/dev/fuse: %s%s", strerror(err),
		err == ENOENT || err == ENODEV ? "; is the fuse module loaded?"
					       : "");
	return -err;
}

int mountpoint_check(const char *path)
{
	int rc = check_dir(path);

	if (rc < 0)
		return rc;
	if (is_ours(path)) {
		log_err("%s: a znodefs is mounted here already", path);
		return -EBUSY;
	}
	return check_device();
}
