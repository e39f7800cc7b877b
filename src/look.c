/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"

#include <errno.h>

#include "fs.h"
#include "kind.h"
#include "pollers.h"

struct reading {
	struct fs *fs;
	struct node *node; /* the queue's reference */
	struct watch_ask ask;
	char *path;
};

/* --- what is so ---------------------------------------------------------- */

bool look_truth_locked(struct fs *fs, const struct node *node,
		       struct told_truth *truth)
{
	*truth = (struct told_truth){0};
	if (node->embryo) {
		truth->in[VIEW_MAIN] = node->told.in[VIEW_MAIN];
		truth->in[VIEW_EPHEMERAL] = node->told.in[VIEW_EPHEMERAL];
		return true;
	}
	if (!node->known || !node->decided)
		return node->absent;
	truth->in[VIEW_MAIN] = true;
	truth->in[VIEW_EPHEMERAL] = fs_owns(fs, &node->stat);
	truth->dir = node_kind(node) == INODE_DIR;
	truth->null = node_null_known(node) && node_is_null(&fs->nodes, node);
	truth->czxid = node->stat.czxid;
	truth->mzxid = node->stat.mzxid;
	return true;
}

enum told_step look_step_locked(struct fs *fs, const struct node *node,
				struct told_truth *truth, enum node_view *view)
{
	/* A change that is under way settles it when it ends. */
	if (node->told.credit.own > 0 || !look_truth_locked(fs, node, truth))
		return TOLD_NOTHING;
	return told_next(&node->told, truth, view);
}

bool look_is_settled_locked(struct fs *fs, const struct node *node)
{
	struct told_truth truth;
	enum node_view view;

	return node->told.state == TOLD_IDLE && node->told.credit.own == 0 &&
	       look_step_locked(fs, node, &truth, &view) == TOLD_NOTHING;
}

void look_seen_locked(struct fs *fs, struct node *node, enum node_view view)
{
	struct told_truth truth;

	if (!look_truth_locked(fs, node, &truth) || node->embryo)
		return;
	listing_believe_locked(node);
	/* Whatever is there is in the main view, for those who watch that. */
	told_seen(&node->told, &truth, VIEW_MAIN);
	if (view < VIEW_COUNT && truth.in[view])
		told_seen(&node->told, &truth, view);
}

/* --- the way ------------------------------------------------------------- */

static void push(struct list *queue, struct node *node, enum told_state state)
{
	node->told.state = state;
	list_add_tail(queue, &node->told.link);
}

static void enter(struct fs *fs, struct list *queue, struct node *node,
		  enum told_state state)
{
	if (list_empty(&node->told.open)) {
		node->told.since = ++fs->look.entered;
		list_add_tail(&fs->look.open, &node->told.open);
	}
	push(queue, node, state);
}

static void leave(struct fs *fs, struct node *node)
{
	bool oldest = node->told.open.prev == &fs->look.open;

	list_del(&node->told.open);
	if (!oldest || !fs->look.awaited)
		return;
	fs->look.awaited = false;
	zk_wake(fs->zk, &fs->look.open);
}

bool look_await_locked(struct fs *fs, uint64_t *since, int ms,
		       struct zk_to to)
{
	const struct node *oldest =
		list_first(&fs->look.open, struct node, told.open);

	if (*since == 0)
		*since = fs->look.entered;
	if (!oldest || oldest->told.since > *since)
		return false;
	fs->look.awaited = true;
	zk_wait_ms(fs->zk, &fs->look.open, ms, to);
	return true;
}

/* In no queue, and the queue's reference in hand: where to next? */
static void settle_locked(struct fs *fs, struct node *node)
{
	struct told *told = &node->told;
	struct told_truth truth;
	enum node_view view;

	pollers_changed_locked(fs, node);
	told->state = TOLD_IDLE;
	if (told->credit.own > 0) {
		told->again = true; /* when that has ended */
	} else if (told->again) {
		told->again = false;
		return enter(fs, &fs->look.waiting, node, TOLD_WAITING);
	} else if (look_step_locked(fs, node, &truth, &view) != TOLD_NOTHING) {
		enter(fs, &fs->look.due, node, TOLD_DUE);
		pthread_cond_signal(&fs->look.kick);
		return;
	} else if (look_truth_locked(fs, node, &truth)) {
		told_fill(told, &truth);
	}
	leave(fs, node);
	watch_settled_locked(fs, node);
	node_put(&fs->nodes, &node);
}

void look_locked(struct fs *fs, struct node *node)
{
	node->valid = 0;
	node->changes++;
	if (node->told.state == TOLD_IDLE)
		enter(fs, &fs->look.waiting, node_ref(node), TOLD_WAITING);
	else if (node->told.state != TOLD_WAITING)
		node->told.again = true;
}

void look_compare_locked(struct fs *fs, struct node *node)
{
	/* A change that is under way settles it when it ends. */
	if (node->told.state == TOLD_IDLE && node->told.credit.own == 0)
		settle_locked(fs, node_ref(node));
}

bool look_wait_locked(struct fs *fs, struct node *node, struct zk_to to)
{
	if ((node->told.state != TOLD_WAITING &&
	     node->told.state != TOLD_READING) ||
	    watch_guard_locked(fs, node) == 0)
		return false;
	zk_wait(fs->zk, &node->told, to);
	return true;
}

static void on_read(void *arg, const struct zk_result *r);

static void read_again(struct reading *op)
{
	op->ask.unread = true;
	zk_exists(op->fs->zk, op->path,
		  (struct zk_to){.cb = on_read, .arg = op});
}

static void read_end(struct reading *op)
{
	struct fs *fs = op->fs;

	fs_lock(fs);
	fs->look.reading--;
	zk_wake(fs->zk, &op->node->told);
	settle_locked(fs, op->node);
	fs_unlock(fs);
	free(op->path);
	free(op);
	look_pump(fs);
}

static void on_queue(void *arg, const struct zk_result *r)
{
	struct reading *op = arg;

	fs_lock(op->fs);
	kind_learn_locked(op->fs, op->node, r, &op->ask);
	fs_unlock(op->fs);
	read_end(op);
}

/*
 * An error says nothing: the connection is lost, and when it is back all that
 * is known is compared.  That is when the feed is; if that has not broken, it
 * is asked again.
 */
static void on_read(void *arg, const struct zk_result *r)
{
	struct reading *op = arg;
	struct fs *fs = op->fs;
	bool ask = false;

	if (r->rc == -EACCES)
		return read_again(op);
	fs_lock(fs);
	if (r->rc == 0)
		node_learn(&fs->nodes, op->node, r->stat, r->data, 0);
	else if (r->rc == -ENOENT)
		node_gone(&fs->nodes, op->node);
	if (r->rc == -ENOENT || (r->rc == 0 && !fs_owns(fs, r->stat)))
		ephemerals_del(&fs->eph, op->path);
	if (r->rc == 0 || r->rc == -ENOENT)
		watch_answered_locked(fs, op->node, &op->ask);
	else if (r->rc == -EIO && watch_guard_locked(fs, op->node) != 0)
		op->node->told.again = true;
	if (r->rc == 0)
		ask = kind_ask_locked(fs, op->node, &op->ask);
	fs_unlock(fs);
	if (ask)
		zk_children(fs->zk, op->path,
			    (struct zk_to){.cb = on_queue, .arg = op});
	else
		read_end(op);
}

static struct reading *next_reading_locked(struct fs *fs)
{
	struct look *l = &fs->look;
	struct reading *op;

	if (list_empty(&l->waiting) || l->reading >= LOOK_READS_MAX ||
	    l->stopping)
		return NULL;
	op = xcalloc(1, sizeof(*op));
	op->fs = fs;
	op->node = list_first(&l->waiting, struct node, told.link);
	op->path = node_path(op->node);
	op->ask = watch_ask_locked(fs, op->node);
	list_del(&op->node->told.link);
	op->node->told.state = TOLD_READING;
	op->node->told.again = false;
	l->reading++;
	return op;
}

void look_pump(struct fs *fs)
{
	struct reading *op;

	pollers_pump(fs);
	for (;;) {
		fs_lock(fs);
		op = next_reading_locked(fs);
		fs_unlock(fs);
		if (!op)
			return;
		zk_get(fs->zk, op->path,
		       (struct zk_to){.cb = on_read, .arg = op});
	}
}

/* --- the announcer's end ------------------------------------------------- */

struct node *look_take_locked(struct fs *fs)
{
	struct node *node = list_first(&fs->look.due, struct node, told.link);

	if (node) {
		list_del(&node->told.link);
		node->told.state = TOLD_TELLING;
	}
	return node;
}

void look_told_locked(struct fs *fs, struct node *node)
{
	settle_locked(fs, node);
}

void look_put_off_locked(struct fs *fs, struct node *node)
{
	leave(fs, node);
	push(&fs->look.due, node, TOLD_DUE);
}

/* --- life ---------------------------------------------------------------- */

void look_init(struct fs *fs)
{
	list_init(&fs->look.waiting);
	list_init(&fs->look.due);
	list_init(&fs->look.open);
	cond_init(&fs->look.kick);
}

static void release_queue(struct fs *fs, struct list *queue)
{
	while (!list_empty(queue)) {
		struct node *node = list_first(queue, struct node, told.link);

		list_del(&node->told.link);
		list_del(&node->told.open);
		node_put(&fs->nodes, &node);
	}
}

void look_release(struct fs *fs)
{
	release_queue(fs, &fs->look.waiting);
	release_queue(fs, &fs->look.due);
	pthread_cond_destroy(&fs->look.kick);
}
