/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TELL_H
#define ZNODEFS_TELL_H

/*
 * The handlers' part in announcing: what the helper asks for is answered from
 * what is known, with no request to the server and no effect.
 *
 * Each of these returns true if the request was the helper's, and has answered
 * it then; false if it is anybody else's.  A helper may do only what it has
 * been told to (announcer.now); everything else, and whatever a helper does
 * that has been given up, is EIO.
 */

#include "req.h"

bool tell_lookup(struct req *req, fuse_ino_t parent, const char *entry);
/* GETATTR and SETATTR: the attributes that are known. */
bool tell_getattr(struct req *req, fuse_ino_t ino);
/* MKNOD and MKDIR. */
bool tell_make(struct req *req, fuse_ino_t parent, const char *entry);
/* UNLINK and RMDIR. */
bool tell_remove(struct req *req);
/* OPEN; the handle is none, fi->fh 0. */
bool tell_open(struct req *req, const struct fuse_file_info *fi);

#endif
