/* SPDX-License-Identifier: Apache-2.0 */
#include "settle.h"

#include <errno.h>

#include "fs.h"
#include "log.h"

static void look(struct settle *s);

static struct zk_to settle_to(struct settle *s, zk_cb *cb)
{
	struct zk_to to = req_to(s->req, cb, s);

	to.until = s->until;
	return to;
}

/* --- how it ends --------------------------------------------------------- */

static void cannot_tell(struct settle *s, int rc)
{
	struct zk_result r = {.rc = rc == -EINTR ? rc : -EIO, .unknown = true};

	if (rc != -EINTR)
		log_warn("%s: a change was sent, and whether it has taken "
			 "place is not known", s->look[0].path);
	s->done(s, &r);
}

static void refused(struct settle *s, bool there)
{
	static const int rc[] = {
		[OUTCOME_CREATE] = -EEXIST,
		[OUTCOME_SET] = -ESTALE,
		[OUTCOME_DELETE] = -ENOENT,
	};
	struct zk_result r = {
		.rc = there ? rc[s->look[0].ask.type] : -ENOENT,
	};

	s->done(s, &r);
}

/* As the server would have answered. */
static void is_done(struct settle *s, const struct zk_result *seen)
{
	struct zk_result r = {
		.stat = seen->stat,
		.path = s->look[s->n_looks - 1].path,
	};

	s->done(s, &r);
}

static void send(struct settle *s);

static void send_again(struct settle *s)
{
	struct zk_result r = {.rc = -ESTALE};

	if (s->multi)
		s->done(s, &r);
	else
		send(s);
}

/* --- looking ------------------------------------------------------------- */

static void judge(struct settle *s, enum outcome outcome,
		  const struct zk_result *seen)
{
	if (s->multi)
		outcome = outcome_of_multi(s->n_looks == 2 ? &s->first : NULL,
					   outcome);
	if (outcome == OUTCOME_DONE)
		is_done(s, seen);
	else if (outcome == OUTCOME_NOT)
		send_again(s);
	else if (outcome == OUTCOME_REFUSED)
		refused(s, seen->rc == 0);
	else
		cannot_tell(s, -EIO);
}

static void on_seen(void *arg, const struct zk_result *r)
{
	struct settle *s = arg;
	struct outcome_ask *ask = &s->look[s->at].ask;
	enum outcome outcome;

	if (r->rc == -EACCES && !s->unread) {
		s->unread = true;
		return look(s);
	}
	if (r->rc < 0 && r->rc != -ENOENT)
		return cannot_tell(s, r->rc);
	if (ask->ephemeral)
		ask->session = zk_session_id(s->req->fs->zk);
	outcome = outcome_of(ask, r->rc == 0 ? r->stat : NULL, r->data);
	if (++s->at == s->n_looks)
		return judge(s, outcome, r);
	s->first = outcome;
	s->unread = false;
	look(s);
}

/* The Stat is shown to everybody. */
static void look(struct settle *s)
{
	struct zk *zk = s->req->fs->zk;
	const char *path = s->look[s->at].path;

	if (s->unread)
		zk_exists(zk, path, settle_to(s, on_seen));
	else
		zk_get(zk, path, settle_to(s, on_seen));
}

static void on_synced(void *arg, const struct zk_result *r)
{
	struct settle *s = arg;

	if (r->rc < 0)
		cannot_tell(s, r->rc);
	else
		look(s);
}

/* --- sending ------------------------------------------------------------- */

static void on_answer(void *arg, const struct zk_result *r)
{
	struct settle *s = arg;

	/* Not sent again in time: what was sent before is in doubt still. */
	if (s->doubted && s->repeatable && r->rc == -EIO)
		return cannot_tell(s, r->rc);
	if (!r->unknown)
		return s->done(s, r);
	s->doubted = true;
	s->at = 0;
	s->unread = false;
	/* Who was interrupted does not wait for a look. */
	if (r->rc == -EINTR)
		cannot_tell(s, r->rc);
	else if (s->repeatable)
		send(s);
	else if (s->n_looks == 0)
		cannot_tell(s, r->rc);
	else
		zk_sync(s->req->fs->zk, s->look[0].path,
			settle_to(s, on_synced));
}

static void send(struct settle *s)
{
	s->send(s, settle_to(s, on_answer));
}

void settle_start(struct settle *s)
{
	s->until = now_ms() + s->req->fs->opt->timeout_ms;
	send(s);
}
