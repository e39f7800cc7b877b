/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "authfile.h"
#include "util.h"

#define SCHEME_CHARS                                                           \
	"abcdefghijklmnopqrstuvwxyz"                                           \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                           \
	"0123456789-_."

/* Where a message goes, and about which file it is. */
struct report {
	const char *path;
	char *msg;
	size_t msg_size;
};

/* Write "PATH: " and the message; returns @rc, so that callers can too. */
_printf_(3, 4) static int fail(const struct report *rep, int rc,
			       const char *format, ...)
{
	va_list ap;
	int n = snprintf(rep->msg, rep->msg_size, "%s: ", rep->path);

	if (n < 0 || (size_t)n >= rep->msg_size)
		return rc;
	va_start(ap, format);
	vsnprintf(rep->msg + n, rep->msg_size - (size_t)n, format, ap);
	va_end(ap);
	return rc;
}

static int fail_errno(const struct report *rep, const char *call)
{
	int err = errno;

	return fail(rep, -err, "%s: %s", call, strerror(err));
}

void authfile_release(struct authfile *af)
{
	if (af->buf)
		explicit_bzero(af->buf, af->buf_size);
	free(af->buf);
	free(af->entries);
	*af = (struct authfile)AUTHFILE_INIT;
}

/* On the open file, so that nobody can exchange it in between. */
static int check_file(int fd, const struct report *rep)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return fail_errno(rep, "fstat");
	if (!S_ISREG(st.st_mode))
		return fail(rep, -EACCES, "not a regular file");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return fail(rep, -EACCES,
			    "owned by uid %lu; it has to be owned by "
			    "uid %lu or root",
			    (unsigned long)st.st_uid, (unsigned long)geteuid());
	if (st.st_mode & 077)
		return fail(rep, -EACCES,
			    "mode %04o gives permissions to group or others; "
			    "run chmod 600 on it",
			    (unsigned int)(st.st_mode & 07777));
	return 0;
}

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
static int open_file(const struct report *rep)
{
	int fd = open(rep->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC |
					 O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == ELOOP)
		return fail(rep, -ELOOP,
			    "is a symbolic link; name the file itself");
	if (fd < 0)
		return fail_errno(rep, "open");
	return fd;
}

/*
 * Read to the end; returns the length, with a NUL behind it.  Not with stdio,
 * whose buffer would keep a copy, nor into a buffer that grows, which would
 * leave copies behind.
 */
static int read_all(int fd, struct authfile *af, const struct report *rep)
{
	size_t len = 0;
	ssize_t n;

	af->buf_size = AUTHFILE_MAX + 1;
	af->buf = malloc(af->buf_size);
	if (!af->buf)
		return fail(rep, -ENOMEM, "%s", strerror(ENOMEM));
	do {
		n = read(fd, af->buf + len, af->buf_size - len);
		if (n < 0 && errno != EINTR)
			return fail_errno(rep, "read");
		if (n > 0)
			len += (size_t)n;
	} while (n != 0 && len < af->buf_size);
	if (len > AUTHFILE_MAX)
		return fail(rep, -EFBIG, "longer than %d bytes", AUTHFILE_MAX);
	af->buf[len] = '\0';
	return (int)len;
}

/* The array may move when it grows: it holds pointers, and no secrets. */
static int add_entry(struct authfile *af, const char *scheme, const char *cred)
{
	struct authfile_entry *grown;

	grown = reallocarray(af->entries, af->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	af->entries = grown;
	grown[af->count].scheme = scheme;
	grown[af->count++].cred = cred;
	return 0;
}

/* One line, which is taken apart in place.  Messages tell its number only. */
static int parse_line(struct authfile *af, char *line, unsigned int number,
		      const struct report *rep)
{
	const char *text = line + strspn(line, " \t");
	size_t scheme_len = strspn(line, SCHEME_CHARS);
	size_t len = strlen(line);

	if (len && line[len - 1] == '\r')
		return fail(rep, -EINVAL,
			    "line %u ends in a carriage return; "
			    "save the file with Unix line ends",
			    number);
	if (!*text || *text == '#')
		return 0;
	if (!scheme_len || line[scheme_len] != ':')
		return fail(rep, -EINVAL,
			    "line %u is not of the form scheme:credential",
			    number);
	line[scheme_len] = '\0';
	if (!line[scheme_len + 1])
		return fail(rep, -EINVAL,
			    "line %u has nothing behind the scheme", number);
	if (add_entry(af, line, line + scheme_len + 1))
		return fail(rep, -ENOMEM, "%s", strerror(ENOMEM));
	return 0;
}

static int parse_lines(struct authfile *af, size_t len,
		       const struct report *rep)
{
	unsigned int number = 1;
	char *rest = af->buf;
	char *line;

	/* Before it is cut into lines, while a NUL is still one of the file. */
	if (strlen(af->buf) != len)
		return fail(rep, -EINVAL, "has a NUL byte in it");
	for (; (line = strsep(&rest, "\n")); number++) {
		int rc = parse_line(af, line, number, rep);

		if (rc)
			return rc;
	}
	return 0;
}

int authfile_read(struct authfile *af, const char *path, char *msg,
		  size_t msg_size)
{
	const struct report rep = {path, msg, msg_size};
	_cleanup_close_ int fd = open_file(&rep);
	int rc;

	if (fd < 0)
		return fd;
	rc = check_file(fd, &rep);
	if (rc)
		return rc;
	rc = read_all(fd, af, &rep);
	if (rc >= 0)
		rc = parse_lines(af, (size_t)rc, &rep);
	if (rc)
		authfile_release(af);
	return rc;
}
