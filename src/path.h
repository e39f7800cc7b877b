/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_PATH_H
#define ZNODEFS_PATH_H

/*
 * Absolute znode paths: "/", or "/a/b" with no slash at the end.
 *
 * Everything but path_check() and path_parse_server() takes such a path for
 * granted.  Results are malloc'ed and the caller's to free; a NULL from a
 * function that returns a path means no memory, and nothing else.  Pure.
 */

/* The port that a server listens on if the user names none. */
#define PATH_DEFAULT_PORT 2181

/* @dir with the component @name below it. */
char *path_join(const char *dir, const char *name);

/* The last component, a pointer into @path; "" for "/". */
const char *path_base(const char *path);

/*
 * Whether a path that a user has given is one.
 *
 *	-EINVAL		no slash in front, one at the end (but "/" is fine),
 *			an empty component, "." or ".."
 *	-EILSEQ		see name_check()
 *
 * The first component that is wrong decides.
 */
int path_check(const char *path);

/*
 * Split "HOST[:PORT][,HOST[:PORT]...][/CHROOT]" as given on the command line.
 *
 * *@hosts becomes the list in the form that zookeeper_init() takes: always with
 * ports, these in decimal without leading zeros (it reads 010 as octal), and
 * IPv6 addresses without the brackets that they need here (it takes what
 * follows the last colon for the port, and "[::1]" for a name to resolve:
 * tried with 3.8.0).  *@chroot becomes the path, "/" if there is none; one
 * slash at its end is forgiven.  Both are the caller's to free.
 *
 * A host is a name or IPv4 address of letters, digits, "-", "_" and ".", or an
 * IPv6 address in brackets, a zone as in "[fe80::1%eth0]" included.
 *
 *	-EINVAL		no host or an empty one, a character that a host cannot
 *			have, an IPv6 address without brackets, a colon with no
 *			port behind it or one that is not 1 to 65535 in at most
 *			five digits; and see path_check()
 *	-EILSEQ		see path_check()
 *	-ENOMEM
 *
 * On failure *@hosts and *@chroot are left alone.
 */
int path_parse_server(const char *spec, char **hosts, char **chroot);

#endif
