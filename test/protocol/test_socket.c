/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_socket.c - the ways front-ends come, one after the other: QEMU docs/interop/vhost-user.rst, "Back-end program
 * conventions".
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/lib/echo.h"
#include "test/unit/suites.h"
#include "transport/frontend/frontend.h"
#include "transport/front_socket.h"
#include "transport/vhost_user/vhost_user.h"

static struct ev_loop *loop;
static struct vdev *d;
static struct front_socket *s;
static unsigned int dones;
static char dir[64], path[80];

static void setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/vdevd-test-XXXXXX", tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(vdev_new(&echo_class, "echo", loop, &d), 0);
	ck_assert_int_eq(vdev_open(d), 0);
}

static void teardown(void)
{
	front_socket_free(s);
	vdev_free(d);
	ev_loop_destroy(loop);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void on_done(void *arg)
{
	ck_assert_ptr_eq(arg, &dones);
	dones++;
}

static struct front_socket_opts no_socket(void)
{
	return (struct front_socket_opts){.protocol = &vu_protocol, .fd = -1, .listen_fd = -1, .mode = UINT64_MAX};
}

static int open_socket(const struct front_socket_opts *opts)
{
	return front_socket_open(opts, d, &gmem_shm, on_done, &dones, &s);
}

static int listen_at(const char *at)
{
	struct front_socket_opts o = no_socket();

	o.path = at;
	return open_socket(&o);
}

static void pump(void *arg)
{
	ev_run(loop, EVRUN_NOWAIT);
}

/* A front-end that connects to the path, or has this socket. */
static struct frontend *front(int fd)
{
	struct frontend_opts opts = {.path = fd < 0 ? path : NULL, .fd = fd, .timeout_ms = 10000, .pump = pump};
	struct frontend *fe;

	ck_assert_int_eq(frontend_new(&opts, &fe), 0);
	return fe;
}

/* A whole session, from negotiation to an answer. */
static void converse(struct frontend *fe)
{
	struct frontend_region r = {.guest_addr = 1 << 20, .size = 1 << 20};
	struct frontend_queue_opts q = frontend_queue_defaults(16);
	char in[4] = "";
	uint32_t used;

	ck_assert_int_eq(frontend_negotiate(fe, UINT64_MAX, BIT(VU_PF_REPLY_ACK)), 0);
	ck_assert_int_eq(frontend_make_mem(fe, &frontend_mem_memfd, &r, 1), 0);
	ck_assert_int_eq(frontend_set_mem_table(fe), 0);
	ck_assert_int_eq(frontend_queue_start(fe, ECHO_ECHOQ, &q), 0);
	ck_assert_int_eq(frontend_request(fe, ECHO_ECHOQ, "ping", 4, in, 4, &used, NULL), 0);
	ck_assert_uint_eq(used, 4);
	ck_assert_mem_eq(in, "ping", 4);
}

static void turn(unsigned int ms)
{
	for (unsigned int i = 0; i <= ms; i++) {
		ev_run(loop, EVRUN_NOWAIT);
		usleep(1000);
	}
}

/* A socket that listens at the path. */
static int listener(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 2), 0);
	return fd;
}

START_TEST(test_one_after_the_other)
{
	struct frontend *a, *b, *third;

	ck_assert_int_eq(listen_at(path), 0);
	a = front(-1);
	converse(a);
	/* The second waits in the backlog, what it says with it. */
	b = front(-1);
	third = front(-1);
	struct vu_msg msg = frontend_msg(VU_GET_FEATURES, 0);

	ck_assert_int_eq(frontend_send(b, &msg), 0);
	frontend_set_timeout(b, 20);
	ck_assert_int_eq(frontend_recv(b, &msg), -ETIMEDOUT);
	ck_assert_int_eq(frontend_sync(a), 0);
	frontend_free(a);
	frontend_set_timeout(b, 10000);
	ck_assert_int_eq(frontend_recv(b, &msg), 0);
	ck_assert_uint_eq(msg.h.request, VU_GET_FEATURES);
	converse(b);
	frontend_free(b);
	converse(third);
	frontend_free(third);
	/* One that goes while it waits costs nothing. */
	a = front(-1);
	converse(a);
	frontend_free(front(-1));
	b = front(-1);
	frontend_free(a);
	converse(b);
	frontend_free(b);
	ck_assert_uint_eq(dones, 0);
}
END_TEST

START_TEST(test_paths)
{
	char other[90], long_path[200];
	struct stat st;
	int fd;

	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	long_path[0] = '/';
	ck_assert_int_eq(listen_at(long_path), -ENAMETOOLONG);
	ck_assert_int_eq(listen_at(""), -ENAMETOOLONG);
	snprintf(other, sizeof(other), "%s/none/socket", dir);
	ck_assert_int_eq(listen_at(other), -ENOENT);
	snprintf(other, sizeof(other), "%s/file", dir);

	/* What is no socket stays, whatever it is. */
	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, "data", 4), 4);
	close(fd);
	ck_assert_int_eq(listen_at(other), -EADDRINUSE);
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert_int_eq(listen_at(path), -EADDRINUSE);
	ck_assert_int_eq(lstat(path, &st), 0);
	unlink(path);
	unlink(other);

	/* A stale socket goes, a live one stays, also one whose backlog is full. */
	close(listener());
	ck_assert_int_eq(listen_at(path), 0);
	struct front_socket *live = s;
	struct vdev *mine = d;

	ck_assert_int_eq(vdev_new(&echo_class, "other", loop, &d), 0);
	ck_assert_int_eq(vdev_open(d), 0);
	ck_assert_int_eq(listen_at(path), -EADDRINUSE);
	vdev_free(d);
	d = mine;
	s = live;
	struct frontend *fe = front(-1);

	converse(fe);
	frontend_free(fe);
	front_socket_free(s);
	s = NULL;
	ck_assert_int_eq(access(path, F_OK), -1);

	int listening = listener(), waiting[8];

	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
		struct sockaddr_un sa = {.sun_family = AF_UNIX};

		strcpy(sa.sun_path, path);
		waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(waiting[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	ck_assert_int_eq(listen_at(path), -EADDRINUSE);
	for (size_t i = 0; i < ARRAY_SIZE(waiting); i++)
		close(waiting[i]);
	close(listening);
}
END_TEST

START_TEST(test_mode)
{
	struct front_socket_opts o = no_socket();
	mode_t old = umask(077);
	struct stat st;

	o.path = path;
	o.mode = 0620;
	ck_assert_int_eq(open_socket(&o), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0620);
	ck_assert_uint_eq(umask(old), 077);
}
END_TEST

/* The file that is unlinked at the end is the one that was made. */
START_TEST(test_another_in_its_place)
{
	ck_assert_int_eq(listen_at(path), 0);
	ck_assert_int_eq(unlink(path), 0);

	int fd = listener();

	front_socket_free(s);
	s = NULL;
	ck_assert_int_eq(access(path, F_OK), 0);
	close(fd);
}
END_TEST

/* Connected, it is served once. */
START_TEST(test_connected_fd)
{
	struct front_socket_opts o = no_socket();
	struct frontend *fe;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	o.fd = pair[0];
	ck_assert_int_eq(open_socket(&o), 0);
	ck_assert_int_eq(fcntl(pair[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	fe = front(pair[1]);
	converse(fe);
	ck_assert_uint_eq(dones, 0);
	frontend_free(fe);
	turn(5);
	ck_assert_uint_eq(dones, 1);
}
END_TEST

/* One that listens is recognised, wherever it was given. */
START_TEST(test_listening_fd)
{
	struct front_socket_opts o = no_socket();
	struct frontend *fe;

	if (_i)
		o.fd = listener();
	else
		o.listen_fd = listener();
	ck_assert_int_eq(open_socket(&o), 0);
	for (unsigned int i = 0; i < 3; i++) {
		fe = front(-1);
		converse(fe);
		frontend_free(fe);
	}
	ck_assert_uint_eq(dones, 0);
	front_socket_free(s);
	s = NULL;
	/* Whoever made it removes it. */
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(test_bad_fds)
{
	struct front_socket_opts o = no_socket();
	int pair[2], fd;

	o.fd = 4321;
	ck_assert_int_eq(open_socket(&o), -EBADF);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	o.fd = fd;
	ck_assert_int_eq(open_socket(&o), -ENOTSOCK);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	o.fd = fd;
	ck_assert_int_eq(open_socket(&o), -EPROTOTYPE);
	close(fd);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	o.fd = pair[0];
	ck_assert_int_eq(open_socket(&o), -EPROTOTYPE);
	close(pair[0]);
	close(pair[1]);
	/* Connected where one that listens is wanted. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	o.fd = -1;
	o.listen_fd = pair[0];
	ck_assert_int_eq(open_socket(&o), -EINVAL);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* The front-end listens: it is called until it is there, and again when it was gone. */
START_TEST(test_client)
{
	struct front_socket_opts o = no_socket();
	struct frontend *fe;
	int fd, conn;

	o.connect = path;
	ck_assert_int_eq(open_socket(&o), 0);
	turn(5);
	fd = listener();
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
		for (unsigned int ms = 0; (conn = accept(fd, NULL, NULL)) < 0; ms++) {
			ck_assert_uint_lt(ms, 5000);
			turn(1);
		}
		fe = front(conn);
		converse(fe);
		frontend_free(fe);
	}
	close(fd);
	ck_assert_uint_eq(dones, 0);
}
END_TEST

/* No descriptors left: the front-end waits until there is one. */
START_TEST(test_no_descriptors)
{
	struct rlimit limit, none;
	struct frontend *fe;
	struct vu_msg msg = frontend_msg(VU_GET_FEATURES, 0);

	if (test_on_valgrind())
		test_skip("valgrind keeps the limit of descriptors by closing what was accepted");
	ck_assert_int_eq(listen_at(path), 0);
	fe = front(-1);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn(20);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(frontend_send(fe, &msg), 0);
	/* Nobody runs out of patience at once: it is looked at again after a while. */
	ck_assert_int_eq(frontend_recv(fe, &msg), 0);
	converse(fe);
	frontend_free(fe);
}
END_TEST

Suite *suite_socket(void)
{
	Suite *suite = suite_create("socket");
	TCase *tc = tcase_create("socket");

	tcase_set_timeout(tc, 20);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_one_after_the_other);
	tcase_add_test(tc, test_paths);
	tcase_add_test(tc, test_mode);
	tcase_add_test(tc, test_another_in_its_place);
	tcase_add_test(tc, test_connected_fd);
	tcase_add_loop_test(tc, test_listening_fd, 0, 2);
	tcase_add_test(tc, test_bad_fds);
	tcase_add_test(tc, test_client);
	tcase_add_test(tc, test_no_descriptors);
	suite_add_tcase(suite, tc);
	return suite;
}
