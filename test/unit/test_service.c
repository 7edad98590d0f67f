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
#include <sys/wait.h>
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

	/* It is connected to: its path may be out of reach by now. */
	unlink(path);
	rmdir(dir);
	ck_assert_int_eq(service_notify("WATCHDOG=1"), 0);
	expect_message(fd, "WATCHDOG=1");
	close(fd);
	ck_assert_int_eq(service_notify("WATCHDOG=1"), -ECONNREFUSED);

	/* A child says nothing, and has no address. */
	service_close();
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_int_eq(service_notify("READY=1"), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	ck_assert_int_eq(service_open(), -ENOENT);
	ck_assert_int_eq(service_notify("READY=1"), -ENOENT);
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

/* What a process that was started with sockets finds. */
struct found {
	int first, second; /* of two calls */
	bool cloexec[2];   /* of descriptors 3 and 4 */
	bool variables;	   /* one is still there */
};

/*
 * Calls service_listen_fds in a process of its own, where 3 and 4 are open and 5 is not.
 * mine: the variables are for it and not for another.
 */
static void find_sockets(bool mine, const char *fds, struct found *result)
{
	struct found f = {0};
	int result_pipe[2], status;
	char pid[16];
	pid_t child;

	ck_assert_int_eq(pipe(result_pipe), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		int out = fcntl(result_pipe[1], F_DUPFD, 10);

		snprintf(pid, sizeof(pid), "%d", (int)(mine ? getpid() : getppid()));
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", fds, 1);
		setenv("LISTEN_FDNAMES", "a:b", 1);
		dup2(0, SERVICE_LISTEN_FD);
		dup2(0, SERVICE_LISTEN_FD + 1);
		close(SERVICE_LISTEN_FD + 2);
		f.first = service_listen_fds();
		f.second = service_listen_fds();
		for (int i = 0; i < 2; i++)
			f.cloexec[i] = fcntl(SERVICE_LISTEN_FD + i, F_GETFD) & FD_CLOEXEC;
		f.variables = getenv("LISTEN_PID") || getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES");
		_exit(write(out, &f, sizeof(f)) == sizeof(f) ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(result_pipe[0], result, sizeof(*result)), (ssize_t)sizeof(*result));
	close(result_pipe[0]);
	close(result_pipe[1]);
}

START_TEST(listen_mine)
{
	struct found f;

	find_sockets(true, "2", &f);
	ck_assert_int_eq(f.first, 2);
	ck_assert(f.cloexec[0] && f.cloexec[1]);
	/* What this process starts is not to take them for its own. */
	ck_assert(!f.variables);
	ck_assert_int_eq(f.second, 0);
}
END_TEST

START_TEST(listen_others)
{
	struct found f;

	find_sockets(false, "2", &f);
	ck_assert_int_eq(f.first, 0);
	ck_assert(!f.cloexec[0] && !f.cloexec[1]);
}
END_TEST

static const struct {
	const char *fds;
	int count;
} listens[] = {{"0", 0}, {"1", 1}, {"3", 2}, {"18446744073709551615", 2}, {"", 0}, {"x", 0}, {"-1", 0}};

START_TEST(listen_counts)
{
	struct found f;

	find_sockets(true, listens[_i].fds, &f);
	ck_assert_int_eq(f.first, listens[_i].count);
	ck_assert_int_eq(f.cloexec[0], listens[_i].count > 0);
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
