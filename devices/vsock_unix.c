/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_unix.c - Unix sockets as the host of the socket device: the hybrid model of Firecracker, Cloud Hypervisor and
 * vhost-device-vsock.
 *
 * A guest's connection to port N goes to the socket PATH_N.  A host's program connects to PATH, sends "CONNECT N\n" and
 * reads "OK M\n" when the guest has accepted, M being its own port; where the guest refuses, the socket is closed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* accept4, struct ucred */
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/opt.h"
#include "devices/vsock.h"

#define BACKLOG   128
#define LINE_MAX_ 32 /* "CONNECT 4294967295\n" */
#define ACCEPTS   16 /* in one turn of the loop */
#define RETRY     1. /* s, when there was no descriptor or memory for a connection */

#define PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

int vsock_unix_parse(const char *line, size_t len, uint32_t *port)
{
	static const char word[] = "CONNECT ";
	uint64_t n = 0;
	size_t i = sizeof(word) - 1;

	if (len < i + 2 || memcmp(line, word, i) || line[len - 1] != '\n')
		return -EINVAL;
	for (; i < len - 1; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -EINVAL;
		n = n * 10 + (uint64_t)(line[i] - '0');
		if (n > UINT32_MAX)
			return -EINVAL;
	}
	*port = (uint32_t)n;
	return 0;
}

/* Says who has connected, for those who want to know. */
static void log_peer(struct vsock_link *l, uint32_t port)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0)
		log_debug(&l->v->d.log, "process %d of user %u connects to the guest's port %u", (int)who.pid,
			  (unsigned int)who.uid, port);
}

/* The line has come. */
static void asked(struct vsock_link *l)
{
	uint32_t port;

	if (vsock_unix_parse((const char *)l->buf, l->fill, &port) < 0) {
		log_debug(&l->v->d.log, "%s: a connection that does not begin with CONNECT PORT", l->v->uds_path);
		vsock_link_free(l);
		return;
	}
	l->fill = 0;
	ev_io_stop(l->v->d.loop, &l->readable);
	log_peer(l, port);
	vsock_link_ask(l, port, VSOCK_TYPE_STREAM);
}

void vsock_unix_asking(struct vsock_link *l)
{
	char *line = (char *)l->buf;
	ssize_t n = recv(l->fd, line + l->fill, LINE_MAX_ - l->fill, MSG_PEEK | MSG_DONTWAIT);
	const char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	l->touched = true;
	if (n > 0) {
		/* What follows the line is for the guest. */
		end = memchr(line + l->fill, '\n', (size_t)n);
		n = recv(l->fd, line + l->fill, end ? (size_t)(end - line) + 1 - l->fill : (size_t)n, MSG_DONTWAIT);
		l->fill += n > 0 ? (size_t)n : 0;
		if (end) {
			asked(l);
			return;
		}
	}
	if (n <= 0 || l->fill == LINE_MAX_)
		vsock_link_free(l);
}

bool vsock_unix_accepted(struct vsock_link *l)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "OK %u\n", l->conn.port);

	return send(l->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == len;
}

static void acceptable_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vsock *v = container_of(w, struct vsock, acceptable);

	(void)revents;
	for (unsigned int i = 0; i < ACCEPTS; i++) {
		int fd;

		if (TAILQ_EMPTY(&v->unused)) {
			ev_io_stop(loop, w); /* they wait in the backlog: vsock_unix_resume */
			return;
		}
		fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		if (fd < 0) {
			log_warn(&v->d.log, "%s: cannot accept a connection: %s", v->uds_path, strerror(errno));
			ev_io_stop(loop, w);
			ev_timer_set(&v->accept_retry, RETRY, 0.);
			ev_timer_start(loop, &v->accept_retry);
			return;
		}
		vsock_link_adopt(vsock_link_new(v), fd);
	}
}

static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct vsock *v = container_of(w, struct vsock, accept_retry);

	(void)revents;
	ev_io_start(loop, &v->acceptable);
}

void vsock_unix_resume(struct vsock *v)
{
	if (v->listener.fd >= 0 && !ev_is_active(&v->accept_retry))
		ev_io_start(v->d.loop, &v->acceptable);
}

int vsock_unix_listen(struct vsock *v)
{
	int err;

	v->listener.fd = -1;
	ev_init(&v->acceptable, acceptable_ready);
	ev_init(&v->accept_retry, retry_due);
	if (!v->uds_path)
		return 0;
	/* The longest name is that of the last port's socket. */
	err = strlen(v->uds_path) + sizeof("_4294967295") > PATH_SIZE ? -ENAMETOOLONG : 0;
	if (!err)
		err = unix_listen(&v->listener, v->uds_path, UINT64_MAX, BACKLOG);
	if (err) {
		log_error(&v->d.log, "--uds-path=%s: %s%s", v->uds_path, strerror(-err),
			  err == -EADDRINUSE ? " (another process serves it, or it is no socket)" : "");
		return err;
	}
	ev_io_set(&v->acceptable, v->listener.fd, EV_READ);
	ev_io_start(v->d.loop, &v->acceptable);
	return 0;
}

void vsock_unix_unlisten(struct vsock *v)
{
	ev_io_stop(v->d.loop, &v->acceptable);
	ev_timer_stop(v->d.loop, &v->accept_retry);
	unix_listener_close(&v->listener);
}

static int unix_host_open(struct vsock *v)
{
	if (v->uds_path)
		return 0;
	log_error(&v->d.log, "--uds-path is wanted (a path; or --backend=sim, to try a guest without anything else)");
	return -EINVAL;
}

static void unix_host_close(struct vsock *v)
{
	(void)v;
}

static int unix_host_connect(struct vsock *v, uint32_t port, uint16_t type, bool *pending)
{
	char path[PATH_SIZE];

	(void)type;
	(void)pending;
	snprintf(path, sizeof(path), "%s_%u", v->uds_path, port);
	return unix_connect(path);
}

const struct vsock_host_ops vsock_unix_ops = {
	.name = "unix",
	.open = unix_host_open,
	.close = unix_host_close,
	.connect = unix_host_connect,
};
