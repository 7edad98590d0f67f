/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * listener.c - accepts connections at a listening socket: accept(2); see listener.h.
 *
 * A started listener either waits for the socket (io), or for better times (retry), or is paused.
 */
#include "core/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/loop.h"

/* How long until the next try where the host had nothing for a connection, seconds. */
#define RETRY 1.0

/* The host cannot: the connection that waits keeps the socket ready, so it is not to be looked at for a while. */
static void fail(struct listener *l, const char *why)
{
	if (!l->complained)
		log_guest(l->log, "%s: cannot accept a connection: %s", l->name, why);
	l->complained = true;
	ev_io_stop(l->loop, &l->io);
	ev_timer_set(&l->retry, RETRY, 0.);
	ev_timer_start(l->loop, &l->retry);
}

static void io_ready(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct listener *l = container_of(io, struct listener, io);

	if (revents & EV_ERROR) {
		fail(l, "it could not be watched"); /* libev has given the watcher up */
		return;
	}
	if (!loop_has_reserve()) {
		fail(l, strerror(ENOMEM));
		return;
	}
	for (unsigned int i = 0; i < LISTENER_BURST && ev_is_active(io); i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				fail(l, strerror(errno));
			return;
		}
		l->complained = false;
		l->accepted(l, fd);
	}
}

static void retry_due(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	ev_io_start(loop, &container_of(timer, struct listener, retry)->io);
}

int listener_start(struct listener *l, struct ev_loop *loop, int fd)
{
	int err = fd_prepare(fd);

	if (err)
		return err;
	l->loop = loop;
	l->paused = l->complained = false;
	ev_io_init(&l->io, io_ready, fd, EV_READ);
	ev_init(&l->retry, retry_due);
	ev_io_start(loop, &l->io);
	return 0;
}

void listener_pause(struct listener *l)
{
	if (!l->loop)
		return;
	ev_io_stop(l->loop, &l->io);
	ev_timer_stop(l->loop, &l->retry);
	l->paused = true;
}

void listener_resume(struct listener *l)
{
	if (!l->loop || !l->paused)
		return;
	l->paused = false;
	ev_io_start(l->loop, &l->io);
}

void listener_stop(struct listener *l)
{
	listener_pause(l);
	l->loop = NULL;
}
