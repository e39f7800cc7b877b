/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "name.h"
#include "util.h"

/* "%~" and 16 hex digits. */
#define ALIAS_TAIL   18
#define ALIAS_PREFIX (NAME_ENTRY_MAX - ALIAS_TAIL)
/* A cut in front of a character goes back by 3 bytes at most. */
#define ALIAS_BACK 3

/*
 * Without the dot: the escaped form replaces just that.  The first is reserved
 * in every directory, the others at the root.
 */
static const struct {
	const char *tail;
	enum name_special special;
} reserved[] = {
	{"data", NAME_DATA},
	{"ephemeral", NAME_EPHEMERAL},
	{"sequential", NAME_SEQUENTIAL},
	{"ephemeral-sequential", NAME_EPHEMERAL_SEQUENTIAL},
	{"container", NAME_CONTAINER},
	{"ttl", NAME_TTL},
	{"znodefs", NAME_ZNODEFS},
};

/* Which reserved entry "." + @tail is. */
static enum name_special tail_special(const char *tail, bool at_root)
{
	size_t n = at_root ? ARRAY_SIZE(reserved) : 1;

	for (size_t i = 0; i < n; i++)
		if (strcmp(tail, reserved[i].tail) == 0)
			return reserved[i].special;
	return NAME_PLAIN;
}

enum name_special name_special(const char *entry, bool at_root)
{
	return entry[0] == '.' ? tail_special(entry + 1, at_root) : NAME_PLAIN;
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* "%", "25" any number of times, "2E", and the tail of a reserved name. */
static bool is_escaped(const char *name, bool at_root)
{
	const char *p = name;

	if (*p++ != '%')
		return false;
	while (starts_with(p, "25"))
		p += 2;
	return starts_with(p, "2E") && tail_special(p + 2, at_root);
}

/* FNV-1a, 64 bits, with its published offset basis and prime. */
static uint64_t fnv1a(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++) {
		h ^= (unsigned char)*s;
		h *= 0x100000001b3;
	}
	return h;
}

static bool is_continuation(char c)
{
	return (c & 0xc0) == 0x80;
}

/* Called only for names that are longer than the prefix. */
static int make_alias(const char *znode, char entry[NAME_ENTRY_MAX + 1])
{
	size_t cut = ALIAS_PREFIX;

	/* Bounded, so that a name that is not UTF-8 has an alias too. */
	while (cut > ALIAS_PREFIX - ALIAS_BACK && is_continuation(znode[cut]))
		cut--;
	memcpy(entry, znode, cut);
	snprintf(entry + cut, ALIAS_TAIL + 1, "%%~%016llx",
		 (unsigned long long)fnv1a(znode));
	return (int)cut + ALIAS_TAIL;
}

int name_to_entry(const char *znode, bool at_root,
		  char entry[NAME_ENTRY_MAX + 1])
{
	const char *head = NULL;
	size_t len = strlen(znode);

	/* Either way the first byte of the name is replaced by three. */
	if (name_special(znode, at_root))
		head = "%2E";
	else if (is_escaped(znode, at_root))
		head = "%25";

	if (len + (head ? 2 : 0) > NAME_ENTRY_MAX)
		return make_alias(znode, entry);
	if (!head) {
		memcpy(entry, znode, len + 1);
		return (int)len;
	}
	memcpy(entry, head, 3);
	memcpy(entry + 3, znode + 1, len);
	return (int)len + 2;
}

bool name_maybe_alias(const char *entry)
{
	size_t len = strlen(entry);
	const char *tail;

	if (len > NAME_ENTRY_MAX || len < NAME_ENTRY_MAX - ALIAS_BACK)
		return false;
	tail = entry + len - ALIAS_TAIL;
	return starts_with(tail, "%~") &&
	       strspn(tail + 2, "0123456789abcdef") == ALIAS_TAIL - 2;
}

int name_to_znode(const char *entry, bool at_root,
		  char znode[NAME_ENTRY_MAX + 1])
{
	size_t len = strlen(entry);

	if (len > NAME_ENTRY_MAX)
		return -ENAMETOOLONG;
	if (name_special(entry, at_root))
		return -EINVAL;

	if (!is_escaped(entry, at_root)) {
		memcpy(znode, entry, len + 1);
	} else {
		/* "%25..." loses its "25", "%2E..." becomes a dot. */
		znode[0] = entry[2] == '5' ? '%' : '.';
		memcpy(znode + 1, entry + 3, len - 2);
	}
	return name_check(znode);
}

/*
 * The character at *@p, which is moved behind it; -1 for what is no UTF-8.
 * Surrogates and values above U+10FFFF are left to the caller, who refuses them
 * for other reasons.  The NUL at the end is no continuation byte, so a
 * truncated character is not read past.
 */
static int32_t next_char(const unsigned char **p)
{
	const unsigned char *s = *p;
	int32_t c, lowest;
	int more;

	if (*s < 0x80) {
		*p = s + 1;
		return *s;
	} else if ((*s & 0xe0) == 0xc0) {
		c = *s & 0x1f;
		lowest = 0x80;
		more = 1;
	} else if ((*s & 0xf0) == 0xe0) {
		c = *s & 0x0f;
		lowest = 0x800;
		more = 2;
	} else if ((*s & 0xf8) == 0xf0) {
		c = *s & 0x07;
		lowest = 0x10000;
		more = 3;
	} else {
		return -1;
	}
	while (more--) {
		if ((*++s & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (*s & 0x3f);
	}
	*p = s + 1;
	return c < lowest ? -1 : c; /* overlong */
}

/* The ranges are those of name.h; the -1 of next_char() falls in the first. */
static bool is_refused(int32_t c)
{
	return c <= 0x1f || (c >= 0x7f && c <= 0x9f) ||
	       (c >= 0xd800 && c <= 0xf8ff) || c >= 0xfff0;
}

int name_check(const char *znode)
{
	const unsigned char *p = (const unsigned char *)znode;

	if (!*znode || strcmp(znode, ".") == 0 || strcmp(znode, "..") == 0 ||
	    strchr(znode, '/'))
		return -EINVAL;
	while (*p)
		if (is_refused(next_char(&p)))
			return -EILSEQ;
	return 0;
}
