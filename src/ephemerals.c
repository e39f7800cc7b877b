/* SPDX-License-Identifier: Apache-2.0 */
#include "ephemerals.h"

#include <string.h>

#include "node.h"
#include "util.h"

/* The first index whose path is not below @path in strcmp()'s order. */
static size_t lower_bound(const struct ephemerals *e, const char *path)
{
	size_t lo = 0, hi = e->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(e->paths[mid], path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_at(const struct ephemerals *e, size_t i, const char *path)
{
	return i < e->n && strcmp(e->paths[i], path) == 0;
}

static void grow(struct ephemerals *e)
{
	if (e->n < e->cap)
		return;
	e->cap = e->cap ? e->cap * 2 : 8;
	e->paths = reallocarray(e->paths, e->cap, sizeof(*e->paths));
	e->nodes = reallocarray(e->nodes, e->cap, sizeof(*e->nodes));
	if (!e->paths || !e->nodes)
		abort();
}

static void keep(struct ephemerals *e, size_t i)
{
	e->nodes[i] = e->keep_in ? node_at(e->keep_in, e->paths[i]) : NULL;
	if (e->nodes[i])
		node_keep_data(e->keep_in, e->nodes[i], true);
}

static void let_go(struct ephemerals *e, size_t i)
{
	free(e->paths[i]);
	if (!e->nodes[i])
		return;
	node_keep_data(e->keep_in, e->nodes[i], false);
	node_put(e->keep_in, &e->nodes[i]);
}

void ephemerals_add(struct ephemerals *e, const char *path)
{
	size_t i = lower_bound(e, path);

	if (is_at(e, i, path))
		return;
	grow(e);
	memmove(&e->paths[i + 1], &e->paths[i],
		(e->n - i) * sizeof(*e->paths));
	memmove(&e->nodes[i + 1], &e->nodes[i],
		(e->n - i) * sizeof(*e->nodes));
	e->paths[i] = xstrdup(path);
	keep(e, i);
	e->n++;
}

void ephemerals_del(struct ephemerals *e, const char *path)
{
	size_t i = lower_bound(e, path);

	if (!is_at(e, i, path))
		return;
	let_go(e, i);
	e->n--;
	memmove(&e->paths[i], &e->paths[i + 1],
		(e->n - i) * sizeof(*e->paths));
	memmove(&e->nodes[i], &e->nodes[i + 1],
		(e->n - i) * sizeof(*e->nodes));
}

void ephemerals_clear(struct ephemerals *e)
{
	struct node_table *keep_in = e->keep_in;
	size_t i;

	for (i = 0; i < e->n; i++)
		let_go(e, i);
	free(e->paths);
	free(e->nodes);
	*e = (struct ephemerals){.keep_in = keep_in};
}

void ephemerals_below(const struct ephemerals *e, const char *dir,
		      size_t *first, size_t *end)
{
	size_t len = strcmp(dir, "/") ? strlen(dir) : 0;
	_cleanup_free_ char *prefix = xcalloc(1, len + 2);
	size_t i;

	/* Whatever starts with "dir/" stands together. */
	memcpy(prefix, dir, len);
	prefix[len] = '/';
	i = *first = lower_bound(e, prefix);
	while (i < e->n && strncmp(e->paths[i], prefix, len + 1) == 0)
		i++;
	*end = i;
}
