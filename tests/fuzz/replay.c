/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run a fuzz target on files, and on all files of directories:
 *
 *	replay_feedproto corpus/feedproto crash-1234...
 *
 * With every file, also on all its beginnings: a connection may end anywhere.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "util.h"

/* No corpus file is near this. */
#define FILE_MAX (1024 * 1024)

/* Above this length not every beginning is tried. */
#define PREFIXES_MAX 4096

static int replay_file(const char *path)
{
	_cleanup_free_ uint8_t *buf = malloc(FILE_MAX);
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file || !buf) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size = fread(buf, 1, FILE_MAX, file);
	fclose(file);
	for (size_t len = 0; len < size && len < PREFIXES_MAX; len++)
		LLVMFuzzerTestOneInput(buf, len);
	LLVMFuzzerTestOneInput(buf, size);
	return 1;
}

/* The number of files, or -1. */
static int replay(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int count = 0;

	if (!dir)
		return replay_file(path);
	while (count >= 0 && (e = readdir(dir))) {
		char name[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		count = replay_file(name) < 0 ? -1 : count + 1;
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		if (n < 0)
			return EXIT_FAILURE;
		total += n;
	}
	printf("%d files\n", total);
	return total ? EXIT_SUCCESS : EXIT_FAILURE;
}
