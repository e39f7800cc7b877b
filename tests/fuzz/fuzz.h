/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_FUZZ_H
#define ZNODEFS_FUZZ_H

/*
 * A fuzz target is a file that defines LLVMFuzzerTestOneInput().  It is built
 * twice: with libFuzzer, to search, and with replay.c, by any compiler, to run
 * the files of its corpus as a test.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(): it holds with NDEBUG too. */
#define FUZZ_CHECK(cond)                                                       \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
				#cond);                                        \
			abort();                                               \
		}                                                              \
	} while (0)

#endif
