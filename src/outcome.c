/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#include <string.h>

static bool is_asked_for(const struct outcome_ask *ask, const struct blob *data)
{
	return data && data->null == ask->data->null &&
	       data->len == ask->data->len &&
	       memcmp(data->data, ask->data->data, data->len) == 0;
}

/* The znode that was known before. */
static bool is_base(const struct outcome_ask *ask, const struct zstat *stat)
{
	return ask->based && stat->czxid == ask->base.czxid;
}

/* It and its value. */
static bool is_unchanged(const struct outcome_ask *ask,
			 const struct zstat *stat)
{
	return is_base(ask, stat) && stat->mzxid == ask->base.mzxid;
}

/* An ephemeral says whose it is; of it only the value can be another's. */
static enum outcome of_ephemeral(const struct outcome_ask *ask,
				 const struct zstat *stat,
				 const struct blob *data)
{
	if (stat->ephemeral_owner != ask->session)
		return OUTCOME_REFUSED;
	return is_asked_for(ask, data) ? OUTCOME_DONE : OUTCOME_UNKNOWN;
}

static enum outcome of_create(const struct outcome_ask *ask,
			      const struct zstat *stat,
			      const struct blob *data)
{
	if (!stat)
		return OUTCOME_NOT;
	if (is_base(ask, stat))
		return OUTCOME_REFUSED;
	if (ask->ephemeral)
		return of_ephemeral(ask, stat, data);
	if (zstat_is_ephemeral(stat))
		return OUTCOME_REFUSED;
	if (is_asked_for(ask, data))
		return ask->claim ? OUTCOME_UNKNOWN : OUTCOME_DONE;
	/* It was made like this: not by us. */
	return data && stat->version == 0 ? OUTCOME_REFUSED : OUTCOME_UNKNOWN;
}

/*
 * Under a version: the next one is what it has made, or what another has, who
 * was first.
 */
static enum outcome of_conditional_set(const struct outcome_ask *ask,
				       const struct zstat *stat,
				       const struct blob *data)
{
	bool another = ask->based && !is_base(ask, stat);

	if (another || stat->version < ask->version)
		return OUTCOME_REFUSED;
	if (stat->version == ask->version)
		return OUTCOME_NOT;
	if (is_asked_for(ask, data))
		return OUTCOME_DONE;
	if (data && stat->version == ask->version + 1)
		return OUTCOME_REFUSED;
	return OUTCOME_UNKNOWN;
}

static enum outcome of_set(const struct outcome_ask *ask,
			   const struct zstat *stat, const struct blob *data)
{
	if (!stat)
		return OUTCOME_REFUSED;
	if (ask->version >= 0)
		return of_conditional_set(ask, stat, data);
	if (is_unchanged(ask, stat))
		return OUTCOME_NOT;
	return is_asked_for(ask, data) ? OUTCOME_DONE : OUTCOME_UNKNOWN;
}

static enum outcome of_delete(const struct outcome_ask *ask,
			      const struct zstat *stat)
{
	if (!stat)
		return OUTCOME_DONE;
	if (!ask->based)
		return OUTCOME_UNKNOWN;
	return is_base(ask, stat) ? OUTCOME_NOT : OUTCOME_DONE;
}

enum outcome outcome_of(const struct outcome_ask *ask,
			const struct zstat *stat, const struct blob *data)
{
	if (ask->type == OUTCOME_CREATE)
		return of_create(ask, stat, data);
	if (ask->type == OUTCOME_SET)
		return of_set(ask, stat, data);
	return of_delete(ask, stat);
}

enum outcome outcome_of_multi(const enum outcome *gone, enum outcome made)
{
	/* Still there: nothing of it has taken place. */
	if (gone && *gone != OUTCOME_DONE)
		return *gone == OUTCOME_NOT ? *gone : OUTCOME_UNKNOWN;
	if (made == OUTCOME_DONE)
		return made;
	/* Another may have deleted the one, and nobody made the other. */
	if (gone)
		return OUTCOME_UNKNOWN;
	return made == OUTCOME_UNKNOWN ? made : OUTCOME_NOT;
}
