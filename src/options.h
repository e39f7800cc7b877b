/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_OPTIONS_H
#define ZNODEFS_OPTIONS_H

/*
 * The command line: what znodefs itself understands, and the rest, which is
 * libfuse's.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "authfile.h"
#include "req.h"

struct options {
	/* Arguments.  malloc'ed. */
	char *server;  /* as given, for the mount table */
	char *hosts;   /* as libzookeeper wants them */
	char *chroot;  /* "/" for none */
	char *mountpoint; /* absolute */

	bool foreground;
	bool debug;
	int log_level; /* of syslog(3) */
	bool ro;
	bool quiet;
	bool strict; /* serve nothing that is not guarded */
	bool renew;  /* make ephemerals again that an expired session took */
	bool layout_dir;
	bool empty_dir;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	int connect_timeout_ms;
	int session_timeout_ms;
	int timeout_ms;  /* of a request; the session timeout unless given */
	size_t max_size; /* bytes of a value; ZK_PACKET_MAX unless given */
	size_t cache_size;
	struct authfile auth;

	struct fuse_args fuse; /* for fuse_session_new() */
};

/*
 * Parse and check.  0: go on.  1: --help or --version has been printed.
 * Negative: one line on stderr has said what is wrong.
 */
int options_parse(struct options *o, int argc, char **argv);
void options_release(struct options *o);

#endif
