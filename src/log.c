/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "loglimit.h"

/*
 * The only state of the program that is not in struct fs.  What log_open() sets
 * is set before threads exist; @lock is for @limit, and taken last of all.
 */
static struct {
	atomic_bool to_syslog;
	atomic_bool to_journal;
	atomic_int max_prio;
	pthread_mutex_t lock;
	struct loglimit limit;
} sink = {.max_prio = LOG_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

/* Whether stderr is the stream that the service manager has given us. */
static bool is_journal(void)
{
	const char *given = getenv("JOURNAL_STREAM");
	char ours[sizeof("18446744073709551615:18446744073709551615")];
	struct stat st;

	if (!given || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return strcmp(given, ours) == 0;
}

void log_open(bool to_syslog, int max_prio)
{
	sink.to_syslog = to_syslog;
	sink.to_journal = is_journal();
	sink.max_prio = max_prio;
	if (to_syslog)
		openlog("znodefs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

int log_level(const char *name)
{
	static const char *const names[] = {
		[LOG_ERR] = "err",   [LOG_WARNING] = "warning",
		[LOG_NOTICE] = "notice", [LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(names); i++)
		if (names[i] && strcmp(name, names[i]) == 0)
			return i;
	return -EINVAL;
}

static bool may_write(int prio, const char *fmt, unsigned *missed)
{
	bool pass;

	*missed = 0;
	if (prio > sink.max_prio)
		return false;
	if (prio == LOG_DEBUG)
		return true;
	pthread_mutex_lock(&sink.lock);
	pass = loglimit_pass(&sink.limit, fmt, now_ms(), missed);
	pthread_mutex_unlock(&sink.lock);
	return pass;
}

static void write_line(int prio, char *line)
{
	size_t len = strlen(line);

	if (len > 0 && line[len - 1] == '\n')
		line[len - 1] = '\0';
	/* One call, so that lines of different threads do not mix. */
	if (sink.to_syslog)
		syslog(prio, "%s", line);
	else if (sink.to_journal)
		fprintf(stderr, "<%d>%s\n", prio, line);
	else
		fprintf(stderr, "znodefs: %s\n", line);
}

void log_vmsg(int prio, const char *fmt, va_list ap)
{
	char line[1024];
	unsigned missed;

	if (!may_write(prio, fmt, &missed))
		return;
	if (missed) {
		snprintf(line, sizeof(line),
			 "%u lines not logged, too many of a kind", missed);
		write_line(LOG_NOTICE, line);
	}
	vsnprintf(line, sizeof(line), fmt, ap);
	write_line(prio, line);
}

void log_part(int prio, const char *fmt, va_list ap)
{
	static _Thread_local char line[1024];
	size_t len = strlen(line);

	vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	len = strlen(line);
	if (len < sizeof(line) - 1 && (len == 0 || line[len - 1] != '\n'))
		return;
	log_msg(prio, "%s", line);
	line[0] = '\0';
}

void log_msg(int prio, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vmsg(prio, fmt, ap);
	va_end(ap);
}
