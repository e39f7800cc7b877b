/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "log.h"
#include "path.h"
#include "util.h"
#include "version.h"

/* What the parser fills in, as text where libfuse cannot check it. */
struct raw {
	char *positional[2];
	int n_positional;
	char *connect_timeout;
	char *session_timeout;
	char *timeout;
	char *layout;
	char *empty;
	char *uid;
	char *gid;
	char *umask;
	char *max_size;
	char *cache_size;
	char *auth_file;
	char *log_level;
	int ro;
	int quiet;
	int strict;
	int renew;
	int foreground;
	int debug;
	int help;
	int version;
};

enum { KEY_IGNORE = 1, KEY_REFUSE };

#define TEXT(templ, member)                                                    \
	{                                                                      \
		templ, offsetof(struct raw, member), 0                         \
	}
#define FLAG(templ, member, value)                                             \
	{                                                                      \
		templ, offsetof(struct raw, member), value                     \
	}

static const struct fuse_opt specs[] = {
	TEXT("connect_timeout=%s", connect_timeout),
	TEXT("session_timeout=%s", session_timeout),
	TEXT("timeout=%s", timeout),
	TEXT("layout=%s", layout),
	TEXT("empty=%s", empty),
	TEXT("uid=%s", uid),
	TEXT("gid=%s", gid),
	TEXT("umask=%s", umask),
	TEXT("max_size=%s", max_size),
	TEXT("cache_size=%s", cache_size),
	TEXT("auth_file=%s", auth_file),
	TEXT("log_level=%s", log_level),
	/* Not the kernel's flag: the daemon answers EROFS. */
	FLAG("ro", ro, 1),
	FLAG("rw", ro, 0),
	FLAG("quiet", quiet, 1),
	FLAG("strict", strict, 1),
	FLAG("renew", renew, 1),
	FLAG("-f", foreground, 1),
	FLAG("-d", debug, 1),
	FLAG("debug", debug, 1),
	FLAG("-h", help, 1),
	FLAG("--help", help, 1),
	FLAG("-V", version, 1),
	FLAG("--version", version, 1),
	/* fstab(5)'s, for mount(8) and systemd. */
	FUSE_OPT_KEY("defaults", KEY_IGNORE),
	FUSE_OPT_KEY("auto", KEY_IGNORE),
	FUSE_OPT_KEY("noauto", KEY_IGNORE),
	FUSE_OPT_KEY("user", KEY_IGNORE),
	FUSE_OPT_KEY("nouser", KEY_IGNORE),
	FUSE_OPT_KEY("users", KEY_IGNORE),
	FUSE_OPT_KEY("nofail", KEY_IGNORE),
	FUSE_OPT_KEY("_netdev", KEY_IGNORE),
	FUSE_OPT_KEY("relatime", KEY_IGNORE), /* as it is anyway */
	FUSE_OPT_KEY("comment=", KEY_IGNORE),
	/* libfuse would end the mount right after it has answered. */
	FUSE_OPT_KEY("max_read=", KEY_REFUSE),
	FUSE_OPT_END,
};

static const char usage[] =
	"usage: znodefs [options] HOST:PORT[,HOST:PORT...][/CHROOT] MOUNTPOINT\n"
	"\n"
	"Mount a ZooKeeper tree as a filesystem; see znodefs(1).\n"
	"\n"
	"    -f                     stay in the foreground, log to stderr\n"
	"    -d, -o debug           the same, and log every request\n"
	"    -h, --help             this text\n"
	"    -V, --version          the version\n"
	"    -o connect_timeout=S   seconds to wait for a server (10)\n"
	"    -o session_timeout=S   seconds until ephemerals go when the\n"
	"                           daemon or the machine dies (30)\n"
	"    -o timeout=S           seconds a request waits for a server\n"
	"                           (the session timeout)\n"
	"    -o log_level=LEVEL     err, warning, notice, info or debug (info)\n"
	"    -o auth_file=FILE      scheme:credential lines; mode 0600\n"
	"    -o ro                  no changes (EROFS)\n"
	"    -o uid=N,gid=N         owner of everything (who mounts)\n"
	"    -o umask=M             permission bits to take away, octal\n"
	"    -o allow_other         other users may use the mount\n"
	"    -o layout=auto|dir     dir: every znode is a directory\n"
	"    -o empty=file|dir      what a znode of zero length is\n"
	"    -o quiet               chmod and chown succeed without effect\n"
	"    -o strict              serve nothing from memory while there is\n"
	"                           no connection\n"
	"    -o renew               after an expired session, make its\n"
	"                           ephemerals again\n"
	"    -o max_size=BYTES      largest value (what fits a request)\n"
	"    -o cache_size=BYTES    memory for values (64 MiB)\n"
	"\n"
	"Other -o options are libfuse's; see mount.fuse3(8).\n";

_printf_(1, 2) static int complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("znodefs: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return -EINVAL;
}

/* --- values --------------------------------------------------------------- */

/* Seconds, with decimals, into milliseconds.  @text NULL: the default stays. */
static int parse_seconds(const char *name, const char *text, int *ms)
{
	char *end;
	double s;

	if (!text)
		return 0;
	errno = 0;
	s = strtod(text, &end);
	if (errno || end == text || *end || !(s >= 0.001 && s <= 86400))
		return complain("%s=%s: not a number of seconds from 0.001 "
				"to 86400",
				name, text);
	*ms = (int)(s * 1000 + 0.5);
	return 0;
}

static int parse_number(const char *name, const char *text, int base,
			unsigned long max, unsigned long *value)
{
	unsigned long v;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	v = strtoul(text, &end, base);
	if (errno || end == text || *end || *text == '-' || v > max)
		return complain(base == 8 ? "%s=%s: not an octal number up to %lo"
					  : "%s=%s: not a number up to %lu",
				name, text, max);
	*value = v;
	return 0;
}

static int parse_choice(const char *name, const char *text, const char *no,
			const char *yes, bool *value)
{
	if (!text || strcmp(text, no) == 0)
		return 0;
	if (strcmp(text, yes) != 0)
		return complain("%s=%s: neither %s nor %s", name, text, no,
				yes);
	*value = true;
	return 0;
}

static int parse_owner(struct options *o, const struct raw *raw)
{
	unsigned long uid = geteuid(), gid = getegid(), mask;
	mode_t current = umask(0);

	umask(current);
	mask = current;
	if (parse_number("uid", raw->uid, 10, UINT32_MAX - 1, &uid) < 0 ||
	    parse_number("gid", raw->gid, 10, UINT32_MAX - 1, &gid) < 0 ||
	    parse_number("umask", raw->umask, 8, 0777, &mask) < 0)
		return -EINVAL;
	o->uid = (uid_t)uid;
	o->gid = (gid_t)gid;
	o->umask = (mode_t)mask;
	return 0;
}

static int parse_sizes(struct options *o, const struct raw *raw)
{
	unsigned long max = ZK_PACKET_MAX, cache = 64UL << 20;

	if (parse_number("max_size", raw->max_size, 10, ZK_PACKET_MAX, &max) <
		    0 ||
	    parse_number("cache_size", raw->cache_size, 10, ULONG_MAX, &cache) <
		    0)
		return -EINVAL;
	o->max_size = max;
	o->cache_size = cache;
	return 0;
}

static int parse_times(struct options *o, const struct raw *raw)
{
	o->connect_timeout_ms = 10000;
	o->session_timeout_ms = 30000;
	if (parse_seconds("connect_timeout", raw->connect_timeout,
			  &o->connect_timeout_ms) < 0 ||
	    parse_seconds("session_timeout", raw->session_timeout,
			  &o->session_timeout_ms) < 0)
		return -EINVAL;
	o->timeout_ms = o->session_timeout_ms;
	return parse_seconds("timeout", raw->timeout, &o->timeout_ms);
}

static int parse_log_level(struct options *o, const struct raw *raw)
{
	const char *level = raw->log_level;

	o->log_level = level ? log_level(level) : LOG_INFO;
	if (o->log_level < 0)
		return complain("log_level=%s: not one of err, warning, "
				"notice, info, debug",
				level);
	if (o->debug)
		o->log_level = LOG_DEBUG;
	return 0;
}

static int parse_auth(struct options *o, const struct raw *raw)
{
	char msg[AUTHFILE_MSG_MAX];

	if (!raw->auth_file)
		return 0;
	/*
	 * The library, and what it sends, have copies that cannot be wiped:
	 * from here on there is no core of this process, and no other one of
	 * the user's looks into it.
	 */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return complain("%s: %s", raw->auth_file, strerror(errno));
	if (authfile_read(&o->auth, raw->auth_file, msg, sizeof(msg)) < 0)
		return complain("%s", msg);
	return 0;
}

/* --- arguments ------------------------------------------------------------ */

/* To libfuse only -1 is a failure: what else is negative keeps the argument. */
static int on_arg(void *data, const char *arg, int key,
		  struct fuse_args *out _unused_)
{
	struct raw *raw = data;

	/* Of a prefix without "=" libfuse's tables know nothing. */
	if (key == KEY_IGNORE ||
	    (key == FUSE_OPT_KEY_OPT && strncmp(arg, "x-", 2) == 0))
		return 0;
	if (key == KEY_REFUSE) {
		complain("%s: cannot be set", arg);
		return -1;
	}
	if (key != FUSE_OPT_KEY_NONOPT)
		return 1; /* libfuse's */
	if (raw->n_positional == 2) {
		complain("too many arguments: %s", arg);
		return -1;
	}
	raw->positional[raw->n_positional++] = xstrdup(arg);
	return 0;
}

/* realpath() of what may be a dead mount: then the path as it is. */
static char *absolute(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : xstrdup(path);
}

static int parse_positional(struct options *o, const struct raw *raw)
{
	if (raw->n_positional < 2)
		return complain("usage: znodefs [options] "
				"HOST:PORT[,HOST:PORT...][/CHROOT] MOUNTPOINT");
	if (path_parse_server(raw->positional[0], &o->hosts, &o->chroot) < 0)
		return complain("%s: not HOST:PORT[,HOST:PORT...][/CHROOT]",
				raw->positional[0]);
	o->server = xstrdup(raw->positional[0]);
	o->mountpoint = absolute(raw->positional[1]);
	return 0;
}

/* A comma inside an option's value is written "\\,": libfuse takes it so. */
static char *escape_commas(const char *text)
{
	char *out = xcalloc(2, strlen(text) + 1), *p = out;

	for (; *text; text++) {
		if (*text == ',' || *text == '\\')
			*p++ = '\\';
		*p++ = *text;
	}
	return out;
}

/*
 * What the mount table shows, and the kernel's permission checks.  First, so
 * that a name the user gives is the last, which counts.
 */
static int add_fuse_options(struct options *o)
{
	_cleanup_free_ char *fsname = escape_commas(o->server);
	_cleanup_free_ char *arg = NULL;

	if (asprintf(&arg, "-osubtype=znodefs,default_permissions,fsname=%s%s",
		     fsname, o->debug ? ",debug" : "") < 0)
		return -ENOMEM;
	return fuse_opt_insert_arg(&o->fuse, 1, arg);
}

static int check(struct options *o, const struct raw *raw)
{
	o->foreground = raw->foreground || raw->debug;
	o->debug = raw->debug;
	o->ro = raw->ro;
	o->quiet = raw->quiet;
	o->strict = raw->strict;
	o->renew = raw->renew;
	if (parse_positional(o, raw) < 0 || parse_owner(o, raw) < 0 ||
	    parse_sizes(o, raw) < 0 || parse_times(o, raw) < 0 ||
	    parse_choice("layout", raw->layout, "auto", "dir",
			 &o->layout_dir) < 0 ||
	    parse_choice("empty", raw->empty, "file", "dir", &o->empty_dir) <
		    0 ||
	    parse_log_level(o, raw) < 0 || parse_auth(o, raw) < 0)
		return -EINVAL;
	return add_fuse_options(o);
}

static void raw_release(struct raw *raw)
{
	free(raw->positional[0]);
	free(raw->positional[1]);
	free(raw->connect_timeout);
	free(raw->session_timeout);
	free(raw->timeout);
	free(raw->layout);
	free(raw->empty);
	free(raw->uid);
	free(raw->gid);
	free(raw->umask);
	free(raw->max_size);
	free(raw->cache_size);
	free(raw->auth_file);
	free(raw->log_level);
}

int options_parse(struct options *o, int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct raw raw = {0};
	int rc = -EINVAL;

	*o = (struct options){.auth = AUTHFILE_INIT};
	if (fuse_opt_parse(&args, &raw, specs, on_arg) == 0) {
		o->fuse = args;
		if (raw.help || raw.version) {
			fputs(raw.help ? usage
				       : "znodefs " ZNODEFS_VERSION "\n",
			      stdout);
			rc = 1;
		} else {
			rc = check(o, &raw);
		}
	}
	raw_release(&raw);
	return rc;
}

void options_release(struct options *o)
{
	free(o->server);
	free(o->hosts);
	free(o->chroot);
	free(o->mountpoint);
	authfile_release(&o->auth);
	fuse_opt_free_args(&o->fuse);
}
