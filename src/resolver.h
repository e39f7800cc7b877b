/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_RESOLVER_H
#define ZNODEFS_RESOLVER_H

/*
 * The addresses of the servers, by their names.
 *
 *	resolver_new()       with "h1:p1,h2:p2" as of path_parse_server()
 *	resolver_look()      the first time, at leisure: it blocks
 *	resolver_poll()      as often as there may be news: it does not
 *	resolver_free()      neither does this
 *
 * The library is told addresses only.  Left to itself it asks for names on the
 * thread that has the connection, whenever there is none: then a resolver
 * that hangs holds up the end of the session, and one that fails keeps it from
 * servers that it knows.  Here a look has a thread of its own, one at a time,
 * that nobody waits for; it may outlive its resolver.
 *
 * A name that has no answer keeps the addresses that it had.  One that is said
 * not to exist has none: whoever has its address now may be somebody else.  But
 * if that leaves no address at all, all is as it was.
 */

/* Between two looks: the servers of names are asked so often at most. */
#define RESOLVER_INTERVAL_MS 1000

struct resolver;

struct resolver *resolver_new(const char *hosts);
void resolver_free(struct resolver *r);

/*
 * All addresses of all names, malloc'ed, in the library's form:
 * "10.0.0.7:2181,fd00::7:2181".  NULL if there is none.
 */
char *resolver_look(struct resolver *r);

/*
 * What a look has found that has ended since the last call, else NULL; and
 * unless one is under way, another begins.  It never does if the hosts are
 * addresses.
 */
char *resolver_poll(struct resolver *r);

#endif
