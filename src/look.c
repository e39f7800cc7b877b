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
	if (told_is_changing(&node->told) ||
	    !look_truth_locked(fs, node, truth))
		return TOLD_NOTHING;
	return told_next(&node->told, truth, view);
}

bool look_is_settled_locked(struct fs *fs, const struct node *node)
{
	struct told_truth truth;
	enum node_view view;

	return told_is_idle(&node->told) &&
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

static struct node *node_of(const struct told_way *way)
{
	return container_of(way->told, struct node, told);
}

static void push(struct list *queue, struct told_way *way,
		 enum told_state state)
{
	way->state = state;
	list_add_tail(queue, &way->link);
}

/* The first of @queue, which is now in @state; NULL if there is none. */
static struct node *take(struct list *queue, enum told_state state)
{
	struct told_way *way = list_first(queue, struct told_way, link);

	if (!way)
		return NULL;
	list_del(&way->link);
	way->state = state;
	return node_of(way);
}

static void enter(struct fs *fs, struct list *queue, struct node *node,
		  enum told_state state)
{
	struct told_way *way = told_way(&node->told);

	if (list_empty(&way->open)) {
		way->since = ++fs->look.entered;
		list_add_tail(&fs->look.open, &way->open);
	}
	push(queue, way, state);
}

static void leave(struct fs *fs, struct told_way *way)
{
	bool oldest = way->open.prev == &fs->look.open;

	list_del(&way->open);
	if (!oldest || !fs->look.awaited)
		return;
	fs->look.awaited = false;
	zk_wake(fs->zk, &fs->look.open);
}

bool look_await_locked(struct fs *fs, uint64_t *since, int ms,
		       struct zk_to to)
{
	const struct told_way *oldest =
		list_first(&fs->look.open, struct told_way, open);

	if (*since == 0)
		*since = fs->look.entered;
	if (!oldest || oldest->since > *since)
		return false;
	fs->look.awaited = true;
	zk_wait_ms(fs->zk, &fs->look.open, ms, to);
	return true;
}

/* In no queue, and the queue's reference in hand: where to next? */
static void settle_locked(struct fs *fs, struct node *node)
{
	struct told_way *way = told_way(&node->told);
	struct told_truth truth;
	enum node_view view;

	pollers_changed_locked(fs, node);
	way->state = TOLD_IDLE;
	if (told_is_changing(&node->told)) {
		way->again = true; /* when that has ended */
	} else if (told_take_again(&node->told)) {
		return enter(fs, &fs->look.waiting, node, TOLD_WAITING);
	} else if (look_step_locked(fs, node, &truth, &view) != TOLD_NOTHING) {
		enter(fs, &fs->look.due, node, TOLD_DUE);
		pthread_cond_signal(&fs->look.kick);
		return;
	} else if (look_truth_locked(fs, node, &truth)) {
		told_fill(&node->told, &truth);
	}
	leave(fs, way);
	watch_settled_locked(fs, node);
	node_put(&fs->nodes, &node);
}

void look_locked(struct fs *fs, struct node *node)
{
	node->valid = 0;
	node->changes++;
	if (told_state(&node->told) == TOLD_IDLE)
		enter(fs, &fs->look.waiting, node_ref(node), TOLD_WAITING);
	else if (told_state(&node->told) != TOLD_WAITING)
		told_way(&node->told)->again = true;
}

void look_compare_locked(struct fs *fs, struct node *node)
{
	if (told_is_idle(&node->told))
		settle_locked(fs, node_ref(node));
}

bool look_wait_locked(struct fs *fs, struct node *node, struct zk_to to)
{
	enum told_state state = told_state(&node->told);

	if ((state != TOLD_WAITING && state != TOLD_READING) ||
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
		told_way(&op->node->told)->again = true;
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
	op->node = take(&l->waiting, TOLD_READING);
	op->path = node_path(op->node);
	op->ask = watch_ask_locked(fs, op->node);
	told_take_again(&op->node->told);
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
	return take(&fs->look.due, TOLD_TELLING);
}

void look_told_locked(struct fs *fs, struct node *node)
{
	settle_locked(fs, node);
}

void look_put_off_locked(struct fs *fs, struct node *node,
			 struct list *put_off)
{
	struct told_way *way = told_way(&node->told);

	leave(fs, way);
	push(put_off, way, TOLD_DUE);
}

/* --- life ---------------------------------------------------------------- */

static void on_doubt(void *arg, struct node *node)
{
	look_locked(arg, node);
}

void look_init(struct fs *fs)
{
	fs->nodes.doubt = on_doubt;
	fs->nodes.arg = fs;
	list_init(&fs->look.waiting);
	list_init(&fs->look.due);
	list_init(&fs->look.open);
	cond_init(&fs->look.kick);
}

static void release_queue(struct fs *fs, struct list *queue)
{
	struct node *node;

	while ((node = take(queue, TOLD_IDLE))) {
		list_del(&node->told.way->open);
		node_put(&fs->nodes, &node);
	}
}

void look_release(struct fs *fs)
{
	release_queue(fs, &fs->look.waiting);
	release_queue(fs, &fs->look.due);
	pthread_cond_destroy(&fs->look.kick);
}
