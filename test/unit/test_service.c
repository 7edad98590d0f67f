/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_service.c - a service manager's side of sd_notify and socket activation.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base.h"
#include "core/service.h"

Suite *suite_service(void);

/* A socket that a service manager listens on; '@' at the beginning stands for the abstract name space. */
static int manager_open(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(sa.sun_path, path, strlen(path));
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))),
		0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	return fd;
}

static void expect_message(int fd, const char *wanted)
{
	char buf[64] = "";

	ck_assert_int_eq(recv(fd, buf, sizeof(buf) - 1, 0), (ssize_t)strlen(wanted));
	ck_assert_str_eq(buf, wanted);
}

START_TEST(notify_path)
{
	char dir[] = "/tmp/vdevd-test-XXXXXX", path[64];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/notify", dir);
	fd = manager_open(path);
	ck_assert_int_eq(service_notify("READY=1"), 0);
	expect_message(fd, "READY=1");
	ck_assert_int_eq(service_notify("STOPPING=1"), 0);
	expect_message(fd, "STOPPING=1");
	unlink(path);
	rmdir(dir);
	ck_assert_int_eq(service_notify("READY=1"), -ENOENT);
	close(fd);
}
END_TEST

START_TEST(notify_abstract)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "@vdevd-test-%d", (int)getpid());
	fd = manager_open(name);
	ck_assert_int_eq(service_notify("READY=1"), 0);
	expect_message(fd, "READY=1");
	close(fd);
}
END_TEST

START_TEST(notify_nobody)
{
	char path[200];

	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(service_notify("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	ck_assert_int_eq(service_notify("READY=1"), -EAFNOSUPPORT);
	setenv("NOTIFY_SOCKET", "", 1);
	ck_assert_int_eq(service_notify("READY=1"), -EAFNOSUPPORT);
	memset(path, '/', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	setenv("NOTIFY_SOCKET", path, 1);
	ck_assert_int_eq(service_notify("READY=1"), -ENAMETOOLONG);
}
END_TEST

/* The variables as for this process, or another (offset). */
static void set_listen(int offset, const char *fds)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid() + offset);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", fds, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
}

/* Descriptors 3 and 4 are open, 5 is not. */
static void open_two(void)
{
	ck_assert_int_eq(dup2(0, SERVICE_LISTEN_FD), SERVICE_LISTEN_FD);
	ck_assert_int_eq(dup2(0, SERVICE_LISTEN_FD + 1), SERVICE_LISTEN_FD + 1);
	close(SERVICE_LISTEN_FD + 2);
	ck_assert_int_eq(fcntl(SERVICE_LISTEN_FD, F_GETFD) & FD_CLOEXEC, 0);
}

START_TEST(listen_mine)
{
	open_two();
	set_listen(0, "2");
	ck_assert_int_eq(service_listen_fds(), 2);
	ck_assert_int_ne(fcntl(SERVICE_LISTEN_FD, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(SERVICE_LISTEN_FD + 1, F_GETFD) & FD_CLOEXEC, 0);
	/* What this process starts is not to take them for its own. */
	ck_assert_ptr_null(getenv("LISTEN_PID"));
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
	ck_assert_int_eq(service_listen_fds(), 0);
}
END_TEST

START_TEST(listen_others)
{
	open_two();
	set_listen(1, "2");
	ck_assert_int_eq(service_listen_fds(), 0);
	ck_assert_int_eq(fcntl(SERVICE_LISTEN_FD, F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

static const struct {
	const char *fds;
	int count;
} listens[] = {{"0", 0}, {"1", 1}, {"3", 2}, {"18446744073709551615", 2}, {"", 0}, {"x", 0}, {"-1", 0}};

START_TEST(listen_counts)
{
	open_two();
	set_listen(0, listens[_i].fds);
	ck_assert_int_eq(service_listen_fds(), listens[_i].count);
}
END_TEST

Suite *suite_service(void)
{
	Suite *s = suite_create("service");
	TCase *tc = tcase_create("service");

	tcase_add_test(tc, notify_path);
	tcase_add_test(tc, notify_abstract);
	tcase_add_test(tc, notify_nobody);
	tcase_add_test(tc, listen_mine);
	tcase_add_test(tc, listen_others);
	tcase_add_loop_test(tc, listen_counts, 0, (int)ARRAY_SIZE(listens));
	suite_add_tcase(s, tc);
	return s;
}
