/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch is in exactly one of the lists todo, flight and idle, and place()
 * alone decides which, from what is wanted and what the server has.
 */
#include "feedset.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	const struct feedset_watch *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static struct feedset_watch *find(struct feedset *s, const char *path)
{
	struct feedset_watch key = {.path = (char *)path};
	void *found = tfind(&key, &s->by_path, compare);

	return found ? *(struct feedset_watch **)found : NULL;
}

void feedset_init(struct feedset *s)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->todo);
	list_init(&s->flight);
	list_init(&s->idle);
}

static void free_watch(void *p)
{
	struct feedset_watch *w = p;

	free(w->path);
	free(w);
}

void feedset_clear(struct feedset *s)
{
	tdestroy(s->by_path, free_watch);
	feedset_init(s);
}

static struct feedset_watch *insert(struct feedset *s, const char *path)
{
	struct feedset_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->path = strdup(path);
	if (!w->path || !tsearch(w, &s->by_path, compare)) {
		free_watch(w);
		return NULL;
	}
	list_init(&w->link);
	return w;
}

/* @w has been answered, or will not be: up() need not wait for it. */
static void count_down(struct feedset *s, struct feedset_watch *w)
{
	s->initial -= w->initial;
	w->initial = false;
}

static void drop(struct feedset *s, struct feedset_watch *w)
{
	count_down(s, w);
	list_del(&w->link);
	tdelete(w, &s->by_path, compare);
	free_watch(w);
}

static enum feedset_op next_op(const struct feedset_watch *w)
{
	if (w->wanted)
		return w->settled ? FEEDSET_NOTHING : FEEDSET_ADD;
	return w->on_server ? FEEDSET_REMOVE : FEEDSET_NOTHING;
}

/*
 * Put @w where it belongs after a change; it may be gone afterwards.  What is
 * in flight stays there: its reply comes here again.
 */
static void place(struct feedset *s, struct feedset_watch *w)
{
	if (w->in_flight)
		return;
	w->op = next_op(w);
	if (!w->wanted && w->op == FEEDSET_NOTHING && w != s->pinned) {
		drop(s, w);
		return;
	}
	list_del(&w->link);
	list_add_tail(w->op == FEEDSET_NOTHING ? &s->idle : &s->todo, &w->link);
}

int feedset_want(struct feedset *s, const char *path, bool recursive)
{
	struct feedset_watch *w = find(s, path);

	if (!w)
		w = insert(s, path);
	if (!w)
		return -ENOMEM;
	if (w->wanted && w->recursive == recursive && !w->refused)
		return 0;

	/*
	 * Unwanted and wanted again is asked for again, though the server may
	 * have it still: the caller waits for an answer.
	 */

	s->n_wanted += !w->wanted;
	w->wanted = true;
	w->recursive = recursive;
	w->settled = false;
	w->refused = false;
	place(s, w);
	return 1;
}

int feedset_unwant(struct feedset *s, const char *path)
{
	struct feedset_watch *w = find(s, path);
	bool send;

	if (!w || !w->wanted)
		return 0;
	s->n_wanted--;
	w->wanted = false;
	w->settled = false;
	send = w->on_server || w->in_flight;
	place(s, w);
	return send;
}

void feedset_restart(struct feedset *s)
{
	struct feedset_watch *w, *tmp;
	struct list all;

	list_init(&all);
	/* Those that were under way go first, as they were asked for first. */
	list_splice(&all, &s->flight);
	list_splice(&all, &s->todo);
	list_splice(&all, &s->idle);
	s->n_flight = 0;
	s->initial = 0;
	list_for_each_safe(w, tmp, &all, link) {
		w->in_flight = false;
		w->on_server = false;
		w->settled = false;
		w->refused = false;
		w->initial = w->wanted;
		s->initial += w->initial;
		place(s, w);
	}
}

struct feedset_watch *feedset_next(struct feedset *s)
{
	return list_first(&s->todo, struct feedset_watch, link);
}

void feedset_sent(struct feedset *s, struct feedset_watch *w, int32_t xid)
{
	w->xid = xid;
	w->in_flight = true;
	/* Cleared by whoever changes what is wanted while this is under way. */
	w->settled = w->op == FEEDSET_ADD;
	s->n_flight++;
	list_del(&w->link);
	list_add_tail(&s->flight, &w->link);
}

struct feedset_watch *feedset_oldest(struct feedset *s)
{
	return list_first(&s->flight, struct feedset_watch, link);
}

struct feedset_watch *feedset_reply(struct feedset *s, bool ok)
{
	struct feedset_watch *w = feedset_oldest(s);
	bool done;

	if (!w)
		return NULL;
	s->n_flight--;
	w->in_flight = false;
	/* A removal that fails found nothing to remove. */
	w->on_server = w->op == FEEDSET_ADD && (ok || w->on_server);
	done = w->op == FEEDSET_ADD && w->wanted && w->settled;
	w->refused = done && !ok;
	count_down(s, w);
	if (done)
		s->pinned = w;
	place(s, w);
	return done ? w : NULL;
}

void feedset_unpin(struct feedset *s)
{
	struct feedset_watch *w = s->pinned;

	s->pinned = NULL;
	if (w && !w->wanted && !w->in_flight && w->op == FEEDSET_NOTHING)
		drop(s, w);
}
