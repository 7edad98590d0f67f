/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * front_socket.c - how front-ends come: a listening socket, a connected one, or one we connect to.
 * QEMU docs/interop/vhost-user.rst, "Back-end program conventions"; see front_socket.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>

#include "core/listener.h"
#include "core/loop.h"
#include "core/unix_socket.h"
#include "transport/front_socket.h"

/* How long until a front-end that did not answer is called again, seconds. */
#define CONNECT_INTERVAL 1.0

/* Front-ends that may wait for their turn. */
#define BACKLOG 8

struct front_socket {
	struct vdev *d;
	const struct front_protocol *protocol;
	void *backend;
	void (*done)(void *arg);
	void *arg;
	int listen_fd;          /* -1: none */
	struct unix_listener own; /* whose listen_fd it is, where we made it */
	const char *connect;    /* NULL: not a client */
	bool connect_failed;    /* said so once */
	struct listener door;   /* started where listen_fd is */
	struct ev_timer retry;  /* calls the front-end */
};

static const struct sandbox_call socket_calls[] = {
	{.name = "getsockopt", .why = "what kind of descriptor came", .checks = {{1, SANDBOX_IS, SOL_SOCKET}}},
	{0},
};

void front_socket_needs(const struct front_socket_opts *opts, const struct vdev *d, struct sandbox *s)
{
	sandbox_calls(s, socket_calls);
	if (opts->path) {
		unix_listener_needs(opts->path, s);
	} else if (opts->connect) {
		sandbox_calls(s, unix_connect_calls);
		sandbox_folder(s, opts->connect, SANDBOX_CONNECT, "the front-end's socket");
	} else {
		sandbox_calls(s, unix_accept_calls);
	}
	opts->protocol->needs(d, s);
}

/* Serves a connected socket or closes it. */
static int serve(struct front_socket *s, int fd)
{
	int err = s->protocol->serve(s->backend, fd);

	if (err) {
		log_guest(&s->d->log, "cannot serve a front-end: %s", strerror(-err));
		close(fd);
	} else {
		vdev_connected(s->d, true);
	}
	return err;
}

static void accepted(struct listener *l, int fd)
{
	listener_pause(l); /* the next one waits in the backlog */
	if (serve(container_of(l, struct front_socket, door), fd) < 0)
		listener_resume(l);
}

static void connect_retry(struct front_socket *s)
{
	ev_timer_set(&s->retry, CONNECT_INTERVAL, 0.);
	ev_timer_start(s->d->loop, &s->retry);
}

/* Calls the front-end once; when it is not there, again later. */
static void connect_now(struct front_socket *s)
{
	int fd = unix_connect(s->connect);

	if (fd < 0 || serve(s, fd)) {
		if (!s->connect_failed)
			log_guest_info(&s->d->log, "no front-end at %s yet (%s); trying every second", s->connect,
				 strerror(fd < 0 ? -fd : EIO));
		s->connect_failed = true;
		connect_retry(s);
		return;
	}
	s->connect_failed = false;
}

static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	connect_now(container_of(w, struct front_socket, retry));
}

/* The connection has ended: wait for the next front-end, or say that it was the only one. */
static void closed(void *arg)
{
	struct front_socket *s = arg;

	vdev_connected(s->d, false);
	if (s->listen_fd >= 0)
		listener_resume(&s->door);
	else if (s->connect)
		connect_retry(s);
	else
		s->done(s->arg);
}

/* Whether fd is a Unix stream socket, and whether it listens.  Returns 0 or -errno. */
static int check_socket(int fd, bool *listening)
{
	int value;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len) < 0)
		return -errno;
	if (value != AF_UNIX)
		return -EPROTOTYPE;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) < 0)
		return -errno;
	if (value != SOCK_STREAM)
		return -EPROTOTYPE;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) < 0)
		return -errno;
	*listening = value;
	return 0;
}

/* Takes over a descriptor we were given.  must_listen: --socket-fd. */
static int adopt_fd(struct front_socket *s, int fd, bool must_listen)
{
	bool listening = false;
	int err = check_socket(fd, &listening);

	if (!err && must_listen && !listening)
		err = -EINVAL;
	if (!err)
		err = fd_prepare(fd);
	if (err) {
		log_error(&s->d->log, "descriptor %d: %s (a %s Unix stream socket is wanted)", fd, strerror(-err),
			  must_listen ? "listening" : "connected or listening");
		return err;
	}
	if (!listening)
		return serve(s, fd);
	s->listen_fd = fd;
	return 0;
}

/* Makes the socket, and the group's where there is one. */
static int listen_at(struct front_socket *s, const struct front_socket_opts *opts)
{
	uint64_t mode = opts->has_group && opts->mode == UINT64_MAX ? 0660 : opts->mode;
	int err = unix_listen(&s->own, opts->path, mode, BACKLOG);

	s->listen_fd = s->own.fd;
	if (err)
		log_error(&s->d->log, "cannot listen on %s: %s%s", opts->path, strerror(-err),
			  err == -EADDRINUSE ? " (another process serves it, or it is no socket)" : "");
	if (err || !opts->has_group || lchown(opts->path, (uid_t)-1, opts->group) == 0)
		return err;
	err = -errno;
	log_error(&s->d->log, "--socket-group: group %u cannot be given to %s: %s", (unsigned int)opts->group, opts->path, strerror(-err));
	return err;
}

static int socket_begin(struct front_socket *s, const struct front_socket_opts *opts)
{
	int err = 0;

	if (opts->path) {
		err = listen_at(s, opts);
	} else if (opts->connect) {
		s->connect = opts->connect;
		connect_now(s);
	} else {
		err = adopt_fd(s, opts->fd >= 0 ? opts->fd : opts->listen_fd, opts->fd < 0);
	}
	if (err || s->listen_fd < 0)
		return err;
	s->door = (struct listener){.accepted = accepted, .log = &s->d->log};
	s->door.name = opts->path ? opts->path : "inherited socket";
	return listener_start(&s->door, s->d->loop, s->listen_fd);
}

int front_socket_open(const struct front_socket_opts *opts, struct vdev *d, const struct gmem_backend *mem,
		   void (*done)(void *arg), void *arg, struct front_socket **out)
{
	struct front_socket *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->d = d;
	s->done = done;
	s->arg = arg;
	s->listen_fd = s->own.fd = -1;
	ev_init(&s->retry, retry_due);
	s->protocol = opts->protocol;
	err = s->protocol->make(d, mem, closed, s, &s->backend);
	if (!err)
		err = socket_begin(s, opts);
	if (err) {
		front_socket_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void front_socket_free(struct front_socket *s)
{
	if (!s)
		return;
	listener_stop(&s->door);
	ev_timer_stop(s->d->loop, &s->retry);
	if (s->own.fd >= 0)
		unix_listener_close(&s->own);
	else if (s->listen_fd >= 0)
		close(s->listen_fd);
	s->protocol->end(s->backend);
	free(s);
}
