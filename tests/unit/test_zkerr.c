/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "unit.h"
#include "zkerr.h"

/*
 * The library's own header, where it is installed: each number is compared, and
 * the switch over the enum makes the compiler say which code has no row here.
 */
#if __has_include(<zookeeper/zookeeper.h>)
#define THREADED
#include <zookeeper/zookeeper.h>

#define X(name, code, err) _Static_assert(name == (code), #name);
ZKERR_TABLE(X)
#undef X

static bool is_known(enum ZOO_ERRORS code)
{
	switch (code) {
#define X(name, code, err) case name:
		ZKERR_TABLE(X)
#undef X
		return true;
	}
	return false;
}
#else
static bool is_known(int code)
{
#define X(name, code, err) code,
	static const int known[] = {ZKERR_TABLE(X)};
#undef X
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == code)
			return true;
	return false;
}
#endif

/* Written again by hand, so that a slip in the table is seen. */
static const struct {
	const char *name;
	int code;
	int err;
} want[] = {
	{"ZOK", 0, 0},
	{"ZSYSTEMERROR", -1, EIO},
	{"ZRUNTIMEINCONSISTENCY", -2, EIO},
	{"ZDATAINCONSISTENCY", -3, EIO},
	{"ZCONNECTIONLOSS", -4, EIO},
	{"ZMARSHALLINGERROR", -5, EIO},
	{"ZUNIMPLEMENTED", -6, EOPNOTSUPP},
	{"ZOPERATIONTIMEOUT", -7, EIO},
	{"ZBADARGUMENTS", -8, EINVAL},
	{"ZINVALIDSTATE", -9, EIO},
	{"ZUNKNOWNSESSION", -12, EIO},
	{"ZNEWCONFIGNOQUORUM", -13, EIO},
	{"ZRECONFIGINPROGRESS", -14, EBUSY},
	{"ZSSLCONNECTIONERROR", -15, EIO},
	{"ZAPIERROR", -100, EIO},
	{"ZNONODE", -101, ENOENT},
	{"ZNOAUTH", -102, EACCES},
	{"ZBADVERSION", -103, ESTALE},
	{"ZNOCHILDRENFOREPHEMERALS", -108, ENOTDIR},
	{"ZNODEEXISTS", -110, EEXIST},
	{"ZNOTEMPTY", -111, ENOTEMPTY},
	{"ZSESSIONEXPIRED", -112, EIO},
	{"ZINVALIDCALLBACK", -113, EIO},
	{"ZINVALIDACL", -114, EINVAL},
	{"ZAUTHFAILED", -115, EACCES},
	{"ZCLOSING", -116, EIO},
	{"ZNOTHING", -117, EIO},
	{"ZSESSIONMOVED", -118, EIO},
	{"ZNOTREADONLY", -119, EROFS},
	{"ZEPHEMERALONLOCALSESSION", -120, EOPNOTSUPP},
	{"ZNOWATCHER", -121, EIO},
	{"ZREQUESTTIMEOUT", -122, EIO},
	{"ZRECONFIGDISABLED", -123, EOPNOTSUPP},
	{"ZSESSIONCLOSEDREQUIRESASLAUTH", -124, EACCES},
	{"ZQUOTAEXCEEDED", -125, EDQUOT},
	{"ZTHROTTLEDOP", -127, EBUSY},
};

START_TEST(test_table)
{
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		ck_assert_int_eq(zkerr_to_errno(want[i].code), -want[i].err);
		ck_assert_str_eq(zkerr_name(want[i].code), want[i].name);
	}
}
END_TEST

/* Every code in reach: what the library knows has a name, what no one knows
 * is EIO, and nothing but ZOK is success. */
START_TEST(test_all_codes)
{
	for (int code = -1000; code <= 1000; code++) {
		int rc = zkerr_to_errno(code);
		bool named = strcmp(zkerr_name(code), "unknown error") != 0;

		ck_assert_msg((code == 0) == (rc == 0), "%d: %d", code, rc);
		ck_assert_msg(rc <= 0 && rc > -4096, "%d: %d", code, rc);
		if (is_known(code))
			ck_assert_msg(named, "%d has no name", code);
		if (!named)
			ck_assert_msg(rc == -EIO, "%d: %d", code, rc);
	}
	ck_assert_int_eq(zkerr_to_errno(INT32_MIN), -EIO);
	ck_assert_int_eq(zkerr_to_errno(INT32_MAX), -EIO);
	ck_assert_str_eq(zkerr_name(INT32_MAX), "unknown error");
}
END_TEST

/* No table of one's own in two places: what is named is what is listed. */
START_TEST(test_complete)
{
	size_t named = 0;

	for (int code = -1000; code <= 1000; code++)
		if (strcmp(zkerr_name(code), "unknown error") != 0)
			named++;
	ck_assert_uint_eq(named, ARRAY_SIZE(want));
}
END_TEST

UNIT_MAIN("zkerr", test_table, test_all_codes, test_complete)
