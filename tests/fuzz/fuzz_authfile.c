/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the file of credentials (src/authfile.c).
 *
 * Whatever is wrong with it, a message has nothing of what stands in it: here
 * that is SECRET.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "authfile.h"
#include "fuzz.h"

#define SECRET "s3cr3t"

static void check(const char *path)
{
	struct authfile af = AUTHFILE_INIT;
	char msg[AUTHFILE_MSG_MAX] = "";
	size_t i;
	int rc = authfile_read(&af, path, msg, sizeof(msg));

	FUZZ_CHECK(rc <= 0);
	FUZZ_CHECK(rc == 0 || *msg);
	FUZZ_CHECK(!strstr(msg, SECRET));
	for (i = 0; i < af.count; i++) {
		FUZZ_CHECK(*af.entries[i].scheme && *af.entries[i].cred);
		FUZZ_CHECK(!strchr(af.entries[i].cred, '\n'));
	}
	authfile_release(&af);
	FUZZ_CHECK(af.count == 0 && !af.entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/fuzz-authfile-XXXXXX";
	int fd = mkstemp(path);

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	check(path);
	unlink(path);
	return 0;
}
