/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_link.c - connections of the socket device with their sockets on the host: VIRTIO 1.4, section 5.10.6; see vsock.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/vsock/vsock.h"

#define PAGE ((size_t)4096) /* what a buffer is rounded up to */

#define ENDING_PATIENCE 8.   /* s for the guest's RST after our SHUTDOWN; the guest's own patience is as long */
#define LINGER_PATIENCE 60.  /* s without progress, to write what a guest that left has sent */

/* A listener's backlog is full: s until the first of the next tries, and the longest that it doubles to; tries in a loop's turn. */
#define REDIAL_FIRST   0.01
#define REDIAL_LONGEST 0.32
#define REDIALS        64

static void readable_ready(struct ev_loop *loop, struct ev_io *w, int revents);
static void writable_ready(struct ev_loop *loop, struct ev_io *w, int revents);
static void timer_due(struct ev_loop *loop, struct ev_timer *w, int revents);

/* ---- the table */

int vsock_links_open(struct vsock *v)
{
	size_t n = (size_t)v->max_links;
	int err;

	if (getrandom(v->hash_key, sizeof(v->hash_key), 0) != (ssize_t)sizeof(v->hash_key))
		return -EAGAIN;
	list_init(&v->ready);
	list_init(&v->asking);
	for (v->nhash = 2; v->nhash < 2 * n; v->nhash *= 2)
		;
	v->ring_size = ((size_t)v->buf_size + PAGE - 1) & ~(PAGE - 1);
	/* Large ones come as pages that are not there until they are written to. */
	v->links = calloc(n, sizeof(*v->links));
	v->hash = calloc(v->nhash, sizeof(*v->hash));
	if (!v->links || !v->hash)
		return -ENOMEM;
	err = vsock_pool_open(&v->bufs, n, v->ring_size);
	if (!err)
		err = vsock_pool_open(&v->marks, n, v->ring_size / 4);
	if (!err)
		err = vsock_pool_open(&v->msgs, n, v->ring_size);
	return err;
}

/*
 * The upper half of a sum of products with random numbers: a guest that does not know them cannot choose ports that meet more
 * often than others (Dietzfelbinger's multiply-shift).
 */
static struct vsock_link **hash_slot(struct vsock *v, uint32_t port, uint32_t guest_port)
{
	uint64_t x = port * v->hash_key[0] + guest_port * v->hash_key[1];

	return &v->hash[(x >> 32) & (v->nhash - 1)];
}

static void link_hash(struct vsock_link *l)
{
	struct vsock_link **slot = hash_slot(l->v, l->conn.port, l->conn.guest_port);

	l->next = *slot;
	*slot = l;
	l->hashed = true;
}

static void link_unhash(struct vsock_link *l)
{
	struct vsock_link **at = hash_slot(l->v, l->conn.port, l->conn.guest_port);

	if (!l->hashed)
		return;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->hashed = false;
}

static struct vsock_link *find(struct vsock *v, uint64_t cid, uint32_t port, uint32_t guest_port)
{
	struct vsock_link *l = *hash_slot(v, port, guest_port);

	while (l && (l->conn.port != port || l->conn.guest_port != guest_port || l->conn.cid != cid))
		l = l->next;
	return l;
}

struct vsock_link *vsock_link_find(struct vsock *v, const struct vsock_packet *p)
{
	return find(v, p->dst_cid, p->dst_port, p->src_port);
}

/* Makes the next link of the table, which was not used yet. */
static struct vsock_link *link_make(struct vsock *v)
{
	struct vsock_link *l = &v->links[v->nlinks++];

	l->v = v;
	l->fd = -1;
	ev_init(&l->readable, readable_ready);
	ev_init(&l->writable, writable_ready);
	ev_init(&l->timer, timer_due);
	list_init(&l->list);
	return l;
}

/* A link that is not in use, or NULL. */
static struct vsock_link *link_new(struct vsock *v)
{
	struct vsock_link *l = v->unused;

	if (l)
		v->unused = l->next;
	else if (v->nlinks < v->max_links)
		l = link_make(v);
	else
		return NULL;
	if (!v->unused && v->nlinks == v->max_links && v->room)
		v->room(v, false);
	memset(&l->conn, 0, sizeof(l->conn));
	l->side = VSOCK_SIDE_NONE;
	l->door = NULL;
	l->stalled = l->want_read = l->ended = l->deaf = false;
	l->line_len = 0;
	l->burst = 0;
	l->redial = REDIAL_FIRST;
	return l;
}

/* Leaves the host: its socket is closed, what is still for it is dropped. */
static void link_leave(struct vsock_link *l)
{
	ev_io_stop(l->v->d.loop, &l->readable);
	ev_io_stop(l->v->d.loop, &l->writable);
	ev_timer_stop(l->v->d.loop, &l->timer);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->side = VSOCK_SIDE_NONE;
	l->want_read = l->stalled = false;
	vsock_message_drop(l);
	vsock_buffer_drop(l);
}

/* The link does not wait any more for its program to say what it wants, if it did. */
static void asking_ends(struct vsock_link *l)
{
	if (l->side != VSOCK_SIDE_ASKING)
		return;
	list_remove(&l->list);
	l->v->nasking--;
	l->side = VSOCK_SIDE_NONE;
}

/* Ends the link at once; the guest is told nothing. */
static void link_free(struct vsock_link *l)
{
	struct vsock *v = l->v;
	bool full = !v->unused && v->nlinks == v->max_links;

	asking_ends(l);
	link_leave(l);
	link_unhash(l);
	list_remove(&l->list);
	l->conn.state = VSOCK_NONE;
	l->conn.pending = 0;
	l->next = v->unused;
	v->unused = l;
	if (full && v->room)
		v->room(v, true);
}

void vsock_links_close(struct vsock *v)
{
	for (size_t i = 0; i < v->nlinks; i++)
		link_leave(&v->links[i]);
	vsock_pool_close(&v->bufs);
	vsock_pool_close(&v->marks);
	vsock_pool_close(&v->msgs);
	free(v->links);
	free(v->hash);
}

void vsock_links_reset(struct vsock *v)
{
	for (size_t i = 0; i < v->nlinks; i++) {
		if (v->links[i].conn.state != VSOCK_NONE)
			link_free(&v->links[i]);
	}
}

/* Puts the link in the line for the rx queue. */
static void link_queue(struct vsock_link *l)
{
	if (list_empty(&l->list))
		list_put_last(&l->v->ready, &l->list);
}

/* Gives what the link waits for so many seconds. */
static void link_patience(struct vsock_link *l, double s)
{
	l->timer.repeat = s;
	ev_timer_again(l->v->d.loop, &l->timer);
}

/* ---- ends */

/* Resets the connection: the guest will get a RST, the host sees its socket closed. */
static void link_abort(struct vsock_link *l)
{
	link_leave(l);
	vsock_conn_reset(&l->conn);
	if (l->conn.pending)
		link_queue(l);
	else
		link_free(l);
}

/* The guest has no part in the link any more: ends it, when the host has what was sent to it. */
static void link_finish(struct vsock_link *l)
{
	ev_io_stop(l->v->d.loop, &l->readable);
	l->want_read = l->stalled = false;
	if (vsock_buffer_waits(l) && !l->deaf && l->side >= VSOCK_SIDE_OPEN) {
		if (l->side != VSOCK_SIDE_LINGERING)
			link_patience(l, LINGER_PATIENCE);
		l->side = VSOCK_SIDE_LINGERING;
	} else if (l->conn.state == VSOCK_NONE) {
		link_free(l);
	} else {
		link_leave(l);
	}
}

/* Bytes have ended in a direction: when they have in both, the host's socket is of no use. */
static void link_settle(struct vsock_link *l)
{
	if (l->ended && l->deaf && l->side == VSOCK_SIDE_OPEN) {
		link_leave(l);
		vsock_conn_shutdown(&l->conn, VSOCK_SHUTDOWN_BOTH);
		link_patience(l, ENDING_PATIENCE);
	}
	if (l->conn.pending)
		link_queue(l);
}

/* The host takes no more bytes: what waits for it is dropped, and the guest told. */
static void link_deafen(struct vsock_link *l)
{
	l->deaf = true;
	ev_io_stop(l->v->d.loop, &l->writable);
	vsock_conn_forwarded(&l->conn, (uint32_t)l->fill);
	vsock_buffer_drop(l);
	vsock_conn_shutdown(&l->conn, VSOCK_SHUTDOWN_RECEIVE);
}

/* The host's bytes have ended: by half, or, where its socket has gone, in both directions. */
static void link_end(struct vsock_link *l)
{
	struct pollfd p = {.fd = l->fd};

	l->ended = true;
	vsock_conn_shutdown(&l->conn, VSOCK_SHUTDOWN_SEND);
	if (poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR))
		link_deafen(l);
	link_settle(l);
}

/* The guest's last byte is written: the host is told so. */
static void link_drained(struct vsock_link *l)
{
	ev_io_stop(l->v->d.loop, &l->writable);
	if (l->side == VSOCK_SIDE_LINGERING) {
		link_finish(l);
		return;
	}
	if (l->conn.peer_shutdown & VSOCK_SHUTDOWN_SEND && !l->deaf) {
		/* A message without an end is none. */
		vsock_buffer_drop(l);
		shutdown(l->fd, SHUT_WR);
		l->deaf = true;
	}
	link_settle(l);
}

/* Does what has come of reading or writing the host's socket. */
static void link_io(struct vsock_link *l, enum vsock_io io)
{
	switch (io) {
	case VSOCK_IO_GOOD:
		break;
	case VSOCK_IO_READ_LATER:
		ev_io_start(l->v->d.loop, &l->readable);
		break;
	case VSOCK_IO_WRITE_LATER:
		ev_io_start(l->v->d.loop, &l->writable);
		break;
	case VSOCK_IO_DRAINED:
		link_drained(l);
		break;
	case VSOCK_IO_END:
		link_end(l);
		break;
	case VSOCK_IO_DEAF:
		if (l->side == VSOCK_SIDE_LINGERING) {
			link_abort(l);
			break;
		}
		link_deafen(l);
		link_settle(l);
		break;
	case VSOCK_IO_LOST:
		link_abort(l);
		break;
	}
	if (l->conn.pending)
		link_queue(l);
}

void vsock_links_flush(struct vsock *v)
{
	struct vsock_link *l = v->batch.link;

	if (l)
		link_io(l, vsock_batch_write(v));
}

/* Writes what waits for the host. */
static void link_write(struct vsock_link *l)
{
	size_t before = l->fill;
	enum vsock_io io = vsock_buffer_write(l);

	/* One that only lags is waited for. */
	if (l->fill < before && l->side == VSOCK_SIDE_LINGERING)
		link_patience(l, LINGER_PATIENCE);
	link_io(l, io);
}

/* ---- from the guest */

/* The guest will not receive or not send any more. */
static void link_half(struct vsock_link *l)
{
	uint8_t flags = l->conn.peer_shutdown;

	if (flags == VSOCK_SHUTDOWN_BOTH) {
		vsock_conn_reset(&l->conn);
		link_queue(l);
		link_finish(l);
		return;
	}
	if (l->side != VSOCK_SIDE_OPEN)
		return;
	if (flags & VSOCK_SHUTDOWN_RECEIVE && !l->ended) {
		ev_io_stop(l->v->d.loop, &l->readable);
		shutdown(l->fd, SHUT_RD);
		vsock_message_drop(l);
		l->ended = true;
	}
	if (vsock_buffer_waits(l))
		link_settle(l);
	else
		link_drained(l);
}

/* Both sides have agreed. */
static void link_open(struct vsock_link *l)
{
	/* A message is written at once or not at all; twice this is what the kernel makes of it. */
	int room = (int)l->v->ring_size;

	if (l->conn.type == VSOCK_TYPE_SEQPACKET)
		setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	ev_timer_stop(l->v->d.loop, &l->timer);
	l->side = VSOCK_SIDE_OPEN;
	ev_io_start(l->v->d.loop, &l->readable);
}

/* Does what a packet means.  Returns false when the link may be gone. */
static bool link_act(struct vsock_link *l, enum vsock_verdict verdict)
{
	switch (verdict) {
	case VSOCK_ACCEPTED:
		vsock_line_accept(l);
		link_open(l);
		return true;
	case VSOCK_HALF:
		link_half(l);
		return true;
	case VSOCK_GONE:
		link_unhash(l);
		link_finish(l);
		return false;
	case VSOCK_WRONG:
		log_guest(&l->v->d.log, "port %u: a packet that cannot be: the connection is reset", l->conn.port);
		link_abort(l);
		return false;
	default:
		return true;
	}
}

void vsock_link_receive(struct vsock_link *l, const struct vsock_packet *p, struct chain *c)
{
	enum vsock_verdict verdict = vsock_conn_receive(&l->conn, p);

	if (verdict == VSOCK_DATA) {
		/* First of all: the socket may have filled meanwhile, or gone. */
		if (vsock_batch_full(l->v))
			vsock_links_flush(l->v);
		link_io(l, vsock_data_put(l, c, p));
	} else {
		/* What came before is written before, also where this ends the connection. */
		if (l->v->batch.link == l)
			vsock_links_flush(l->v);
		virtq_push(c);
	}
	if (!link_act(l, verdict))
		return;
	if (l->stalled && vsock_conn_credit(&l->conn)) {
		l->stalled = false;
		l->want_read = true;
	}
	if (l->conn.pending || l->want_read)
		link_queue(l);
}

/* ---- beginnings */

/* The host has taken the guest's connection. */
static void link_dialled(struct vsock_link *l)
{
	ev_io_stop(l->v->d.loop, &l->writable);
	vsock_conn_respond(&l->conn);
	link_queue(l);
	link_open(l);
}

static void link_refused(struct vsock_link *l, int err)
{
	log_debug(&l->v->d.log, "port %u: %s", l->conn.port, strerror(-err));
	link_abort(l);
}

static void link_set_fd(struct vsock_link *l, int fd)
{
	l->fd = fd;
	ev_io_set(&l->readable, fd, EV_READ);
	ev_io_set(&l->writable, fd, EV_WRITE);
}

/* The vdevd of another guest is there: it is asked for a port. */
static void link_greet(struct vsock_link *l, double left)
{
	int err = vsock_line_greet(l);

	if (err) {
		link_refused(l, err);
		return;
	}
	l->side = VSOCK_SIDE_GREETING;
	ev_io_start(l->v->d.loop, &l->readable);
	link_patience(l, left > REDIAL_FIRST ? left : REDIAL_FIRST);
}

static void link_dial(struct vsock_link *l)
{
	struct vsock *v = l->v;
	bool pending;
	int fd = vsock_host_connect(v, &l->conn, &pending);
	double left = l->deadline - ev_now(v->d.loop);

	if (fd == -EAGAIN && left > 0) {
		l->side = VSOCK_SIDE_REDIALLING;
		link_patience(l, l->redial < left ? l->redial : left);
		l->redial = l->redial * 2 < REDIAL_LONGEST ? l->redial * 2 : REDIAL_LONGEST;
		return;
	}
	if (fd < 0) {
		link_refused(l, fd);
		return;
	}
	link_set_fd(l, fd);
	if (l->conn.cid != VSOCK_CID_HOST) {
		link_greet(l, left);
		return;
	}
	if (!pending) {
		link_dialled(l);
		return;
	}
	l->side = VSOCK_SIDE_DIALLING;
	ev_io_start(v->d.loop, &l->writable);
	link_patience(l, left > REDIAL_FIRST ? left : REDIAL_FIRST);
}

bool vsock_link_dial(struct vsock *v, const struct vsock_packet *p)
{
	struct vsock_link *l = link_new(v);

	if (!l)
		return false;
	vsock_conn_dial(&l->conn, p, (uint32_t)v->buf_size);
	link_hash(l);
	l->deadline = ev_now(v->d.loop) + (double)v->connect_timeout / 1000.;
	link_dial(l);
	return true;
}

/*
 * Asks for a connection to a port of the guest's, from that port of the host's or of another guest's.  Returns false where there
 * is such a connection.
 */
static bool link_ask_from(struct vsock_link *l, uint32_t guest_port, uint64_t cid, uint32_t port)
{
	struct vsock *v = l->v;

	if (find(v, cid, port, guest_port))
		return false;
	vsock_conn_ask(&l->conn, cid, port, v->guest_cid, guest_port, l->door->type, (uint32_t)v->buf_size);
	link_hash(l);
	l->side = VSOCK_SIDE_WAITING;
	link_patience(l, (double)v->connect_timeout / 1000.);
	link_queue(l);
	return true;
}

/* It is known what a program of the host, or another guest, wants. */
static void link_ask(struct vsock_link *l, const struct vsock_call *call)
{
	struct vsock *v = l->v;
	uint32_t port;

	asking_ends(l);
	ev_io_stop(v->d.loop, &l->readable);
	if (!vsock_line_may(l, call->port)) {
		link_free(l);
	} else if (l->door->sibling) {
		if (call->from_cid <= VSOCK_CID_HOST || call->from_cid == v->guest_cid ||
		    !link_ask_from(l, call->port, call->from_cid, call->from_port))
			link_free(l);
	} else {
		/* Above the ports that services have; some are in use, but fewer than there are. */
		do
			port = VSOCK_FIRST_PORT + v->next_port++ % VSOCK_PORTS;
		while (!link_ask_from(l, call->port, VSOCK_CID_HOST, port));
	}
}

/*
 * Waits for a program to say what it wants: a person may be typing that, so it has time.  Only so many can wait; when one more
 * comes, the one that has waited longest is sent away.
 */
static void link_wait(struct vsock_link *l)
{
	struct vsock *v = l->v;

	if (v->nasking == VSOCK_ASKING || v->nasking > v->max_links / 2) {
		struct vsock_link *oldest = container_of(list_first(&v->asking), struct vsock_link, list);

		log_debug(&v->d.log, "%s: too many connections that do not say what they want", oldest->door->name);
		link_free(oldest);
	}
	l->side = VSOCK_SIDE_ASKING;
	list_put_last(&v->asking, &l->list);
	v->nasking++;
	ev_io_start(v->d.loop, &l->readable);
}

void vsock_link_adopt(struct vsock_door *door, int fd)
{
	struct vsock_link *l = link_new(door->v);

	l->door = door;
	link_set_fd(l, fd);
	if (door->direct) {
		link_ask(l, &(struct vsock_call){.port = door->port});
		return;
	}
	link_wait(l);
}

/* More of the line has come that says what is wanted. */
static void link_asking(struct vsock_link *l)
{
	struct vsock_call call;
	int err = vsock_line_asked(l, &call);

	if (!err) {
		link_ask(l, &call);
	} else if (err != -EAGAIN) {
		log_debug(&l->v->d.log, "%s: a connection that does not begin with CONNECT PORT", l->door->name);
		link_free(l);
	}
}

/* More of another guest's answer. */
static void link_greeting(struct vsock_link *l)
{
	int err = vsock_line_greeted(l);

	if (!err)
		link_dialled(l);
	else if (err != -EAGAIN)
		link_refused(l, err);
}

/* ---- host to guest */

/* Sends what is owed.  Returns false when buffers ran out. */
static bool link_tell(struct vsock_link *l)
{
	struct vsock_packet p;

	while (l->conn.pending) {
		if (!vsock_rx_chain(l->v))
			return false;
		vsock_conn_next(&l->conn, &p);
		vsock_rx_push(l->v, &p);
	}
	return true;
}

/* The link's turn at the rx queue, where there is a buffer.  Returns false when it needs another buffer. */
static bool link_serve(struct vsock_link *l)
{
	bool known = l->conn.state != VSOCK_NONE;

	for (;;) {
		if (!link_tell(l))
			return false;
		if (known && l->conn.state == VSOCK_NONE) {
			link_unhash(l);
			link_finish(l);
			return true;
		}
		if (!l->want_read || l->ended || l->side != VSOCK_SIDE_OPEN)
			return true;
		uint32_t credit = vsock_conn_credit(&l->conn);

		if (credit && !vsock_rx_chain(l->v))
			return false;
		l->want_read = false;
		l->stalled = !credit;
		if (credit)
			link_io(l, vsock_data_read(l, credit));
	}
}

void vsock_links_serve(struct vsock *v)
{
	struct list *first;

	while ((first = list_first(&v->ready))) {
		list_remove(first);
		if (link_serve(container_of(first, struct vsock_link, list)))
			continue;
		/* It was the first to ask, so it is the first when there is a buffer. */
		list_remove(first);
		list_put_first(&v->ready, first);
		return;
	}
}

/* ---- events */

static void readable_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vsock_link *l = container_of(w, struct vsock_link, readable);

	if (l->side == VSOCK_SIDE_ASKING) {
		link_asking(l);
	} else if (l->side == VSOCK_SIDE_GREETING) {
		link_greeting(l);
	} else {
		/* Watched again when it was read: where that is in this turn, the kernel never hears of it. */
		ev_io_stop(loop, w);
		l->want_read = true;
		link_queue(l);
	}
}

static void writable_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vsock_link *l = container_of(w, struct vsock_link, writable);
	int err = 0;
	socklen_t len = sizeof(err);

	if (l->side != VSOCK_SIDE_DIALLING)
		link_write(l);
	else if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err)
		link_refused(l, -err);
	else
		link_dialled(l);
}

static void timer_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct vsock_link *l = container_of(w, struct vsock_link, timer);

	ev_timer_stop(loop, w);
	if (l->side == VSOCK_SIDE_REDIALLING && l->v->redials == REDIALS) {
		link_patience(l, REDIAL_FIRST);
	} else if (l->side == VSOCK_SIDE_REDIALLING) {
		l->v->redials++;
		link_dial(l);
	} else if (l->side == VSOCK_SIDE_LINGERING) {
		l->deaf = true;
		link_finish(l);
	} else if (l->conn.pending & VSOCK_OWES_REQUEST || l->conn.state == VSOCK_NONE) {
		link_free(l);
	} else {
		link_refused(l, -ETIMEDOUT);
	}
}
