/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "authfile.h"
#include "unit.h"

/* Stands in every secret here, and must be in nothing that is freed. */
#define MARK "s3cr3t"

/*
 * The linker sends every free() of this program through here (--wrap), so a
 * secret that is freed without having been wiped is seen.
 */
void __real_free(void *p);
void __wrap_free(void *p);

/* volatile: compilers know that free() does not change a variable of ours. */
static volatile int leaked;
static volatile bool watching;

static const char *find_mark(const char *p, size_t size)
{
	const size_t len = strlen(MARK);

	for (size_t i = 0; i + len <= size; i++)
		if (memcmp(p + i, MARK, len) == 0)
			return p + i;
	return NULL;
}

void __wrap_free(void *p)
{
	if (watching && p && find_mark(p, malloc_usable_size(p)))
		leaked++;
	__real_free(p);
}

/* A directory of its own for each test, and one file in it. */
struct fixture {
	char dir[64];
	char path[80];
	char msg[AUTHFILE_MSG_MAX];
	struct authfile af;
};

static void fixture_start(struct fixture *fx)
{
	const char *tmp = getenv("TMPDIR");

	memset(fx, 0, sizeof(*fx));
	leaked = 0;
	watching = true;
	if (!tmp || strlen(tmp) > 40)
		tmp = "/tmp";
	snprintf(fx->dir, sizeof(fx->dir), "%s/authfile-XXXXXX", tmp);
	ck_assert_ptr_nonnull(mkdtemp(fx->dir));
	snprintf(fx->path, sizeof(fx->path), "%s/auth", fx->dir);
}

static void fixture_end(struct fixture *fx)
{
	unlink(fx->path);
	rmdir(fx->dir);
	watching = false;
	ck_assert_int_eq(leaked, 0);
}

static void write_file(const struct fixture *fx, const void *data, size_t len,
		       mode_t mode)
{
	int fd = open(fx->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), len);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static int read_file(struct fixture *fx)
{
	return authfile_read(&fx->af, fx->path, fx->msg, sizeof(fx->msg));
}

static int read_text(struct fixture *fx, const char *text)
{
	write_file(fx, text, strlen(text), 0600);
	return read_file(fx);
}

/* Failed, says @about, names the file, and gives nothing away. */
static void check_failed(const struct fixture *fx, const char *about)
{
	ck_assert_ptr_null(fx->af.entries);
	ck_assert_ptr_null(fx->af.buf);
	ck_assert_uint_eq(fx->af.count, 0);
	ck_assert_msg(strncmp(fx->msg, fx->path, strlen(fx->path)) == 0, "%s",
		      fx->msg);
	ck_assert_msg(strstr(fx->msg, about) != NULL, "%s", fx->msg);
	ck_assert_ptr_null(find_mark(fx->msg, sizeof(fx->msg)));
	ck_assert_ptr_null(strchr(fx->msg, '\n'));
}

static void check_entry(const struct fixture *fx, size_t i, const char *scheme,
			const char *cred)
{
	ck_assert_uint_lt(i, fx->af.count);
	ck_assert_str_eq(fx->af.entries[i].scheme, scheme);
	ck_assert_str_eq(fx->af.entries[i].cred, cred);
}

START_TEST(test_read)
{
	struct fixture fx;

	fixture_start(&fx);
	ck_assert_int_eq(read_text(&fx, "# two of them\n"
					"\n"
					"digest:joe:" MARK "\n"
					" \t\n"
					"  # indented\n"
					"x-y_z.1: a b #" MARK " "),
			 0);
	ck_assert_uint_eq(fx.af.count, 2);
	check_entry(&fx, 0, "digest", "joe:" MARK);
	check_entry(&fx, 1, "x-y_z.1", " a b #" MARK " ");
	authfile_release(&fx.af);
	ck_assert_uint_eq(fx.af.count, 0);
	ck_assert_ptr_null(fx.af.entries);
	authfile_release(&fx.af);
	fixture_end(&fx);
}
END_TEST

START_TEST(test_empty)
{
	static const char *const texts[] = {"", "\n", "#", "# x\n\n", " "};
	struct fixture fx;

	fixture_start(&fx);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ck_assert_int_eq(read_text(&fx, texts[i]), 0);
		ck_assert_uint_eq(fx.af.count, 0);
		authfile_release(&fx.af);
	}
	fixture_end(&fx);
}
END_TEST

START_TEST(test_bad_lines)
{
	static const char *const cases[][2] = {
		{"digest", "line 1"},
		{"a:b\n\n" MARK "\n", "line 3"},
		{":" MARK, "line 1"},
		{" digest:" MARK, "line 1"},
		{"dig est:" MARK, "line 1"},
		{"dig\xc3\xa9st:" MARK, "line 1"},
		{"digest:" MARK "\ndigest:\n", "line 2 has nothing"},
		{"digest:" MARK "\r\n", "line 1 ends in a carriage return"},
		{"# dos\r\ndigest:" MARK "\r\n", "line 1 ends in a carriage"},
	};
	struct fixture fx;

	fixture_start(&fx);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_int_eq(read_text(&fx, cases[i][0]), -EINVAL);
		check_failed(&fx, cases[i][1]);
	}
	fixture_end(&fx);
}
END_TEST

START_TEST(test_nul)
{
	static const char text[] = "digest:" MARK "\0more\n";
	struct fixture fx;

	fixture_start(&fx);
	write_file(&fx, text, sizeof(text) - 1, 0600);
	ck_assert_int_eq(read_file(&fx), -EINVAL);
	check_failed(&fx, "NUL");
	fixture_end(&fx);
}
END_TEST

/* Every mode there is. */
START_TEST(test_modes)
{
	struct fixture fx;

	fixture_start(&fx);
	for (mode_t mode = 0; mode <= 0777; mode++) {
		char octal[16];
		int rc;

		write_file(&fx, "a:" MARK, 2 + strlen(MARK), mode);
		rc = read_file(&fx);
		snprintf(octal, sizeof(octal), "mode %04o", mode);
		if (mode & 077) {
			ck_assert_int_eq(rc, -EACCES);
			/* Others than root fail at open() already. */
			if (mode & 0400) {
				check_failed(&fx, octal);
				check_failed(&fx, "chmod 600");
			}
		} else if (geteuid() == 0 || (mode & 0400)) {
			ck_assert_int_eq(rc, 0);
			ck_assert_uint_eq(fx.af.count, 1);
			authfile_release(&fx.af);
		}
		unlink(fx.path);
	}
	fixture_end(&fx);
}
END_TEST

START_TEST(test_owner)
{
	struct fixture fx;

	/* Only root can give files away. */
	if (geteuid() != 0)
		return;
	fixture_start(&fx);
	write_file(&fx, "a:" MARK, 2 + strlen(MARK), 0600);
	ck_assert_int_eq(chown(fx.path, 65534, 65534), 0);
	ck_assert_int_eq(read_file(&fx), -EACCES);
	check_failed(&fx, "owned by uid 65534");
	/* The user's own file is fine, of whatever group. */
	ck_assert_int_eq(chown(fx.dir, 65534, -1), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(read_file(&fx), 0);
	authfile_release(&fx.af);
	ck_assert_int_eq(seteuid(0), 0);
	fixture_end(&fx);
}
END_TEST

START_TEST(test_types)
{
	struct fixture fx;

	fixture_start(&fx);
	ck_assert_int_eq(read_file(&fx), -ENOENT);
	check_failed(&fx, "open: No such file");

	ck_assert_int_eq(symlink("elsewhere", fx.path), 0);
	ck_assert_int_eq(read_file(&fx), -ELOOP);
	check_failed(&fx, "symbolic link");
	unlink(fx.path);

	/* Nobody writes to it: a blocking open would hang here. */
	ck_assert_int_eq(mkfifo(fx.path, 0600), 0);
	ck_assert_int_eq(read_file(&fx), -EACCES);
	check_failed(&fx, "not a regular file");
	unlink(fx.path);

	ck_assert_int_eq(mkdir(fx.path, 0700), 0);
	ck_assert_int_eq(read_file(&fx), -EACCES);
	check_failed(&fx, "not a regular file");
	rmdir(fx.path);
	fixture_end(&fx);
}
END_TEST

START_TEST(test_size)
{
	char *text = malloc(AUTHFILE_MAX + 1);
	struct fixture fx;

	fixture_start(&fx);
	memset(text, 'x', AUTHFILE_MAX + 1);
	memcpy(text, "a:" MARK, 2 + strlen(MARK));
	write_file(&fx, text, AUTHFILE_MAX + 1, 0600);
	ck_assert_int_eq(read_file(&fx), -EFBIG);
	check_failed(&fx, "longer than 65536");
	write_file(&fx, text, AUTHFILE_MAX, 0600);
	ck_assert_int_eq(read_file(&fx), 0);
	ck_assert_uint_eq(strlen(fx.af.entries[0].cred), AUTHFILE_MAX - 2);
	authfile_release(&fx.af);
	explicit_bzero(text, AUTHFILE_MAX + 1);
	free(text);
	fixture_end(&fx);
}
END_TEST

START_TEST(test_many)
{
	char *text = malloc(AUTHFILE_MAX);
	struct fixture fx;

	fixture_start(&fx);
	for (size_t i = 0; i < AUTHFILE_MAX / 4; i++)
		memcpy(text + 4 * i, "a:b\n", 4);
	write_file(&fx, text, AUTHFILE_MAX, 0600);
	ck_assert_int_eq(read_file(&fx), 0);
	ck_assert_uint_eq(fx.af.count, AUTHFILE_MAX / 4);
	check_entry(&fx, AUTHFILE_MAX / 4 - 1, "a", "b");
	authfile_release(&fx.af);
	free(text);
	fixture_end(&fx);
}
END_TEST

/* A buffer that is too short, or none at all, is no reason to fall over. */
START_TEST(test_short_message)
{
	struct fixture fx;

	fixture_start(&fx);
	for (size_t size = 0; size < sizeof(fx.msg); size++) {
		char *msg = calloc(1, size + 1);

		msg[size] = 'Z';
		ck_assert_int_eq(authfile_read(&fx.af, fx.path, msg, size),
				 -ENOENT);
		ck_assert_int_eq(msg[size], 'Z');
		if (size)
			ck_assert_uint_lt(strnlen(msg, size), size);
		free(msg);
	}
	fixture_end(&fx);
}
END_TEST

/* The tripwire itself: a secret that is freed as it is must be seen. */
START_TEST(test_tripwire)
{
	/* Or the compiler leaves both calls out. */
	char *volatile secret = strdup("a:" MARK);

	leaked = 0;
	watching = true;
	free(secret);
	watching = false;
	ck_assert_int_eq(leaked, 1);
}
END_TEST

UNIT_MAIN("authfile", test_tripwire, test_read, test_empty, test_bad_lines,
	  test_nul, test_modes, test_owner, test_types, test_size, test_many,
	  test_short_message)
