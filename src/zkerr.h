/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_ZKERR_H
#define ZNODEFS_ZKERR_H

/*
 * ZooKeeper's error codes and the errno that the caller of a system call sees:
 * the one table for both connections, the library's and our own.
 *
 * The numbers stand here with their names, so that only zk*.c need
 * zookeeper.h; zk.c can check them against it:
 *
 *	#define X(name, code, err) \
 *		_Static_assert(name == (code), "zkerr.h: " #name);
 *	ZKERR_TABLE(X)
 *
 * Choices that are not obvious:
 *
 * - Whatever concerns the connection or the session is EIO.  So is what only a
 *   bug of ours or the server's can cause.
 * - BADVERSION is ESTALE; whoever is able to retry does so before asking here.
 * - THROTTLEDOP ("not executed, please retry") is EBUSY.  EAGAIN would be true
 *   too, but says "would block": event loops would poll a file that is always
 *   ready and ask a server that is overloaded again at once, and flock(1)
 *   would read it as "locked by another".
 * - Features that a server lacks or has switched off are EOPNOTSUPP.
 * - NOTHING is not an error, and no operation's result either: EIO.
 *
 * Pure.
 */

#include <errno.h>

/* X(name, code, errno): all of enum ZOO_ERRORS in zookeeper.h 3.8.0. */
#define ZKERR_TABLE(X)                                                         \
	X(ZOK, 0, 0)                                                           \
	X(ZSYSTEMERROR, -1, EIO)                                               \
	X(ZRUNTIMEINCONSISTENCY, -2, EIO)                                      \
	X(ZDATAINCONSISTENCY, -3, EIO)                                         \
	X(ZCONNECTIONLOSS, -4, EIO)                                            \
	X(ZMARSHALLINGERROR, -5, EIO)                                          \
	X(ZUNIMPLEMENTED, -6, EOPNOTSUPP)                                      \
	X(ZOPERATIONTIMEOUT, -7, EIO)                                          \
	X(ZBADARGUMENTS, -8, EINVAL)                                           \
	X(ZINVALIDSTATE, -9, EIO)                                              \
	X(ZNEWCONFIGNOQUORUM, -13, EIO)                                        \
	X(ZRECONFIGINPROGRESS, -14, EBUSY)                                     \
	X(ZSSLCONNECTIONERROR, -15, EIO)                                       \
	X(ZAPIERROR, -100, EIO)                                                \
	X(ZNONODE, -101, ENOENT)                                               \
	X(ZNOAUTH, -102, EACCES)                                               \
	X(ZBADVERSION, -103, ESTALE)                                           \
	X(ZNOCHILDRENFOREPHEMERALS, -108, ENOTDIR)                             \
	X(ZNODEEXISTS, -110, EEXIST)                                           \
	X(ZNOTEMPTY, -111, ENOTEMPTY)                                          \
	X(ZSESSIONEXPIRED, -112, EIO)                                          \
	X(ZINVALIDCALLBACK, -113, EIO)                                         \
	X(ZINVALIDACL, -114, EINVAL)                                           \
	X(ZAUTHFAILED, -115, EACCES)                                           \
	X(ZCLOSING, -116, EIO)                                                 \
	X(ZNOTHING, -117, EIO)                                                 \
	X(ZSESSIONMOVED, -118, EIO)                                            \
	X(ZNOTREADONLY, -119, EROFS)                                           \
	X(ZEPHEMERALONLOCALSESSION, -120, EOPNOTSUPP)                          \
	X(ZNOWATCHER, -121, EIO)                                               \
	X(ZRECONFIGDISABLED, -123, EOPNOTSUPP)                                 \
	X(ZSESSIONCLOSEDREQUIRESASLAUTH, -124, EACCES)                         \
	X(ZTHROTTLEDOP, -127, EBUSY)

/*
 * Codes that a 3.8.0 server has (KeeperException.Code) and zookeeper.h 3.8.0
 * does not.
 */
#define ZKERR_TABLE_SERVER(X)                                                  \
	X(ZUNKNOWNSESSION, -12, EIO)                                           \
	X(ZREQUESTTIMEOUT, -122, EIO)                                          \
	X(ZQUOTAEXCEEDED, -125, EDQUOT)

/* 0 for ZOK, else -errno; -EIO for a code that is in neither table. */
int zkerr_to_errno(int code);

/* "ZNONODE" and so on, for logs; "unknown error".  Static, never NULL. */
const char *zkerr_name(int code);

#endif
