/* SPDX-License-Identifier: Apache-2.0 */
#include "special.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "feed.h"
#include "fs.h"
#include "name.h"
#include "status.h"
#include "version.h"

enum special_ino {
	SPECIAL_DIR = FUSE_ROOT_ID + 1,
	SPECIAL_STATUS,
	SPECIAL_METRICS,
};

static const struct {
	const char *name;
	fuse_ino_t ino;
} entries[] = {
	{".", SPECIAL_DIR},
	{"..", FUSE_ROOT_ID},
	{"status", SPECIAL_STATUS},
	{"metrics", SPECIAL_METRICS},
};

/* --- what there is to say ------------------------------------------------- */

static uint64_t length_locked(const struct list *l)
{
	const struct list *item;
	uint64_t n = 0;

	for (item = l->next; item != l; item = item->next)
		n++;
	return n;
}

static void gather_session(struct fs *fs, struct status *s)
{
	struct zk_stats zk;

	zk_get_stats(fs->zk, &zk);
	s->session = (uint64_t)zk.session_id;
	s->session_timeout_ms = zk.session_timeout_ms;
	s->n[STATUS_MESSAGES] = atomic_load(&fs->messages);
	s->n[STATUS_REQUESTS] = zk.sent;
	s->n[STATUS_REQUESTS_IN_FLIGHT] = zk.in_flight;
	s->n[STATUS_REQUESTS_HELD] = zk.held;
	s->n[STATUS_SESSIONS] = zk.sessions;
}

static void gather_locked(struct fs *fs, struct status *s)
{
	const struct session *session = &fs->session;

	s->state = zk_state_name(session->state);
	s->since = session->since_clock;
	s->seconds = (now_ms() - session->since) / 1000;
	s->n[STATUS_CONNECTIONS] = session->connects;
	s->n[STATUS_NODES] = fs->nodes.n_nodes;
	s->n[STATUS_INODES] = fs->nodes.inos.count;
	s->n[STATUS_CACHED_BYTES] = fs->nodes.cached_bytes;
	s->n[STATUS_CACHE_LIMIT] = fs->nodes.cached_max;
	s->n[STATUS_OPEN_FILES] = length_locked(&fs->files);
	s->n[STATUS_OPEN_DIRECTORIES] = length_locked(&fs->dirs);
	s->n[STATUS_EPHEMERALS] = fs->eph.n;
	s->n[STATUS_EPHEMERALS_TO_RENEW] = fs->renewals.n;
	s->n[STATUS_NAMES_TO_READ] =
		length_locked(&fs->look.waiting) + fs->look.reading;
	s->n[STATUS_NAMES_TO_ANNOUNCE] = length_locked(&fs->look.due);
	s->n[STATUS_ANNOUNCEMENTS] = fs->announcer.told;
	s->n[STATUS_HELPERS] = fs->announcer.started;
	s->n[STATUS_HELPERS_STUCK] = fs->announcer.n_stuck;
}

static const char *feed_state(const struct feed_status *feed)
{
	if (feed->up)
		return "up";
	if (feed->unsupported)
		return "unsupported";
	return feed->auth_failed ? "refused" : "down";
}

static void gather_feed(struct fs *fs, struct status *s,
			struct feed_status *feed)
{
	/* Both are of the main thread: nobody closes it meanwhile. */
	if (!fs->watch.feed) {
		s->feed = "off";
		s->feed_server = "";
		return;
	}
	feed_get_status(fs->watch.feed, feed);
	s->feed = feed_state(feed);
	s->feed_server = feed->server;
	s->n[STATUS_FEED_WATCHES] = feed->watches;
	s->n[STATUS_FEED_EVENTS] = feed->events;
	s->n[STATUS_FEED_BYTES] = feed->bytes;
	s->n[STATUS_FEED_CONNECTIONS] = feed->epoch;
}

static char *make_text(struct fs *fs, fuse_ino_t ino)
{
	const char *states[ZK_STATES + 1] = {NULL};
	struct status s = {.version = ZNODEFS_VERSION};
	char server[ZK_SERVER_MAX];
	struct feed_status feed;
	int i;

	s.strict = fs->opt->strict;
	s.server = server;
	zk_server(fs->zk, server);
	gather_session(fs, &s);
	gather_feed(fs, &s, &feed);
	fs_lock(fs);
	gather_locked(fs, &s);
	fs_unlock(fs);
	if (ino == SPECIAL_STATUS)
		return status_text(&s);
	for (i = 0; i < ZK_STATES; i++)
		states[i] = zk_state_name((enum zk_state)i);
	return status_metrics(&s, states);
}

static struct blob *make_version(struct fs *fs, fuse_ino_t ino)
{
	_cleanup_free_ char *text = make_text(fs, ino);

	return text ? blob_new(text, strlen(text)) : NULL;
}

/* --- names and attributes ------------------------------------------------- */

/* 0: there is none. */
static fuse_ino_t find(fuse_ino_t parent, const char *entry)
{
	size_t i;

	if (parent == FUSE_ROOT_ID)
		return name_special(entry, true) == NAME_ZNODEFS ? SPECIAL_DIR
								 : 0;
	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		if (strcmp(entries[i].name, entry) == 0)
			return entries[i].ino;
	}
	return 0;
}

static void fill_attr(const struct fs *fs, fuse_ino_t ino, struct stat *st)
{
	mode_t mode = ino <= SPECIAL_DIR ? S_IFDIR | 0555 : S_IFREG | 0444;

	*st = (struct stat){
		.st_ino = ino,
		.st_mode = mode & ~fs->attr.umask,
		.st_nlink = 1,
		.st_uid = fs->attr.uid,
		.st_gid = fs->attr.gid,
		.st_blksize = 4096,
	};
	st->st_atime = st->st_mtime = st->st_ctime = time(NULL);
}

void special_lookup(fuse_req_t freq, fuse_ino_t parent, const char *entry)
{
	struct fuse_entry_param e = {.ino = find(parent, entry)};
	struct req req;

	if (e.ino == 0 && !special_is(parent))
		return op_lookup(freq, parent, entry);
	req_init(&req, freq);
	if (e.ino == 0)
		return req_err(&req, -ENOENT);
	fill_attr(req.fs, e.ino, &e.attr);
	req_entry(&req, &e);
}

void special_getattr(fuse_req_t freq, fuse_ino_t ino,
		     struct fuse_file_info *fi)
{
	struct req req;
	struct stat st;

	if (!special_is(ino))
		return op_getattr(freq, ino, fi);
	req_init(&req, freq);
	fill_attr(req.fs, ino, &st);
	req_attr(&req, &st, 0);
}

/* For what has no other answer. */
static void answer(fuse_req_t freq, int rc)
{
	struct req req;

	req_init(&req, freq);
	req_err(&req, rc);
}

void special_setattr(fuse_req_t freq, fuse_ino_t ino, struct stat *attr,
		     int to_set, struct fuse_file_info *fi)
{
	if (!special_is(ino))
		return op_setattr(freq, ino, attr, to_set, fi);
	answer(freq, -EPERM);
}

/* --- files ---------------------------------------------------------------- */

static struct special_text *text_of(const struct fuse_file_info *fi)
{
	return (struct special_text *)(uintptr_t)fi->fh;
}

static struct special_text *open_text(struct fs *fs, struct blob *text)
{
	struct special_text *t = xcalloc(1, sizeof(*t));

	t->text = text;
	fs_lock(fs);
	list_add_tail(&fs->texts, &t->in_fs);
	fs_unlock(fs);
	return t;
}

void special_close(struct fs *fs, struct special_text *t)
{
	fs_lock(fs);
	list_del(&t->in_fs);
	fs_unlock(fs);
	blob_unref(t->text);
	free(t);
}

void special_open(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct special_text *t;
	struct blob *text;
	struct req req;

	if (!special_is(ino))
		return op_open(freq, ino, fi);
	req_init(&req, freq);
	/* Root gets here in spite of the mode. */
	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC))
		return req_err(&req, -EACCES);
	text = make_version(req.fs, ino);
	if (!text)
		return req_err(&req, -ENOMEM);
	t = open_text(req.fs, text);
	fi->fh = (uintptr_t)t;
	fi->direct_io = 1;
	req_open_text(&req, fi, t);
}

void special_read(fuse_req_t freq, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi)
{
	const struct blob *text;
	struct req req;
	size_t from;

	if (!special_is(ino))
		return op_read(freq, ino, size, off, fi);
	text = text_of(fi)->text;
	from = MIN((size_t)off, text->len);
	req_init(&req, freq);
	req_buf(&req, text->data + from, MIN(size, text->len - from));
}

void special_flush(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (!special_is(ino))
		return op_flush(freq, ino, fi);
	answer(freq, 0);
}

void special_fsync(fuse_req_t freq, fuse_ino_t ino, int datasync,
		   struct fuse_file_info *fi)
{
	if (!special_is(ino))
		return op_fsync(freq, ino, datasync, fi);
	answer(freq, 0);
}

void special_release(fuse_req_t freq, fuse_ino_t ino,
		     struct fuse_file_info *fi)
{
	if (!special_is(ino))
		return op_release(freq, ino, fi);
	special_close(fuse_req_userdata(freq), text_of(fi));
	answer(freq, 0);
}

/* --- locks: there is nothing behind them to lock ------------------------- */

void special_flock(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
		   int how)
{
	if (!special_is(ino))
		return op_flock(freq, ino, fi, how);
	answer(freq, -EOPNOTSUPP);
}

void special_getlk(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
		   struct flock *lock)
{
	if (!special_is(ino))
		return op_getlk(freq, ino, fi, lock);
	answer(freq, -EOPNOTSUPP);
}

void special_setlk(fuse_req_t freq, fuse_ino_t ino, struct fuse_file_info *fi,
		   struct flock *lock, int sleep)
{
	if (!special_is(ino))
		return op_setlk(freq, ino, fi, lock, sleep);
	answer(freq, -EOPNOTSUPP);
}

/* --- the directory -------------------------------------------------------- */

void special_opendir(fuse_req_t freq, fuse_ino_t ino,
		     struct fuse_file_info *fi)
{
	struct req req;

	if (!special_is(ino))
		return op_opendir(freq, ino, fi);
	fi->fh = 0;
	req_init(&req, freq);
	req_open(&req, fi, NULL, NULL);
}

void special_readdir(fuse_req_t freq, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	size_t i, len, used = 0;
	struct stat st;
	struct req req;
	char buf[1024];

	if (!special_is(ino))
		return op_readdir(freq, ino, size, off, fi);
	req_init(&req, freq);
	size = MIN(size, sizeof(buf));
	for (i = (size_t)off; i < ARRAY_SIZE(entries); i++) {
		fill_attr(req.fs, entries[i].ino, &st);
		len = fuse_add_direntry(freq, buf + used, size - used,
					entries[i].name, &st, (off_t)(i + 1));
		if (len > size - used)
			break;
		used += len;
	}
	req_buf(&req, buf, used);
}

void special_releasedir(fuse_req_t freq, fuse_ino_t ino,
			struct fuse_file_info *fi)
{
	if (!special_is(ino))
		return op_releasedir(freq, ino, fi);
	answer(freq, 0);
}
