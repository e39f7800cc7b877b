/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_NAME_H
#define ZNODEFS_NAME_H

/*
 * The name of a znode and the name of its directory entry.
 *
 * They are the same, except where the mount keeps an entry name for itself or
 * a directory entry has no room.  Three rules, in this order:
 *
 * 1. Reserved entries.  ".data" is reserved in every directory; the names in
 *    enum name_special below it are reserved at the root of the mount only.  A
 *    znode that is really called so is shown with its dot as "%2E": the znode
 *    ".data" is the entry "%2Edata".
 *
 * 2. What looks like rule 1.  A znode called "%", then "25" any number of
 *    times (also none), then "2E" and the rest of a reserved name is shown
 *    with one "25" more: the znode "%2Edata" is the entry "%252Edata", and
 *    "%252Edata" is "%25252Edata".  Nothing else with a percent sign is
 *    touched: "foo%20bar", "100%", "%2edata" and "%2E" are themselves.
 *
 *    The two rules shift the chain .data, %2Edata, %252Edata, ... by one, so
 *    the mapping is one to one between all znode names and all entries that
 *    are not reserved, as far as 255 bytes reach.
 *
 * 3. Aliases.  An entry has at most 255 bytes (NAME_MAX), a znode name may
 *    have thousands.  If rules 1 and 2 give more than 255, the entry is
 *
 *	the first 234 to 237 bytes of the znode name, cut at a whole character,
 *	"%~", and the FNV-1a 64 hash of the whole znode name in 16 lower-case
 *	hex digits: 252 to 255 bytes.
 *
 *    An alias cannot be turned back by itself: ask name_maybe_alias(), then
 *    look in the parent's list, first for a child of exactly this name, then
 *    for one whose name_to_entry() is this entry.  A znode that really has the
 *    name of an alias thus wins, and hides the one with the long name.  FNV is
 *    not meant to resist somebody who looks for two long names with one hash;
 *    whoever makes such siblings hides one of his own znodes.
 *
 * at_root means the directory that is the root of the mount (which is the
 * chroot's znode, not necessarily "/"), or of a view in which the caller
 * wants the root's names reserved; it has to be the same both ways.
 *
 * All strings end with NUL.  Everything here is pure: no allocation, no state,
 * any thread.
 */

#include <stdbool.h>

/* Bytes in a directory entry's name, without the NUL (Linux's NAME_MAX). */
#define NAME_ENTRY_MAX 255

enum name_special {
	NAME_PLAIN = 0,            /* an ordinary entry */
	NAME_DATA,                 /* .data, in every directory */
	NAME_EPHEMERAL,            /* .ephemeral, at the root, as all below */
	NAME_SEQUENTIAL,           /* .sequential */
	NAME_EPHEMERAL_SEQUENTIAL, /* .ephemeral-sequential */
	NAME_CONTAINER,            /* .container */
	NAME_TTL,                  /* .ttl */
	NAME_ZNODEFS,              /* .znodefs */
};

/* Which reserved entry @entry is in such a directory, if any. */
enum name_special name_special(const char *entry, bool at_root);

/*
 * The entry under which the znode @znode is shown.  Returns its length.
 *
 * Never fails, and does not judge: what a server lists has to pass
 * name_check() before it is shown (a server of ours never lists anything
 * that does not; a broken one could list "a/b").
 */
int name_to_entry(const char *znode, bool at_root,
		  char entry[NAME_ENTRY_MAX + 1]);

/*
 * Whether @entry has the form of an alias (rule 3), so that the znode it stands
 * for can only be found in the parent's list.  Never true below 252 bytes.
 */
bool name_maybe_alias(const char *entry);

/*
 * The znode that the entry @entry stands for; an alias is taken as the name of
 * a znode, see above.  @znode is undefined unless 0 is returned.
 *
 *	-ENAMETOOLONG	more than 255 bytes
 *	-EINVAL		a reserved entry, or see name_check()
 *	-EILSEQ		see name_check()
 */
int name_to_znode(const char *entry, bool at_root,
		  char znode[NAME_ENTRY_MAX + 1]);

/*
 * Whether the entry @name stands for the znode @name, as most do, wherever it
 * is; what is too long for an entry stands for none.  Only a look at how it
 * begins: false for some that do.
 */
static inline bool name_is_itself(const char *name)
{
	return name[0] != '.' && name[0] != '%';
}

/*
 * Whether the server would take @znode as the name of one znode.
 *
 *	-EINVAL		"", ".", "..", or a slash in it
 *	-EILSEQ		not UTF-8 (overlong, truncated, a surrogate, above
 *			U+10FFFF), or a character in it that is refused
 *
 * Refused are, each border tried by creating a znode with every single
 * character on a 3.8.0 server (its PathUtils.validatePath() says the same):
 *
 *	U+0001..U+001F	U+0020 is allowed; the C library before the server
 *			refuses only up to U+001E
 *	U+007F..U+009F	U+007E and U+00A0 are allowed
 *	U+D800..U+F8FF	U+D7FF and U+F900 are allowed; this range is the
 *			surrogates and the private use area
 *	U+FFF0..	U+FFEF is allowed; everything above U+FFFF is refused
 *			because Java sees it as two surrogates
 *
 * The server reads invalid UTF-8 as U+FFFD and so refuses it also.  It sets no
 * limit to the length, and neither does this.
 */
int name_check(const char *znode);

#endif
