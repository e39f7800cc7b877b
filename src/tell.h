/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TELL_H
#define ZNODEFS_TELL_H

/*
 * The handlers' part in announcing: the helper is shown the tree as watchers
 * believe it to be, and what it asks for is answered from what is known, with
 * no request to the server and no effect there.
 *
 * Each of these returns true if the request was the helper's, and has answered
 * it then; false if it is anybody else's.  A helper may do only what it has
 * been told to (announcer.now); everything else, and whatever a helper does
 * that has been given up, is EIO.
 */

#include "req.h"

bool tell_lookup(struct req *req, fuse_ino_t parent, const char *entry);
bool tell_getattr(struct req *req, fuse_ino_t ino);
bool tell_setattr(struct req *req, fuse_ino_t ino);
/* MKNOD and MKDIR. */
bool tell_make(struct req *req, fuse_ino_t parent, const char *entry);
/* UNLINK and RMDIR. */
bool tell_remove(struct req *req, fuse_ino_t parent, const char *entry);
/* OPEN; the handle is none, fi->fh 0. */
bool tell_open(struct req *req, const struct fuse_file_info *fi);
/* FLUSH and RELEASE of that. */
bool tell_close(struct req *req, const struct fuse_file_info *fi);

#endif
