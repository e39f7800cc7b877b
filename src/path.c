/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "name.h"
#include "path.h"
#include "util.h"

#define ALNUM                                                                  \
	"abcdefghijklmnopqrstuvwxyz"                                           \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                           \
	"0123456789"
#define HOST_CHARS ALNUM "-_."
/* The percent sign starts a zone, which is the name of an interface. */
#define IPV6_CHARS HOST_CHARS ":%"

char *path_join(const char *dir, const char *name)
{
	size_t dir_len = dir[1] ? strlen(dir) : 0;
	size_t name_size = strlen(name) + 1;
	char *path = malloc(dir_len + 1 + name_size);

	if (!path)
		return NULL;
	memcpy(path, dir, dir_len);
	path[dir_len] = '/';
	memcpy(path + dir_len + 1, name, name_size);
	return path;
}

const char *path_base(const char *path)
{
	return strrchr(path, '/') + 1;
}

int path_check(const char *path)
{
	if (path[0] != '/')
		return -EINVAL;
	if (!path[1])
		return 0;
	while (*path) {
		size_t len = strcspn(path + 1, "/");
		_cleanup_free_ char *name = strndup(path + 1, len);
		int rc = name ? name_check(name) : -ENOMEM;

		if (rc)
			return rc;
		path += 1 + len;
	}
	return 0;
}

/* A whole port number, or -EINVAL. */
static int parse_port(const char *s)
{
	size_t digits = strspn(s, "0123456789");
	long port;

	if (digits < 1 || digits > 5 || s[digits])
		return -EINVAL;
	port = strtol(s, NULL, 10);
	return port >= 1 && port <= 65535 ? (int)port : -EINVAL;
}

/*
 * Find the host in "HOST[:PORT]" or "[HOST][:PORT]": it starts at *@host and is
 * as long as is returned; *@rest is what follows it.  -EINVAL if it is none.
 */
static int find_host(const char *s, const char **host, const char **rest)
{
	size_t len;

	if (*s != '[') {
		len = strspn(s, HOST_CHARS);
		*host = s;
		*rest = s + len;
		return len ? (int)len : -EINVAL;
	}
	len = strspn(s + 1, IPV6_CHARS);
	if (s[1 + len] != ']' || !memchr(s + 1, ':', len))
		return -EINVAL;
	*host = s + 1;
	*rest = s + len + 2;
	return (int)len;
}

/* Append one server of the list to the stream, normalised. */
static int print_server(FILE *out, const char *server)
{
	int port = PATH_DEFAULT_PORT;
	const char *host, *rest;
	int len = find_host(server, &host, &rest);

	if (len < 0)
		return len;
	if (*rest == ':')
		port = parse_port(rest + 1);
	else if (*rest)
		return -EINVAL;
	if (port < 0)
		return port;
	fprintf(out, "%.*s:%d", len, host, port);
	return 0;
}

/* strsep() and not strtok(): an empty server is an error. */
static int print_servers(FILE *out, char *list)
{
	const char *server;
	const char *comma = "";

	while ((server = strsep(&list, ","))) {
		int rc;

		fputs(comma, out);
		rc = print_server(out, server);
		if (rc)
			return rc;
		comma = ",";
	}
	return 0;
}

static int parse_hosts(const char *spec, size_t len, char **hosts)
{
	_cleanup_free_ char *list = strndup(spec, len);
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out;
	int rc;

	if (!list)
		return -ENOMEM;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	rc = print_servers(out, list);
	if (ferror(out) && !rc)
		rc = -ENOMEM;
	/* glibc's fclose() that runs out of memory says so by a NULL. */
	if ((fclose(out) != 0 || !text) && !rc)
		rc = -ENOMEM;
	if (rc)
		return rc;
	*hosts = steal(text);
	return 0;
}

static int parse_chroot(const char *spec, char **chroot)
{
	_cleanup_free_ char *path = strdup(*spec ? spec : "/");
	size_t len;
	int rc;

	if (!path)
		return -ENOMEM;
	len = strlen(path);
	/* One slash at the end is forgiven, an empty component is not. */
	if (len > 1 && path[len - 1] == '/' && path[len - 2] != '/')
		path[len - 1] = '\0';
	rc = path_check(path);
	if (rc)
		return rc;
	*chroot = steal(path);
	return 0;
}

int path_parse_server(const char *spec, char **hosts, char **chroot)
{
	_cleanup_free_ char *new_hosts = NULL;
	size_t len = strcspn(spec, "/");
	int rc;

	rc = parse_hosts(spec, len, &new_hosts);
	if (rc)
		return rc;
	rc = parse_chroot(spec + len, chroot);
	if (rc)
		return rc;
	*hosts = steal(new_hosts);
	return 0;
}
