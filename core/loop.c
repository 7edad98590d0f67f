/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * loop.c - helpers for libev: notification descriptors and "go on after the others had their turn".
 */
#include "core/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef RWF_NOWAIT /* musl's headers have none before 1.2.5 */
#define RWF_NOWAIT 0x00000008
#endif

#ifndef sigev_notify_thread_id /* glibc's have none before 2.38 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* Whether a call would return at once. */
static bool ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 0) > 0;
}

/* Bytes that libev can have when the host has none: what its tables grow by at once, with a thousand descriptors. */
#define RESERVE ((size_t)64 << 10)

static void *reserve;

/* libev cannot go on, and would abort. */
static void loop_failed(const char *what)
{
	char line[160];
	int len = snprintf(line, sizeof(line), "vdevd: error: event loop: %s: %s\n", what, strerror(errno));

	/* Nobody may be reading. */
	if (ready(STDERR_FILENO, POLLOUT))
		(void)!write(STDERR_FILENO, line, min_size((size_t)len, sizeof(line) - 1));
	_exit(EXIT_FAILURE);
}

static void *loop_alloc(void *p, long size)
{
	void *got;

	if (!size) {
		free(p);
		return NULL;
	}
	got = realloc(p, (size_t)size);
	if (!got && reserve) {
		free(reserve);
		reserve = NULL;
		got = realloc(p, (size_t)size);
	}
	if (!got)
		loop_failed("no memory");
	return got;
}

bool loop_has_reserve(void)
{
	if (!reserve)
		reserve = malloc(RESERVE);
	return reserve;
}

static void never_due(struct ev_loop *loop, struct ev_periodic *w, int revents)
{
}

struct ev_loop *loop_new(void)
{
	struct ev_periodic once;
	struct ev_loop *loop;

	if (!loop_has_reserve())
		return NULL;
	ev_set_allocator(loop_alloc);
	ev_set_syserr_cb(loop_failed);
	loop = ev_loop_new(EVFLAG_AUTO);
	if (!loop)
		return NULL;
	/*
	 * libev wakes every minute to see whether the clock was set, until there has been a watcher that depends on the clock: then
	 * it lets the kernel tell (a timerfd; libev 4.33, before that there is no way).
	 */
	ev_periodic_init(&once, never_due, 1e10, 0., NULL);
	ev_periodic_start(loop, &once);
	ev_periodic_stop(loop, &once);
	return loop;
}

const struct sandbox_call loop_calls[] = {
	{.name = "epoll_wait", .why = "the event loop"},
	{.name = "gettimeofday", .why = "time, where the kernel has no faster way"},
	{.name = "epoll_ctl", .why = "the event loop"},
	{.name = "epoll_create1", .why = "the event loop, when a descriptor lives on in another process"},
	{.name = "poll", .why = "whether a descriptor is ready"},
	{.name = "preadv2", .why = "a kick that does not wait"},
	{.name = "pwritev2", .why = "a call that does not wait"},
	{.name = "timer_settime", .why = "the end of a write that blocks"},
	{.name = "timerfd_settime", .why = "the event loop's own clock"},
	{.name = "fcntl", .why = "what a descriptor's flags are", .checks = {{1, SANDBOX_IS, F_GETFL}}},
	{.name = "fcntl", .why = "a descriptor that does not block", .checks = {{1, SANDBOX_IS, F_SETFL}}},
	{.name = "fcntl", .why = "what a descriptor's flags are", .checks = {{1, SANDBOX_IS, F_GETFD}}},
	{.name = "fcntl", .why = "a descriptor that no program inherits", .checks = {{1, SANDBOX_IS, F_SETFD}}},
	{0},
};

int fd_prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	int fd_flags = fcntl(fd, F_GETFD);

	if (flags < 0 || fd_flags < 0)
		return -errno;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, fd_flags | FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Adds fd to an epoll instance of its own.  Returns the instance or -errno. */
static int epoll_of(int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};
	int epoll = epoll_create1(EPOLL_CLOEXEC), err;

	if (epoll < 0)
		return -errno;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		err = -errno;
		close(epoll);
		return err;
	}
	return epoll;
}

int fd_check_watchable(int fd)
{
	/* As deep as it will be: libev's own epoll holds it, and that is nowhere else. */
	int epoll = epoll_of(fd, EPOLLIN | EPOLLOUT);

	if (epoll < 0)
		return epoll;
	close(epoll);
	return 0;
}

static void hangup_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct hangup *h = container_of(w, struct hangup, io);

	h->run(h);
}

void hangup_init(struct hangup *h, void (*run)(struct hangup *h))
{
	ev_init(&h->io, hangup_ready);
	h->epoll = -1;
	h->run = run;
}

int hangup_open(struct hangup *h, int sock)
{
	/* No events: epoll(7) tells EPOLLHUP and EPOLLERR always. */
	int epoll = epoll_of(sock, 0);

	if (epoll < 0)
		return epoll;
	h->epoll = epoll;
	ev_io_set(&h->io, epoll, EV_READ);
	return 0;
}

void hangup_watch(struct hangup *h, struct ev_loop *loop)
{
	if (h->epoll >= 0)
		ev_io_start(loop, &h->io);
}

void hangup_unwatch(struct hangup *h, struct ev_loop *loop)
{
	ev_io_stop(loop, &h->io);
}

void hangup_close(struct hangup *h, struct ev_loop *loop)
{
	ev_io_stop(loop, &h->io);
	if (h->epoll >= 0)
		close(h->epoll);
	h->epoll = -1;
}

/* Whether the kernel has no RWF_NOWAIT for this descriptor. */
static bool no_nowait(ssize_t n)
{
	return n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS);
}

static ssize_t result(ssize_t n)
{
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return n;
}

ssize_t fd_read_now(int fd, void *buf, size_t len)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	/* By number: musl has no function for it.  Place -1: that of the open file. */
	ssize_t n = syscall(SYS_preadv2, fd, &iov, 1UL, -1L, -1L, RWF_NOWAIT);

	if (no_nowait(n)) {
		if (!ready(fd, POLLIN))
			return -EAGAIN;
		n = read(fd, buf, len);
	}
	return result(n);
}

ssize_t fd_write_now(int fd, const void *buf, size_t len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	ssize_t n = syscall(SYS_pwritev2, fd, &iov, 1UL, -1L, -1L, RWF_NOWAIT);

	if (no_nowait(n)) {
		if (!ready(fd, POLLOUT))
			return -EAGAIN;
		/* A pipe that is ready has room for as many. */
		n = write(fd, buf, min_size(len, PIPE_BUF));
	}
	return result(n);
}

/*
 * The timer that ends a write which blocks: it runs while notifications are sent, and stops after a second without any.
 * A notification says so (used) before it looks whether the timer runs, so that none is written without it.
 */
static struct {
	timer_t timer;
	pid_t thread; /* whose writes it ends; 0: there is no timer yet */
	bool none;    /* there will be none */
	volatile sig_atomic_t runs, used;
} watchdog;

#define WATCHDOG_SECONDS 1

static void watchdog_due(int sig)
{
	static const struct itimerspec never;

	if (!watchdog.used) {
		watchdog.runs = 0;
		timer_settime(watchdog.timer, 0, &never, NULL);
	}
	watchdog.used = 0;
}

/* SIGALRM comes to this thread, and is not one after which a call goes on.  Returns whether it will. */
static bool watchdog_new(void)
{
	struct sigaction act = {.sa_handler = watchdog_due};
	struct sigevent to = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	pid_t self = gettid();
	sigset_t alarm;

	if (watchdog.thread == self)
		return true;
	to.sigev_notify_thread_id = self;
	sigemptyset(&act.sa_mask);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	if (sigaction(SIGALRM, &act, NULL) < 0 || pthread_sigmask(SIG_UNBLOCK, &alarm, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &to, &watchdog.timer) < 0)
		return false;
	watchdog.thread = self;
	return true;
}

void notify_begin(void)
{
	watchdog.none = !watchdog_new();
}

static void watchdog_start(void)
{
	const struct itimerspec seconds = {.it_value.tv_sec = WATCHDOG_SECONDS, .it_interval.tv_sec = WATCHDOG_SECONDS};

	if (watchdog.none || !watchdog_new())
		return;
	watchdog.runs = 1;
	timer_settime(watchdog.timer, 0, &seconds, NULL);
}

int notify_fd_check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* An eventfd is a file without a kind: inode(7). */
	if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) && (st.st_mode & S_IFMT))
		return -EINVAL;
	return fd_check_watchable(fd);
}

void notify_fd_set(struct notify_fd *n, int fd)
{
	struct stat st;

	if (n->fd >= 0)
		close(n->fd);
	n->fd = fd;
	n->pipe = fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT);
	n->stuck = false;
}

int notify_fd_drain(const struct notify_fd *n)
{
	/* Eight bytes empty an eventfd; a pipe with more is readable again in the loop's next turn. */
	uint64_t buf[64];
	ssize_t got = fd_read_now(n->fd, buf, sizeof(buf));

	if (got < 0)
		return got == -EAGAIN ? 0 : (int)got;
	return got == 0 ? -EPIPE : 0;
}

int notify_fd_signal(struct notify_fd *n)
{
	static const uint64_t one = 1;

	if (n->pipe) {
		ssize_t put = fd_write_now(n->fd, &one, sizeof(one));

		return put < 0 && put != -EAGAIN ? (int)put : 0;
	}
	if (n->stuck)
		return 0;
	watchdog.used = 1;
	if (!watchdog.runs)
		watchdog_start();
	if (write(n->fd, &one, sizeof(one)) >= 0 || errno == EAGAIN)
		return 0;
	n->stuck = errno == EINTR;
	return n->stuck ? -ETIMEDOUT : -errno;
}

static void again_cb(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct loop_again *again = container_of(w, struct loop_again, timer);

	again->run(again);
}

void loop_again_init(struct loop_again *again, void (*run)(struct loop_again *again))
{
	again->run = run;
	ev_timer_init(&again->timer, again_cb, 0., 0.);
	/* An expired timer is run before the descriptors that became ready with it, unless it ranks lower. */
	ev_set_priority(&again->timer, EV_MINPRI);
}

void loop_again_start(struct loop_again *again, struct ev_loop *loop)
{
	if (ev_is_active(&again->timer))
		return;
	ev_timer_set(&again->timer, 0., 0.);
	ev_timer_start(loop, &again->timer);
}

void loop_again_stop(struct loop_again *again, struct ev_loop *loop)
{
	ev_timer_stop(loop, &again->timer);
}

/* Seconds. */
#define REWATCH 0.1

static void rewatch_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	ev_io_start(loop, container_of(w, struct loop_rewatch, timer)->io);
}

void loop_rewatch_init(struct loop_rewatch *r, struct ev_io *io)
{
	r->io = io;
	ev_timer_init(&r->timer, rewatch_due, REWATCH, 0.);
}

bool loop_rewatch_lost(struct loop_rewatch *r, struct ev_loop *loop, int revents)
{
	if (!(revents & EV_ERROR))
		return false;
	ev_io_stop(loop, r->io);
	ev_timer_set(&r->timer, REWATCH, 0.);
	ev_timer_start(loop, &r->timer);
	return true;
}

void loop_rewatch_stop(struct loop_rewatch *r, struct ev_loop *loop)
{
	ev_timer_stop(loop, &r->timer);
	ev_io_stop(loop, r->io);
}

static void patience_ends(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	ev_timer_stop(loop, w);
}

bool loop_wait(struct ev_loop *loop, const bool *busy, double patience)
{
	struct ev_timer timer;

	ev_timer_init(&timer, patience_ends, patience, 0.);
	ev_timer_start(loop, &timer);
	while (*busy && ev_is_active(&timer))
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &timer);
	return !*busy;
}
