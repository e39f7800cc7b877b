/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Set once before threads exist: the only state of the program not in struct fs. */
static struct {
	atomic_bool to_syslog;
	atomic_int max_prio;
} sink = {.max_prio = LOG_INFO};

void log_open(bool to_syslog, int max_prio)
{
	sink.to_syslog = to_syslog;
	sink.max_prio = max_prio;
	if (to_syslog)
		openlog("znodefs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_vmsg(int prio, const char *fmt, va_list ap)
{
	char line[1024];
	size_t len;

	if (prio > sink.max_prio)
		return;
	if (sink.to_syslog) {
		vsyslog(prio, fmt, ap);
		return;
	}
	vsnprintf(line, sizeof(line) - 1, fmt, ap);
	len = strlen(line);
	if (len > 0 && line[len - 1] == '\n')
		line[len - 1] = '\0';
	/* One call, so that lines of different threads do not mix. */
	fprintf(stderr, "znodefs: %s\n", line);
}

void log_part(int prio, const char *fmt, va_list ap)
{
	static char line[1024];
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
