/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_sim.c - a simulated host for the socket device: the small services of old on their old ports, echo (RFC 862), discard
 * (RFC 863) and chargen (RFC 864).  Each connection is a socket pair, so that all else is as with a real host.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/vsock/vsock.h"

#define PORT_ECHO    7
#define PORT_DISCARD 9
#define PORT_CHARGEN 19

#define SIM_BUFFER ((size_t)1 << 18) /* also the longest message */

/* Lines of 72 of the 95 printable characters, each beginning one further. */
#define CHARS 95u
#define LINE  74u

struct sim;

struct sim_service {
	struct sim *sim;
	uint32_t port;
	uint16_t type;
	int fd;
	struct ev_io readable, writable;
	char *buf;      /* SIM_BUFFER bytes while it is open */
	size_t at, fill;
	uint64_t sent;  /* by chargen */
	struct sim_service *next;
};

struct sim {
	struct ev_loop *loop;
	struct sim_service *services; /* n, of which the first `made` have been used */
	struct sim_service *unused;   /* of these, those that are not open */
	size_t n, made;
	struct vsock_pool bufs;
};

static void service_end(struct sim_service *s)
{
	ev_io_stop(s->sim->loop, &s->readable);
	ev_io_stop(s->sim->loop, &s->writable);
	close(s->fd);
	s->fd = -1;
	vsock_pool_give(&s->sim->bufs, s->buf);
	s->next = s->sim->unused;
	s->sim->unused = s;
}

/* Writes what there is.  Returns 0 when there is nothing left, -EAGAIN, or another -errno. */
static int service_write(struct sim_service *s)
{
	/* A message is what was received at once; chargen's is a line. */
	size_t most = s->type == VSOCK_TYPE_SEQPACKET && s->port == PORT_CHARGEN ? LINE : SIM_BUFFER;

	while (s->fill) {
		ssize_t n = send(s->fd, s->buf + s->at, min_size(s->fill, most), MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		s->at += (size_t)n;
		s->fill -= (size_t)n;
	}
	s->at = 0;
	return 0;
}

static void chargen_fill(struct sim_service *s)
{
	/* Whole lines. */
	for (s->fill = 0; s->fill < SIM_BUFFER / LINE * LINE; s->fill++, s->sent++) {
		unsigned int column = (unsigned int)(s->sent % LINE), line = (unsigned int)(s->sent / LINE % CHARS);

		if (column == LINE - 2)
			s->buf[s->fill] = '\r';
		else if (column == LINE - 1)
			s->buf[s->fill] = '\n';
		else
			s->buf[s->fill] = (char)(' ' + (line + column) % CHARS);
	}
}

static void service_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct sim_service *s = container_of(w, struct sim_service, readable);
	ssize_t n = recv(s->fd, s->buf, SIM_BUFFER, s->type == VSOCK_TYPE_SEQPACKET ? MSG_TRUNC : 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || (size_t)n > SIM_BUFFER) {
		service_end(s);
		return;
	}
	if (s->port == PORT_DISCARD)
		return;
	s->fill = (size_t)n;
	if (service_write(s) == -EAGAIN) {
		ev_io_stop(loop, &s->readable);
		ev_io_start(loop, &s->writable);
	}
}

static void service_writable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct sim_service *s = container_of(w, struct sim_service, writable);
	int err;

	if (s->port == PORT_CHARGEN && !s->fill)
		chargen_fill(s);
	err = service_write(s);
	if (err && err != -EAGAIN) {
		service_end(s);
	} else if (!err && s->port == PORT_ECHO) {
		ev_io_stop(loop, &s->writable);
		ev_io_start(loop, &s->readable);
	}
}

static int sim_open(struct vsock *v)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	v->sim = sim;
	if (!sim)
		return -ENOMEM;
	sim->loop = v->d.loop;
	sim->n = (size_t)v->max_links;
	sim->services = calloc(sim->n, sizeof(*sim->services));
	if (!sim->services || vsock_pool_open(&sim->bufs, sim->n, SIM_BUFFER) < 0) {
		log_error(&v->d.log, "--backend=sim: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	return 0;
}

static void sim_close(struct vsock *v)
{
	struct sim *sim = v->sim;

	if (!sim)
		return;
	for (size_t i = 0; i < sim->made; i++) {
		if (sim->services[i].fd >= 0)
			service_end(&sim->services[i]);
	}
	vsock_pool_close(&sim->bufs);
	free(sim->services);
	free(sim);
	v->sim = NULL;
}

/* A service that is not open, or NULL where there is none, or no memory for one. */
static struct sim_service *service_new(struct sim *sim)
{
	struct sim_service *s = sim->unused;
	bool fresh = !s && sim->made < sim->n;

	if (fresh)
		s = &sim->services[sim->made];
	if (s)
		s->buf = vsock_pool_take(&sim->bufs);
	if (!s || !s->buf)
		return NULL;
	if (fresh) {
		sim->made++;
		s->sim = sim;
	} else {
		sim->unused = s->next;
	}
	return s;
}

static int sim_connect(struct vsock *v, uint32_t port, uint16_t type, bool *pending)
{
	struct sim *sim = v->sim;
	struct sim_service *s;
	int fds[2];

	if (port != PORT_ECHO && port != PORT_DISCARD && port != PORT_CHARGEN)
		return -ECONNREFUSED;
	if (socketpair(AF_UNIX, vsock_socket_type(type) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	s = service_new(sim);
	if (!s) {
		close(fds[0]);
		close(fds[1]);
		return -EAGAIN;
	}
	s->port = port;
	s->type = type;
	s->fd = fds[1];
	s->at = s->fill = 0;
	s->sent = 0;
	ev_io_init(&s->readable, service_readable, s->fd, EV_READ);
	ev_io_init(&s->writable, service_writable, s->fd, EV_WRITE);
	ev_io_start(sim->loop, port == PORT_CHARGEN ? &s->writable : &s->readable);
	return fds[0];
}

static const struct sandbox_call sim_calls[] = {
	{.name = "socketpair", .why = "a connection to a simulated service"},
	{0},
};

static void sim_needs(const struct vsock *v, struct sandbox *s)
{
	sandbox_calls(s, sim_calls);
}

const struct vsock_host_ops vsock_sim_ops = {
	.name = "sim",
	.needs = sim_needs,
	.open = sim_open,
	.close = sim_close,
	.connect = sim_connect,
};
