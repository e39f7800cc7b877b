/* SPDX-License-Identifier: Apache-2.0 */
#include "zkerr.h"

/* Switches, so that the compiler refuses a code that stands there twice. */

int zkerr_to_errno(int code)
{
	switch (code) {
#define X(name, code, err)                                                     \
	case code:                                                             \
		return -(err);
		ZKERR_TABLE(X)
		ZKERR_TABLE_SERVER(X)
#undef X
	default:
		return -EIO;
	}
}

const char *zkerr_name(int code)
{
	switch (code) {
#define X(name, code, err)                                                     \
	case code:                                                             \
		return #name;
		ZKERR_TABLE(X)
		ZKERR_TABLE_SERVER(X)
#undef X
	default:
		return "unknown error";
	}
}
