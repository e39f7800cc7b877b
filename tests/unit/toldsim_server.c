/* SPDX-License-Identifier: Apache-2.0 */
#include "toldsim.h"

#include <stdlib.h>
#include <string.h>

static void emit(struct sim *s, int name, enum sim_event_type type)
{
	if (s->down)
		return;
	if (s->n_events == SIM_EVENTS)
		abort();
	s->events[s->n_events++] = (struct sim_event){name, type};
}

bool sim_create(struct sim *s, int name, bool dir, bool null, bool ours)
{
	struct sim_znode *z = &s->znodes[name];

	if (z->there)
		return false;
	*z = (struct sim_znode){
		.there = true,
		.dir = dir,
		.null = dir && null,
		.ours = ours,
		.czxid = ++s->zxid,
		.mzxid = s->zxid,
	};
	emit(s, name, SIM_CREATED);
	return true;
}

/* Of a file, nobody can see whether its value is null. */
bool sim_set(struct sim *s, int name, bool null)
{
	struct sim_znode *z = &s->znodes[name];

	if (!z->there)
		return false;
	z->mzxid = ++s->zxid;
	z->null = z->dir && null;
	emit(s, name, SIM_CHANGED);
	return true;
}

bool sim_delete(struct sim *s, int name)
{
	struct sim_znode *z = &s->znodes[name];

	if (!z->there)
		return false;
	s->zxid++;
	*z = (struct sim_znode){0};
	emit(s, name, SIM_DELETED);
	return true;
}

bool sim_add_child(struct sim *s, int name)
{
	struct sim_znode *z = &s->znodes[name];

	if (!z->there || z->ours || z->dir)
		return false;
	z->dir = true;
	emit(s, name, SIM_CHILD);
	return true;
}

/* --- transactions of several steps --------------------------------------- */

static bool can_rename(const struct sim_request *r, const struct sim_znode *a,
		       const struct sim_znode *b)
{
	if (!a->there || b->there != (r->how != SIM_TO_NOTHING))
		return false;
	return r->how != SIM_BY_SET ||
	       (!a->dir && !b->dir && a->ours == b->ours);
}

static void put_at(struct sim *s, int name, struct sim_znode z)
{
	z.czxid = z.mzxid = s->zxid;
	s->znodes[name] = z;
}

static bool rename_znode(struct sim *s, const struct sim_request *r)
{
	int from = r->name, to = !from;

	if (!can_rename(r, &s->znodes[from], &s->znodes[to]))
		return false;
	s->zxid++;
	if (r->how == SIM_BY_SET) {
		s->znodes[to].mzxid = s->zxid;
		emit(s, to, SIM_CHANGED);
	} else {
		if (r->how == SIM_OVER)
			emit(s, to, SIM_DELETED);
		put_at(s, to, s->znodes[from]);
		emit(s, to, SIM_CREATED);
	}
	s->znodes[from] = (struct sim_znode){0};
	emit(s, from, SIM_DELETED);
	return true;
}

static bool exchange(struct sim *s, int a, int b)
{
	struct sim_znode was = s->znodes[a];

	if (!s->znodes[a].there || !s->znodes[b].there)
		return false;
	s->zxid++;
	emit(s, a, SIM_DELETED);
	emit(s, b, SIM_DELETED);
	put_at(s, a, s->znodes[b]);
	put_at(s, b, was);
	emit(s, b, SIM_CREATED);
	emit(s, a, SIM_CREATED);
	return true;
}

/* --- requests ------------------------------------------------------------ */

static bool execute(struct sim *s, const struct sim_request *r)
{
	switch (r->call) {
	case SIM_CREATE:
	case SIM_COMMIT:
		return sim_create(s, r->name, r->dir, r->null,
				  r->view == VIEW_EPHEMERAL && !r->dir);
	case SIM_SET:
		return sim_set(s, r->name, r->null);
	case SIM_DELETE:
		return sim_delete(s, r->name);
	case SIM_RENAME:
		return rename_znode(s, r);
	case SIM_EXCHANGE:
		return exchange(s, r->name, !r->name);
	default:
		return s->znodes[r->name].there;
	}
}

bool sim_execute(struct sim *s)
{
	struct sim_request *r = &s->requests[s->executed];

	if (s->executed == s->n_requests)
		return false;
	s->executed++;
	r->ok = execute(s, r);
	memcpy(r->got, s->znodes, sizeof(r->got));
	sim_trace(s, "server: request %d %s, zxid %d", s->executed,
		  r->ok ? "succeeds" : "fails", (int)s->zxid);
	return true;
}
