/* SPDX-License-Identifier: Apache-2.0 */
#include "toldsim_priv.h"

#include <stdlib.h>

/* --- node.c -------------------------------------------------------------- */

void sim_clear(struct sim_place *p)
{
	p->known = p->absent = false;
}

void sim_learn(struct sim_place *p, const struct sim_znode *z)
{
	bool same = p->known && p->znode.czxid == z->czxid;
	bool dir = same && p->znode.dir;

	if (p->known &&
	    (z->czxid < p->znode.czxid || z->mzxid < p->znode.mzxid))
		return;
	if (p->known && !same)
		told_lost(&p->told);
	p->embryo = p->absent = false;
	p->known = true;
	p->znode = *z;
	p->znode.dir |= dir;
}

void sim_unlinked(struct sim_place *p)
{
	p->embryo = false;
	sim_clear(p);
	p->absent = true;
	told_lost(&p->told);
}

void sim_gone(struct sim_place *p)
{
	if (!p->embryo)
		sim_unlinked(p);
}

void sim_learn_answer(struct sim_place *p, const struct sim_request *r)
{
	if (r->ok)
		sim_learn(p, &r->got[r->name]);
	else
		sim_gone(p);
}

/* --- look.c -------------------------------------------------------------- */

bool sim_truth_of(const struct sim_place *p, struct told_truth *truth)
{
	*truth = (struct told_truth){0};
	if (p->embryo) {
		truth->in[VIEW_MAIN] = p->told.in[VIEW_MAIN];
		truth->in[VIEW_EPHEMERAL] = p->told.in[VIEW_EPHEMERAL];
		return true;
	}
	if (!p->known)
		return p->absent;
	truth->in[VIEW_MAIN] = true;
	truth->in[VIEW_EPHEMERAL] = p->znode.ours;
	truth->dir = p->znode.dir;
	truth->null = p->znode.null;
	truth->czxid = p->znode.czxid;
	truth->mzxid = p->znode.mzxid;
	return true;
}

static enum told_step next_step(const struct sim_place *p,
				struct told_truth *truth, enum node_view *view)
{
	if (told_is_changing(&p->told) || !sim_truth_of(p, truth))
		return TOLD_NOTHING;
	return told_next(&p->told, truth, view);
}

static void push(struct list *queue, struct sim_place *p, enum told_state state)
{
	struct told_way *way = told_way(&p->told);

	way->state = state;
	list_add_tail(queue, &way->link);
}

static struct sim_place *pop(struct list *queue)
{
	struct told_way *way = list_first(queue, struct told_way, link);

	if (!way)
		return NULL;
	list_del(&way->link);
	return container_of(way->told, struct sim_place, told);
}

void sim_settle(struct sim *s, struct sim_place *p)
{
	struct told_way *way = told_way(&p->told);
	struct told_truth truth;
	enum node_view view;

	way->state = TOLD_IDLE;
	if (told_is_changing(&p->told)) {
		way->again = true;
	} else if (told_take_again(&p->told)) {
		push(&s->waiting, p, TOLD_WAITING);
	} else if (next_step(p, &truth, &view) != TOLD_NOTHING) {
		push(&s->due, p, TOLD_DUE);
	} else if (sim_truth_of(p, &truth)) {
		told_fill(&p->told, &truth);
	}
	told_rest(&p->told);
}

void sim_look(struct sim *s, struct sim_place *p)
{
	if (told_state(&p->told) == TOLD_IDLE)
		push(&s->waiting, p, TOLD_WAITING);
	else if (told_state(&p->told) != TOLD_WAITING)
		told_way(&p->told)->again = true;
}

void sim_compare(struct sim *s, struct sim_place *p)
{
	if (told_is_idle(&p->told))
		sim_settle(s, p);
}

void sim_seen(struct sim_place *p, enum node_view view)
{
	struct told_truth truth;

	if (!p->known || !sim_truth_of(p, &truth))
		return;
	told_seen(&p->told, &truth, VIEW_MAIN);
	if (truth.in[view])
		told_seen(&p->told, &truth, view);
}

bool sim_pump(struct sim *s)
{
	struct sim_place *p = pop(&s->waiting);

	if (!p)
		return false;
	told_way(&p->told)->state = TOLD_READING;
	told_take_again(&p->told);
	s->looks++;
	sim_trace(s, "look at %c", sim_letter(sim_name_of(s, p)));
	sim_ask(s, SIM_LOOK, sim_name_of(s, p), VIEW_MAIN);
	return true;
}

/* --- own.c --------------------------------------------------------------- */

/* The changes of single names that a request makes; returns how many. */
static int changes_of(const struct sim_request *r, int names[4])
{
	int n = 0;

	if (r->call < SIM_CREATE)
		return 0;
	names[n++] = r->name;
	if (r->call == SIM_RENAME || r->call == SIM_EXCHANGE)
		names[n++] = !r->name;
	if (r->call == SIM_EXCHANGE)
		names[n++] = r->name;
	if (r->call == SIM_EXCHANGE ||
	    (r->call == SIM_RENAME && r->how == SIM_OVER))
		names[n++] = !r->name;
	return n;
}

static void own_end(struct sim *s, struct sim_place *p,
		    const struct sim_request *r)
{
	bool changed = r->ok && !r->lost, must_look = r->lost;
	bool guarded = sim_guard(s) != 0 && sim_guard(s) == r->epoch;
	struct told *told = &p->told;

	must_look |= r->epoch != sim_guard(s);
	must_look |= told_credit_end(&told_way(told)->credit,
				     changed && guarded, s->now);
	if (told_is_idle(told))
		must_look |= told_take_again(told);
	if (must_look)
		sim_look(s, p);
	else
		sim_compare(s, p);
}

void sim_send(struct sim *s, struct sim_request *r)
{
	int names[4], n = changes_of(r, names);

	for (int i = 0; i < n; i++)
		told_credit_begin(&told_way(&s->places[names[i]].told)->credit);
}

void sim_end_changes(struct sim *s, const struct sim_request *r)
{
	int names[4], n = changes_of(r, names);

	for (int i = 0; i < n; i++)
		own_end(s, &s->places[names[i]], r);
}

static void drop_credit(struct told *told)
{
	if (told_is_credited(told))
		told->way->credit.n = 0;
	told_rest(told);
}

void sim_expire(struct sim *s, bool noticed)
{
	s->now += TOLD_CREDIT_MS + 1;
	sim_trace(s, "time passes");
	for (int i = 0; i < SIM_NAMES && noticed; i++) {
		drop_credit(&s->places[i].told);
	}
}

/* --- watch.c ------------------------------------------------------------- */

/* Only who believes in a directory, and has nothing else coming, knows. */
static bool is_known_as_dir(const struct told *told)
{
	return told_is_idle(told) &&
	       told->kind_known && told->dir && !told_is_disputed(told);
}

bool sim_deliver(struct sim *s)
{
	static const char *const names[] = {"created", "deleted", "changed",
					    "a child"};
	struct sim_event *e = &s->events[s->delivered];
	struct sim_place *p = &s->places[e->name];

	if (s->delivered == s->n_events)
		return false;
	s->delivered++;
	sim_trace(s, "event: %c, %s", sim_letter(e->name), names[e->type]);
	if (e->type == SIM_CHILD
		    ? !is_known_as_dir(&p->told)
		    : told_event(&p->told, (enum told_event)e->type, s->now))
		sim_look(s, p);
	return true;
}

void sim_feed_down(struct sim *s)
{
	s->down = true;
	s->delivered = s->n_events;
	sim_trace(s, "the feed is down");
}

void sim_feed_up(struct sim *s)
{
	s->down = false;
	s->epoch++;
	sim_trace(s, "the feed is up");
	for (int i = 0; i < SIM_NAMES; i++) {
		struct sim_place *p = &s->places[i];
		struct told *told = &p->told;

		drop_credit(told);
		if (told_state(told) != TOLD_IDLE ||
		    (told_anywhere(told) && (told_has_value(told) || p->read)))
			sim_look(s, p);
	}
	sim_ask(s, SIM_RELIST, 0, VIEW_MAIN);
}

/* --- announce.c ---------------------------------------------------------- */

static void next_of_telling(struct sim *s)
{
	s->step = next_step(s->telling, &s->truth, &s->view);
	s->helping = s->step != TOLD_NOTHING;
	if (s->helping)
		return;
	sim_settle(s, s->telling);
	s->telling = NULL;
}

bool sim_announce(struct sim *s)
{
	if (s->telling)
		return false;
	s->telling = pop(&s->due);
	if (!s->telling)
		return false;
	told_way(&s->telling->told)->state = TOLD_TELLING;
	sim_trace(s, "the announcer takes %c",
		  sim_letter(sim_name_of(s, s->telling)));
	next_of_telling(s);
	return true;
}

/* Something may have come in between: another step is due, or none. */
static bool is_still_due(const struct sim *s)
{
	struct told_truth truth;
	enum node_view view;

	return next_step(s->telling, &truth, &view) == s->step &&
	       view == s->view;
}

bool sim_help(struct sim *s)
{
	bool in_dir = s->step != TOLD_MODIFY && !told_is_of_data(s->step);
	struct sim_place *p = s->telling;

	if (!s->helping || (in_dir && sim_is_locked(s, s->view)))
		return false;
	sim_trace(s, "the helper comes for %c", sim_letter(sim_name_of(s, p)));
	if (is_still_due(s)) {
		sim_truth_of(p, &s->truth);
		sim_tell(s, sim_name_of(s, p), s->view, s->step, &p->znode);
		told_done(&p->told, &s->truth, s->step, s->view);
		s->told++;
	}
	next_of_telling(s);
	return true;
}

bool sim_stick(struct sim *s)
{
	if (!s->helping)
		return false;
	sim_trace(s, "the helper is stuck");
	push(&s->due, s->telling, TOLD_DUE);
	s->helping = false;
	s->telling = NULL;
	return true;
}

void sim_mount(struct sim *s)
{
	s->epoch = 1;
	list_init(&s->waiting);
	list_init(&s->due);
}

void sim_unmount(struct sim *s)
{
	for (int i = 0; i < SIM_NAMES; i++)
		told_release(&s->places[i].told);
}
