/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: names of znodes and of entries (src/name.c), both ways.
 *
 * The first byte says whether it is at the root, the rest is the name: of a
 * znode, as a server lists it, and of an entry, as a program asks for it.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "name.h"

static void check_znode(const char *znode, bool at_root)
{
	char entry[NAME_ENTRY_MAX + 1], back[NAME_ENTRY_MAX + 1];
	int len = name_to_entry(znode, at_root, entry);

	FUZZ_CHECK(len >= 0 && (size_t)len == strlen(entry));
	FUZZ_CHECK(name_special(entry, at_root) == NAME_PLAIN);
	if (strlen(znode) > NAME_ENTRY_MAX)
		FUZZ_CHECK(name_maybe_alias(entry));
	if (name_maybe_alias(entry) || name_check(znode))
		return;
	FUZZ_CHECK(name_to_znode(entry, at_root, back) >= 0);
	FUZZ_CHECK(!strcmp(back, znode));
}

static void check_entry(const char *entry, bool at_root)
{
	char znode[NAME_ENTRY_MAX + 1], back[NAME_ENTRY_MAX + 1];

	if (strlen(entry) > NAME_ENTRY_MAX ||
	    name_special(entry, at_root) != NAME_PLAIN)
		return;
	if (name_to_znode(entry, at_root, znode) < 0)
		return;
	FUZZ_CHECK(name_check(znode) == 0);
	name_to_entry(znode, at_root, back);
	FUZZ_CHECK(!strcmp(back, entry));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name;

	if (size == 0)
		return 0;
	name = malloc(size);
	memcpy(name, data + 1, size - 1);
	name[size - 1] = '\0';
	check_znode(name, data[0] & 1);
	check_entry(name, data[0] & 1);
	free(name);
	return 0;
}
