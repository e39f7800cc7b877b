/* SPDX-License-Identifier: Apache-2.0 */
#include "erase.h"

#include <errno.h>
#include <string.h>

#include "fs.h"
#include "lockname.h"
#include "log.h"
#include "path.h"

/* Between two attempts; the second waits for a connection if there is none. */
#define ERASE_PAUSE_MS 20

struct erase {
	struct fs *fs;
	struct list link; /* in the book, until it is sent */
	char *dir;
	char *path;    /* of the znode, once that is known */
	char *prefix;  /* or what its name begins with */
	int64_t session;
	int refs; /* of those who ask for it, and its own until it is done */
	bool done;
};

static struct erase *erase_new_locked(struct fs *fs, const struct node *dir)
{
	struct erase *e = xcalloc(1, sizeof(*e));

	e->fs = fs;
	e->dir = node_path(dir);
	e->session = fs->session_id;
	e->refs = 2;
	list_add_tail(&fs->erase.waiting, &e->link);
	return e;
}

struct erase *erase_locked(struct fs *fs, const struct node *dir,
			   const char *name)
{
	struct erase *e = erase_new_locked(fs, dir);

	e->path = path_join(e->dir, name);
	if (!e->path)
		abort();
	return e;
}

struct erase *erase_prefix_locked(struct fs *fs, const struct node *dir,
				  const char *prefix)
{
	struct erase *e = erase_new_locked(fs, dir);

	e->prefix = xstrdup(prefix);
	return e;
}

void erase_put_locked(struct erase **p)
{
	struct erase *e = steal(*p);

	if (!e || --e->refs > 0)
		return;
	free(e->dir);
	free(e->path);
	free(e->prefix);
	free(e);
}

bool erase_wait_locked(struct fs *fs, struct erase *e, struct zk_to to)
{
	if (!e || e->done)
		return false;
	zk_wait(fs->zk, e, to);
	return true;
}

/* --- until it is done ----------------------------------------------------- */

static void erase_send(struct erase *e);

static void erase_end(struct erase *e)
{
	struct fs *fs = e->fs;

	fs_lock(fs);
	e->done = true;
	zk_wake(fs->zk, e);
	erase_put_locked(&e);
	fs_unlock(fs);
}

static void on_pause(void *arg, const struct zk_result *r _unused_)
{
	erase_send(arg);
}

/*
 * What may not be deleted stays, and is in everybody's way until the session
 * ends.  Anything else passes: a lost connection, an overloaded server.
 */
static void erase_again(struct erase *e, int rc)
{
	struct fs *fs = e->fs;
	bool again;

	if (rc == -EACCES)
		log_warn("%s: this session may create a lock here, but not "
			 "delete it",
			 e->path ? e->path : e->dir);
	fs_lock(fs);
	again = rc != -EACCES && !fs->erase.stopping &&
		e->session == fs->session_id;
	if (again)
		zk_wait_ms(fs->zk, &e->link, ERASE_PAUSE_MS,
			   (struct zk_to){.cb = on_pause, .arg = e});
	fs_unlock(fs);
	if (!again)
		erase_end(e);
}

static void on_deleted(void *arg, const struct zk_result *r)
{
	struct erase *e = arg;

	if (r->rc == 0 || r->rc == -ENOENT)
		erase_end(e);
	else
		erase_again(e, r->rc);
}

static void on_children(void *arg, const struct zk_result *r)
{
	struct erase *e = arg;
	const char *name;

	if (r->rc < 0 && r->rc != -ENOENT)
		return erase_again(e, r->rc);
	name = lockname_find(r->names, r->n_names, e->prefix);
	if (!name)
		return erase_end(e);
	e->path = path_join(e->dir, name);
	if (!e->path)
		abort();
	erase_send(e);
}

/* What the server of now has not heard of may still be on its way to it. */
static void on_synced(void *arg, const struct zk_result *r)
{
	struct erase *e = arg;

	if (r->rc < 0 && r->rc != -ENOENT)
		return erase_again(e, r->rc);
	zk_children(e->fs->zk, e->dir,
		    (struct zk_to){.cb = on_children, .arg = e});
}

static void erase_send(struct erase *e)
{
	struct zk_to to = {.arg = e};

	to.cb = e->path ? on_deleted : on_synced;
	if (e->path)
		zk_delete(e->fs->zk, e->path, -1, to);
	else
		zk_sync(e->fs->zk, e->dir, to);
}

void erase_pump(struct fs *fs)
{
	struct erase *e;

	for (;;) {
		fs_lock(fs);
		e = list_first(&fs->erase.waiting, struct erase, link);
		if (e)
			list_del(&e->link);
		fs_unlock(fs);
		if (!e)
			return;
		erase_send(e);
	}
}

/* --- life ----------------------------------------------------------------- */

void erase_init(struct fs *fs)
{
	list_init(&fs->erase.waiting);
}

void erase_stop(struct fs *fs)
{
	fs_lock(fs);
	fs->erase.stopping = true;
	fs_unlock(fs);
}
