/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FLUSH_H
#define ZNODEFS_FLUSH_H

/*
 * Commit what open files have gathered, when the mount ends under them: it was
 * reported as written.  Returns when everything is committed or has failed
 * (the log says what), or after @timeout_ms.  After the loop, before
 * zk_close().
 */

struct fs;

void flush_all(struct fs *fs, int timeout_ms);

#endif
