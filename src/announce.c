/* SPDX-License-Identifier: Apache-2.0 */
#include "announce.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs.h"
#include "log.h"
#include "name.h"

/* A helper that dies is replaced and the step tried again, not for ever. */
#define TRIES_MAX 5

/* What the kernel refuses while somebody changes the tree is tried for long. */
#define REFUSED_MS 1000

/* Between two complaints about what could not be announced. */
#define COMPLAIN_MS 1000

/* Between two looks whether what was in the way still is. */
#define POLL_MS 20

enum announce_who announce_who_locked(struct fs *fs, pid_t pid)
{
	struct announcer *a = &fs->announcer;
	size_t i;

	if (pid == 0)
		return ANNOUNCE_NOBODY;
	if (pid == a->pid)
		return a->now.pid == pid ? ANNOUNCE_HELPER : ANNOUNCE_STRAY;
	for (i = 0; i < a->n_stuck; i++) {
		if (a->stuck[i].helper.pid == pid)
			return ANNOUNCE_STRAY;
	}
	return ANNOUNCE_NOBODY;
}

/* --- what is told --------------------------------------------------------- */

/* Whether the kernel knows the directory in which it would happen. */
static bool has_audience(const struct telling *now)
{
	struct node *dir =
		told_is_of_data(now->step) ? now->node : now->node->parent;
	struct inode *inode = NULL;

	if (dir)
		inode = node_believed_inode(dir, now->view, INODE_DIR);
	return inode && (!inode->gone || told_is_removal(now->step));
}

/*
 * Whatever was in a directory has gone with it.  What is there now, in the one
 * that has taken its place, is still to be told; so is what may be there, as
 * after a rename.
 */
static void removed_dir_locked(struct fs *fs, struct node *dir)
{
	struct node *node;

	for (node = node_next_below(dir, dir); node;
	     node = node_next_below(node, dir)) {
		if (!node->told.set)
			continue;
		told_replaced(&node->told);
		if (!node->absent)
			look_locked(fs, node);
	}
}

bool announce_is_due_locked(struct fs *fs)
{
	struct telling *now = &fs->announcer.now;
	struct told_truth truth;
	enum node_view view;

	if (look_step_locked(fs, now->node, &truth, &view) != now->step ||
	    view != now->view)
		return false;
	now->truth = truth;
	return true;
}

void announce_done_locked(struct fs *fs)
{
	struct telling *now = &fs->announcer.now;

	told_done(&now->node->told, &now->truth, now->step, now->view);
	if (now->step == TOLD_RMDIR && now->view == VIEW_MAIN)
		removed_dir_locked(fs, now->node);
	now->done = true;
	if (now->pid)
		fs->announcer.told++;
}

/* --- the helper ---------------------------------------------------------- */

/* Trusted from here on; nobody else can have the pid until it is reaped. */
static void trust(struct fs *fs, pid_t pid)
{
	fs_lock(fs);
	fs->announcer.pid = pid;
	fs->announcer.started++;
	fs->announcer.greeted = false;
	fs_unlock(fs);
}

static int greet(struct fs *fs)
{
	struct announcer *a = &fs->announcer;
	char name[64];
	bool greeted;
	int rc;

	snprintf(name, sizeof(name), ".znodefs-hello-%08lx%08lx",
		 (unsigned long)random(), (unsigned long)now_ms());
	fs_lock(fs);
	a->now = (struct telling){.pid = a->helper.pid, .hello = name};
	fs_unlock(fs);
	rc = helper_run(&a->helper, HELPER_HELLO, name, 0,
			ANNOUNCE_TIMEOUT_MS);
	fs_lock(fs);
	a->now = (struct telling){0};
	greeted = a->greeted;
	if (rc >= 0 && greeted)
		a->able = rc == 0;
	fs_unlock(fs);
	if (rc > 0)
		log_notice("no remote events: owner and umask of the mount "
			   "forbid changes to its own user");
	return rc < 0 ? rc : greeted ? 0 : -ENODEV;
}

static void reap_stuck_locked(struct fs *fs)
{
	struct announcer *a = &fs->announcer;
	size_t i = 0;

	while (i < a->n_stuck) {
		if (!helper_reap(&a->stuck[i].helper)) {
			i++;
			continue;
		}
		node_put(&fs->nodes, &a->stuck[i].dir);
		a->stuck[i] = a->stuck[--a->n_stuck];
	}
}

/* It died, or hangs in the kernel, in @dir if that is known. */
static void abandon_locked(struct fs *fs, struct node *dir)
{
	struct announcer *a = &fs->announcer;

	a->pid = 0;
	if (!helper_reap(&a->helper) && a->n_stuck < ANNOUNCE_STUCK_MAX)
		a->stuck[a->n_stuck++] = (struct stuck){
			.helper = a->helper,
			.dir = dir ? node_ref(dir) : NULL,
		};
	a->helper = (struct helper){.sock = -1};
}

/* Without the lock. */
static int ensure_helper(struct fs *fs)
{
	struct announcer *a = &fs->announcer;
	int rc;

	if (a->helper.pid != 0)
		return 0;
	if (a->n_stuck == ANNOUNCE_STUCK_MAX)
		return -ETIME;
	rc = helper_start(&a->helper, fs->opt->mountpoint);
	if (rc < 0)
		return rc;
	if (a->started > 0)
		log_notice("znodefs-helper was lost, here is another one");
	trust(fs, a->helper.pid);
	rc = greet(fs);
	if (rc < 0) {
		fs_lock(fs);
		abandon_locked(fs, NULL);
		fs_unlock(fs);
	}
	return rc;
}

/* --- one step ------------------------------------------------------------ */

/* The path inside the mount, by entry names.  malloc'ed. */
static char *mount_path(struct fs *fs, const struct telling *now)
{
	_cleanup_free_ char *node = fs_entry_path(fs, now->node);
	bool of_data = told_is_of_data(now->step);
	char *path;

	if (asprintf(&path, "%s%s%s%s",
		     now->view == VIEW_EPHEMERAL ? ".ephemeral/" : "", node,
		     of_data && *node ? "/" : "", of_data ? ".data" : "") < 0)
		abort();
	return path;
}

static enum helper_op op_of(enum told_step step)
{
	switch (step) {
	case TOLD_UNLINK:
	case TOLD_DATA_UNLINK:
		return HELPER_UNLINK;
	case TOLD_RMDIR:
		return HELPER_RMDIR;
	case TOLD_MKNOD:
	case TOLD_DATA_MKNOD:
		return HELPER_MKNOD;
	case TOLD_MKDIR:
		return HELPER_MKDIR;
	default:
		return HELPER_MODIFY;
	}
}

/* With the lock, which is dropped while the helper is at work. */
static int perform_locked(struct fs *fs)
{
	struct announcer *a = &fs->announcer;
	_cleanup_free_ char *path = mount_path(fs, &a->now);
	struct node *dir = a->now.node->parent;
	int64_t size = a->now.node->stat.data_length;
	struct telling step = a->now;
	int rc;

	a->now = (struct telling){0};
	fs_unlock(fs);
	rc = ensure_helper(fs);
	fs_lock(fs);
	a->now = step;
	if (rc < 0)
		return rc;
	if (!a->able) {
		announce_done_locked(fs);
		return 0;
	}
	a->now.pid = a->helper.pid;
	fs_unlock(fs);
	rc = helper_run(&a->helper, op_of(step.step), path, size,
			ANNOUNCE_TIMEOUT_MS);
	fs_lock(fs);
	if (rc == -EPIPE || rc == -ETIME)
		abandon_locked(fs, dir);
	return rc;
}

/*
 * We have answered, and the kernel has refused the answer: a directory that it
 * knows elsewhere in the tree takes locks which others may have.  There was no
 * event then.
 */
static void unmade_locked(struct node *node, const struct telling *now)
{
	if (told_is_of_data(now->step))
		node->told.data_owed = true;
	else
		node->told.owed[now->view] = true;
}

/*
 * What comes in a directory is told when that has been: in one that is to be
 * removed or made first, nobody would find it.  Each directory on the way is
 * on its way to be told, or is now.
 */
static bool waits_for_dir_locked(struct fs *fs, const struct node *node)
{
	struct told_truth truth;
	enum node_view view;
	enum told_step step;
	struct node *dir;

	for (dir = node->parent; dir; dir = dir->parent) {
		if (!look_truth_locked(fs, dir, &truth)) {
			if (told_state(&dir->told) == TOLD_IDLE)
				look_locked(fs, dir);
			return true;
		}
		step = look_step_locked(fs, dir, &truth, &view);
		if (told_is_of_data(step) ||
		    (!told_is_removal(step) && !told_is_making(step)))
			continue;
		look_compare_locked(fs, dir);
		return true;
	}
	return false;
}

/*
 * Have the kernel forget what it has there.  Who wants to make a name has it
 * looked up anew: it is not there, so it goes, and what is mounted on it.  It
 * is not made either.  That waits for whoever is about to change the directory.
 */
static void drop_locked(struct fs *fs)
{
	struct telling *now = &fs->announcer.now;

	now->done = true;
	now->step = told_is_of_data(now->step) ? TOLD_DATA_MKNOD : TOLD_MKNOD;
	perform_locked(fs);
}

/*
 * The kernel may have the name as it was before a create or a rename here that
 * has been answered, but whose caller has not run since.  A lookup that it does
 * not need to ask for does not wait for that; what removes or makes does.
 */
static bool is_lookup_wrong(enum told_step step, int rc)
{
	return (step == TOLD_MODIFY || step == TOLD_DATA_MODIFY) &&
	       rc != -EPIPE && rc != -ETIME;
}

/*
 * The next step of @node.  1: told, or not due any more; 0: there is nothing
 * more to tell; -errno: it has not been told; -ETIME: something is in the way.
 */
static int tell_step_locked(struct fs *fs, struct node *node)
{
	struct announcer *a = &fs->announcer;
	struct telling now = {.node = node};
	int rc = 0;

	now.step = look_step_locked(fs, node, &now.truth, &now.view);
	if (now.step == TOLD_NOTHING)
		return 0;
	if (!told_is_removal(now.step) && waits_for_dir_locked(fs, node))
		return -ETIME;
	a->now = now;
	if (has_audience(&now))
		rc = perform_locked(fs);
	else
		announce_done_locked(fs);
	if (rc < 0)
		log_debug("announcing %s (step %d): %s", node->name, now.step,
			  strerror(-rc));
	if (rc < 0 && rc != -EPIPE && rc != -ETIME && a->now.done &&
	    told_is_making(now.step))
		unmade_locked(node, &now);
	else if (a->now.done)
		rc = 1;
	else if (rc != -ETIME && !announce_is_due_locked(fs))
		rc = 1;
	else if (rc == 0)
		rc = -EAGAIN;
	if (rc < 0 && is_lookup_wrong(now.step, rc))
		drop_locked(fs);
	a->now = (struct telling){0};
	return rc;
}

static void complain(struct fs *fs, const struct telling *now, int rc)
{
	int64_t ms = now_ms();

	/* The directory that it was in is gone for the kernel, too. */
	if (told_is_removal(now->step) && rc == -ENOENT)
		return;
	if (ms < fs->announcer.complain_at)
		return;
	fs->announcer.complain_at = ms + COMPLAIN_MS;
	log_err("no event for a change of %s: %s", now->node->name,
		strerror(-rc));
}

/*
 * A directory on the way may be at another place for a moment, or locked by a
 * rename: then the kernel knows nothing better than ENOENT or ESTALE.  EIO is
 * our own, of what does not fit; EPIPE, that helpers die.
 */
static bool may_pass(struct told_way *way, enum told_step step, int rc)
{
	uint16_t ms = (uint16_t)now_ms() | 1;

	if (rc != -ESTALE && rc != -EIO && rc != -ENOTDIR && rc != -EPIPE &&
	    (rc != -ENOENT || told_is_removal(step)))
		return false;
	if (way->refused_at == 0)
		way->refused_at = ms;
	return (uint16_t)(ms - way->refused_at) < REFUSED_MS;
}

/*
 * What cannot be announced counts as told, or it would be tried for ever.  What
 * the kernel would not remove, as where something is mounted on it, or change,
 * as where it has made the mount read-only, it still has.  -ETIME: not yet.
 */
static int give_up_locked(struct fs *fs, struct node *node, int rc)
{
	struct telling *now = &fs->announcer.now;
	struct telling last = {.node = node};

	last.step = look_step_locked(fs, node, &last.truth, &last.view);
	if (last.step == TOLD_NOTHING)
		return 0;
	if (may_pass(told_way(&node->told), last.step, rc))
		return -ETIME;
	*now = last;
	complain(fs, now, rc);
	announce_done_locked(fs);
	if (!told_is_making(now->step))
		drop_locked(fs);
	*now = (struct telling){0};
	return 0;
}

/* --- the thread ---------------------------------------------------------- */

static bool is_blocked_locked(struct fs *fs, const struct node *node)
{
	struct announcer *a = &fs->announcer;
	size_t i;

	for (i = 0; i < a->n_stuck; i++) {
		if (node == a->stuck[i].dir || node->parent == a->stuck[i].dir)
			return true;
	}
	return a->n_stuck == ANNOUNCE_STUCK_MAX;
}

/* All that is due of @node.  -ETIME: something is in the way. */
static int tell_all_locked(struct fs *fs, struct node *node)
{
	int tries = 0, rc = 1;

	while (rc != 0 && tries < TRIES_MAX && !fs->look.stopping) {
		rc = tell_step_locked(fs, node);
		if (rc == -ETIME)
			return rc;
		tries = rc < 0 ? tries + 1 : 0;
	}
	if (rc < 0 && !fs->look.stopping)
		rc = give_up_locked(fs, node, rc);
	if (rc != -ETIME)
		told_way(&node->told)->refused_at = 0;
	return rc == -ETIME ? rc : 0;
}

/*
 * Each once; what has something in its way stays in the queue.  Returns whether
 * it may be out of the way now.
 */
static bool tell_due_locked(struct fs *fs)
{
	struct list put_off;
	struct node *node;
	bool told = false;

	list_init(&put_off);
	while (!fs->look.stopping && (node = look_take_locked(fs))) {
		if (is_blocked_locked(fs, node) ||
		    tell_all_locked(fs, node) < 0) {
			look_put_off_locked(fs, node, &put_off);
			continue;
		}
		look_told_locked(fs, node);
		told = true;
	}
	list_splice(&fs->look.due, &put_off);
	return told;
}

static void *announce_main(void *arg)
{
	struct fs *fs = arg;
	int64_t wake;
	bool told;

	ensure_helper(fs); /* or else when there is something to tell */
	fs_lock(fs);
	while (!fs->look.stopping) {
		reap_stuck_locked(fs);
		told = tell_due_locked(fs);
		fs_unlock(fs);
		watch_pump(fs);
		fs_lock(fs);
		wake = own_expire_locked(fs, now_ms());
		if (!list_empty(&fs->look.due) && told)
			continue;
		if (!list_empty(&fs->look.due) || fs->announcer.n_stuck > 0)
			wake = now_ms() + POLL_MS;
		if (!fs->look.stopping)
			cond_wait_until(&fs->look.kick, &fs->lock, wake);
	}
	fs_unlock(fs);
	helper_stop(&fs->announcer.helper, ANNOUNCE_TIMEOUT_MS);
	return NULL;
}

/* --- life ---------------------------------------------------------------- */

int announce_start(struct fs *fs)
{
	int rc;

	fs->announcer.helper.sock = -1;
	rc = -pthread_create(&fs->announcer.thread, NULL, announce_main, fs);
	fs->announcer.running = rc == 0;
	return rc;
}

static void release_stuck(struct fs *fs)
{
	struct announcer *a = &fs->announcer;

	fs_lock(fs);
	while (a->n_stuck > 0)
		node_put(&fs->nodes, &a->stuck[--a->n_stuck].dir);
	fs_unlock(fs);
}

void announce_stop(struct fs *fs)
{
	if (!fs->announcer.running)
		return;
	fs_lock(fs);
	fs->look.stopping = true;
	pthread_cond_broadcast(&fs->look.kick);
	fs_unlock(fs);
	pthread_join(fs->announcer.thread, NULL);
	fs->announcer.running = false;
	release_stuck(fs);
}
