/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TEST_TOLDSIM_H
#define ZNODEFS_TEST_TOLDSIM_H

/*
 * All that can happen to two names of one directory, for test_told_model.c:
 * one thing at a time, in whatever order the test picks.
 *
 *	toldsim_server.c   the znodes, changed by others and by requests of this
 *	                   mount, and the feed's events of that
 *	toldsim_mount.c    what look.c, own.c, watch.c and announce.c do with
 *	                   told.h, by the same rules
 *	toldsim_answer.c   what follows from the answers to requests
 *	toldsim_watch.c    those who watch, and what they believe in the end
 *
 * Requests are executed in the order in which they were asked, and answered in
 * the order in which they were executed, as in one session.  Events come in
 * the order of the changes.  Nothing else is sure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "told.h"

enum {
	SIM_NAMES = 2,
	SIM_EVENTS = 2000,
	SIM_REQUESTS = 4000,
	SIM_WATCHERS = 24,
};

struct sim_znode {
	bool there;
	bool dir;
	bool null;
	bool ours; /* an ephemeral of this mount */
	int64_t czxid;
	int64_t mzxid;
};

enum sim_event_type {
	SIM_CREATED = TOLD_CREATED,
	SIM_DELETED = TOLD_DELETED,
	SIM_CHANGED = TOLD_CHANGED,
	SIM_CHILD, /* something was created below the name */
};

struct sim_event {
	int name;
	enum sim_event_type type;
};

enum sim_call {
	SIM_LOOK, /* a read because of an event */
	SIM_LOOKUP,
	SIM_LIST,
	SIM_RELIST, /* when the feed is back */
	SIM_READ,   /* before a write, of what others have made meanwhile */
	SIM_CREATE,
	SIM_COMMIT, /* the create of an embryo */
	SIM_SET,
	SIM_DELETE,
	SIM_RENAME, /* to the other name */
	SIM_EXCHANGE,
};

/* How a name takes the place of the other. */
enum sim_rename { SIM_TO_NOTHING, SIM_BY_SET, SIM_OVER };

struct sim_request {
	enum sim_call call;
	int name;
	enum node_view view;
	bool dir;    /* create */
	bool null;   /* create, set */
	bool create; /* a lookup for open(O_CREAT) */
	enum sim_rename how;
	int epoch; /* of the feed; 0: it was down */

	/* The answer. */
	bool ok;
	bool lost; /* nobody knows whether it took place */
	struct sim_znode got[SIM_NAMES];
};

/* A node, as far as it matters here. */
struct sim_place {
	struct told told;
	bool known;
	bool absent;
	bool embryo;
	bool open; /* the handle that made the embryo */
	bool read; /* somebody has seen the value, not only the name */
	enum node_view view; /* of the embryo */
	struct sim_znode znode;
};

/* One program that watches one name in one view. */
struct sim_watcher {
	const char *who;
	int since; /* step */
	int name;
	enum node_view view;
	bool there;
	bool kind_known;
	bool dir;
	bool data;     /* the directory has `.data` */
	int64_t czxid; /* what it has read last; 0: nothing */
	int64_t mzxid;
};

struct sim {
	uint64_t rng;
	bool tracing;
	int steps;
	int64_t now; /* ms */

	struct sim_znode znodes[SIM_NAMES];
	int64_t zxid;
	struct sim_event events[SIM_EVENTS];
	int n_events, delivered;
	struct sim_request requests[SIM_REQUESTS];
	int n_requests, executed, answered;
	bool down; /* the feed */
	int epoch;

	struct sim_place places[SIM_NAMES];
	struct list waiting;
	struct list due;
	int looks;
	int told;

	/* The announcer, and what it has told the helper to do. */
	struct sim_place *telling;
	bool helping;
	enum told_step step;
	enum node_view view;
	struct told_truth truth;

	struct sim_watcher watchers[SIM_WATCHERS];
	int n_watchers;
};

/* A value that nobody but its writer has seen: that of an embryo. */
#define SIM_EMBRYO_MZXID (-1)

unsigned sim_rand(struct sim *s, unsigned n);
/* With the number of the step, if the run is to be shown. */
void sim_trace(struct sim *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static inline char sim_letter(int name)
{
	return (char)('a' + name);
}

/* --- toldsim_server.c ---------------------------------------------------- */

/* False if it cannot be. */
bool sim_create(struct sim *s, int name, bool dir, bool null, bool ours);
bool sim_set(struct sim *s, int name, bool null);
bool sim_delete(struct sim *s, int name);
bool sim_add_child(struct sim *s, int name);
/* The next request, in the order of the questions. */
bool sim_execute(struct sim *s);

/* --- toldsim_mount.c ----------------------------------------------------- */

void sim_mount(struct sim *s);
void sim_unmount(struct sim *s);
/* The changes that a request makes begin, once it is complete. */
void sim_send(struct sim *s, struct sim_request *r);
/* Each of these does the next thing of its kind; false: there is none. */
bool sim_deliver(struct sim *s);
bool sim_pump(struct sim *s);
bool sim_announce(struct sim *s);
bool sim_help(struct sim *s);
/* The helper is stuck and is given up. */
bool sim_stick(struct sim *s);
void sim_feed_down(struct sim *s);
void sim_feed_up(struct sim *s);
/* So late that what has not come will not. */
void sim_expire(struct sim *s, bool noticed);

/* --- toldsim_answer.c ---------------------------------------------------- */

struct sim_request *sim_ask(struct sim *s, enum sim_call call, int name,
			    enum node_view view);
/* Whether a request holds the directory's lock in the kernel. */
bool sim_is_locked(const struct sim *s, enum node_view view);
/* The next one, in the order in which they were executed. */
bool sim_answer(struct sim *s);
/* The handle of an embryo is committed or closed. */
bool sim_close(struct sim *s, bool commit);

/* --- toldsim_watch.c ----------------------------------------------------- */

/* Of what a lookup has found or, not @read, a listing. */
struct sim_watcher *sim_watch(struct sim *s, const char *who, int name,
			      enum node_view view,
			      const struct sim_znode *found, bool read);
/* What all who watch @name in @view are told, and what they read then. */
void sim_tell(struct sim *s, int name, enum node_view view, enum told_step step,
	      const struct sim_znode *read);
/* How many believe what is not so. */
int sim_count_wrong(struct sim *s);

#endif
