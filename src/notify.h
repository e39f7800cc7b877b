/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_NOTIFY_H
#define ZNODEFS_NOTIFY_H

/*
 * A word to the service manager that has started us, as sd_notify(3) without
 * the library: a datagram to the socket that $NOTIFY_SOCKET names, which is a
 * path, or an abstract name with '@' for its first byte.
 *
 * Only the process that the manager watches has anything to say, which is one
 * in the foreground.
 */

#define NOTIFY_READY    "READY=1"
#define NOTIFY_STOPPING "STOPPING=1"

/*
 * 0, also if nobody wants to know; -EINVAL if the name of the socket is not
 * one; else what socket(2) or sendto(2) say.  It waits only while the manager
 * has not taken what others have said before.
 */
int notify_send(const char *state);

#endif
