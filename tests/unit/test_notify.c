/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "notify.h"
#include "unit.h"

/* A manager's socket at @path, abstract if that begins with '@'. */
static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	n += offsetof(struct sockaddr_un, sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, (socklen_t)n), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	return fd;
}

static void expect(int fd, const char *wanted)
{
	char got[100] = "";

	ck_assert_int_gt(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 0);
	ck_assert_str_eq(got, wanted);
}

START_TEST(test_a_path)
{
	char dir[] = "/tmp/znodefs-notify-XXXXXX", path[100];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	fd = listen_at(path);
	ck_assert_int_eq(notify_send(NOTIFY_READY), 0);
	expect(fd, "READY=1");
	ck_assert_int_eq(notify_send(NOTIFY_STOPPING), 0);
	expect(fd, "STOPPING=1");
	close(fd);
	ck_assert_int_eq(notify_send(NOTIFY_READY), -ECONNREFUSED);
	unlink(path);
	ck_assert_int_eq(notify_send(NOTIFY_READY), -ENOENT);
	rmdir(dir);
}
END_TEST

START_TEST(test_an_abstract_name)
{
	char name[100];
	int fd;

	snprintf(name, sizeof(name), "@znodefs/notify/%d", (int)getpid());
	fd = listen_at(name);
	ck_assert_int_eq(notify_send(NOTIFY_READY), 0);
	expect(fd, "READY=1");
	close(fd);
	ck_assert_int_eq(notify_send(NOTIFY_READY), -ECONNREFUSED);
}
END_TEST

START_TEST(test_nobody_wants_to_know)
{
	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_send(NOTIFY_READY), 0);
}
END_TEST

START_TEST(test_not_a_socket)
{
	static const char *const bad[] = {"", "/", "@", "relative", "vsock:1:2"};
	char longest[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		ck_assert_int_eq(notify_send(NOTIFY_READY), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	ck_assert_int_eq(notify_send(NOTIFY_READY), -EINVAL);
}
END_TEST

UNIT_MAIN("notify", test_a_path, test_an_abstract_name,
	  test_nobody_wants_to_know, test_not_a_socket)
