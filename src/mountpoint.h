/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_MOUNTPOINT_H
#define ZNODEFS_MOUNTPOINT_H

/*
 * Whether a mount can be made at @path: it is a directory, no znodefs is
 * mounted there already, and /dev/fuse may be opened.  0, or -errno with a
 * line in the log that says what is wrong.
 */
int mountpoint_check(const char *path);

#endif
