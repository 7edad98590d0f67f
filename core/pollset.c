/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pollset.c - descriptors that a library wants polled, watched in the loop; see pollset.h.
 *
 * The loop knows of reading and writing alone, and libraries want POLLPRI as well.  So the descriptors are in an
 * epoll(7) of the set, which is readable while one of them is ready: the loop watches that.  poll(2) then tells of all
 * at once.
 */
#include "core/pollset.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static const struct {
	short poll;
	uint32_t epoll;
} events[] = {
	{POLLIN, EPOLLIN},   {POLLRDNORM, EPOLLRDNORM}, {POLLRDBAND, EPOLLRDBAND}, {POLLPRI, EPOLLPRI},
	{POLLOUT, EPOLLOUT}, {POLLWRNORM, EPOLLWRNORM}, {POLLWRBAND, EPOLLWRBAND}, {POLLRDHUP, EPOLLRDHUP},
};

/* What all entries with this descriptor want. */
static uint32_t wanted(const struct pollset *p, int fd)
{
	uint32_t all = 0;

	for (unsigned int i = 0; i < p->n; i++)
		for (size_t e = 0; p->fds[i].fd == fd && e < ARRAY_SIZE(events); e++)
			if (p->fds[i].events & events[e].poll)
				all |= events[e].epoll;
	return all;
}

/* Whether entry i is passed over: its descriptor is none, or was there before. */
static bool passed_over(const struct pollset *p, unsigned int i)
{
	for (unsigned int k = 0; k < i; k++)
		if (p->fds[k].fd == p->fds[i].fd)
			return true;
	return p->fds[i].fd < 0;
}

static void unwatch(struct pollset *p)
{
	for (unsigned int i = 0; i < p->n; i++)
		if (!passed_over(p, i))
			epoll_ctl(p->io.fd, EPOLL_CTL_DEL, p->fds[i].fd, NULL);
	p->n = 0;
}

static void io_ready(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct pollset *p = container_of(io, struct pollset, io);

	if (!loop_rewatch_lost(&p->rewatch, loop, revents) && poll(p->fds, p->n, 0) > 0)
		p->ready(p, p->fds, p->n);
}

int pollset_open(struct pollset *p, struct ev_loop *loop)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	p->loop = loop;
	p->n = 0;
	ev_io_init(&p->io, io_ready, fd, EV_READ);
	loop_rewatch_init(&p->rewatch, &p->io);
	ev_io_start(loop, &p->io);
	return 0;
}

void pollset_close(struct pollset *p)
{
	if (!p->loop)
		return;
	loop_rewatch_stop(&p->rewatch, p->loop);
	close(p->io.fd);
	p->loop = NULL;
	p->n = 0;
}

/* Whether this is what is watched already. */
static bool same(const struct pollset *p, const struct pollfd *fds, unsigned int n)
{
	bool same = n == p->n;

	for (unsigned int i = 0; same && i < n; i++)
		same = fds[i].fd == p->fds[i].fd && fds[i].events == p->fds[i].events;
	return same;
}

int pollset_watch(struct pollset *p, const struct pollfd *fds, unsigned int n)
{
	if (same(p, fds, n))
		return 0;
	unwatch(p);
	if (n > POLLSET_MAX)
		return -E2BIG;
	p->n = n;
	for (unsigned int i = 0; i < n; i++)
		p->fds[i] = (struct pollfd){.fd = fds[i].fd, .events = fds[i].events};
	for (unsigned int i = 0; i < n; i++) {
		struct epoll_event event = {.events = wanted(p, p->fds[i].fd)};

		if (passed_over(p, i) || epoll_ctl(p->io.fd, EPOLL_CTL_ADD, p->fds[i].fd, &event) == 0)
			continue;
		int err = -errno;

		p->n = i;
		unwatch(p);
		return err;
	}
	return 0;
}
