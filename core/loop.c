/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * loop.c - helpers for libev: notification descriptors and "go on after the others had their turn".
 */
#include "core/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

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

void notify_fd_set(struct notify_fd *n, int fd)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = fd;
	n->blocks = fd >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Whether a call would return at once. */
static bool notify_fd_ready(const struct notify_fd *n, short events)
{
	struct pollfd p = {.fd = n->fd, .events = events};

	return !n->blocks || poll(&p, 1, 0) > 0;
}

int notify_fd_drain(const struct notify_fd *n)
{
	/* Eight bytes empty an eventfd; a pipe with more is readable again in the loop's next turn. */
	uint64_t buf[64];

	if (!notify_fd_ready(n, POLLIN))
		return 0;
	ssize_t got = read(n->fd, buf, sizeof(buf));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return got == 0 ? -EPIPE : 0;
}

int notify_fd_signal(const struct notify_fd *n)
{
	static const uint64_t one = 1;

	if (notify_fd_ready(n, POLLOUT) && write(n->fd, &one, sizeof(one)) < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return 0;
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
