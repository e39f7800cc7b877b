/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "acl.h"
#include "util.h"

/* In the order of the text; the same as in ZooKeeper's own tools. */
static const struct {
	char letter;
	int perm;
} letters[] = {
	{'c', ACL_CREATE}, {'d', ACL_DELETE}, {'r', ACL_READ},
	{'w', ACL_WRITE},  {'a', ACL_ADMIN},
};

int acl_add(struct acl *acl, const char *scheme, const char *id, int perms)
{
	_cleanup_free_ char *scheme_copy = strdup(scheme);
	_cleanup_free_ char *id_copy = strdup(id);
	struct acl_entry *grown;

	if (acl->count >= ACL_ENTRIES_MAX)
		return -E2BIG;
	if (!scheme_copy || !id_copy)
		return -ENOMEM;
	grown = reallocarray(acl->entries, acl->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	acl->entries = grown;
	grown[acl->count++] = (struct acl_entry){
		.scheme = steal(scheme_copy),
		.id = steal(id_copy),
		.perms = perms,
	};
	return 0;
}

void acl_release(struct acl *acl)
{
	for (size_t i = 0; i < acl->count; i++) {
		free(acl->entries[i].scheme);
		free(acl->entries[i].id);
	}
	free(acl->entries);
	*acl = (struct acl)ACL_INIT;
}

/*
 * The bits of "cdrwa", or -EINVAL.  A letter given twice is more likely a slip
 * than meant.
 */
static int parse_perms(const char *s)
{
	int perms = 0;

	for (; *s; s++) {
		int bit = 0;

		for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
			if (letters[i].letter == *s)
				bit = letters[i].perm;
		if (!bit || (perms & bit))
			return -EINVAL;
		perms |= bit;
	}
	return perms;
}

/* "%", "25" any number of times, "2C": what an escaped comma looks like. */
static bool is_escape(const char *s)
{
	if (*s++ != '%')
		return false;
	while (strncmp(s, "25", 2) == 0)
		s += 2;
	return strncmp(s, "2C", 2) == 0;
}

/* Undo the escapes in place: "%2C" is a comma, "%252C" is "%2C", and so on. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (is_escape(s)) {
			*to++ = s[2] == 'C' ? ',' : '%';
			s += 3;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static void print_escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == ',')
			fputs("%2C", out);
		else if (is_escape(s))
			fputs("%25", out);
		else
			fputc(*s, out);
	}
}

/* One entry, which is taken apart in place. */
static int parse_entry(struct acl *acl, char *entry)
{
	char *first = strchr(entry, ':');
	char *last = strrchr(entry, ':');
	int perms;

	/* Two colons at least, and something in front of the first. */
	if (first == last || first == entry)
		return -EINVAL;
	*first = '\0';
	*last = '\0';
	perms = parse_perms(last + 1);
	if (perms < 0)
		return perms;
	unescape(first + 1);
	return acl_add(acl, entry, first + 1, perms);
}

int acl_parse(struct acl *acl, const char *text, size_t len)
{
	_cleanup_free_ char *copy = NULL;
	char *rest, *entry;

	if (len > ACL_TEXT_MAX)
		return -E2BIG;
	if (len && memchr(text, '\0', len))
		return -EINVAL;
	copy = strndup(len ? text : "", len);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	/* Not strtok(): an empty entry is an error, also at the end. */
	while ((entry = strsep(&rest, ","))) {
		int rc = parse_entry(acl, entry);

		if (rc) {
			acl_release(acl);
			return rc;
		}
	}
	return 0;
}

static int print_entry(FILE *out, const struct acl_entry *e)
{
	if (!*e->scheme || strpbrk(e->scheme, ":,"))
		return -EINVAL;
	fprintf(out, "%s:", e->scheme);
	print_escaped(out, e->id);
	fputc(':', out);
	for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
		if (e->perms & letters[i].perm)
			fputc(letters[i].letter, out);
	return 0;
}

static int print_entries(FILE *out, const struct acl *acl)
{
	for (size_t i = 0; i < acl->count; i++) {
		int rc;

		if (i)
			fputc(',', out);
		rc = print_entry(out, &acl->entries[i]);
		if (rc)
			return rc;
	}
	return ferror(out) ? -ENOMEM : 0;
}

int acl_format(const struct acl *acl, char **text)
{
	_cleanup_free_ char *buf = NULL;
	size_t size;
	FILE *out = open_memstream(&buf, &size);
	int rc;

	if (!out)
		return -ENOMEM;
	rc = print_entries(out, acl);
	/* glibc's fclose() that runs out of memory says so by a NULL. */
	if ((fclose(out) != 0 || !buf) && !rc)
		rc = -ENOMEM;
	if (rc)
		return rc;
	*text = steal(buf);
	return 0;
}
