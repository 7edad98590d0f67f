/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_pollset.c - a library's descriptors in the loop, with pipes and sockets in its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/pollset.h"
#include "test/unit/suites.h"

struct library {
	struct pollset set;
	unsigned int readies, n;
	struct pollfd seen[POLLSET_MAX];
	bool closes; /* in ready */
	const struct pollfd *then; /* watched in ready, one of them; or NULL */
};

static struct ev_loop *loop;
static struct library lib;
static int a[2], b[2], s[2];

static void ready(struct pollset *p, struct pollfd *fds, unsigned int n)
{
	struct library *l = container_of(p, struct library, set);

	l->readies++;
	l->n = n;
	memcpy(l->seen, fds, n * sizeof(*fds));
	if (l->closes)
		pollset_close(p);
	if (l->then)
		ck_assert_int_eq(pollset_watch(p, l->then, 1), 0);
}

static void setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	lib = (struct library){.set = {.ready = ready}};
	ck_assert_int_eq(pollset_open(&lib.set, loop), 0);
	ck_assert_int_eq(pipe(a), 0);
	ck_assert_int_eq(pipe(b), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
}

static void teardown(void)
{
	pollset_close(&lib.set);
	pollset_close(&lib.set);
	ev_loop_destroy(loop);
	for (unsigned int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
		close(s[i]);
	}
}

static void turn(void)
{
	ev_run(loop, EVRUN_NOWAIT);
}

static void put(int fd)
{
	ck_assert_int_eq(write(fd, "x", 1), 1);
}

static void take(int fd)
{
	char byte;

	ck_assert_int_eq(read(fd, &byte, 1), 1);
}

/* All at once, in their places, as often as they are ready. */
START_TEST(test_ready)
{
	const struct pollfd fds[] = {{.fd = a[0], .events = POLLIN}, {.fd = -1}, {.fd = b[0], .events = POLLIN}};

	ck_assert_int_eq(pollset_watch(&lib.set, fds, 3), 0);
	turn();
	ck_assert_uint_eq(lib.readies, 0);
	put(b[1]);
	turn();
	ck_assert_uint_eq(lib.readies, 1);
	ck_assert_uint_eq(lib.n, 3);
	ck_assert_int_eq(lib.seen[0].revents, 0);
	ck_assert_int_eq(lib.seen[1].revents, 0);
	ck_assert_int_eq(lib.seen[2].revents, POLLIN);
	ck_assert_int_eq(lib.seen[2].fd, b[0]);
	put(a[1]);
	turn();
	ck_assert_uint_eq(lib.readies, 2);
	ck_assert_int_eq(lib.seen[0].revents, POLLIN);
	ck_assert_int_eq(lib.seen[2].revents, POLLIN);
	take(a[0]);
	take(b[0]);
	turn();
	ck_assert_uint_eq(lib.readies, 2);
}
END_TEST

/* Other events, other descriptors, none; the same again costs no call. */
START_TEST(test_changes)
{
	struct pollfd fds[] = {{.fd = s[0], .events = POLLIN}, {.fd = a[0], .events = POLLIN}};

	ck_assert_int_eq(pollset_watch(&lib.set, fds, 2), 0);
	ck_assert_int_eq(pollset_watch(&lib.set, fds, 2), 0);
	fds[0].events = POLLOUT;
	ck_assert_int_eq(pollset_watch(&lib.set, fds, 2), 0);
	turn();
	ck_assert_uint_eq(lib.readies, 1);
	ck_assert_int_eq(lib.seen[0].revents, POLLOUT);
	ck_assert_int_eq(pollset_watch(&lib.set, fds + 1, 1), 0);
	turn();
	ck_assert_uint_eq(lib.readies, 1);
	put(a[1]);
	turn();
	ck_assert_uint_eq(lib.readies, 2);
	ck_assert_uint_eq(lib.n, 1);
	ck_assert_int_eq(pollset_watch(&lib.set, NULL, 0), 0);
	turn();
	ck_assert_uint_eq(lib.readies, 2);
	lib.then = fds;
	ck_assert_int_eq(pollset_watch(&lib.set, fds + 1, 1), 0);
	turn();
	turn();
	ck_assert_uint_eq(lib.readies, 4);
	ck_assert_int_eq(lib.seen[0].fd, s[0]);
}
END_TEST

/* What the loop itself does not know: urgent data alone, errors, an end; and a descriptor that is there twice. */
START_TEST(test_events)
{
	struct pollfd fds[] = {{.fd = b[1], .events = 0}, {.fd = s[0], .events = POLLIN}, {.fd = s[0], .events = POLLOUT}};
	struct pollfd urgent = {.fd = s[1], .events = POLLPRI};

	ck_assert_int_eq(pollset_watch(&lib.set, fds, 1), 0);
	turn();
	ck_assert_uint_eq(lib.readies, 0);
	close(b[0]);
	turn();
	ck_assert_uint_eq(lib.readies, 1);
	ck_assert_int_eq(lib.seen[0].revents, POLLERR);
	ck_assert_int_eq(pollset_watch(&lib.set, fds + 1, 2), 0);
	turn();
	ck_assert_uint_eq(lib.readies, 2);
	ck_assert_int_eq(lib.seen[0].revents, 0);
	ck_assert_int_eq(lib.seen[1].revents, POLLOUT);
	put(s[1]);
	turn();
	ck_assert_int_eq(lib.seen[0].revents, POLLIN);
	ck_assert_int_eq(lib.seen[1].revents, POLLOUT);
	/* Something to read is no reason to wake who waits for urgent data. */
	ck_assert_int_eq(pollset_watch(&lib.set, &urgent, 1), 0);
	put(s[0]);
	turn();
	ck_assert_uint_eq(lib.readies, 3);
	if (send(s[0], "u", 1, MSG_OOB) != 1)
		test_skip("no urgent data on Unix sockets here");
	turn();
	ck_assert_uint_eq(lib.readies, 4);
	ck_assert_int_eq(lib.seen[0].revents, POLLPRI);
	b[0] = dup(0);
}
END_TEST

/* The loop gives the set up: it is watched again. */
START_TEST(test_given_up)
{
	const struct pollfd fd = {.fd = a[0], .events = POLLIN};

	ck_assert_int_eq(pollset_watch(&lib.set, &fd, 1), 0);
	put(a[1]);
	ev_io_stop(lib.set.loop, &lib.set.io);
	ev_feed_event(lib.set.loop, &lib.set.io, EV_ERROR | EV_READ);
	turn();
	ck_assert_uint_eq(lib.readies, 0);
	while (!lib.readies)
		ev_run(lib.set.loop, EVRUN_ONCE);
	ck_assert_int_eq(lib.seen[0].revents, POLLIN);
	/* Given up and closed: nothing is left in the loop. */
	ev_feed_event(lib.set.loop, &lib.set.io, EV_ERROR);
	turn();
	pollset_close(&lib.set);
}
END_TEST

START_TEST(test_close_within)
{
	const struct pollfd fd = {.fd = a[0], .events = POLLIN};
	struct pollset never = {0};

	lib.closes = true;
	ck_assert_int_eq(pollset_watch(&lib.set, &fd, 1), 0);
	put(a[1]);
	turn();
	turn();
	ck_assert_uint_eq(lib.readies, 1);
	pollset_close(&never);
}
END_TEST

/* What cannot be watched: nothing is then, and the set goes on. */
START_TEST(test_refused)
{
	struct pollfd fds[POLLSET_MAX + 1];
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	for (unsigned int i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = (struct pollfd){.fd = a[0], .events = POLLIN};
	put(a[1]);
	ck_assert_int_eq(pollset_watch(&lib.set, fds, POLLSET_MAX + 1), -E2BIG);
	turn();
	fds[1].fd = file;
	ck_assert_int_eq(pollset_watch(&lib.set, fds, 3), -EPERM);
	turn();
	close(file);
	ck_assert_int_eq(pollset_watch(&lib.set, fds, 3), -EBADF);
	turn();
	ck_assert_uint_eq(lib.readies, 0);
	fds[1].fd = b[0];
	ck_assert_int_eq(pollset_watch(&lib.set, fds, POLLSET_MAX), 0);
	turn();
	ck_assert_uint_eq(lib.readies, 1);
	ck_assert_uint_eq(lib.n, POLLSET_MAX);
	ck_assert_int_eq(lib.seen[POLLSET_MAX - 1].revents, POLLIN);
}
END_TEST

Suite *suite_pollset(void)
{
	Suite *suite = suite_create("pollset");
	TCase *tc = tcase_create("pollset");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_ready);
	tcase_add_test(tc, test_changes);
	tcase_add_test(tc, test_events);
	tcase_add_test(tc, test_given_up);
	tcase_add_test(tc, test_close_within);
	tcase_add_test(tc, test_refused);
	suite_add_tcase(suite, tc);
	return suite;
}
