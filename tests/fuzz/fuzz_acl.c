/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the text of an ACL (src/acl.c), as setfattr(1) brings it.
 *
 * What is taken is shown, and what is shown is taken for the same.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "acl.h"
#include "fuzz.h"

static void check_same(const struct acl *a, const struct acl *b)
{
	size_t i;

	FUZZ_CHECK(a->count == b->count);
	for (i = 0; i < a->count; i++) {
		FUZZ_CHECK(!strcmp(a->entries[i].scheme, b->entries[i].scheme));
		FUZZ_CHECK(!strcmp(a->entries[i].id, b->entries[i].id));
		FUZZ_CHECK(a->entries[i].perms == b->entries[i].perms);
	}
}

static void check_shown(const struct acl *acl)
{
	struct acl again = ACL_INIT;
	char *text = NULL;
	int rc = acl_format(acl, &text);

	FUZZ_CHECK(rc == 0 && text);
	/* Commas take more room than they had. */
	rc = acl_parse(&again, text, strlen(text));
	FUZZ_CHECK(rc == 0 || strlen(text) > ACL_TEXT_MAX);
	if (rc == 0)
		check_same(acl, &again);
	acl_release(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct acl acl = ACL_INIT;
	char *text = malloc(size ? size : 1);
	int rc;

	if (size)
		memcpy(text, data, size);
	rc = acl_parse(&acl, text, size);
	FUZZ_CHECK(rc <= 0 && rc != -EIO);
	if (rc == 0) {
		FUZZ_CHECK(acl.count > 0 && acl.count <= ACL_ENTRIES_MAX);
		check_shown(&acl);
	}
	acl_release(&acl);
	free(text);
	return 0;
}
