/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can_bus.c - how simulated buses are joined; see can_bus.h.
 */
#include "devices/can/can_bus.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long after the bus has gone it is looked for, s. */
#define RETRY 0.05

/* Packets that are read before other watchers have their turn. */
#define BURST 32

static bool msg_of(const struct can_bus_packet *p, struct can_msg *m)
{
	*m = (struct can_msg){.id = le32toh(p->id), .flags = le16toh(p->flags), .len = p->len};
	if (!can_msg_valid(m))
		return false;
	if (!(m->flags & CAN_FLAG_RTR))
		memcpy(m->data, p->data, m->len);
	return true;
}

static struct can_bus_packet packet_of(enum can_bus_kind kind, uint8_t from, const struct can_msg *m)
{
	struct can_bus_packet p = {
		.kind = (uint8_t)kind, .from = from, .flags = htole16(m->flags), .id = htole32(m->id), .len = m->len};

	memcpy(p.data, m->data, m->len);
	return p;
}

/* ---- links */

static void bus_lost(struct can_bus *b);

static void link_close(struct can_bus_link *l)
{
	struct ev_loop *loop;

	if (l->fd < 0)
		return;
	loop = l->bus->args->d->loop;
	ev_io_stop(loop, &l->read);
	ev_io_stop(loop, &l->write);
	ev_timer_stop(loop, &l->patience);
	close(l->fd);
	l->fd = -1;
	l->first = l->waiting = l->waited = 0;
}

/* A link has ended, or is not to be borne any longer. */
static void link_end(struct can_bus_link *l, const char *why)
{
	struct can_bus *b = l->bus;

	log_guest_info(&b->args->d->log, "--sim-bus=%s: %s %s", b->path, l == &b->up ? "the bus" : "a node", why);
	link_close(l);
	if (l == &b->up) {
		bus_lost(b);
		return;
	}
	b->left(b, l);
	if (can_bus_ready(b))
		b->drained(b);
}

/* Sends what waits.  Returns false where the link has ended: the write watcher, which runs then, tells of it in its turn. */
static bool link_flush(struct can_bus_link *l)
{
	struct ev_loop *loop = l->bus->args->d->loop;
	bool open = true;

	while (l->waiting) {
		const struct can_bus_packet *p = &l->out[l->first];
		ssize_t n = send(l->fd, p, sizeof(*p), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			open = errno == EAGAIN || errno == ENOBUFS;
			break;
		}
		l->first = (l->first + 1) % CAN_BUS_QUEUE;
		l->waiting--;
		l->waited = 0;
	}
	if (!l->waiting) {
		ev_io_stop(loop, &l->write);
		ev_timer_stop(loop, &l->patience);
		return true;
	}
	ev_io_start(loop, &l->write);
	if (!ev_is_active(&l->patience))
		ev_timer_again(loop, &l->patience);
	return open;
}

static void link_writable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct can_bus_link *l = container_of(w, struct can_bus_link, write);

	if (!link_flush(l))
		link_end(l, "has gone");
	else if (can_bus_ready(l->bus))
		l->bus->drained(l->bus);
}

/*
 * A packet still waits.  The time is counted in parts, so that one in which the whole machine stood still is not the other side's
 * fault; and what has room by now is sent.
 */
static void link_waits(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct can_bus_link *l = container_of(w, struct can_bus_link, patience);

	if (!link_flush(l))
		link_end(l, "has gone");
	else if (l->waiting && ++l->waited == CAN_BUS_PATIENCE)
		link_end(l, "does not read");
	else if (can_bus_ready(l->bus))
		l->bus->drained(l->bus);
}

/* Reads a packet.  Returns whether there may be another. */
static bool link_read(struct can_bus_link *l)
{
	struct can_bus *b = l->bus;
	const bool up = l == &b->up;
	struct can_bus_packet p;
	struct can_msg m;
	ssize_t n = recv(l->fd, &p, sizeof(p), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		link_end(l, "has gone");
		return false;
	}
	if (n != sizeof(p) || !msg_of(&p, &m) || (up ? p.kind != CAN_BUS_SEEN && p.kind != CAN_BUS_DONE : p.kind != CAN_BUS_PUT)) {
		link_end(l, "does not speak as a vdevd can");
		return false;
	}
	if (b->came(b, up ? NULL : l, p.kind, p.from, &m))
		return l->fd >= 0;
	ev_io_stop(b->args->d->loop, &l->read);
	return false;
}

static void link_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct can_bus_link *l = container_of(w, struct can_bus_link, read);

	for (unsigned int i = 0; i < BURST && link_read(l); i++)
		;
}

static void link_begin(struct can_bus *b, struct can_bus_link *l, int fd)
{
	l->bus = b;
	l->fd = fd;
	ev_io_init(&l->read, link_readable, fd, EV_READ);
	ev_io_init(&l->write, link_writable, fd, EV_WRITE);
	ev_timer_init(&l->patience, link_waits, 0., CAN_BUS_PART);
	ev_io_start(b->args->d->loop, &l->read);
}

void can_bus_send(struct can_bus *b, struct can_bus_link *link, enum can_bus_kind kind, uint8_t from, const struct can_msg *m)
{
	struct can_bus_link *l = link ? link : &b->up;

	if (l->fd < 0 || l->waiting == CAN_BUS_QUEUE)
		return;
	l->out[(l->first + l->waiting++) % CAN_BUS_QUEUE] = packet_of(kind, from, m);
	if (l->waiting == 1)
		(void)link_flush(l);
}

bool can_bus_ready(const struct can_bus *b)
{
	if (!can_bus_is_here(b))
		return b->up.fd >= 0 && !b->up.waiting;
	for (unsigned int i = 0; i < CAN_BUS_LINKS; i++) {
		if (b->links[i].waiting)
			return false;
	}
	return true;
}

unsigned int can_bus_nodes(const struct can_bus *b)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < CAN_BUS_LINKS; i++)
		n += b->links[i].fd >= 0;
	return n;
}

void can_bus_resume(struct can_bus *b, struct can_bus_link *link)
{
	struct can_bus_link *l = link ? link : &b->up;

	if (l->fd >= 0)
		ev_io_start(b->args->d->loop, &l->read);
}

/* ---- the bus */

static void node_came(struct listener *door, int fd)
{
	struct can_bus *b = container_of(door, struct can_bus, door);

	for (unsigned int i = 0; i < CAN_BUS_LINKS; i++) {
		struct can_bus_link *l = &b->links[i];

		if (l->fd >= 0)
			continue;
		link_begin(b, l, fd);
		log_guest_info(&b->args->d->log, "--sim-bus=%s: a node has come", b->path);
		return;
	}
	log_guest(&b->args->d->log, "--sim-bus=%s: more than %d nodes", b->path, CAN_BUS_LINKS + 1);
	close(fd);
}

/* Joins the bus, or makes it.  Returns 0 or -errno. */
static int join(struct can_bus *b)
{
	int fd = unix_connect_type(SOCK_SEQPACKET, b->path), err;

	if (fd >= 0) {
		link_begin(b, &b->up, fd);
		return 0;
	}
	if (fd != -ENOENT && fd != -ECONNREFUSED)
		return fd;
	err = unix_listen_type(&b->socket, SOCK_SEQPACKET, b->path, UINT64_MAX, CAN_BUS_LINKS);
	if (err) {
		b->socket.fd = -1;
		return err;
	}
	b->door = (struct listener){.accepted = node_came, .log = &b->args->d->log, .name = b->path};
	err = listener_start(&b->door, b->args->d->loop, b->socket.fd);
	if (err) {
		unix_listener_close(&b->socket);
		b->socket.fd = -1;
	}
	return err;
}

static void join_again(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct can_bus *b = container_of(w, struct can_bus, retry);
	int err = join(b);

	if (err) {
		log_guest(&b->args->d->log, "--sim-bus=%s: %s", b->path, strerror(-err));
		return;
	}
	ev_timer_stop(loop, w);
	log_info(&b->args->d->log, "--sim-bus=%s: %s", b->path, can_bus_is_here(b) ? "made anew" : "joined again");
	if (can_bus_ready(b))
		b->drained(b);
}

static void bus_lost(struct can_bus *b)
{
	b->gone(b);
	ev_timer_again(b->args->d->loop, &b->retry);
}

int can_bus_open(struct can_bus *b, const struct can_host_args *args, const char *path)
{
	int err;

	b->args = args;
	b->path = path;
	b->socket.fd = b->up.fd = -1;
	for (unsigned int i = 0; i < CAN_BUS_LINKS; i++) {
		b->links[i].fd = -1;
		b->links[i].index = i;
	}
	/* Two that make it in the same moment would part: they do not look at the same time. */
	ev_timer_init(&b->retry, join_again, 0., RETRY * (1 + getpid() % 16));
	err = join(b);
	if (err)
		log_error(&args->d->log, "--sim-bus=%s: %s%s", path, strerror(-err),
			  err == -EPROTOTYPE || err == -EADDRINUSE ? " (it is another program's)" : "");
	return err;
}

void can_bus_close(struct can_bus *b)
{
	ev_timer_stop(b->args->d->loop, &b->retry);
	listener_stop(&b->door);
	for (unsigned int i = 0; i < CAN_BUS_LINKS; i++)
		link_close(&b->links[i]);
	link_close(&b->up);
	if (can_bus_is_here(b))
		unix_listener_close(&b->socket);
	b->socket.fd = -1;
}

static const struct sandbox_call bus_calls[] = {
	{.name = "recv", .why = "frames of other nodes"},
	{.name = "send", .why = "frames for other nodes"},
	{0},
};

void can_bus_needs(const char *path, struct sandbox *s)
{
	sandbox_calls(s, bus_calls);
	unix_listen_needs(path, s);
}
