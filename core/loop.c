/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * loop.c - helpers for libev: notification descriptors and "go on after the others had their turn".
 */
#include "core/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
