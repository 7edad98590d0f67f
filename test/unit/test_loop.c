/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_loop.c - descriptors from outside, notifications of every kind, a loop without memory, and "again".
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/loop.h"
#include "test/unit/suites.h"

START_TEST(prepare)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(fd_prepare(fds[0]), 0);
	ck_assert_int_ne(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_ACCMODE, O_WRONLY);
	close(fds[0]);
	ck_assert_int_eq(fd_prepare(fds[0]), -EBADF);
	close(fds[1]);
}
END_TEST

/* As they come from a front-end: blocking (0) and not. */
static const int eventfd_flags[] = {0, EFD_NONBLOCK};

START_TEST(with_eventfd)
{
	int fd = eventfd(0, eventfd_flags[_i]);
	struct notify_fd n = NOTIFY_FD_NONE;
	eventfd_t value = 0;

	ck_assert_int_ge(fd, 0);
	notify_fd_set(&n, fd);
	/* Nothing there: neither waits nor fails. */
	ck_assert_int_eq(notify_fd_drain(&n), 0);
	ck_assert_int_eq(notify_fd_signal(&n), 0);
	ck_assert_int_eq(notify_fd_signal(&n), 0);
	ck_assert_int_eq(eventfd_read(fd, &value), 0);
	ck_assert_uint_eq(value, 2);
	ck_assert_int_eq(notify_fd_signal(&n), 0);
	ck_assert_int_eq(notify_fd_drain(&n), 0);
	/* Full: signalled already. */
	ck_assert_int_eq(eventfd_write(fd, UINT64_MAX - 1), 0);
	ck_assert_int_eq(notify_fd_signal(&n), eventfd_flags[_i] ? 0 : -ETIMEDOUT);
	ck_assert_int_eq(notify_fd_signal(&n), 0);
	ck_assert_int_eq(eventfd_read(fd, &value), 0);
	ck_assert_uint_eq(value, UINT64_MAX - 1);
	/* The flags are the other side's, too. */
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, eventfd_flags[_i] ? O_NONBLOCK : 0);
	notify_fd_set(&n, -1);
	ck_assert_int_eq(fcntl(fd, F_GETFL), -1);
}
END_TEST

static const int pipe_flags[] = {0, O_NONBLOCK};

START_TEST(with_pipe)
{
	struct notify_fd in = NOTIFY_FD_NONE, out = NOTIFY_FD_NONE;
	uint64_t value = 0;
	int fds[2], n;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe2(fds, pipe_flags[_i]), 0);
	notify_fd_set(&in, fds[0]);
	notify_fd_set(&out, fds[1]);
	ck_assert_int_eq(notify_fd_drain(&in), 0);
	ck_assert_int_eq(notify_fd_signal(&out), 0);
	ck_assert_int_eq(read(fds[0], &value, sizeof(value)), 8);
	ck_assert_uint_eq(value, 1);

	/* A full pipe takes no more, and that is no error; draining it comes to an end. */
	for (n = 0; n < 100000; n++)
		ck_assert_int_eq(notify_fd_signal(&out), 0);
	for (n = 0; n < 10000; n++)
		ck_assert_int_eq(notify_fd_drain(&in), 0);
	ck_assert_int_eq(fd_prepare(fds[0]), 0);
	ck_assert_int_eq(read(fds[0], &value, sizeof(value)), -1);
	ck_assert_int_eq(errno, EAGAIN);

	notify_fd_set(&out, -1);
	ck_assert_int_eq(notify_fd_drain(&in), -EPIPE);
	notify_fd_set(&in, -1);
	ck_assert_int_eq(pipe2(fds, pipe_flags[_i]), 0);
	close(fds[0]);
	notify_fd_set(&out, fds[1]);
	ck_assert_int_eq(notify_fd_signal(&out), -EPIPE);
	notify_fd_set(&out, -1);
}
END_TEST

START_TEST(wrong_direction)
{
	struct notify_fd in = NOTIFY_FD_NONE, out = NOTIFY_FD_NONE;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	notify_fd_set(&in, fds[0]);
	notify_fd_set(&out, fds[1]);
	ck_assert_int_eq(notify_fd_drain(&out), -EBADF);
	ck_assert_int_eq(notify_fd_signal(&in), -EBADF);
	notify_fd_set(&in, -1);
	notify_fd_set(&out, -1);
}
END_TEST

static void nothing(struct ev_loop *loop, struct ev_timer *w, int revents)
{
}

/* Takes all the memory there is.  Returns a list of what it took. */
static void **take_memory(void)
{
	const struct rlimit none = {0, RLIM_INFINITY};
	void **taken = NULL, **next;

	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	for (size_t size = (size_t)1 << 20; size >= sizeof(void *); size /= 2) {
		while ((next = malloc(size))) {
			*next = taken;
			taken = next;
		}
	}
	return taken;
}

/* libev's tables grow where there is no memory for anybody else. */
START_TEST(memory_short)
{
	enum { TIMERS = 1000 };
	static struct ev_timer timers[TIMERS];
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct ev_loop *loop;
	void **taken, **next;

	if (test_on_valgrind() || TEST_SANITIZED)
		test_skip("memory is another's affair here");
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	ck_assert(loop_has_reserve());
	taken = take_memory();
	for (int i = 0; i < TIMERS; i++) {
		ev_timer_init(&timers[i], nothing, 1000., 0.);
		ev_timer_start(loop, &timers[i]);
	}
	const bool short_of_it = !loop_has_reserve();

	ck_assert_int_eq(setrlimit(RLIMIT_AS, &all), 0);
	for (; taken; taken = next) {
		next = *taken;
		free(taken);
	}
	ck_assert(short_of_it);
	ck_assert(loop_has_reserve());
	for (int i = 0; i < TIMERS; i++)
		ev_timer_stop(loop, &timers[i]);
	ev_loop_destroy(loop);
}
END_TEST

/* What the loop cannot wait for, or never sleeps with. */
START_TEST(unwatchable)
{
	int path = open("/", O_PATH | O_CLOEXEC), zero = open("/dev/zero", O_RDWR | O_CLOEXEC), fds[2];

	ck_assert_int_eq(fd_check_watchable(path), -EBADF);
	ck_assert_int_eq(fd_check_watchable(zero), -EPERM);
	ck_assert_int_eq(notify_fd_check(zero), -EINVAL);
	ck_assert_int_eq(notify_fd_check(-1), -EBADF);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(fd_check_watchable(fds[0]), 0);
	ck_assert_int_eq(notify_fd_check(fds[0]), 0);
	close(fds[0]);
	close(fds[1]);
	close(path);
	close(zero);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(notify_fd_check(fds[0]), 0);
	ck_assert_int_eq(notify_fd_check(fds[1]), 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* An "again" beside a descriptor that is always ready. */
struct turn {
	struct loop_again again;
	struct ev_io io;
	struct ev_loop *loop;
	char order[16];
	size_t len;
};

static void note(struct turn *t, char what)
{
	if (t->len < sizeof(t->order) - 1)
		t->order[t->len++] = what;
}

static void turn_again(struct loop_again *again)
{
	struct turn *t = container_of(again, struct turn, again);

	note(t, 'a');
	if (t->len < 8)
		loop_again_start(&t->again, t->loop);
	else
		ev_break(t->loop, EVBREAK_ALL);
}

static void turn_io(struct ev_loop *loop, struct ev_io *w, int revents)
{
	note(container_of(w, struct turn, io), 'i');
}

START_TEST(again)
{
	struct turn t = {.loop = ev_loop_new(EVFLAG_AUTO)};
	int fd = eventfd(1, EFD_NONBLOCK);

	ck_assert_ptr_nonnull(t.loop);
	loop_again_init(&t.again, turn_again);
	ev_io_init(&t.io, turn_io, fd, EV_READ);
	ev_io_start(t.loop, &t.io);
	loop_again_start(&t.again, t.loop);
	/* Started twice is once. */
	loop_again_start(&t.again, t.loop);
	ev_run(t.loop, 0);
	/* In each turn of the loop the descriptor comes first. */
	ck_assert_str_eq(t.order, "iaiaiaia");
	ev_io_stop(t.loop, &t.io);

	loop_again_start(&t.again, t.loop);
	loop_again_stop(&t.again, t.loop);
	t.len = 0;
	ev_run(t.loop, 0);
	ck_assert_uint_eq(t.len, 0);
	ev_loop_destroy(t.loop);
	close(fd);
}
END_TEST

Suite *suite_loop(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");

	tcase_add_test(tc, prepare);
	tcase_add_loop_test(tc, with_eventfd, 0, (int)ARRAY_SIZE(eventfd_flags));
	tcase_add_loop_test(tc, with_pipe, 0, (int)ARRAY_SIZE(pipe_flags));
	tcase_add_test(tc, wrong_direction);
	tcase_add_test(tc, unwatchable);
	tcase_add_test(tc, memory_short);
	tcase_add_test(tc, again);
	suite_add_tcase(s, tc);
	return s;
}
