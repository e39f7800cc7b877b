/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ZNODEFS_LOG_H
#define ZNODEFS_LOG_H

/*
 * The one log sink: stderr in the foreground, syslog as a daemon.  If stderr
 * is the journal's (systemd.exec(5), $JOURNAL_STREAM), each line begins with
 * its priority, as sd-daemon(3) has it.
 *
 * Priorities are syslog's (LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO,
 * LOG_DEBUG).  A message is one line without a newline.  Callable from any
 * thread; what is set by log_open() is set before the first thread starts.
 *
 * Of one format not more lines are written than loglimit.h lets pass, unless
 * it is LOG_DEBUG; then the log says how many are not there.
 */

#include <stdbool.h>
#include <stdarg.h>
#include <syslog.h>

#include "util.h"

/* Messages above @max_prio are dropped.  May be called again. */
void log_open(bool to_syslog, int max_prio);
/* The priority called err, warning, notice, info or debug; -EINVAL. */
int log_level(const char *name);

void log_msg(int prio, const char *fmt, ...) _printf_(2, 3);
void log_vmsg(int prio, const char *fmt, va_list ap);
/*
 * For libfuse, which makes a line of several messages, the last of them with a
 * newline, all by one thread.
 */
void log_part(int prio, const char *fmt, va_list ap);

#define log_err(...)    log_msg(LOG_ERR, __VA_ARGS__)
#define log_warn(...)   log_msg(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)   log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...)  log_msg(LOG_DEBUG, __VA_ARGS__)

#endif
