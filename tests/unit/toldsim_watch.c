/* SPDX-License-Identifier: Apache-2.0 */
#include "toldsim.h"

#include <stdio.h>

static bool is_in_view(const struct sim_znode *z, enum node_view view)
{
	return z->there && (view == VIEW_MAIN || z->ours);
}

static void reads(struct sim_watcher *w, const struct sim_znode *z)
{
	w->czxid = z->czxid;
	w->mzxid = w->view == VIEW_MAIN || !z->dir ? z->mzxid : 0;
	w->data = !z->null;
}

/* The first ones are there from the start and stay; others make room. */
static struct sim_watcher *new_watcher(struct sim *s)
{
	int kept = SIM_NAMES * VIEW_COUNT;

	if (s->n_watchers < SIM_WATCHERS)
		return &s->watchers[s->n_watchers++];
	return &s->watchers[kept +
			    (int)sim_rand(s, (unsigned)(SIM_WATCHERS - kept))];
}

struct sim_watcher *sim_watch(struct sim *s, const char *who, int name,
			      enum node_view view,
			      const struct sim_znode *found, bool read)
{
	struct sim_watcher *w = new_watcher(s);

	*w = (struct sim_watcher){
		.who = who,
		.since = s->steps,
		.name = name,
		.view = view,
		.there = is_in_view(found, view),
	};
	if (!w->there || !read)
		return w;
	w->kind_known = true;
	w->dir = found->dir;
	reads(w, found);
	return w;
}

static void hear(struct sim_watcher *w, enum told_step step,
		 const struct sim_znode *read)
{
	if (step == TOLD_UNLINK || step == TOLD_RMDIR) {
		w->there = w->kind_known = false;
	} else if (step == TOLD_MKNOD || step == TOLD_MKDIR) {
		w->there = w->kind_known = true;
		w->dir = step == TOLD_MKDIR;
		reads(w, read);
	} else if (w->there) {
		w->mzxid = read->mzxid;
		if (told_is_of_data(step))
			w->data = step != TOLD_DATA_UNLINK;
	}
}

void sim_tell(struct sim *s, int name, enum node_view view, enum told_step step,
	      const struct sim_znode *read)
{
	static const char *const names[] = {
		"nothing", "UNLINK",     "RMDIR",       "MKNOD",       "MKDIR",
		"MODIFY",  "DATA_MKNOD", "DATA_UNLINK", "DATA_MODIFY",
	};

	sim_trace(s, "    ==> %s %c%s, czxid %d, mzxid %d", names[step],
		  sim_letter(name), view == VIEW_MAIN ? "" : " in .ephemeral",
		  (int)read->czxid, (int)read->mzxid);
	s->places[name].read = true;
	for (int i = 0; i < s->n_watchers; i++) {
		struct sim_watcher *w = &s->watchers[i];

		if (w->name == name && w->view == view)
			hear(w, step, read);
	}
}

/* NULL: nothing. */
static const char *what_is_wrong(const struct sim_watcher *w,
				 const struct sim_znode *z)
{
	if (w->there != is_in_view(z, w->view))
		return w->there ? "it is not there" : "it is there";
	if (!w->there)
		return NULL;
	if (w->kind_known && w->dir != z->dir)
		return "it is of another kind";
	if (w->czxid != 0 && w->czxid != z->czxid)
		return "it is another one";
	if (w->kind_known && w->view == VIEW_MAIN && z->dir &&
	    w->data != !z->null)
		return "its .data is not as believed";
	if (w->mzxid != 0 && w->mzxid != z->mzxid &&
	    !(z->dir && (z->null || w->view != VIEW_MAIN)))
		return "it has another value";
	return NULL;
}

int sim_count_wrong(struct sim *s)
{
	int wrong = 0;

	for (int i = 0; i < s->n_watchers; i++) {
		const struct sim_watcher *w = &s->watchers[i];
		const char *what = what_is_wrong(w, &s->znodes[w->name]);

		if (!what)
			continue;
		wrong++;
		sim_trace(s,
			  "WRONG: the watcher of %c%s by its %s in step %d "
			  "(czxid %d, mzxid %d): %s",
			  sim_letter(w->name),
			  w->view == VIEW_MAIN ? "" : " in .ephemeral", w->who,
			  w->since, (int)w->czxid, (int)w->mzxid, what);
	}
	return wrong;
}
