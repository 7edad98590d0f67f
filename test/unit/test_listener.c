/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_listener.c - connections that come in numbers, wait while nobody takes them, and find no descriptor left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/listener.h"
#include "core/unix_socket.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"

static struct ev_loop *loop;
static char dir[] = "/tmp/vdevd-listener-XXXXXX", path[64];
static struct unix_listener door;
static struct log lines = {.prefix = "test"};

struct host {
	struct listener l;
	int fds[64];
	unsigned int n, places; /* pauses when so many are taken; 0: never */
	bool stops;             /* at the first */
};

static struct host h;

static void accepted(struct listener *l, int fd)
{
	struct host *host = container_of(l, struct host, l);

	ck_assert_uint_lt(host->n, ARRAY_SIZE(host->fds));
	host->fds[host->n++] = fd;
	if (host->n == host->places)
		listener_pause(l);
	if (host->stops)
		listener_stop(l);
}

static void setup(void)
{
	strcpy(dir, "/tmp/vdevd-listener-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	ck_assert_int_eq(unix_listen(&door, path, UINT64_MAX, 64), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	h = (struct host){.l = {.accepted = accepted, .log = &lines, .name = "door"}};
}

static void teardown(void)
{
	listener_stop(&h.l);
	for (unsigned int i = 0; i < h.n; i++)
		close(h.fds[i]);
	unix_listener_close(&door);
	rmdir(dir);
	ev_loop_destroy(loop);
}

static void start(void)
{
	ck_assert_int_eq(listener_start(&h.l, loop, door.fd), 0);
}

static void call(int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		fds[i] = unix_connect(path);
		ck_assert_int_ge(fds[i], 0);
	}
}

static void hang_up(const int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

static void turns(unsigned int n)
{
	while (n--)
		ev_run(loop, EVRUN_NOWAIT);
}

/* As many as a turn allows, then the rest; each can be used. */
START_TEST(test_many)
{
	int fds[LISTENER_BURST + 4];

	start();
	call(fds, ARRAY_SIZE(fds));
	turns(1);
	ck_assert_uint_eq(h.n, LISTENER_BURST);
	turns(1);
	ck_assert_uint_eq(h.n, ARRAY_SIZE(fds));
	for (unsigned int i = 0; i < h.n; i++) {
		ck_assert_int_ne(fcntl(h.fds[i], F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_ne(fcntl(h.fds[i], F_GETFD) & FD_CLOEXEC, 0);
	}
	ck_assert_int_eq(write(fds[2], "x", 1), 1);
	ck_assert_int_eq(read(h.fds[2], &(char){0}, 1), 1);
	hang_up(fds, ARRAY_SIZE(fds));
}
END_TEST

/* An inherited socket may block: accept(2) on it would. */
START_TEST(test_blocking_socket)
{
	int fd, flags = fcntl(door.fd, F_GETFL);

	ck_assert_int_eq(fcntl(door.fd, F_SETFL, flags & ~O_NONBLOCK), 0);
	start();
	call(&fd, 1);
	turns(2);
	ck_assert_uint_eq(h.n, 1);
	close(fd);
}
END_TEST

/* Who has no place takes none; they wait, in order. */
START_TEST(test_pause)
{
	int fds[8];

	h.places = 3;
	start();
	call(fds, 8);
	turns(4);
	ck_assert_uint_eq(h.n, 3);
	listener_pause(&h.l); /* once more is as good as once */
	h.places = 6;
	listener_resume(&h.l);
	listener_resume(&h.l);
	turns(4);
	ck_assert_uint_eq(h.n, 6);
	ck_assert_int_eq(write(fds[5], "x", 1), 1);
	ck_assert_int_eq(read(h.fds[5], &(char){0}, 1), 1);
	ck_assert_int_eq(read(h.fds[4], &(char){0}, 1), -1);
	hang_up(fds, 8);
}
END_TEST

/* It can be stopped from within, twice, and started anew. */
START_TEST(test_stop)
{
	struct listener never = {0};
	int fds[3];

	h.stops = true;
	start();
	call(fds, 3);
	turns(3);
	ck_assert_uint_eq(h.n, 1);
	listener_stop(&h.l);
	listener_resume(&h.l);
	turns(2);
	ck_assert_uint_eq(h.n, 1);
	h.stops = false;
	start();
	turns(2);
	ck_assert_uint_eq(h.n, 3);
	listener_stop(&never);
	listener_pause(&never);
	listener_resume(&never);
	hang_up(fds, 3);
}
END_TEST

/* Without a descriptor left the loop does not spin, one line says it, and it goes on when there is one. */
START_TEST(test_no_descriptors)
{
	struct rlimit limit, none;
	struct capture capture;
	const char *text;
	int fd, again[2];

	if (test_on_valgrind())
		test_skip("valgrind has limits of its own");
	start();
	call(&fd, 1);
	call(again, 2);
	capture_start(&capture);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = (rlim_t)dup(0); /* the lowest that is free: none from it on can be had */
	close((int)none.rlim_cur);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (unsigned int i = 0; i < 5; i++)
		ev_run(loop, EVRUN_ONCE); /* fails, waits, fails again; libev turns once more after each failure */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	text = capture_end(&capture);
	ck_assert_ptr_nonnull(strstr(text, "door: cannot accept a connection: "));
	ck_assert_ptr_null(strstr(strstr(text, "cannot") + 1, "cannot"));
	ck_assert_uint_eq(h.n, 0);
	while (!h.n)
		ev_run(loop, EVRUN_ONCE);
	turns(2);
	ck_assert_uint_eq(h.n, 3);
	close(fd);
	hang_up(again, 2);
}
END_TEST

/* libev gives up a watcher that the kernel refuses: it is taken up again. */
START_TEST(test_given_up)
{
	struct capture capture;
	int fd;

	start();
	call(&fd, 1);
	capture_start(&capture);
	ev_io_stop(loop, &h.l.io);
	ev_feed_event(loop, &h.l.io, EV_ERROR);
	turns(1);
	ck_assert_ptr_nonnull(strstr(capture_end(&capture), "door: cannot accept a connection: it could not be watched"));
	ck_assert_uint_eq(h.n, 0);
	while (!h.n)
		ev_run(loop, EVRUN_ONCE);
	close(fd);
}
END_TEST

START_TEST(test_no_socket)
{
	ck_assert_int_eq(listener_start(&h.l, loop, -1), -EBADF);
	listener_pause(&h.l);
}
END_TEST

Suite *suite_listener(void)
{
	Suite *s = suite_create("listener");
	TCase *tc = tcase_create("accept");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_blocking_socket);
	tcase_add_test(tc, test_pause);
	tcase_add_test(tc, test_stop);
	tcase_add_test(tc, test_no_descriptors);
	tcase_add_test(tc, test_given_up);
	tcase_add_test(tc, test_no_socket);
	suite_add_tcase(s, tc);
	return s;
}
