/* SPDX-License-Identifier: Apache-2.0 */
#include "told.h"

#include <string.h>

#include "util.h"

/* --- the way -------------------------------------------------------------- */

struct told_way *told_way(struct told *t)
{
	struct told_way *way = t->way;

	if (way)
		return way;
	way = t->way = xcalloc(1, sizeof(*way));
	way->told = t;
	list_init(&way->link);
	list_init(&way->open);
	list_init(&way->credited);
	return way;
}

/* An event may be expected long before the change: of what is only open yet. */
static bool is_at_rest(const struct told_way *way)
{
	const struct told_credit *c = &way->credit;

	return way->state == TOLD_IDLE && !way->again && c->own == 0 &&
	       c->n == 0 && c->of[TOLD_CREATED] == 0 &&
	       c->of[TOLD_DELETED] == 0 && c->of[TOLD_CHANGED] == 0 &&
	       list_empty(&way->credited) && list_empty(&way->open);
}

void told_rest(struct told *t)
{
	if (t->way && is_at_rest(t->way))
		told_release(t);
}

void told_release(struct told *t)
{
	free(steal(t->way));
}

/* --- the belief ----------------------------------------------------------- */

bool told_anywhere(const struct told *t)
{
	return t->set && (t->in[VIEW_MAIN] || t->in[VIEW_EPHEMERAL]);
}

bool told_has_value(const struct told *t)
{
	return t->mzxid[VIEW_MAIN] != 0 || t->mzxid[VIEW_EPHEMERAL] != 0;
}

bool told_is_disputed(const struct told *t)
{
	enum node_view view;

	for (view = 0; view < VIEW_COUNT; view++) {
		if (t->in[view] &&
		    (t->owed[view] || t->czxid[view] == TOLD_OLDER ||
		     t->mzxid[view] == TOLD_OLDER))
			return true;
	}
	return t->in[VIEW_MAIN] && t->data_owed;
}

/* --- what is due --------------------------------------------------------- */

/* It is what was told; the rest is told when the server has it. */
static bool is_embryo(const struct told_truth *truth)
{
	return !truth->dir && truth->czxid == 0 && truth->mzxid == 0 &&
	       (truth->in[VIEW_MAIN] || truth->in[VIEW_EPHEMERAL]);
}

static bool is_replaced(const struct told *t, const struct told_truth *truth,
			enum node_view view)
{
	int64_t czxid = t->czxid[view];

	return (czxid != 0 && czxid != truth->czxid) ||
	       (t->kind_known && t->dir != truth->dir);
}

static enum told_step next_in_view(const struct told *t,
				   const struct told_truth *truth,
				   enum node_view view)
{
	if (t->in[view] && (!truth->in[view] || is_replaced(t, truth, view)))
		return t->kind_known && t->dir ? TOLD_RMDIR : TOLD_UNLINK;
	if (truth->in[view] && (!t->in[view] || t->owed[view]))
		return truth->dir ? TOLD_MKDIR : TOLD_MKNOD;
	return TOLD_NOTHING;
}

/* Of a directory.  What was before is not known: it may have been some. */
static enum told_step next_of_data(const struct told *t,
				   const struct told_truth *truth)
{
	if (truth->null)
		return t->mzxid[VIEW_MAIN] == TOLD_OLDER ? TOLD_DATA_UNLINK
							 : TOLD_NOTHING;
	return TOLD_DATA_MODIFY;
}

/* There is no `.data` but in the main view. */
static enum told_step next_of_value(const struct told *t,
				    const struct told_truth *truth,
				    enum node_view view)
{
	if (!t->in[view] || (truth->dir && view != VIEW_MAIN))
		return TOLD_NOTHING;
	if (t->kind_known && truth->dir && t->null != truth->null)
		return truth->null ? TOLD_DATA_UNLINK : TOLD_DATA_MKNOD;
	if (t->data_owed && truth->dir && !truth->null)
		return TOLD_DATA_MKNOD;
	if (t->mzxid[view] == 0 || t->mzxid[view] == truth->mzxid)
		return TOLD_NOTHING;
	return truth->dir ? next_of_data(t, truth) : TOLD_MODIFY;
}

enum told_step told_next(const struct told *t, const struct told_truth *truth,
			 enum node_view *view)
{
	enum told_step step = TOLD_NOTHING;

	*view = VIEW_MAIN;
	if (!t->set || is_embryo(truth))
		return TOLD_NOTHING;
	for (*view = 0; *view < VIEW_COUNT; (*view)++) {
		step = next_in_view(t, truth, *view);
		if (step != TOLD_NOTHING)
			return step;
	}
	for (*view = 0; *view < VIEW_COUNT; (*view)++) {
		step = next_of_value(t, truth, *view);
		if (step != TOLD_NOTHING)
			return step;
	}
	*view = VIEW_MAIN;
	return TOLD_NOTHING;
}

/* --- what was told ------------------------------------------------------- */

/* Whatever is there now, in views but @except it is not what is believed. */
static void set_apart(struct told *t, enum node_view except)
{
	enum node_view view;

	for (view = 0; view < VIEW_COUNT; view++) {
		if (view != except && t->czxid[view] == 0)
			t->czxid[view] = TOLD_OLDER;
	}
}

static void take_value(struct told *t, const struct told_truth *truth,
		       enum node_view view)
{
	t->mzxid[view] = truth->mzxid;
	t->value_sure[view] = true;
	if (view != VIEW_MAIN && t->in[VIEW_MAIN])
		return;
	t->null = truth->null;
	t->data_owed = false;
}

/*
 * Those who have seen the name before it was announced believe in the value
 * that it had then; they hear of a later one by itself.
 */
static bool keeps_value(const struct told *t, enum node_view view)
{
	return t->in[view] && t->owed[view] && t->kind_known &&
	       t->mzxid[view] != 0;
}

static void enter_view(struct told *t, const struct told_truth *truth,
		       enum node_view view)
{
	bool keep = keeps_value(t, view);

	t->set = t->in[view] = t->sure[view] = true;
	t->owed[view] = false;
	t->czxid[view] = truth->czxid;
	t->dir = truth->dir;
	t->kind_known = true;
	if (!keep)
		take_value(t, truth, view);
}

static void leave_view(struct told *t, enum node_view view)
{
	t->set = t->sure[view] = true;
	t->in[view] = t->owed[view] = false;
	set_apart(t, view);
	t->czxid[view] = t->mzxid[view] = 0;
	if (told_anywhere(t))
		return;
	t->kind_known = t->data_owed = false;
}

void told_done(struct told *t, const struct told_truth *truth,
	       enum told_step step, enum node_view view)
{
	switch (step) {
	case TOLD_NOTHING:
		break;
	case TOLD_UNLINK:
	case TOLD_RMDIR:
		leave_view(t, view);
		break;
	case TOLD_MKNOD:
	case TOLD_MKDIR:
		enter_view(t, truth, view);
		break;
	case TOLD_DATA_MKNOD:
	case TOLD_DATA_UNLINK:
	case TOLD_DATA_MODIFY:
	case TOLD_MODIFY:
		take_value(t, truth, view);
		break;
	}
}

static void fill_view(struct told *t, const struct told_truth *truth,
		      enum node_view view)
{
	if (t->in[view] && t->czxid[view] == 0) {
		t->czxid[view] = truth->czxid;
		t->sure[view] = false;
	}
	if (t->in[view] && t->mzxid[view] == 0) {
		t->mzxid[view] = truth->mzxid;
		t->value_sure[view] = false;
	}
}

/* What comes from here is not what was told: an event may still come of it. */
void told_fill(struct told *t, const struct told_truth *truth)
{
	enum node_view view;

	if (!told_anywhere(t) || !truth->in[VIEW_MAIN])
		return;
	for (view = 0; view < VIEW_COUNT; view++)
		fill_view(t, truth, view);
	if (!t->kind_known) {
		t->dir = truth->dir;
		t->kind_known = true;
		t->null = truth->null;
	}
}

/* --- found here ---------------------------------------------------------- */

static void notice(struct told *t, enum node_view view)
{
	if (t->in[view])
		return;
	t->in[view] = true;
	t->owed[view] = t->set;
	t->czxid[view] = 0;
}

/* Who looked believes something else than those who were told before. */
static void notice_difference(struct told *t, const struct told_truth *truth)
{
	if (!t->kind_known)
		return;
	if (t->dir != truth->dir) {
		t->czxid[VIEW_MAIN] = t->czxid[VIEW_EPHEMERAL] = TOLD_OLDER;
	} else if (t->dir && t->null && !truth->null) {
		t->null = false;
		t->data_owed = true;
	}
}

void told_seen(struct told *t, const struct told_truth *truth,
	       enum node_view view)
{
	enum node_view v;

	for (v = 0; v < VIEW_COUNT && !t->set; v++)
		t->in[v] = truth->in[v];
	notice(t, view);
	t->set = true;
	notice_difference(t, truth);
	told_fill(t, truth);
}

bool told_listed(struct told *t)
{
	bool known = t->in[VIEW_MAIN];

	notice(t, VIEW_MAIN);
	t->set = true;
	return !known && t->owed[VIEW_MAIN];
}

void told_absent(struct told *t)
{
	enum node_view view;

	for (view = 0; view < VIEW_COUNT; view++)
		t->sure[view] |= !t->in[view];
	t->set = true;
}

void told_lost(struct told *t)
{
	enum node_view view;

	for (view = 0; view < VIEW_COUNT; view++) {
		if (t->in[view] && t->czxid[view] == 0)
			t->czxid[view] = TOLD_OLDER;
	}
}

void told_unheard(struct told *t)
{
	enum node_view view;

	for (view = 0; view < VIEW_COUNT; view++) {
		if (t->in[view])
			t->mzxid[view] = TOLD_OLDER;
	}
}

/* --- changed here -------------------------------------------------------- */

static void expect(struct told *t, enum told_event type)
{
	told_way(t)->credit.of[type]++;
}

/*
 * Whoever still believes in another one has to be told that it has gone.  In
 * `.ephemeral`, a directory is there for who goes through it.
 */
void told_made(struct told *t, const struct told_truth *truth,
	       enum node_view view)
{
	int64_t czxid;

	expect(t, TOLD_CREATED);
	t->set = true;
	set_apart(t, view);
	if (view >= VIEW_COUNT)
		return;
	czxid = t->czxid[view];
	if (t->in[view] && czxid != 0 && czxid != truth->czxid)
		return;
	if (view == VIEW_MAIN || !truth->dir)
		enter_view(t, truth, view);
	/* An embryo's value is none that anybody else can have made. */
	if (t->mzxid[view] == 0 && !truth->dir)
		t->mzxid[view] = TOLD_OLDER;
}

/* Who watches in the other view is told by the announcer. */
void told_set(struct told *t, const struct told_truth *truth,
	      enum node_view view)
{
	expect(t, TOLD_CHANGED);
	if (view >= VIEW_COUNT || !t->in[view])
		return;
	t->mzxid[view] = truth->mzxid;
	t->value_sure[view] = true;
	if (view != VIEW_MAIN || !t->kind_known || !t->dir)
		return;
	t->null = truth->null;
	t->data_owed = false;
}

void told_removed(struct told *t, enum node_view view)
{
	expect(t, TOLD_DELETED);
	if (view < VIEW_COUNT)
		leave_view(t, view);
}

void told_replaced(struct told *t)
{
	enum node_view view;

	for (view = 0; view < VIEW_COUNT; view++)
		leave_view(t, view);
}

void told_covered(struct told *t)
{
	if (t->in[VIEW_MAIN]) {
		expect(t, TOLD_DELETED);
		expect(t, TOLD_CHANGED);
	}
	leave_view(t, VIEW_MAIN);
}

static void swap_bool(bool *a, bool *b)
{
	bool was = *a;

	*a = *b;
	*b = was;
}

static void set_renamed(struct told *t, bool look)
{
	t->sure[VIEW_MAIN] = t->set && !t->in[VIEW_MAIN];
	t->value_sure[VIEW_MAIN] = false;
	t->czxid[VIEW_MAIN] = t->mzxid[VIEW_MAIN] = 0;
	t->czxid[VIEW_EPHEMERAL] = TOLD_OLDER;
	t->set |= t->in[VIEW_EPHEMERAL];
	if (t->way)
		t->way->again = false;
	if (look)
		told_way(t)->again = true;
}

/* What is on its way is about the name that it had before. */
static bool is_on_its_way(const struct told *t)
{
	return told_state(t) != TOLD_IDLE || (t->way && t->way->again) ||
	       t->in[VIEW_EPHEMERAL];
}

void told_renamed(struct told *from, struct told *to)
{
	bool look = is_on_its_way(from) || is_on_its_way(to);

	swap_bool(&from->set, &to->set);
	swap_bool(&from->in[VIEW_MAIN], &to->in[VIEW_MAIN]);
	swap_bool(&from->owed[VIEW_MAIN], &to->owed[VIEW_MAIN]);
	swap_bool(&from->dir, &to->dir);
	swap_bool(&from->kind_known, &to->kind_known);
	swap_bool(&from->null, &to->null);
	swap_bool(&from->data_owed, &to->data_owed);
	set_renamed(from, look);
	set_renamed(to, look);
	expect(from, TOLD_DELETED);
	expect(to, TOLD_CREATED);
}

void told_exchanged(struct told *a, struct told *b)
{
	told_renamed(a, b);
	expect(a, TOLD_CREATED);
	expect(b, TOLD_DELETED);
}

void told_moved_here(struct told *t, enum node_view view)
{
	t->set = t->in[view] = true;
	t->sure[view] = t->owed[view] = false;
	t->czxid[view] = t->mzxid[view] = 0;
	if (view == VIEW_MAIN)
		return;
	t->in[VIEW_MAIN] = t->sure[VIEW_MAIN] = false;
	t->czxid[VIEW_MAIN] = TOLD_OLDER;
	told_way(t)->again = true;
}

void told_is_now(struct told *t, bool dir)
{
	if (t->kind_known && t->dir != dir)
		told_way(t)->again = true;
}

/* --- events -------------------------------------------------------------- */

static void assume_presence(struct told *t, enum told_event type,
			    enum node_view view)
{
	if (t->sure[view])
		return;
	if (type == TOLD_CREATED) {
		t->owed[view] = t->in[view];
	} else {
		t->in[view] |= view == VIEW_MAIN;
		t->czxid[view] = TOLD_OLDER;
	}
	t->sure[view] = true;
}

static void assume_value(struct told *t)
{
	enum node_view view;

	if (!t->sure[VIEW_MAIN])
		t->in[VIEW_MAIN] = true;
	for (view = 0; view < VIEW_COUNT; view++) {
		if (!t->value_sure[view])
			t->mzxid[view] = TOLD_OLDER;
		t->value_sure[view] = true;
	}
}

/* How it was before the event, if that is not known better. */
static void assume_before(struct told *t, enum told_event type)
{
	enum node_view view;

	for (view = 0; view < VIEW_COUNT && type != TOLD_CHANGED; view++)
		assume_presence(t, type, view);
	if (type == TOLD_CHANGED)
		assume_value(t);
	t->set = true;
}

/* What a change does is expected some moments before its credit is there. */
static bool is_expected(const struct told *t, enum told_event type, int64_t now)
{
	const struct told_credit *c;

	if (!t->way)
		return false;
	c = &t->way->credit;
	return c->of[type] > 0 &&
	       (c->own > 0 || (c->n > 0 && c->until >= now));
}

bool told_event(struct told *t, enum told_event type, int64_t now)
{
	if (!is_expected(t, type, now))
		assume_before(t, type);
	if (!t->way)
		return true;
	t->way->credit.of[type]--;
	return told_credit_event(&t->way->credit, now);
}

/* --- own changes --------------------------------------------------------- */

void told_credit_begin(struct told_credit *c)
{
	c->own++;
}

/* Whether events came that nothing accounts for; forgets them if so. */
static bool is_overdrawn(struct told_credit *c)
{
	bool overdrawn = c->own == 0 && c->n < 0;

	if (c->own == 0 && c->n <= 0)
		memset(c->of, 0, sizeof(c->of));
	if (overdrawn)
		c->n = 0;
	return overdrawn;
}

bool told_credit_event(struct told_credit *c, int64_t now)
{
	if (c->n > 0 && c->until < now)
		c->n = 0;
	c->n--;
	return is_overdrawn(c);
}

bool told_credit_end(struct told_credit *c, int n, int64_t now)
{
	c->own--;
	c->n += n;
	if (n > 0)
		c->until = now + TOLD_CREDIT_MS;
	return is_overdrawn(c);
}
