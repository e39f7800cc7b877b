/* SPDX-License-Identifier: Apache-2.0 */
#include "told.h"

/* --- what is due ----------------------------------------------------------- */

static bool is_replaced(const struct told *t, const struct told_truth *truth)
{
	return (t->czxid != 0 && t->czxid != truth->czxid) ||
	       (t->dir_known && t->dir != truth->dir);
}

static enum told_step next_in_view(const struct told *t,
				   const struct told_truth *truth,
				   enum node_view view)
{
	if (t->in[view] && (!truth->in[view] || is_replaced(t, truth)))
		return t->dir ? TOLD_RMDIR : TOLD_UNLINK;
	if (!t->in[view] && truth->in[view])
		return truth->dir ? TOLD_MKDIR : TOLD_MKNOD;
	return TOLD_NOTHING;
}

static enum told_step next_of_value(const struct told *t,
				    const struct told_truth *truth)
{
	if (truth->dir && t->null != truth->null)
		return truth->null ? TOLD_DATA_UNLINK : TOLD_DATA_MKNOD;
	if (t->mzxid == 0 || t->mzxid == truth->mzxid)
		return TOLD_NOTHING;
	if (truth->dir)
		return truth->null ? TOLD_NOTHING : TOLD_DATA_MODIFY;
	return TOLD_MODIFY;
}

enum told_step told_next(const struct told *t, const struct told_truth *truth,
			 enum node_view *view)
{
	enum told_step step = TOLD_NOTHING;

	if (!t->set)
		return TOLD_NOTHING;
	for (*view = 0; *view < VIEW_COUNT; (*view)++) {
		step = next_in_view(t, truth, *view);
		if (step != TOLD_NOTHING)
			return step;
	}
	*view = VIEW_MAIN;
	if (t->in[VIEW_MAIN] && truth->in[VIEW_MAIN])
		return next_of_value(t, truth);
	return TOLD_NOTHING;
}

/* All but the views. */
static void adopt(struct told *t, const struct told_truth *truth)
{
	t->set = true;
	t->dir = truth->dir;
	t->dir_known = true;
	t->null = truth->null;
	t->czxid = truth->czxid;
	t->mzxid = truth->mzxid;
}

void told_step_done(struct told *t, const struct told_truth *truth,
		    enum told_step step, enum node_view view)
{
	t->sure = true;
	switch (step) {
	case TOLD_NOTHING:
		break;
	case TOLD_UNLINK:
	case TOLD_RMDIR:
		t->in[view] = false;
		if (!told_anywhere(t))
			t->dir_known = false;
		break;
	case TOLD_MKNOD:
	case TOLD_MKDIR:
		t->in[view] = true;
		adopt(t, truth);
		break;
	case TOLD_DATA_MKNOD:
	case TOLD_DATA_UNLINK:
	case TOLD_DATA_MODIFY:
		t->null = truth->null;
		t->mzxid = truth->mzxid;
		break;
	case TOLD_MODIFY:
		t->mzxid = truth->mzxid;
		break;
	}
}

/* --- by the kernel --------------------------------------------------------- */

void told_fill(struct told *t, const struct told_truth *truth)
{
	if (!truth->in[VIEW_MAIN])
		return;
	if (t->czxid == 0)
		t->czxid = truth->czxid;
	if (t->mzxid == 0)
		t->mzxid = truth->mzxid;
	if (!t->dir_known) {
		t->dir = truth->dir;
		t->dir_known = true;
		t->null = truth->null;
	}
}

void told_seen(struct told *t, const struct told_truth *truth,
	       enum node_view view)
{
	if (t->set && !told_anywhere(t))
		return; /* it is to be announced */
	if (!t->set)
		adopt(t, truth);
	told_fill(t, truth);
	t->in[view] = true;
}

void told_by_kernel(struct told *t, const struct told_truth *truth,
		    enum node_view view)
{
	adopt(t, truth);
	t->in[view] = true;
	t->sure = true;
}

void told_removed(struct told *t, enum node_view view)
{
	t->set = t->sure = true;
	t->in[view] = false;
	t->dir_known = false;
	t->czxid = t->mzxid = 0;
}

void told_moved(struct told *t)
{
	t->set = t->sure = true;
	t->czxid = t->mzxid = 0;
}

/* --- events ---------------------------------------------------------------- */

/*
 * Of a name that nobody was told of for sure, the event itself says how it was
 * before.
 */
static void assume_before(struct told *t, enum told_event type)
{
	if (t->sure)
		return;
	if (type == TOLD_CREATED) {
		t->in[VIEW_MAIN] = false;
	} else {
		if (!t->set)
			t->in[VIEW_MAIN] = true;
		if (type == TOLD_CHANGED)
			t->mzxid = -1;
	}
	t->set = true;
}

bool told_event(struct told *t, enum told_event type, int64_t now)
{
	if (t->credit > 0 && t->credit_until < now)
		t->credit = 0;
	assume_before(t, type);
	t->credit--;
	if (t->own > 0 || t->credit >= 0)
		return false;
	t->credit = 0;
	return true;
}

void told_own_begin(struct told *t)
{
	t->own++;
}

bool told_own_end(struct told *t, bool changed, int64_t now)
{
	t->own--;
	if (changed) {
		t->credit++;
		t->credit_until = now + TOLD_CREDIT_MS;
	}
	if (t->own > 0 || t->credit >= 0)
		return false;
	t->credit = 0;
	return true;
}

/* The queues hold nodes, not names: each stays where it is. */
void told_transfer(struct told *to, struct told *from)
{
	struct told kept = *to;

	*to = *from;
	to->recon = kept.recon;
	to->again = kept.again;
	to->due = kept.due;
	to->credited = kept.credited;
	from->set = false;
	from->own = from->credit = 0;
	from->ghost = NULL;
}
