/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ACL_H
#define ZNODEFS_ACL_H

/*
 * A znode's access control list, and the text that user.zk.acl shows of it:
 *
 *	text	= entry *( "," entry )
 *	entry	= scheme ":" id ":" perms
 *	perms	= each of c d r w a at most once, in any order, or none
 *
 *	world:anyone:r,digest:joe:HASH:cdrwa
 *
 * The scheme ends at the entry's first colon and the permissions start behind
 * its last, so an id may have colons in it; it may be empty ("auth::cdrwa").
 * No entry at all is an error, and the server would refuse it too.
 *
 * An id may have commas (an X.509 name has them); these stand as "%2C".  So
 * that this can be turned back, an id's own "%", "25" any number of times, "2C"
 * is written with one "25" more, and nothing else with a percent sign is
 * touched: the same rule as in name.h.
 *
 * Calling sequence: start with a struct acl of zeros (ACL_INIT), fill it with
 * acl_parse() or acl_add(), end with acl_release().  Pure but for malloc.
 */

#include <stddef.h>

/* Bits of acl_entry.perms; the numbers are the protocol's (ZooDefs.Perms). */
enum acl_perm {
	ACL_READ = 1,
	ACL_WRITE = 2,
	ACL_CREATE = 4,
	ACL_DELETE = 8,
	ACL_ADMIN = 16,
};

/* Linux's limit of an extended attribute's value (XATTR_SIZE_MAX). */
#define ACL_TEXT_MAX 65536
/* Ours; far above what anyone has, and far below what is a danger. */
#define ACL_ENTRIES_MAX 4096

struct acl_entry {
	char *scheme; /* malloc'ed, never NULL */
	char *id;     /* the same */
	int perms;    /* enum acl_perm, or'ed */
};

struct acl {
	struct acl_entry *entries; /* NULL if count is 0 */
	size_t count;
};

#define ACL_INIT                                                               \
	{                                                                      \
		NULL, 0                                                        \
	}

/*
 * Read @len bytes of text (with or without a NUL behind them) into @acl, which
 * is empty.  It stays empty on failure.
 *
 *	-EINVAL		not of the form above, or a NUL in it
 *	-E2BIG		more than ACL_TEXT_MAX bytes or ACL_ENTRIES_MAX entries
 *	-ENOMEM
 */
int acl_parse(struct acl *acl, const char *text, size_t len);

/*
 * Write @acl as text: *@text is NUL-terminated and the caller's to free.
 * Permissions come in the order cdrwa; bits that are none are left out, as the
 * server does not look at them.  An empty list gives "".
 *
 *	-EINVAL		a scheme that is empty or has a colon or a comma in it
 *			(no server's), so that the text would say something else
 *	-ENOMEM
 *
 * *@text is left alone on failure.
 */
int acl_format(const struct acl *acl, char **text);

/*
 * Append an entry; both strings are copied.  -E2BIG, -ENOMEM; the list is as it
 * was then.
 */
int acl_add(struct acl *acl, const char *scheme, const char *id, int perms);

/* Free what is in @acl, which is empty and may be used again afterwards. */
void acl_release(struct acl *acl);

#endif
