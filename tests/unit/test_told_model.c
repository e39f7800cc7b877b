/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whatever others and this mount do to names, and in whatever order answers,
 * events and announcements come: in the end, who watches believes what is so.
 * And what is only changed here is not announced, nor looked at.
 *
 * Random runs, the shortest first.  A failure prints the run.
 */

#include <stdarg.h>
#include <stdio.h>

#include "toldsim.h"
#include "unit.h"

struct plan {
	bool others;     /* change the names too */
	bool users;      /* look, list and change */
	bool ephemerals; /* ... in both views */
	bool renames;    /* ... and two names at once */
	bool embryos;    /* ... and open what is not there */
	bool faults;     /* answers get lost, the helper stuck, events late */
	bool breaks;     /* the feed is down for a while */
};

struct run {
	struct sim sim;
	const struct plan *plan;
	int others, users, faults, breaks; /* so many are to come */
};

#define LONGEST 24 /* changes by each party */

unsigned sim_rand(struct sim *s, unsigned n)
{
	return unit_rand(&s->rng, n);
}

void sim_trace(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->tracing)
		return;
	printf("%3d  ", s->steps);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* --- others -------------------------------------------------------------- */

static bool change_elsewhere(struct sim *s, int name)
{
	bool dir = sim_rand(s, 3) == 0, null = sim_rand(s, 2);

	switch (sim_rand(s, 5)) {
	case 0:
	case 1:
		return sim_delete(s, name) ||
		       sim_create(s, name, dir, null, false);
	case 2:
	case 3:
		return sim_set(s, name, null);
	default:
		return sim_add_child(s, name);
	}
}

static bool do_other(struct run *r)
{
	struct sim *s = &r->sim;
	int name = (int)sim_rand(s, SIM_NAMES);
	const struct sim_znode *z = &s->znodes[name];

	if (r->others == 0 || !change_elsewhere(s, name))
		return false;
	r->others--;
	sim_trace(s, "elsewhere: %c is %s now, czxid %d, mzxid %d",
		  sim_letter(name),
		  !z->there ? "gone"
		  : z->dir  ? "a directory"
			    : "a file",
		  (int)z->czxid, (int)z->mzxid);
	return true;
}

/* --- users --------------------------------------------------------------- */

/* What the kernel has found before it lets somebody change it. */
static bool is_in_hand(const struct sim_place *p, enum node_view view)
{
	return p->told.in[view] && p->told.kind_known && !p->embryo;
}

static bool can_ask(const struct run *r, enum sim_call call, int name,
		    enum node_view view)
{
	const struct sim_place *p = &r->sim.places[name];
	const struct sim_place *other = &r->sim.places[!name];

	switch (call) {
	case SIM_CREATE:
		return !p->embryo && !sim_is_locked(&r->sim, view);
	case SIM_SET:
		return is_in_hand(p, view) &&
		       (view == VIEW_MAIN ||
			(p->known && p->znode.ours && !p->znode.dir));
	case SIM_DELETE:
		return is_in_hand(p, view) && !sim_is_locked(&r->sim, view) &&
		       (view == VIEW_MAIN || (p->known && p->znode.ours));
	case SIM_RENAME:
	case SIM_EXCHANGE:
		return r->plan->renames && is_in_hand(p, VIEW_MAIN) &&
		       p->known && !other->embryo &&
		       !sim_is_locked(&r->sim, VIEW_MAIN) &&
		       (call == SIM_RENAME ||
			(is_in_hand(other, VIEW_MAIN) && other->known));
	default:
		return true;
	}
}

static enum sim_rename way_to_rename(const struct sim_place *from,
				     const struct sim_place *to)
{
	if (!to->known)
		return SIM_TO_NOTHING;
	if (!from->znode.dir && !to->znode.dir &&
	    from->znode.ours == to->znode.ours)
		return SIM_BY_SET;
	return SIM_OVER;
}

static void complete(struct sim *s, struct sim_request *r)
{
	if (r->call == SIM_CREATE && r->view == VIEW_MAIN)
		r->dir = r->null = sim_rand(s, 3) == 0;
	if (r->call == SIM_SET)
		r->null = sim_rand(s, 2);
	if (r->call == SIM_RENAME)
		r->how = way_to_rename(&s->places[r->name],
				       &s->places[!r->name]);
}

/* Then, if nothing is found, an embryo is opened. */
static bool may_open(const struct run *r, int name, enum node_view view)
{
	const struct sim_place *p = &r->sim.places[name];

	return r->plan->embryos && !p->open && !p->embryo &&
	       !sim_is_locked(&r->sim, view);
}

static const struct {
	enum sim_call call;
	const char *name;
} user_calls[] = {
	{SIM_LOOKUP, "look for"},   {SIM_LOOKUP, "look for"},
	{SIM_LIST, "list"},         {SIM_CREATE, "create"},
	{SIM_CREATE, "create"},     {SIM_SET, "set"},
	{SIM_DELETE, "delete"},     {SIM_RENAME, "rename"},
	{SIM_EXCHANGE, "exchange"},
};

static bool do_user(struct run *r)
{
	struct sim *s = &r->sim;
	unsigned i = sim_rand(s, ARRAY_SIZE(user_calls));
	enum sim_call call = user_calls[i].call;
	int name = (int)sim_rand(s, SIM_NAMES);
	enum node_view view = r->plan->ephemerals && sim_rand(s, 4) == 0;
	struct sim_request *q;

	if (call == SIM_RENAME || call == SIM_EXCHANGE)
		view = VIEW_MAIN;
	if (r->users == 0 || !can_ask(r, call, name, view))
		return false;
	r->users--;
	q = sim_ask(s, call, name, view);
	complete(s, q);
	if (call == SIM_LOOKUP && i == 0)
		q->create = may_open(r, name, view);
	sim_trace(s, "request %d: %s %c%s", s->n_requests, user_calls[i].name,
		  sim_letter(name), view == VIEW_MAIN ? "" : " in .ephemeral");
	sim_send(s, q);
	return true;
}

/* --- the rest ------------------------------------------------------------ */

/* An embryo that is not committed is announced as removed. */
static bool do_close(struct run *r)
{
	return sim_close(&r->sim, !r->plan->others || sim_rand(&r->sim, 4));
}

static bool do_execute(struct run *r)
{
	return sim_execute(&r->sim);
}

static bool do_answer(struct run *r)
{
	struct sim *s = &r->sim;

	if (r->faults > 0 && s->answered < s->executed &&
	    s->requests[s->answered].call >= SIM_CREATE &&
	    sim_rand(s, 40) == 0) {
		r->faults--;
		s->requests[s->answered].lost = true;
	}
	return sim_answer(s);
}

static bool do_deliver(struct run *r)
{
	return sim_deliver(&r->sim);
}

static bool do_pump(struct run *r)
{
	return sim_pump(&r->sim);
}

static bool do_announce(struct run *r)
{
	return sim_announce(&r->sim);
}

static bool do_help(struct run *r)
{
	return sim_help(&r->sim);
}

static bool do_fault(struct run *r)
{
	struct sim *s = &r->sim;

	if (r->faults == 0)
		return false;
	r->faults--;
	if (sim_rand(s, 2) == 0)
		return sim_stick(s);
	sim_expire(s, sim_rand(s, 2));
	return true;
}

static bool do_break(struct run *r)
{
	if (r->breaks == 0)
		return false;
	if (!r->sim.down) {
		sim_feed_down(&r->sim);
		return true;
	}
	r->breaks--;
	sim_feed_up(&r->sim);
	return true;
}

/* --- runs ---------------------------------------------------------------- */

/* The first thing that can be done, from a random one on. */
static bool step(struct run *r)
{
	static bool (*const all[])(struct run * r) = {
		do_other,   do_user,    do_execute, do_answer,
		do_deliver, do_pump,    do_help,    do_announce,
		do_close,   do_execute, do_answer,  do_deliver,
		do_pump,    do_help,    do_fault,   do_break,
	};
	unsigned n = ARRAY_SIZE(all), first = sim_rand(&r->sim, n);

	r->sim.steps++;
	/* Faults are rare. */
	if (first >= n - 2 && sim_rand(&r->sim, 4) != 0)
		first = 0;
	for (unsigned i = 0; i < n; i++) {
		if (all[(first + i) % n](r))
			return true;
	}
	return false;
}

/*
 * Everybody watches from the start, and knows what is there; where the feed
 * is interrupted, by a listing, or there is nothing to compare with.
 */
static void start(struct run *r)
{
	struct sim *s = &r->sim;

	sim_mount(s);
	for (int i = 0; i < SIM_NAMES; i++) {
		struct told *told = &s->places[i].told;
		const struct sim_znode *z = &s->znodes[i];

		if (sim_rand(s, 2)) {
			sim_create(s, i, sim_rand(s, 3) == 0, sim_rand(s, 2),
				   false);
			s->delivered = s->n_events;
		}
		sim_trace(s, "%c is %s", sim_letter(i),
			  z->there ? "there" : "not there");
		for (int v = 0; v < VIEW_COUNT; v++)
			sim_watch(s, "start", i, v, z, !r->plan->breaks)
				->kind_known = false;
		if (r->plan->breaks && z->there)
			told_listed(told);
		else if (r->plan->breaks)
			told_absent(told);
	}
}

/* Whether all is well in the end. */
static bool run(const struct plan *plan, uint64_t seed, int length,
		bool tracing)
{
	static struct run r;
	int wrong;

	sim_unmount(&r.sim); /* the run before */
	r = (struct run){
		.plan = plan,
		.sim.rng = seed * 0x9e3779b97f4a7c15u,
		.sim.tracing = tracing,
		.others = plan->others ? length : 0,
		.users = plan->users ? length : 0,
		.faults = plan->faults ? length / 4 : 0,
		.breaks = plan->breaks ? length / 3 + 1 : 0,
	};
	start(&r);
	while (step(&r)) {
		if (r.sim.steps == 100000)
			return false;
	}
	wrong = sim_count_wrong(&r.sim);
	if (!plan->others && r.sim.looks + r.sim.told > 0)
		sim_trace(&r.sim, "WRONG: %d looks, %d announcements",
			  r.sim.looks, r.sim.told);
	return wrong == 0 && (plan->others || r.sim.looks + r.sim.told == 0);
}

static void run_all(const struct plan *plan, int seeds)
{
	int length = 1;

	while (length <= LONGEST) {
		for (int seed = 1; seed <= seeds; seed++) {
			if (run(plan, (uint64_t)seed, length, false))
				continue;
			run(plan, (uint64_t)seed, length, true);
			fflush(stdout);
			ck_abort_msg("seed %d, length %d", seed, length);
		}
		length += 1 + length / 3;
	}
}

START_TEST(test_nobody_here)
{
	run_all(&(struct plan){.others = true}, 2000);
}
END_TEST

START_TEST(test_others_and_users)
{
	run_all(&(struct plan){.others = true, .users = true}, 4000);
}
END_TEST

START_TEST(test_renames)
{
	run_all(&(struct plan){.others = true, .users = true, .renames = true},
		4000);
}
END_TEST

START_TEST(test_embryos)
{
	run_all(&(struct plan){.others = true, .users = true, .embryos = true},
		4000);
}
END_TEST

START_TEST(test_ephemerals)
{
	run_all(&(struct plan){.others = true,
			       .users = true,
			       .ephemerals = true},
		4000);
}
END_TEST

START_TEST(test_everything)
{
	run_all(&(struct plan){.others = true,
			       .users = true,
			       .ephemerals = true,
			       .renames = true,
			       .embryos = true,
			       .faults = true},
		8000);
}
END_TEST

START_TEST(test_interruptions)
{
	run_all(&(struct plan){.others = true,
			       .users = true,
			       .ephemerals = true,
			       .embryos = true,
			       .faults = true,
			       .breaks = true},
		8000);
}
END_TEST

/* No echo, and no request but the user's own. */
START_TEST(test_own_changes)
{
	run_all(&(struct plan){.users = true, .renames = true, .embryos = true},
		8000);
}
END_TEST

UNIT_MAIN("told_model", test_nobody_here, test_others_and_users, test_renames,
	  test_embryos, test_ephemerals, test_everything, test_interruptions,
	  test_own_changes)
