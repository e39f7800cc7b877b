/* SPDX-License-Identifier: Apache-2.0 */

/* What the handlers do with the answers to requests. */

#include "toldsim_priv.h"

#include <stdlib.h>

/* As it is shown before the server has it. */
static const struct sim_znode embryo = {
	.there = true,
	.mzxid = SIM_EMBRYO_MZXID,
};
static const struct sim_znode nothing;

static struct sim_place *other_of(struct sim *s, struct sim_place *p)
{
	return &s->places[!sim_name_of(s, p)];
}

struct sim_request *sim_ask(struct sim *s, enum sim_call call, int name,
			    enum node_view view)
{
	struct sim_request *r = &s->requests[s->n_requests++];

	if (s->n_requests == SIM_REQUESTS)
		abort();
	*r = (struct sim_request){
		.call = call,
		.name = name,
		.view = view,
		.epoch = sim_guard(s),
	};
	return r;
}

bool sim_is_locked(const struct sim *s, enum node_view view)
{
	for (int i = s->answered; i < s->n_requests; i++) {
		const struct sim_request *r = &s->requests[i];

		if (r->view != view)
			continue;
		if (r->call == SIM_CREATE || r->call == SIM_DELETE ||
		    r->call == SIM_RENAME || r->call == SIM_EXCHANGE ||
		    r->create)
			return true;
	}
	return false;
}

/* The kernel has found nothing, so it creates: an embryo. */
static void open_embryo(struct sim *s, struct sim_place *p, enum node_view view)
{
	if (p->known || p->embryo || p->open)
		return;
	sim_trace(s, "%c is opened", sim_letter(sim_name_of(s, p)));
	p->embryo = p->open = true;
	p->view = view;
	told_made(&p->told, &(struct told_truth){0}, view);
	sim_tell(s, sim_name_of(s, p), view, TOLD_MKNOD, &embryo);
}

static void on_lookup(struct sim *s, struct sim_place *p,
		      const struct sim_request *r)
{
	const struct sim_znode *found = &nothing;

	sim_learn_answer(p, r);
	p->read |= r->ok;
	sim_seen(p, r->view);
	if (p->known)
		found = &p->znode;
	/* Where an embryo is shown in the other view too, nobody looks. */
	if (!p->embryo)
		sim_watch(s, "lookup", r->name, r->view, found, true);
	if (r->create)
		open_embryo(s, p, r->view);
}

static void on_list(struct sim *s, struct sim_place *p,
		    const struct sim_request *r)
{
	if (p->embryo)
		return;
	if (r->ok)
		told_listed(&p->told);
	else
		told_lost(&p->told);
	if (!r->ok && s->down && told_anywhere(&p->told))
		sim_look(s, p);
	sim_watch(s, "listing", r->name, VIEW_MAIN, &r->got[r->name], false);
}

/* When the feed is back: what is listed, and what is believed. */
static void compare_listed(struct sim *s, struct sim_place *p, bool there)
{
	bool believed = told_anywhere(&p->told) &&
			!told_is_disputed(&p->told) &&
			told_state(&p->told) == TOLD_IDLE;

	if (there && !believed) {
		told_absent(&p->told);
		sim_look(s, p);
	} else if (!there && told_anywhere(&p->told) && !p->embryo) {
		told_lost(&p->told);
		sim_look(s, p);
	}
}

static void on_relist(struct sim *s, const struct sim_request *r)
{
	for (int i = 0; i < SIM_NAMES; i++)
		compare_listed(s, &s->places[i], r->got[i].there);
}

/* What the kernel tells by itself. */
static void on_created(struct sim *s, struct sim_place *p,
		       const struct sim_request *r)
{
	enum told_step step = r->dir ? TOLD_MKDIR : TOLD_MKNOD;
	struct told_truth truth;

	sim_learn(p, &r->got[r->name]);
	if (sim_truth_of(p, &truth))
		told_made(&p->told, &truth, r->view);
	/* An embryo is there already: it is written. */
	if (r->call == SIM_COMMIT)
		step = TOLD_MODIFY;
	sim_tell(s, r->name, r->view, step, &r->got[r->name]);
}

static void close_embryo(struct sim *s, struct sim_place *p)
{
	p->open = false;
	if (!p->embryo)
		return;
	p->embryo = false;
	sim_gone(p);
	sim_compare(s, p);
}

/* Somebody else was faster: what they have made is written. */
static void on_commit_refused(struct sim *s, const struct sim_request *r)
{
	if (r->view == VIEW_MAIN)
		sim_ask(s, SIM_READ, r->name, r->view);
}

static void on_read(struct sim *s, struct sim_place *p,
		    const struct sim_request *r)
{
	sim_learn_answer(p, r);
	if (r->ok)
		sim_send(s, sim_ask(s, SIM_SET, r->name, r->view));
}

static void on_set(struct sim *s, struct sim_place *p,
		   const struct sim_request *r)
{
	const struct sim_znode *z = &r->got[r->name];
	enum told_step step = TOLD_MODIFY;
	struct told_truth truth;

	if (!r->ok)
		return sim_gone(p);
	sim_learn(p, z);
	if (sim_truth_of(p, &truth))
		told_set(&p->told, &truth, r->view);
	if (z->dir)
		step = z->null ? TOLD_DATA_UNLINK : TOLD_DATA_MODIFY;
	sim_tell(s, r->name, r->view, step, z);
}

static void on_deleted(struct sim *s, struct sim_place *p,
		       const struct sim_request *r)
{
	if (!r->ok)
		return sim_gone(p);
	sim_unlinked(p);
	told_removed(&p->told, r->view);
	sim_tell(s, r->name, r->view, TOLD_UNLINK, &nothing);
}

/* Nothing is known of it after that: who reads asks the server. */
static void came_here(struct sim *s, struct sim_place *p,
		      const struct sim_request *r)
{
	int name = sim_name_of(s, p);
	const struct sim_znode *z = &r->got[name];

	told_is_now(&p->told, z->dir);
	if (s->znodes[name].there)
		z = &s->znodes[name];
	sim_clear(p);
	sim_tell(s, name, VIEW_MAIN, p->told.dir ? TOLD_MKDIR : TOLD_MKNOD, z);
}

static void on_renamed(struct sim *s, struct sim_place *from,
		       const struct sim_request *r)
{
	struct sim_place *to = other_of(s, from);

	sim_unlinked(to);
	told_covered(&to->told);
	told_renamed(&from->told, &to->told);
	told_moved_here(&to->told, VIEW_MAIN);
	sim_clear(from);
	from->absent = true;
	sim_tell(s, r->name, VIEW_MAIN, TOLD_UNLINK, &nothing);
	came_here(s, to, r);
}

static void on_exchanged(struct sim *s, struct sim_place *p,
			 const struct sim_request *r)
{
	told_exchanged(&p->told, &other_of(s, p)->told);
	came_here(s, p, r);
	came_here(s, other_of(s, p), r);
}

static void on_done(struct sim *s, struct sim_place *p,
		    const struct sim_request *r)
{
	if (r->call == SIM_SET)
		on_set(s, p, r);
	else if (r->call == SIM_DELETE)
		on_deleted(s, p, r);
	else if (!r->ok && r->call == SIM_COMMIT)
		on_commit_refused(s, r);
	else if (!r->ok)
		return;
	else if (r->call == SIM_RENAME)
		on_renamed(s, p, r);
	else if (r->call == SIM_EXCHANGE)
		on_exchanged(s, p, r);
	else
		on_created(s, p, r);
}

static void on_answer(struct sim *s, const struct sim_request *r)
{
	struct sim_place *p = &s->places[r->name];

	if (r->call == SIM_LOOK) {
		sim_learn_answer(p, r);
		sim_settle(s, p);
	} else if (r->call == SIM_LOOKUP) {
		on_lookup(s, p, r);
	} else if (r->call == SIM_LIST) {
		on_list(s, p, r);
	} else if (r->call == SIM_RELIST) {
		on_relist(s, r);
	} else if (r->call == SIM_READ) {
		on_read(s, p, r);
	} else if (!r->lost) {
		on_done(s, p, r);
	}
	/* The caller is answered first, and nothing holds the feed up. */
	while (sim_rand(s, 3) == 0 && sim_deliver(s))
		;
	sim_end_changes(s, r);
	if (r->call == SIM_COMMIT)
		close_embryo(s, p);
}

/* What was asked under another watch says nothing of what came since. */
static bool must_ask_again(const struct sim *s, const struct sim_request *r)
{
	return (r->call == SIM_LOOKUP || r->call == SIM_LIST) &&
	       sim_guard(s) != 0 && sim_guard(s) != r->epoch;
}

bool sim_answer(struct sim *s)
{
	struct sim_request *r = &s->requests[s->answered];

	if (s->answered == s->executed)
		return false;
	s->answered++;
	sim_trace(s, "answer to request %d%s", s->answered,
		  r->lost ? ": lost" : "");
	if (must_ask_again(s, r))
		sim_ask(s, r->call, r->name, r->view)->create = r->create;
	else
		on_answer(s, r);
	return true;
}

bool sim_close(struct sim *s, bool commit)
{
	for (int i = 0; i < SIM_NAMES; i++) {
		struct sim_place *p = &s->places[i];

		if (!p->open)
			continue;
		for (int k = s->answered; k < s->n_requests; k++) {
			if (s->requests[k].call == SIM_COMMIT &&
			    s->requests[k].name == i)
				return false;
		}
		sim_trace(s, "%c is %s", sim_letter(i),
			  commit && p->embryo ? "committed" : "closed");
		if (commit && p->embryo)
			sim_send(s, sim_ask(s, SIM_COMMIT, i, p->view));
		else
			close_embryo(s, p);
		return true;
	}
	return false;
}
