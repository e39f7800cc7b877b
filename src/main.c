/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Start, serve, stop.
 *
 * The order matters: what the user got wrong is found before anything is
 * opened, the server answers before the mount is made, and the mount answers
 * before the parent exits.  At the end the session is closed first: that
 * answers every request in flight, and its ephemerals are gone when the mount
 * is.
 */

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon.h"
#include "flush.h"
#include "fs.h"
#include "log.h"
#include "mountpoint.h"
#include "notify.h"
#include "patience.h"

/* At the end, for what open files have gathered. */
#define FLUSH_MS 5000

/* The mount does not wait longer than this for remote events to be on. */
#define WATCH_START_MS 3000

struct program {
	struct options opt;
	struct daemon daemon;
	struct patience patience;
	struct fs fs;
};

/* --- the server ----------------------------------------------------------- */

struct answer {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool there;
	int rc;
	struct zstat stat;
};

static void on_answer(void *arg, const struct zk_result *r)
{
	struct answer *a = arg;

	pthread_mutex_lock(&a->lock);
	a->there = true;
	a->rc = r->rc;
	if (r->stat)
		a->stat = *r->stat;
	pthread_cond_signal(&a->cond);
	pthread_mutex_unlock(&a->lock);
}

/* A chroot that does not exist connects all the same. */
static int check_chroot(struct fs *fs)
{
	struct answer a = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER,
	};

	zk_exists(fs->zk, fs->opt->chroot,
		  (struct zk_to){.cb = on_answer, .arg = &a});
	pthread_mutex_lock(&a.lock);
	while (!a.there)
		pthread_cond_wait(&a.cond, &a.lock);
	pthread_mutex_unlock(&a.lock);
	if (a.rc == 0)
		fs_learn_root(fs, &a.stat);
	return a.rc;
}

static int connect_server(struct program *p)
{
	const struct options *opt = &p->opt;
	int rc;

	patience_for(&p->patience, "a server of %s, for up to %g s", opt->hosts,
		     opt->connect_timeout_ms / 1000.0);
	rc = zk_wait_connected(p->fs.zk, opt->connect_timeout_ms);
	if (rc == -EACCES)
		log_err("%s: a credential of the auth file was refused",
			opt->hosts);
	else if (rc < 0)
		log_err("%s: no server answered within %g s", opt->hosts,
			opt->connect_timeout_ms / 1000.0);
	if (rc < 0)
		return rc;
	patience_for(&p->patience, "%s to say whether there is %s", opt->hosts,
		     opt->chroot);
	rc = check_chroot(&p->fs);
	if (rc == -ENOENT)
		log_err("%s: there is no znode %s to mount", opt->hosts,
			opt->chroot);
	else if (rc < 0)
		log_err("%s: %s", opt->server, strerror(-rc));
	return rc;
}

/* --- fuse ----------------------------------------------------------------- */

static void on_fuse_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	log_part((int)level, fmt, ap);
}

/* A daemon's parent has told whoever waits, by its exit. */
static void tell_manager(const char *state)
{
	int rc = notify_send(state);

	if (rc < 0)
		log_warn("the service manager was not told %s: %s", state,
			 strerror(-rc));
}

static void log_mounted(struct program *p)
{
	char server[ZK_SERVER_MAX];

	zk_server(p->fs.zk, server);
	log_info("mounted %s on %s: session 0x%llx, server %s", p->opt.server,
		 p->opt.mountpoint, (unsigned long long)zk_session_id(p->fs.zk),
		 server[0] ? server : "-");
}

static void on_ready(void *arg)
{
	struct program *p = arg;

	if (p->opt.foreground)
		tell_manager(NOTIFY_READY);
	else
		log_open(true, p->opt.log_level);
	atomic_store(&p->fs.serving, true);
	log_mounted(p);
	daemon_ready(&p->daemon);
}

/*
 * One thread: no handler blocks, and requests are taken in the order in which
 * the kernel has them.  A close is not waited for by the kernel; what comes
 * after it finds it done, or on its way to the server before itself.
 */
static int serve(struct program *p)
{
	int rc = fuse_session_loop(p->fs.se); /* a positive one is a signal */
	const char *why = rc ? strerror(-rc) : "unmounted";

	log_info("%s: ending: %s", p->opt.mountpoint,
		 rc > 0 ? strsignal(rc) : why);
	if (p->opt.foreground)
		tell_manager(NOTIFY_STOPPING);
	return MIN(rc, 0);
}

static int mount_and_serve(struct program *p)
{
	struct fuse_session *se = p->fs.se;
	int rc;

	patience_for(&p->patience, "%s to tell of changes", p->opt.hosts);
	if (watch_start(&p->fs, WATCH_START_MS) < 0)
		log_notice("no remote events: the feed could not be started");
	patience_end(&p->patience);
	p->fs.ready = on_ready;
	p->fs.ready_arg = p;
	if (fuse_session_mount(se, p->opt.mountpoint) != 0)
		return -EIO; /* libfuse has said why */
	rc = device_attach(&p->fs, se);
	announce_start(&p->fs);
	rc = rc == 0 && fuse_set_signal_handlers(se) == 0 ? serve(p) : -EIO;
	if (zk_get_state(p->fs.zk) == ZK_CONNECTED)
		flush_all(&p->fs, FLUSH_MS);
	fs_stop(&p->fs);
	fuse_remove_signal_handlers(se);
	fuse_session_unmount(se);
	return rc;
}

/* --- main ----------------------------------------------------------------- */

/* Signals are for the main thread, which is in libfuse's loop. */
static int init_fs(struct program *p)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = fs_init(&p->fs, &p->opt);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc < 0)
		log_err("%s: no address of a server", p->opt.hosts);
	return rc;
}

static int run(struct program *p, struct fuse_session *se)
{
	int rc = daemon_start(&p->daemon, p->opt.foreground);

	if (rc < 0) {
		log_err("cannot go into the background: %s", strerror(-rc));
		return rc;
	}
	patience_start(&p->patience);
	patience_for(&p->patience, "the addresses of %s", p->opt.hosts);
	rc = init_fs(p);
	p->fs.se = se;
	if (rc == 0)
		rc = connect_server(p);
	if (rc == 0)
		rc = mount_and_serve(p);
	patience_end(&p->patience);
	fs_stop(&p->fs);
	return rc;
}

int main(int argc, char **argv)
{
	struct program p = {.daemon.pipe = -1};
	struct fuse_session *se;
	int rc;

	if (argc == 3 && strcmp(argv[1], HELPER_ARG) == 0)
		return helper_main(argv[2]);
	rc = options_parse(&p.opt, argc, argv);
	if (rc != 0) {
		options_release(&p.opt);
		return rc < 0;
	}
	signal(SIGPIPE, SIG_IGN);
	/* The heaps of other arenas grow page by page, a system call each. */
	mallopt(M_ARENA_MAX, 1);
	log_open(false, p.opt.log_level);
	fuse_set_log_func(on_fuse_log);
	rc = mountpoint_check(p.opt.mountpoint);
	if (rc == 0) {
		se = fuse_session_new(&p.opt.fuse, &fs_ops, sizeof(fs_ops),
				      &p.fs);
		rc = se ? run(&p, se) : -EINVAL;
		if (se)
			fuse_session_destroy(se);
		if (p.fs.opt)
			fs_release(&p.fs);
	}
	options_release(&p.opt);
	return rc < 0;
}
