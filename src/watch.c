/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <string.h>

#include "feed.h"
#include "fs.h"
#include "kind.h"
#include "log.h"

/* Without a server to be asked, the guard that was is better than none. */
static bool is_outage(const struct fs *fs)
{
	return fs->watch.epoch == 0 && session_is_out_locked(fs);
}

uint64_t watch_guard_locked(const struct fs *fs, struct node *node)
{
	struct node *top = node_top(node);

	if (is_outage(fs))
		return fs->watch.kept;
	if (!top->parent || node_dir_of(top)->watched == fs->watch.epoch)
		return fs->watch.epoch;
	return 0;
}

/* --- what is valid ------------------------------------------------------- */

struct watch_ask watch_ask_locked(const struct fs *fs, struct node *node)
{
	return (struct watch_ask){
		.epoch = is_outage(fs) ? fs->watch.kept : fs->watch.epoch,
		.guard = watch_guard_locked(fs, node),
		.changes = node->changes,
	};
}

/*
 * By what the answer is guarded: that a name is not there, by the watch over
 * the directory; for the root, that is its own.
 */
static uint64_t name_guard(const struct fs *fs, struct node *node)
{
	return watch_guard_locked(fs, node->absent && node->parent
					      ? node->parent
					      : node);
}

void watch_answered_locked(struct fs *fs, struct node *node,
			   const struct watch_ask *ask)
{
	uint64_t guard = name_guard(fs, node);

	/* What was read when that was allowed is not to be given out. */
	if (ask->unread)
		node_forget_value(&fs->nodes, node);
	node->unread = ask->unread;
	if (ask->changes != node->changes || told_is_changing(&node->told))
		return;
	if (ask->unread || guard != (node->absent ? ask->epoch : ask->guard))
		guard = 0;
	node->valid = guard;
}

bool watch_is_late_locked(const struct fs *fs, struct node *node,
			  const struct watch_ask *ask)
{
	uint64_t guard = watch_guard_locked(fs, node);

	return guard != 0 && !ask->unread &&
	       (ask->guard != guard || ask->changes != node->changes);
}

bool watch_is_valid_locked(const struct fs *fs, struct node *node)
{
	return node->valid != 0 && (node->known || node->absent) &&
	       node->valid == name_guard(fs, node);
}

bool watch_is_usable_locked(const struct fs *fs, struct node *node,
			    pid_t thread, bool data)
{
	if (node_is_fresh(node, thread, data))
		return true;
	return node->known && (!data || node->value) &&
	       watch_is_valid_locked(fs, node);
}

void watch_pump(struct fs *fs)
{
	listing_pump(fs);
	look_pump(fs);
}

/* --- what is watched ----------------------------------------------------- */

bool watch_is_expected_locked(struct node *node)
{
	struct node *top = node_top(node);

	return node_dir_of(top)->watch_asked || top->known ||
	       told_anywhere(&top->told);
}

bool watch_wait_locked(struct fs *fs, struct node *node, struct zk_to to)
{
	struct watch *w = &fs->watch;
	struct node *top = node_top(node);
	_cleanup_free_ char *path = NULL;

	if (!w->feed || w->epoch == 0 || watch_guard_locked(fs, node) != 0)
		return false;
	if (!node_dir(top)->watch_asked) {
		path = node_path(top);
		if (feed_watch(w->feed, path, true) < 0)
			return false;
		top->dir->watch_asked = true;
		node_ref(top);
	}
	zk_wait(fs->zk, top, to);
	return true;
}

bool watch_catch_up_locked(struct fs *fs, struct watch_sync *sync,
			   struct zk_to to)
{
	struct watch *w = &fs->watch;

	if (!w->feed || w->epoch == 0)
		return false;
	if (sync->epoch != w->epoch)
		*sync = (struct watch_sync){
			.epoch = w->epoch,
			.ticket = feed_sync(w->feed),
		};
	if (w->synced >= sync->ticket)
		return false;
	zk_wait(fs->zk, &w->synced, to);
	return true;
}

static void unwatch_locked(struct fs *fs, struct node *top)
{
	if (!node_dir_of(top)->watch_asked)
		return;
	top->dir->watch_asked = false;
	top->dir->watched = 0;
	node_put(&fs->nodes, &top);
}

/* A top-level name that is gone is not watched for ever. */
void watch_settled_locked(struct fs *fs, struct node *node)
{
	_cleanup_free_ char *path = NULL;

	listing_settled_locked(fs, node);
	if (!node_dir_of(node)->watch_asked || !node->absent ||
	    node->inodes.first || told_anywhere(&node->told) ||
	    told_is_changing(&node->told) || told_is_credited(&node->told))
		return;
	path = node_path(node);
	if (fs->watch.feed)
		feed_unwatch(fs->watch.feed, path);
	/* Who still waits for the watch would wait for ever: ask again. */
	zk_wake(fs->zk, node);
	unwatch_locked(fs, node);
}

/* --- events -------------------------------------------------------------- */

/* A file that gets a child becomes a directory, which no event says. */
static void look_at_parent_locked(struct fs *fs, struct node *parent)
{
	struct told *told = &parent->told;

	if (told_is_idle(told) && !told_is_disputed(told) &&
	    (!told_anywhere(told) || (told->kind_known && told->dir)))
		return;
	look_locked(fs, parent);
}

/* NULL: it concerns nobody here.  Else a reference. */
static struct node *concerned_locked(struct fs *fs, struct node *parent,
				     const char *name)
{
	if (node_is_open_dir(parent))
		return node_get(&fs->nodes, parent, name);
	return node_find(&fs->nodes, parent, name);
}

static void event_locked(struct fs *fs, enum told_event type,
			 struct node *node)
{
	listing_believe_locked(node);
	if (!own_is_not_locked(fs, node, type))
		return;
	if (type == TOLD_DELETED)
		node_doubted(&fs->nodes, node);
	look_locked(fs, node);
}

static void event_at_locked(struct fs *fs, enum told_event type,
			    const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = strndup(path, (size_t)(slash - path));
	struct node *parent, *node;

	if (!dir)
		abort();
	parent = node_find_at(&fs->nodes, dir);
	if (!parent)
		return;
	if (type != TOLD_CHANGED) {
		node_dir(parent)->list_changes++;
		node_dir(parent)->births++;
	}
	if (type == TOLD_CREATED && kind_is_concerned_locked(parent, slash + 1))
		look_at_parent_locked(fs, parent);
	node = concerned_locked(fs, parent, slash + 1);
	if (node)
		event_locked(fs, type, node);
	node_put(&fs->nodes, &node);
	node_put(&fs->nodes, &parent);
}

static void root_event_locked(struct fs *fs, enum feedproto_event type)
{
	if (type == FEEDPROTO_CHANGED)
		event_locked(fs, TOLD_CHANGED, fs->nodes.root);
	if (type == FEEDPROTO_CHILD)
		node_dir(fs->nodes.root)->births++;
	if (type == FEEDPROTO_CHILD && own_root_list_is_not_locked(fs))
		listing_relist_root_locked(fs);
}

static void on_event(void *arg, enum feedproto_event type, const char *path,
		     int64_t zxid _unused_)
{
	struct fs *fs = arg;

	fs_lock(fs);
	if (strcmp(path, fs->opt->chroot) == 0)
		root_event_locked(fs, type);
	else if (type == FEEDPROTO_CREATED)
		event_at_locked(fs, TOLD_CREATED, path);
	else if (type == FEEDPROTO_DELETED)
		event_at_locked(fs, TOLD_DELETED, path);
	else if (type == FEEDPROTO_CHANGED)
		event_at_locked(fs, TOLD_CHANGED, path);
	fs_unlock(fs);
	watch_pump(fs);
}

/* --- a feed comes and goes ----------------------------------------------- */

/*
 * Of what is on its way to be told, the truth may be an old one by now.  What
 * was only listed has no value that anybody has: there, the list tells; unless
 * somebody has looked for it meanwhile, in vain.
 */
static bool is_to_be_compared(const struct node *node)
{
	const struct told *told = &node->told;

	return told_state(told) != TOLD_IDLE || told_is_disputed(told) ||
	       (told_anywhere(told) &&
		(told_has_value(told) || node->inodes.first));
}

/* Returns the directories that were listed, with references. */
static struct node **compare_known_locked(struct fs *fs, size_t *n)
{
	struct node **dirs = calloc(fs->nodes.n_nodes + 1, sizeof(*dirs));
	struct node *root = fs->nodes.root, *node;

	*n = 0;
	for (node = root; node && dirs; node = node_next_below(node, root)) {
		if (listing_is_held_locked(node))
			dirs[(*n)++] = node_ref(node);
		if (is_to_be_compared(node))
			look_locked(fs, node);
	}
	return dirs;
}

static void compare_all(struct fs *fs)
{
	struct node **dirs;
	size_t n, i;

	fs_lock(fs);
	dirs = compare_known_locked(fs, &n);
	listing_relist_root_locked(fs);
	fs_unlock(fs);
	for (i = 0; i < n; i++) {
		if (dirs[i] != fs->nodes.root)
			listing_relist(fs, dirs[i]);
		fs_lock(fs);
		node_put(&fs->nodes, &dirs[i]);
		fs_unlock(fs);
	}
	free(dirs);
	watch_pump(fs);
}

/*
 * Without the session nothing can be compared: until it is back, what was
 * guarded before the outage stays as it is.
 */
static bool take_epoch_locked(struct fs *fs)
{
	struct watch *w = &fs->watch;

	if (w->ready == 0 || session_is_out_locked(fs))
		return false;
	w->epoch = w->ready;
	w->ready = 0;
	/* What was to come will not. */
	own_expire_locked(fs, INT64_MAX);
	return true;
}

static void come_up(struct fs *fs)
{
	bool up;

	fs_lock(fs);
	up = take_epoch_locked(fs);
	fs_unlock(fs);
	if (!up)
		return;
	compare_all(fs);
	fs_lock(fs);
	if (fs->watch.been_up)
		log_info("remote events: on again");
	fs->watch.been_up = true;
	pthread_cond_broadcast(&fs->watch.up);
	fs_unlock(fs);
}

static void on_up(void *arg, uint64_t epoch)
{
	struct fs *fs = arg;

	fs_lock(fs);
	fs->watch.ready = epoch;
	fs_unlock(fs);
	come_up(fs);
}

static void on_down(void *arg, uint64_t epoch _unused_, int reason)
{
	struct fs *fs = arg;

	fs_lock(fs);
	if (fs->watch.epoch && !fs->opt->strict)
		fs->watch.kept = fs->watch.epoch;
	fs->watch.epoch = fs->watch.ready = 0;
	fs_unlock(fs);
	zk_wake(fs->zk, NULL);
	if (reason != -ESHUTDOWN && reason != -ESTALE)
		log_info("remote events: interrupted (%s)", strerror(-reason));
}

static void on_watching(void *arg, uint64_t epoch, const char *path, int code)
{
	struct fs *fs = arg;
	struct node *node;

	fs_lock(fs);
	node = node_find_at(&fs->nodes, path);
	if (node && node_dir_of(node)->watch_asked && code == 0)
		node->dir->watched = epoch;
	if (node) {
		zk_wake(fs->zk, node);
		if (code != 0)
			unwatch_locked(fs, node);
		node_put(&fs->nodes, &node);
	}
	fs_unlock(fs);
}

static void on_unsupported(void *arg)
{
	struct fs *fs = arg;

	log_notice("the server has no persistent watches (ZooKeeper 3.6): "
		   "no remote events");
	fs_lock(fs);
	fs->watch.unsupported = true;
	pthread_cond_broadcast(&fs->watch.up);
	fs_unlock(fs);
}

static void on_synced(void *arg, uint64_t ticket)
{
	struct fs *fs = arg;

	fs_lock(fs);
	fs->watch.synced = ticket;
	zk_wake(fs->zk, &fs->watch.synced);
	fs_unlock(fs);
}

static const struct feed_ops ops = {
	.up = on_up,
	.down = on_down,
	.watching = on_watching,
	.event = on_event,
	.unsupported = on_unsupported,
	.synced = on_synced,
};

/* --- life ---------------------------------------------------------------- */

void watch_init(struct fs *fs)
{
	cond_init(&fs->watch.up);
	/* That the root is there, nobody has to be told; more is not known. */
	told_made(&fs->nodes.root->told,
		  &(struct told_truth){.in = {true, true}, .dir = true},
		  VIEW_MAIN);
	fs->nodes.root->told.kind_known = false;
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
	struct watch *w = &fs->watch;
	int rc = 0;

	fs_lock(fs);
	while (!(w->been_up && node_dir_of(fs->nodes.root)->list_czxid != 0) &&
	       !w->unsupported && rc == 0)
		rc = cond_wait_until(&w->up, &fs->lock, until);
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
	come_up(fs);
}

void watch_stop(struct fs *fs)
{
	struct feed *feed;

	fs_lock(fs);
	feed = steal(fs->watch.feed);
	fs_unlock(fs);
	feed_close(feed);
	fs_lock(fs);
	fs->watch.epoch = 0;
	fs_unlock(fs);
	zk_wake(fs->zk, NULL);
}

static void release_watches(struct fs *fs)
{
	struct node *root = fs->nodes.root, *child, *next;

	for_each_child_safe (child, next, root)
		unwatch_locked(fs, child);
}

/* A list holds the children, and these hold their parent. */
static void release_lists(struct fs *fs)
{
	struct node *root = fs->nodes.root, *node = node_ref(root), *next;

	while (node) {
		listing_drop_locked(fs, node);
		next = node_next_below(node, root);
		if (next)
			node_ref(next);
		node_put(&fs->nodes, &node);
		node = next;
	}
}

void watch_release(struct fs *fs)
{
	release_watches(fs);
	release_lists(fs);
	pthread_cond_destroy(&fs->watch.up);
}
