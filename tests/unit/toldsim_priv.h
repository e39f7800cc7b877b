/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_TEST_TOLDSIM_PRIV_H
#define ZNODEFS_TEST_TOLDSIM_PRIV_H

/*
 * What toldsim_mount.c (the rules, named after the files of the program that
 * they are of) and toldsim_answer.c (the handlers) share.
 */

#include "toldsim.h"

static inline int sim_name_of(const struct sim *s, const struct sim_place *p)
{
	return (int)(p - s->places);
}

/* The feed's epoch; 0: it is down. */
static inline int sim_guard(const struct sim *s)
{
	return s->down ? 0 : s->epoch;
}

/* What is known of the znode. */
void sim_learn(struct sim_place *p, const struct sim_znode *z);
void sim_learn_answer(struct sim_place *p, const struct sim_request *r);
void sim_gone(struct sim_place *p);
void sim_unlinked(struct sim_place *p);
void sim_clear(struct sim_place *p);
bool sim_truth_of(const struct sim_place *p, struct told_truth *truth);

/* Its way to an announcement. */
void sim_look(struct sim *s, struct sim_place *p);
void sim_compare(struct sim *s, struct sim_place *p);
void sim_settle(struct sim *s, struct sim_place *p);
void sim_seen(struct sim_place *p, enum node_view view);

/* The changes that a request makes have ended with it. */
void sim_end_changes(struct sim *s, const struct sim_request *r);

#endif
