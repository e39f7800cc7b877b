/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_AUTHFILE_H
#define ZNODEFS_AUTHFILE_H

/*
 * The file with the credentials that a mount adds to its session.
 *
 *	# comment
 *	digest:joe:secret
 *
 * One "scheme:credential" a line.  The scheme is of letters, digits, "-", "_"
 * and "."; the credential is everything behind the first colon as it stands,
 * spaces included, and not empty.  Lines with nothing but spaces and tabs are
 * skipped, and so are those whose first other character is "#".  Spaces in
 * front of a scheme are an error, and so is a carriage return at the end of a
 * line, which would become part of a password that then does not work.
 *
 * The file has to be a regular one, not a symbolic link, owned by the effective
 * user or root, with no permission for group and others.
 *
 * Secrets are held in one buffer, filled by read(2) itself, and wiped before it
 * is freed, whether reading the file succeeds or not.  Messages never contain
 * anything of the file's content.
 */

#include <stddef.h>

/* Bytes; a bound, so that a mistaken path does no harm. */
#define AUTHFILE_MAX 65536

/* Room for any message with a path of a usual length; longer ones are cut. */
#define AUTHFILE_MSG_MAX 512

struct authfile_entry {
	const char *scheme; /* NUL-terminated */
	const char *cred;   /* the same; no NUL in it */
};

struct authfile {
	struct authfile_entry *entries; /* in the order of the file */
	size_t count;

	/* internal: what the entries point into */
	char *buf;
	size_t buf_size;
};

#define AUTHFILE_INIT                                                          \
	{                                                                      \
		NULL, 0, NULL, 0                                               \
	}

/*
 * Read the file at @path into @af, which is empty.  No entries is no error.
 *
 * On failure @af stays empty, and @msg has one line for the user, without a
 * newline: which file, what is wrong with it, and what to do.
 *
 *	-EACCES		mode, owner or type of the file (and as open(2))
 *	-ELOOP		a symbolic link
 *	-EINVAL		a line that is not of the form above
 *	-EFBIG		more than AUTHFILE_MAX bytes
 *	-ENOMEM, and what open(2) and read(2) say
 */
int authfile_read(struct authfile *af, const char *path, char *msg,
		  size_t msg_size);

/* Wipe and free everything; @af is empty afterwards.  An empty one is fine. */
void authfile_release(struct authfile *af);

#endif
