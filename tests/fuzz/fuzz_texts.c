/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what users write in few words: servers and chroot, a path
 * (src/path.c), the name and the version of an attribute (src/xattr.c).
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "path.h"
#include "xattr.h"

static void check_server(const char *text)
{
	char *hosts = NULL, *chroot = NULL, *hosts2 = NULL, *chroot2 = NULL;
	int rc = path_parse_server(text, &hosts, &chroot);

	FUZZ_CHECK(rc == 0 || (!hosts && !chroot));
	if (rc)
		return;
	FUZZ_CHECK(*hosts && strchr(hosts, ':') && !strchr(hosts, '/'));
	FUZZ_CHECK(path_check(chroot) == 0);
	/* IPv6 has lost its brackets. */
	if (!strchr(text, '[')) {
		FUZZ_CHECK(path_parse_server(hosts, &hosts2, &chroot2) == 0);
		FUZZ_CHECK(!strcmp(hosts, hosts2) && !strcmp(chroot2, "/"));
	}
	free(hosts);
	free(chroot);
	free(hosts2);
	free(chroot2);
}

static void check_path(const char *text)
{
	const char *base;

	if (path_check(text) || !strcmp(text, "/"))
		return;
	base = path_base(text);
	FUZZ_CHECK(base > text && base[-1] == '/' && !strchr(base, '/'));
}

static void check_version(const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1), again[XATTR_NUMBER_MAX];
	int32_t version, version2;

	if (size)
		memcpy(text, data, size);
	if (xattr_parse_version(text, size, &version) == 0) {
		snprintf(again, sizeof(again), "%d", version);
		FUZZ_CHECK(!xattr_parse_version(again, strlen(again),
						&version2));
		FUZZ_CHECK(version == version2);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	check_server(text);
	check_path(text);
	check_version(data, size);
	if (xattr_find(text))
		FUZZ_CHECK(strlen(text) < XATTR_LIST_MAX);
	xattr_is_user(text);
	free(text);
	return 0;
}
