/* SPDX-License-Identifier: Apache-2.0 */
#include "announce.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs.h"
#include "log.h"
#include "name.h"

enum announce_who announce_who_locked(struct fs *fs, pid_t pid)
{
	struct announcer *a = &fs->announcer;
	size_t i;

	if (pid == 0)
		return ANNOUNCE_NOBODY;
	if (pid == a->pid)
		return a->now.pid == pid ? ANNOUNCE_HELPER : ANNOUNCE_STRAY;
	for (i = 0; i < a->n_stuck; i++) {
		if (a->stuck[i].pid == pid)
			return ANNOUNCE_STRAY;
	}
	return ANNOUNCE_NOBODY;
}

/* --- the helper ------------------------------------------------------------- */

/* Trusted from here on; nobody else can have the pid until it is reaped. */
static void trust(struct fs *fs, pid_t pid)
{
	fs_lock(fs);
	fs->announcer.pid = pid;
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
	fs_unlock(fs);
	return rc < 0 ? rc : greeted ? 0 : -ENODEV;
}

static void reap_stuck(struct fs *fs)
{
	struct announcer *a = &fs->announcer;
	size_t i = 0;

	fs_lock(fs);
	while (i < a->n_stuck) {
		if (helper_reap(&a->stuck[i]))
			a->stuck[i] = a->stuck[--a->n_stuck];
		else
			i++;
	}
	fs_unlock(fs);
}

/* It died, or hangs in the kernel: do without it. */
static void abandon(struct fs *fs)
{
	struct announcer *a = &fs->announcer;

	fs_lock(fs);
	a->pid = 0;
	if (!helper_reap(&a->helper) && a->n_stuck < ANNOUNCE_STUCK_MAX)
		a->stuck[a->n_stuck++] = a->helper;
	a->helper = (struct helper){.sock = -1};
	fs_unlock(fs);
}

static int ensure_helper(struct fs *fs)
{
	struct announcer *a = &fs->announcer;
	int rc;

	if (a->helper.pid != 0)
		return 0;
	reap_stuck(fs);
	if (a->n_stuck == ANNOUNCE_STUCK_MAX)
		return -EBUSY;
	/* The lock keeps its first request until its pid is known. */
	rc = helper_start(&a->helper, fs->opt->mountpoint);
	if (rc < 0)
		return rc;
	trust(fs, a->helper.pid);
	rc = greet(fs);
	if (rc < 0)
		abandon(fs);
	return rc;
}

/* --- one step --------------------------------------------------------------- */

static struct inode *dir_inode(struct node *dir, enum node_view view)
{
	struct inode *inode;

	for_each_inode (inode, dir) {
		if (inode->kind == INODE_DIR && inode->view == view)
			return inode;
	}
	return NULL;
}

static bool is_data_step(enum told_step step)
{
	return step == TOLD_DATA_MKNOD || step == TOLD_DATA_UNLINK ||
	       step == TOLD_DATA_MODIFY;
}

/* Whether the kernel knows the directory in which it would happen. */
static bool has_audience(struct fs *fs, struct node *node, enum told_step step,
			 enum node_view view)
{
	struct node *dir = is_data_step(step) ? node : node->parent;

	(void)fs;
	return dir && dir_inode(dir, view);
}

/* The path inside the mount, by entry names.  malloc'ed. */
static char *mount_path(struct fs *fs, const struct node *node,
			enum told_step step, enum node_view view)
{
	char entry[NAME_ENTRY_MAX + 1];
	char *path = xstrdup(is_data_step(step) ? "/.data" : "");
	const struct node *n;

	for (n = node; n->parent; n = n->parent) {
		char *longer;

		name_to_entry(n->name, n->parent == fs->nodes.root, entry);
		if (asprintf(&longer, "/%s%s", entry, path) < 0)
			abort();
		free(path);
		path = longer;
	}
	if (view == VIEW_EPHEMERAL) {
		char *longer;

		if (asprintf(&longer, "/.ephemeral%s", path) < 0)
			abort();
		free(path);
		path = longer;
	}
	memmove(path, path + 1, strlen(path));
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

static struct inode *find_face(struct node *node, enum inode_kind kind)
{
	struct inode *inode;

	for_each_inode (inode, node) {
		if (inode->kind == kind)
			return inode;
	}
	return NULL;
}

/*
 * What an unlink removes: the inode that the kernel knows by the name, or if
 * it knows none, one made for the purpose.
 */
static struct inode *find_victim(struct fs *fs, struct node *node,
				 enum told_step step)
{
	enum inode_kind kind = step == TOLD_RMDIR ? INODE_DIR
			       : step == TOLD_DATA_UNLINK ? INODE_DATA
							  : INODE_FILE;
	struct inode *inode = NULL;

	if (node->told.ghost)
		inode = find_face(node->told.ghost, kind);
	if (!inode)
		inode = find_face(node, kind);
	if (!inode)
		inode = node_inode(&fs->nodes,
				   node->told.ghost ? node->told.ghost : node,
				   VIEW_MAIN, kind);
	return inode;
}

static bool removes(enum told_step step)
{
	return step == TOLD_UNLINK || step == TOLD_RMDIR ||
	       step == TOLD_DATA_UNLINK;
}

/* With the lock, which is dropped while the helper is at work. */
static int perform_locked(struct fs *fs, struct node *node,
			  enum told_step step, enum node_view view)
{
	struct announcer *a = &fs->announcer;
	_cleanup_free_ char *path = mount_path(fs, node, step, view);
	int64_t size = node->stat.data_length;
	struct inode *victim = NULL;
	int rc;

	if (removes(step)) {
		victim = find_victim(fs, node, step);
		inode_open(victim);
	}
	fs_unlock(fs);
	rc = ensure_helper(fs);
	if (rc == 0) {
		fs_lock(fs);
		a->now = (struct telling){
			.pid = a->helper.pid,
			.step = step,
			.view = view,
			.node = node,
			.victim = victim,
		};
		fs_unlock(fs);
		rc = helper_run(&a->helper, op_of(step), path, size,
				ANNOUNCE_TIMEOUT_MS);
	}
	fs_lock(fs);
	a->now = (struct telling){0};
	if (victim)
		inode_close(&fs->nodes, victim);
	if (rc == -EPIPE || rc == -ETIME) {
		fs_unlock(fs);
		abandon(fs);
		fs_lock(fs);
	}
	return rc;
}

/* One that died is replaced and the step done again; not for ever. */
static void tell_step_locked(struct fs *fs, struct node *node,
			     enum told_step step, enum node_view view)
{
	int rc = -EPIPE, tries;

	for (tries = 0; rc == -EPIPE && tries < 5 && !fs->watch.stopping;
	     tries++)
		rc = perform_locked(fs, node, step, view);
	if (rc < 0)
		log_debug("announcing %s (step %d): %s", node->name, step,
			  strerror(-rc));
	fs->watch.announced++;
}

/* --- the thread ------------------------------------------------------------- */

/* One that is gone with what it was in: watchers of it hear that first. */
static void tell_leaf_locked(struct fs *fs, struct node *leaf)
{
	enum told_step step = leaf->told.dir ? TOLD_RMDIR : TOLD_UNLINK;
	enum node_view view;

	for (view = 0; view < VIEW_COUNT; view++) {
		if (leaf->told.in[view] &&
		    has_audience(fs, leaf, step, view))
			tell_step_locked(fs, leaf, step, view);
		leaf->told.in[view] = false;
	}
}

static void tell_below_locked(struct fs *fs, struct node *ghost)
{
	struct node *leaf, *held = node_ref(ghost);

	while (!fs->watch.stopping && (leaf = node_ghost_leaf(ghost))) {
		node_ref(leaf);
		if (leaf->told.ghost)
			tell_below_locked(fs, leaf->told.ghost);
		tell_leaf_locked(fs, leaf);
		node_ghost_leaf_done(&fs->nodes, leaf);
		node_put(&fs->nodes, &leaf);
	}
	node_put(&fs->nodes, &held);
}

static bool tell_next_locked(struct fs *fs, struct node *node)
{
	struct told_truth truth;
	struct node *holder;
	enum node_view view;
	enum told_step step = watch_step_locked(fs, node, &truth, &view);

	if (step == TOLD_NOTHING)
		return false;
	if (removes(step) && node->told.ghost)
		tell_below_locked(fs, node->told.ghost);
	if (has_audience(fs, node, step, view))
		tell_step_locked(fs, node, step, view);
	/* Whichever node has the name by now, this is what was told of it. */
	holder = watch_holder_locked(fs, node);
	told_step_done(&holder->told, &truth, step, view);
	if (holder != node)
		watch_look_locked(fs, holder);
	node_put(&fs->nodes, &holder);
	if (!told_anywhere(&node->told) || removes(step))
		node_ghost_put(&fs->nodes, &node->told.ghost);
	return true;
}

/* Takes the queue's reference. */
static void tell_locked(struct fs *fs, struct node *node)
{
	struct node *place;

	node->told.recon = RECON_TELLING;
	while (!fs->watch.stopping && tell_next_locked(fs, node))
		;
	watch_told_locked(fs, &node);
	/* Nobody believes in it any more, and the server has none. */
	if (!node->detached && !node->known && !told_anywhere(&node->told)) {
		place = node_gone(&fs->nodes, node);
		node_put(&fs->nodes, &place);
	}
	node_put(&fs->nodes, &node);
}

static void wait_locked(struct fs *fs, int64_t until)
{
	struct timespec ts = {
		.tv_sec = until / 1000,
		.tv_nsec = until % 1000 * 1000000,
	};

	if (until)
		pthread_cond_timedwait(&fs->watch.kick, &fs->lock, &ts);
	else
		pthread_cond_wait(&fs->watch.kick, &fs->lock);
}

static void *announce_main(void *arg)
{
	struct fs *fs = arg;

	fs_lock(fs);
	while (!fs->watch.stopping) {
		struct node *node;
		int64_t wake;

		fs_unlock(fs);
		watch_drop_parked(fs);
		fs_lock(fs);
		node = watch_next_due_locked(fs);
		if (node) {
			tell_locked(fs, node);
			continue;
		}
		fs_unlock(fs);
		watch_pump(fs);
		wake = watch_expire(fs, now_ms());
		fs_lock(fs);
		if (list_empty(&fs->watch.due) &&
		    list_empty(&fs->watch.dropping) && !fs->watch.stopping &&
		    !watch_can_pump_locked(fs))
			wait_locked(fs, wake);
	}
	fs_unlock(fs);
	watch_drop_parked(fs);
	helper_stop(&fs->announcer.helper, ANNOUNCE_TIMEOUT_MS);
	return NULL;
}

int announce_start(struct fs *fs)
{
	int rc;

	fs->announcer.helper.sock = -1;
	rc = -pthread_create(&fs->announcer.thread, NULL, announce_main, fs);
	fs->announcer.running = rc == 0;
	return rc;
}

void announce_stop(struct fs *fs)
{
	if (!fs->announcer.running)
		return;
	fs_lock(fs);
	fs->watch.stopping = true;
	pthread_cond_broadcast(&fs->watch.kick);
	fs_unlock(fs);
	pthread_join(fs->announcer.thread, NULL);
	fs->announcer.running = false;
}
