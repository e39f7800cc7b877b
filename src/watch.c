/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <string.h>

#include "feed.h"
#include "fs.h"
#include "log.h"
#include "name.h"

/* A lookup does not wait longer than this for its subtree's watch. */
#define PARK_MS 1000

static struct node *node_of_due(struct list *l)
{
	return container_of(l, struct node, told.due);
}

/* --- what is so ------------------------------------------------------------ */

struct told_truth watch_truth_locked(struct fs *fs, struct node *node)
{
	bool there = node->known && !node->detached;
	struct told_truth truth = {
		.in[VIEW_MAIN] = there,
		.in[VIEW_EPHEMERAL] = there && fs_owns(fs, &node->stat),
		.dir = node->is_dir,
		.null = node->told.null,
		.czxid = node->stat.czxid,
		.mzxid = node->stat.mzxid,
	};

	if (there && node->is_dir && node_null_known(node))
		truth.null = node_is_null(&fs->nodes, node);
	return truth;
}

enum told_step watch_step_locked(struct fs *fs, struct node *node,
				 struct told_truth *truth,
				 enum node_view *view)
{
	*truth = watch_truth_locked(fs, node);
	/* Not having asked is not an answer. */
	if (node->detached || (!node->known && !node->gone))
		return TOLD_NOTHING;
	return told_next(&node->told, truth, view);
}

static bool is_due_locked(struct fs *fs, struct node *node)
{
	struct told_truth truth;
	enum node_view view;

	return watch_step_locked(fs, node, &truth, &view) != TOLD_NOTHING;
}

/* --- looking ---------------------------------------------------------------- */

/* Each list holds a reference to what is in it. */
static void enqueue_locked(struct list *queue, struct node *node,
			   enum told_recon recon)
{
	node->told.recon = recon;
	node->told.again = false;
	list_add_tail(queue, &node_ref(node)->told.due);
}

void watch_look_locked(struct fs *fs, struct node *node)
{
	struct watch *w = &fs->watch;

	if (!w->feed || w->stopping || node->detached)
		return;
	if (node->told.recon == RECON_IDLE)
		enqueue_locked(&w->waiting, node, RECON_WAITING);
	else
		node->told.again = true;
	pthread_cond_signal(&w->kick);
}

struct look {
	struct fs *fs;
	struct node *node;
	struct node_ask ask;
};

/* What was read is known: announce what differs, or look once more. */
static void looked_locked(struct fs *fs, struct node *node)
{
	struct watch *w = &fs->watch;
	struct told_truth truth = watch_truth_locked(fs, node);
	bool again = node->told.again;

	node->told.recon = RECON_IDLE;
	node->told.again = false;
	if (told_anywhere(&node->told) && node->known)
		told_fill(&node->told, &truth);
	if (is_due_locked(fs, node)) {
		enqueue_locked(&w->due, node, RECON_DUE);
		node->told.again = again;
		pthread_cond_signal(&w->kick);
	} else if (again) {
		watch_look_locked(fs, node);
	}
}

/* The node that has the name now, in place of the caller's reference. */
static void follow_name_locked(struct fs *fs, struct node **node)
{
	struct node *now;

	if (!(*node)->detached)
		return;
	now = node_get(&fs->nodes, (*node)->parent, (*node)->name);
	if (!now)
		return;
	node_put(&fs->nodes, node);
	*node = now;
}

static void look_learn_locked(struct look *look, const struct zk_result *r)
{
	struct node_table *t = &look->fs->nodes;
	struct node *place;

	if (r->rc == 0) {
		node_learn(t, &look->node, look->ask, r->stat, r->data, 0);
	} else {
		place = node_gone(t, look->node);
		if (place) {
			node_put(t, &look->node);
			look->node = place;
		}
	}
	if (look->node->told.recon == RECON_IDLE)
		looked_locked(look->fs, look->node);
}

static void on_look(void *arg, const struct zk_result *r)
{
	struct look *look = arg;
	struct fs *fs = look->fs;

	fs_lock(fs);
	fs->watch.reading--;
	look->node->told.recon = RECON_IDLE;
	follow_name_locked(fs, &look->node);
	/* Another look at the same name is on its way. */
	if (look->node->told.recon != RECON_IDLE) {
		look->node->told.again = true;
		node_put(&fs->nodes, &look->node);
		fs_unlock(fs);
		free(look);
		return;
	}
	if (node_ask_moved(look->node, look->ask))
		watch_look_locked(fs, look->node);
	else if (r->rc == 0 || r->rc == -ENOENT)
		look_learn_locked(look, r);
	/* After any other error, the feed's return brings it up again. */
	node_put(&fs->nodes, &look->node);
	fs_unlock(fs);
	free(look);
	watch_pump(fs);
}

static void on_look_exists(void *arg, const struct zk_result *r)
{
	on_look(arg, r);
}

static void on_look_get(void *arg, const struct zk_result *r)
{
	struct look *look = arg;
	struct fs *fs = look->fs;
	char *path;

	/* What may not be read can still be seen. */
	if (r->rc != -EACCES)
		return on_look(arg, r);
	fs_lock(fs);
	path = node_path(look->node);
	fs_unlock(fs);
	zk_exists(fs->zk, path,
		  (struct zk_to){.cb = on_look_exists, .arg = look});
	free(path);
}

/* The next node to be read; its reference moves to *@look. */
static char *next_look_locked(struct fs *fs, struct look *look)
{
	struct watch *w = &fs->watch;
	struct node *node;

	if (list_empty(&w->waiting) || w->reading >= WATCH_READS_MAX)
		return NULL;
	node = node_of_due(w->waiting.next);
	list_del(&node->told.due);
	node->told.recon = RECON_READING;
	*look = (struct look){
		.fs = fs,
		.node = node,
		.ask = node_ask(&fs->nodes, node),
	};
	w->reading++;
	w->reads++;
	return node_path(node);
}

void watch_pump(struct fs *fs)
{
	for (;;) {
		struct look *look = xcalloc(1, sizeof(*look));
		_cleanup_free_ char *path = NULL;

		fs_lock(fs);
		path = next_look_locked(fs, look);
		fs_unlock(fs);
		if (!path) {
			free(look);
			return;
		}
		zk_get(fs->zk, path,
		       (struct zk_to){.cb = on_look_get, .arg = look});
	}
}

/* --- what the kernel tells by itself ---------------------------------------- */

bool watch_seen_locked(struct fs *fs, struct node *node, enum node_view view)
{
	struct told_truth truth = watch_truth_locked(fs, node);

	if (!fs->watch.feed)
		return false;
	if (truth.in[VIEW_MAIN])
		told_seen(&node->told, &truth, view);
	if (!node_is_valid(&fs->nodes, node))
		return false;
	if (node->told.recon == RECON_IDLE && node->told.own == 0 &&
	    is_due_locked(fs, node))
		watch_look_locked(fs, node);
	return node->told.recon == RECON_IDLE && node->told.own == 0;
}

void watch_gone_locked(struct fs *fs, struct node *node, struct node_ask ask)
{
	struct node *place;

	if (node_ask_moved(node, ask))
		return;
	place = node_gone(&fs->nodes, node);
	if (place)
		watch_look_locked(fs, place);
	node_put(&fs->nodes, &place);
}

void watch_own_begin_locked(struct fs *fs, struct node *node,
			    struct watch_own *own)
{
	node_ref(node);
	follow_name_locked(fs, &node);
	if (!node->detached) {
		node_own_begin(node);
		own->dir = node_ref(node->parent ? node->parent : node);
		own->name = node->parent ? xstrdup(node->name) : NULL;
	}
	node_put(&fs->nodes, &node);
}

static void drop_credit_locked(struct fs *fs, struct node *node)
{
	if (list_empty(&node->told.credited))
		return;
	list_del(&node->told.credited);
	node_put(&fs->nodes, &node);
}

/* Keep the name until the event has come. */
static void keep_credit_locked(struct fs *fs, struct node *node)
{
	drop_credit_locked(fs, node_ref(node));
	if (node->told.credit > 0)
		list_add_tail(&fs->watch.credited,
			      &node_ref(node)->told.credited);
	node_put(&fs->nodes, &node);
}

static void own_end_locked(struct fs *fs, struct node *node, bool changed)
{
	bool surplus;

	/* What is not guarded has no events to wait for. */
	if (!node_guard(&fs->nodes, node))
		changed = false;
	surplus = told_own_end(&node->told, changed, now_ms());
	node_own_end(&fs->nodes, node);
	keep_credit_locked(fs, node);
	if (surplus) {
		node_changed(node);
		watch_look_locked(fs, node);
	} else if (node->told.set && is_due_locked(fs, node)) {
		/* The other view, or a change that was held back. */
		if (node->told.recon == RECON_IDLE)
			looked_locked(fs, node);
		else
			node->told.again = true;
	}
}

void watch_own_end_locked(struct fs *fs, struct watch_own *own, bool changed)
{
	struct node *dir = steal(own->dir), *node;
	_cleanup_free_ char *name = steal(own->name);

	if (!dir)
		return;
	node = name ? node_get(&fs->nodes, dir, name) : node_ref(dir);
	/* If it is not the one, that has gone with its directory. */
	if (node && node->told.own > 0)
		own_end_locked(fs, node, changed);
	node_put(&fs->nodes, &node);
	node_put(&fs->nodes, &dir);
}

void watch_made_locked(struct fs *fs, struct node *node, enum node_view view)
{
	struct told_truth truth = watch_truth_locked(fs, node);

	told_by_kernel(&node->told, &truth, view);
	/* A directory in `.ephemeral` is only the way to something. */
	node->told.in[view] = truth.in[view];
}

void watch_set_locked(struct fs *fs, struct node *node)
{
	struct told_truth truth = watch_truth_locked(fs, node);

	if (node->told.set)
		told_by_kernel(&node->told, &truth, VIEW_MAIN);
}

void watch_removed_locked(struct fs *fs, struct node *node,
			  enum node_view view)
{
	struct node *place = node_unlinked(&fs->nodes, node);

	if (!place)
		return;
	told_removed(&place->told, view);
	if (!told_anywhere(&place->told))
		node_ghost_put(&fs->nodes, &place->told.ghost);
	node_put(&fs->nodes, &place);
}

void watch_moved_locked(struct fs *fs _unused_, struct node *top)
{
	struct node *node;

	for (node = top; node; node = node_next_below(node, top)) {
		if (told_anywhere(&node->told))
			told_moved(&node->told);
	}
}

/* --- events ----------------------------------------------------------------- */

/* Whether anybody here can have a watch that this concerns. */
static bool is_visible_locked(struct node *node)
{
	struct inode *inode;

	if (!list_empty(&node->inodes) || told_anywhere(&node->told) ||
	    !node->parent || node->refs > 1)
		return true;
	for_each_inode (inode, node->parent) {
		if (inode->kind == INODE_DIR)
			return true;
	}
	return false;
}

/* A file that gets a child becomes a directory, which no event says. */
static void look_at_parent_locked(struct fs *fs, struct node *node)
{
	struct node *parent = node->parent;

	if (!parent || !parent->told.set ||
	    (parent->told.dir_known && parent->told.dir))
		return;
	node_changed(parent);
	watch_look_locked(fs, parent);
}

static void event_locked(struct fs *fs, enum told_event type, const char *path)
{
	struct node *node = node_at(&fs->nodes, path);

	fs->watch.events++;
	if (!node)
		return;
	if (type == TOLD_CREATED)
		look_at_parent_locked(fs, node);
	if (!is_visible_locked(node)) {
		node_put(&fs->nodes, &node);
		return;
	}
	if (told_event(&node->told, type, now_ms())) {
		node_changed(node);
		watch_look_locked(fs, node);
	} else if (node->told.own > 0) {
		node->valid = 0;
	}
	if (node->told.credit <= 0 && node->told.own == 0)
		drop_credit_locked(fs, node);
	node_put(&fs->nodes, &node);
}

/* --- lists ------------------------------------------------------------------ */

struct relist {
	struct fs *fs;
	struct node *dir;
};

/* A name that no list had before: nobody has been told of it. */
static void new_name_locked(struct fs *fs, struct node *child)
{
	if (!child->told.set)
		child->told.set = child->told.sure = true;
	if (child->told.own == 0)
		watch_look_locked(fs, child);
}

static void compare_locked(struct fs *fs, struct node *dir,
			   const char *const *names, size_t n)
{
	struct node *child, *next;
	size_t i;

	fs->nodes.mark++;
	for (i = 0; i < n; i++) {
		child = node_get(&fs->nodes, dir, names[i]);
		if (!child)
			return;
		child->mark = fs->nodes.mark;
		node_pin(child);
		if (!told_anywhere(&child->told))
			new_name_locked(fs, child);
		node_put(&fs->nodes, &child);
	}
	node_ref(dir);
	list_for_each_safe (child, next, &dir->children, sibling) {
		if (child->mark != fs->nodes.mark &&
		    told_anywhere(&child->told))
			watch_look_locked(fs, child);
	}
	node_put(&fs->nodes, &dir);
}

/* The first list: everything in it is taken as known. */
static void adopt_list_locked(struct fs *fs, struct node *dir,
			      const char *const *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct node *child = node_get(&fs->nodes, dir, names[i]);

		if (!child)
			return;
		node_pin(child);
		if (!child->told.set)
			child->told.set = child->told.in[VIEW_MAIN] = true;
		node_put(&fs->nodes, &child);
	}
	dir->listed = true;
}

void watch_listed_locked(struct fs *fs, struct node *dir,
			 const char *const *names, size_t n)
{
	if (!fs->watch.feed || dir->detached || !node_guard(&fs->nodes, dir))
		return;
	if (dir->listed)
		compare_locked(fs, dir, names, n);
	else
		adopt_list_locked(fs, dir, names, n);
}

static void on_relist(void *arg, const struct zk_result *r)
{
	struct relist *op = arg;
	struct fs *fs = op->fs;

	fs_lock(fs);
	if (r->rc == 0)
		watch_listed_locked(fs, op->dir, r->names, r->n_names);
	node_put(&fs->nodes, &op->dir);
	fs_unlock(fs);
	free(op);
	watch_pump(fs);
}

/* Without the lock; takes the reference. */
static void relist(struct fs *fs, struct node *dir)
{
	struct relist *op = xcalloc(1, sizeof(*op));
	_cleanup_free_ char *path = NULL;

	op->fs = fs;
	op->dir = dir;
	fs_lock(fs);
	path = node_path(dir);
	fs_unlock(fs);
	zk_children(fs->zk, path, (struct zk_to){.cb = on_relist, .arg = op});
}

/* --- a feed comes back ------------------------------------------------------ */

/* Everything that was told of is looked at, and every list that was taken. */
static void compare_all(struct fs *fs)
{
	struct node **dirs = NULL, *node;
	size_t n = 0, i;

	fs_lock(fs);
	dirs = calloc(fs->nodes.n_nodes + 1, sizeof(*dirs));
	node = fs->nodes.root;
	for (; node && dirs; node = node_next(&fs->nodes, node)) {
		if (node->listed)
			dirs[n++] = node_ref(node);
		/* One that was only listed has no value that anybody has. */
		if (told_anywhere(&node->told) && !list_empty(&node->inodes))
			watch_look_locked(fs, node);
	}
	fs_unlock(fs);
	for (i = 0; i < n; i++)
		relist(fs, dirs[i]);
	if (n == 0 || dirs[0] != fs->nodes.root)
		relist(fs, node_ref(fs->nodes.root));
	free(dirs);
	watch_pump(fs);
}

/* --- parked lookups --------------------------------------------------------- */

static struct node *top_of(struct node *node)
{
	while (node->parent && node->parent->parent)
		node = node->parent;
	return node;
}

bool watch_park_locked(struct fs *fs, struct node *node, bool exists,
		       struct watch_parked *p)
{
	struct watch *w = &fs->watch;
	struct node *top = top_of(node);
	char *path;

	if (!w->feed || fs->nodes.guard == 0 || !top->parent ||
	    top->detached || top->watched == fs->nodes.guard || w->stopping)
		return false;
	if (!exists && !told_anywhere(&top->told) && !top->watch_asked)
		return false;
	if (!top->watch_asked) {
		path = node_path(top);
		if (feed_watch(w->feed, path, true) == 0)
			node_hold_watch(top);
		free(path);
	}
	if (!top->watch_asked)
		return false;
	p->top = node_ref(top);
	p->until = now_ms() + PARK_MS;
	list_add_tail(&w->parked, &p->link);
	pthread_cond_signal(&w->kick);
	return true;
}

/* All whose top is @top, or all if it is NULL. */
static void unpark_locked(struct fs *fs, struct node *top, int64_t now,
			  struct list *out)
{
	struct watch_parked *p, *next;

	list_for_each_safe (p, next, &fs->watch.parked, link) {
		/* By name: the node may have been replaced. */
		if (top && strcmp(p->top->name, top->name))
			continue;
		if (now && p->until > now)
			continue;
		list_del(&p->link);
		node_put(&fs->nodes, &p->top);
		list_add_tail(out, &p->link);
	}
}

static void resume(struct list *parked)
{
	while (!list_empty(parked)) {
		struct watch_parked *p =
			list_first(parked, struct watch_parked, link);

		list_del(&p->link);
		p->resume(p);
	}
}

bool watch_park_drop_locked(struct fs *fs, struct node *node,
			    struct watch_parked *p)
{
	struct watch *w = &fs->watch;

	if (!w->feed || w->stopping || !node->parent)
		return false;
	p->top = node_ref(node);
	list_add_tail(&w->dropping, &p->link);
	pthread_cond_signal(&w->kick);
	return true;
}

/* Where the main view shows it; 0 if the kernel does not know the directory. */
static fuse_ino_t main_entry_locked(struct fs *fs, const struct node *node,
				    char entry[NAME_ENTRY_MAX + 1])
{
	struct inode *inode;

	name_to_entry(node->name, node->parent == fs->nodes.root, entry);
	for_each_inode (inode, node->parent) {
		if (inode->kind == INODE_DIR && inode->view == VIEW_MAIN)
			return inode->ino;
	}
	return 0;
}

void watch_drop_parked(struct fs *fs)
{
	char entry[NAME_ENTRY_MAX + 1];
	struct watch_parked *p;
	fuse_ino_t dir;

	for (;;) {
		fs_lock(fs);
		p = list_first(&fs->watch.dropping, struct watch_parked, link);
		if (!p) {
			fs_unlock(fs);
			return;
		}
		list_del(&p->link);
		dir = main_entry_locked(fs, p->top, entry);
		node_put(&fs->nodes, &p->top);
		fs_unlock(fs);
		if (dir)
			fuse_lowlevel_notify_inval_entry(fs->se, dir, entry,
							 strlen(entry));
		p->resume(p);
	}
}

static void expire_credits_locked(struct fs *fs, int64_t now)
{
	struct watch *w = &fs->watch;

	while (!list_empty(&w->credited)) {
		struct node *node = container_of(w->credited.next, struct node,
						 told.credited);

		if (!node->detached && node->told.credit_until > now)
			return;
		node->told.credit = 0;
		drop_credit_locked(fs, node);
	}
}

int64_t watch_expire(struct fs *fs, int64_t now)
{
	struct list out;
	int64_t next = 0;

	list_init(&out);
	fs_lock(fs);
	unpark_locked(fs, NULL, now, &out);
	expire_credits_locked(fs, now);
	if (!list_empty(&fs->watch.parked) || !list_empty(&fs->watch.credited))
		next = now + PARK_MS;
	fs_unlock(fs);
	resume(&out);
	return next;
}

/* --- the feed's callbacks --------------------------------------------------- */

static void on_up(void *arg, uint64_t epoch)
{
	struct fs *fs = arg;

	fs_lock(fs);
	fs->nodes.guard = epoch;
	fs_unlock(fs);
	log_info("remote events: on");
	compare_all(fs);
	fs_lock(fs);
	fs->watch.been_up = true;
	pthread_cond_broadcast(&fs->watch.up);
	fs_unlock(fs);
}

static void on_down(void *arg, uint64_t epoch _unused_, int reason)
{
	struct fs *fs = arg;
	struct list out;

	list_init(&out);
	fs_lock(fs);
	fs->nodes.guard = 0;
	unpark_locked(fs, NULL, 0, &out);
	fs_unlock(fs);
	if (reason != -ESHUTDOWN && reason != -ESTALE)
		log_info("remote events: interrupted (%s)", strerror(-reason));
	resume(&out);
}

static void on_watching(void *arg, uint64_t epoch, const char *path, int code)
{
	struct fs *fs = arg;
	struct node *node;
	struct list out;

	list_init(&out);
	fs_lock(fs);
	node = node_at(&fs->nodes, path);
	if (node) {
		if (code == 0)
			node->watched = epoch;
		else
			node_drop_watch(&fs->nodes, node);
		unpark_locked(fs, node, 0, &out);
		node_put(&fs->nodes, &node);
	}
	fs_unlock(fs);
	resume(&out);
}

static void on_event(void *arg, enum feedproto_event type, const char *path,
		     int64_t zxid _unused_)
{
	struct fs *fs = arg;
	bool root_list = type == FEEDPROTO_CHILD;

	fs_lock(fs);
	if (type == FEEDPROTO_CREATED)
		event_locked(fs, TOLD_CREATED, path);
	else if (type == FEEDPROTO_DELETED)
		event_locked(fs, TOLD_DELETED, path);
	else if (type == FEEDPROTO_CHANGED)
		event_locked(fs, TOLD_CHANGED, path);
	if (root_list)
		node_ref(fs->nodes.root);
	fs_unlock(fs);
	if (root_list)
		relist(fs, fs->nodes.root);
	watch_pump(fs);
}

static void on_unsupported(void *arg)
{
	struct fs *fs = arg;

	log_notice("the server has no persistent watches (ZooKeeper 3.6): "
		   "no remote events, no long caching");
	fs_lock(fs);
	fs->watch.unsupported = true;
	pthread_cond_broadcast(&fs->watch.up);
	fs_unlock(fs);
}

static const struct feed_ops ops = {
	.up = on_up,
	.down = on_down,
	.watching = on_watching,
	.event = on_event,
	.unsupported = on_unsupported,
};

/* --- the announcer's end ---------------------------------------------------- */

struct node *watch_next_due_locked(struct fs *fs)
{
	struct node *node;

	if (list_empty(&fs->watch.due))
		return NULL;
	node = node_of_due(fs->watch.due.next);
	list_del(&node->told.due);
	return node;
}

void watch_told_locked(struct fs *fs, struct node **node)
{
	struct node *before = *node;

	before->told.recon = RECON_IDLE;
	follow_name_locked(fs, node);
	if (*node == before)
		looked_locked(fs, *node);
	else
		watch_look_locked(fs, *node);
}

struct node *watch_holder_locked(struct fs *fs, struct node *node)
{
	node_ref(node);
	follow_name_locked(fs, &node);
	return node;
}

bool watch_can_pump_locked(struct fs *fs)
{
	return !list_empty(&fs->watch.waiting) &&
	       fs->watch.reading < WATCH_READS_MAX;
}

/* --- life ------------------------------------------------------------------- */

void watch_init(struct fs *fs)
{
	struct watch *w = &fs->watch;
	pthread_condattr_t attr;

	list_init(&w->waiting);
	list_init(&w->due);
	list_init(&w->credited);
	list_init(&w->parked);
	list_init(&w->dropping);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->kick, &attr);
	pthread_cond_init(&w->up, &attr);
	pthread_condattr_destroy(&attr);
}

static int open_feed(struct fs *fs, struct feed **feed)
{
	const struct authfile *auth = &fs->opt->auth;
	struct feed_auth *a = calloc(auth->count + 1, sizeof(*a));
	char server[ZK_SERVER_MAX];
	struct feed_config config = {
		.server = server,
		.session_timeout_ms = fs->opt->session_timeout_ms,
		.auth = a,
		.n_auth = auth->count,
		.ops = &ops,
		.arg = fs,
	};
	size_t i;
	int rc;

	if (!a)
		return -ENOMEM;
	for (i = 0; i < auth->count; i++)
		a[i] = (struct feed_auth){
			.scheme = auth->entries[i].scheme,
			.data = auth->entries[i].cred,
			.len = strlen(auth->entries[i].cred),
		};
	zk_server(fs->zk, server);
	rc = feed_open(feed, &config);
	free(a);
	return rc;
}

static void await_up(struct fs *fs, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	struct timespec ts = {
		.tv_sec = until / 1000,
		.tv_nsec = until % 1000 * 1000000,
	};
	struct watch *w = &fs->watch;
	int rc = 0;

	fs_lock(fs);
	while (!w->been_up && !w->unsupported && rc == 0)
		rc = pthread_cond_timedwait(&w->up, &fs->lock, &ts);
	fs_unlock(fs);
}

int watch_start(struct fs *fs, int timeout_ms)
{
	struct feed *feed;
	int rc = open_feed(fs, &feed);

	if (rc < 0)
		return rc;
	fs_lock(fs);
	fs->watch.feed = feed;
	fs_unlock(fs);
	/* The root itself and the names in it; not what is below them. */
	rc = feed_watch(feed, fs->opt->chroot, false);
	if (rc == 0)
		await_up(fs, timeout_ms);
	return rc;
}

void watch_follow(struct fs *fs, const char *server)
{
	struct feed *feed;

	fs_lock(fs);
	feed = fs->watch.feed;
	fs_unlock(fs);
	if (feed)
		feed_move(feed, server);
}

void watch_stop(struct fs *fs)
{
	struct feed *feed;
	struct list out;

	list_init(&out);
	fs_lock(fs);
	fs->watch.stopping = true;
	feed = fs->watch.feed;
	fs_unlock(fs);
	feed_close(feed);
	fs_lock(fs);
	fs->watch.feed = NULL;
	fs->nodes.guard = 0;
	unpark_locked(fs, NULL, 0, &out);
	fs_unlock(fs);
	resume(&out);
}

static void release_queue(struct fs *fs, struct list *queue)
{
	while (!list_empty(queue)) {
		struct node *node = node_of_due(queue->next);

		list_del(&node->told.due);
		node_put(&fs->nodes, &node);
	}
}

void watch_release(struct fs *fs)
{
	struct watch *w = &fs->watch;

	release_queue(fs, &w->waiting);
	release_queue(fs, &w->due);
	while (!list_empty(&w->credited)) {
		struct node *node = container_of(w->credited.next, struct node,
						 told.credited);

		drop_credit_locked(fs, node);
	}
	pthread_cond_destroy(&w->kick);
	pthread_cond_destroy(&w->up);
}
