/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_vsock.c - connections of the socket device that are kept busy, and the programs of the host at their other ends; see
 * guest_load.h.  VIRTIO 1.4, section 5.10.6.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/lib/guest_load.h"
#include "test/lib/random.h"

#define RX    0
#define TX    1
#define EVENT 2

enum {
	OP_REQUEST = 1,
	OP_RESPONSE,
	OP_RST,
	OP_SHUTDOWN,
	OP_RW,
	OP_CREDIT_UPDATE,
	OP_CREDIT_REQUEST,
};

#define CID	  3
#define HOST	  2
#define HOST_PORT 9
#define ALLOC	  8192u /* bytes of ours for each connection */
#define PAYLOAD	  200u
#define STREAMS	  4u
#define PEERS	  64u
#define RX_BUFS	  16u
#define TX_BUFS	  20u
#define EVENTS	  4u

struct packet {
	le64 src_cid, dst_cid;
	le32 src_port, dst_port, len;
	le16 type, op;
	le32 flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

#define HDR sizeof(struct packet)

/* A buffer of one of the queues. */
struct buffer {
	struct frontend_buf mem;
	bool in_flight;
};

/* A connection, as the guest sees it. */
struct stream {
	enum { CLOSED, ASKED, OPEN } state;
	unsigned int epoch; /* in which it began */
	uint32_t port;
	uint32_t sent, host_fwd, host_alloc;
	uint32_t got, told;
};

/* The other end of one. */
struct peer {
	int fd;
	uint32_t got, sent;
};

struct guest {
	struct buffer rx[RX_BUFS], tx[TX_BUFS], events[EVENTS];
	struct stream streams[STREAMS];
	struct peer peers[PEERS];
	int listener;
	uint32_t next_port;
	unsigned int epoch, told_epoch; /* of the back end; the last that has said TRANSPORT_RESET */
};

/* The byte at this place of any connection. */
static uint8_t byte_at(uint32_t i)
{
	return (uint8_t)(i * 167u + (i >> 8) * 13u);
}

static void check_bytes(const uint8_t *bytes, size_t len, uint32_t from, const char *who)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != byte_at(from + (uint32_t)i))
			ck_abort_msg("%s: byte %u is not what was sent", who, from + (uint32_t)i);
	}
}

static void fill_bytes(uint8_t *bytes, size_t len, uint32_t from)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(from + (uint32_t)i);
}

/* ---- programs of the host */

static int host_listen(const char *dir)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/peer", dir);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	return fd;
}

static void peer_turn(struct load *l, struct peer *p)
{
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = recv(p->fd, bytes, sizeof(bytes), 0)) > 0) {
		check_bytes(bytes, (size_t)n, p->got, "host");
		p->got += (uint32_t)n;
	}
	if (n == 0 || errno != EAGAIN) {
		close(p->fd);
		p->fd = -1;
		return;
	}
	size_t len = random_next(&l->random) % 512;

	fill_bytes(bytes, len, p->sent);
	n = send(p->fd, bytes, len, MSG_NOSIGNAL);
	p->sent += n > 0 ? (uint32_t)n : 0;
}

static void vsock_turn(struct load *l)
{
	struct guest *g = l->priv;

	for (unsigned int i = 0; i < PEERS; i++) {
		struct peer *p = &g->peers[i];

		if (p->fd < 0)
			*p = (struct peer){.fd = accept4(g->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)};
		if (p->fd >= 0)
			peer_turn(l, p);
	}
}

/* ---- to the device */

static bool send_packet(struct load *l, struct stream *s, uint16_t op, uint32_t len)
{
	struct guest *g = l->priv;

	for (unsigned int i = 0; i < TX_BUFS; i++) {
		struct buffer *b = &g->tx[i];
		const struct packet h = {
			.src_cid = htole64(CID),
			.dst_cid = htole64(HOST),
			.src_port = htole32(s->port),
			.dst_port = htole32(HOST_PORT),
			.len = htole32(len),
			.type = htole16(1),
			.op = htole16(op),
			.buf_alloc = htole32(ALLOC),
			.fwd_cnt = htole32(s->got),
		};

		if (b->in_flight)
			continue;
		memcpy(b->mem.va, &h, HDR);
		fill_bytes((uint8_t *)b->mem.va + HDR, len, s->sent);
		if (!load_add(l, TX, &b->mem, (uint32_t)HDR + len, NULL, 0, 0, b))
			return false;
		b->in_flight = true;
		l->submitted++;
		s->sent += len;
		s->told = s->got;
		return true;
	}
	return false;
}

static void stream_turn(struct load *l, struct stream *s)
{
	struct guest *g = l->priv;
	uint32_t room = s->host_alloc - (s->sent - s->host_fwd), len = 1 + random_next(&l->random) % PAYLOAD;

	if (s->state == CLOSED) {
		*s = (struct stream){.port = g->next_port, .epoch = g->epoch};
		if (!send_packet(l, s, OP_REQUEST, 0))
			return;
		g->next_port++;
		s->state = ASKED;
	} else if (s->state == OPEN && room && random_next(&l->random) % 4) {
		send_packet(l, s, OP_RW, len < room ? len : room);
	} else if (s->state == OPEN && s->got - s->told > ALLOC / 4) {
		send_packet(l, s, OP_CREDIT_UPDATE, 0);
	}
}

static void post(struct load *l, unsigned int q, struct buffer *bufs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!bufs[i].in_flight)
			bufs[i].in_flight = load_add(l, q, NULL, 0, &bufs[i].mem, (uint32_t)bufs[i].mem.len, 1, &bufs[i]);
	}
}

static void vsock_submit(struct load *l)
{
	struct guest *g = l->priv;

	post(l, RX, g->rx, RX_BUFS);
	post(l, EVENT, g->events, EVENTS);
	for (unsigned int i = 0; i < STREAMS; i++)
		stream_turn(l, &g->streams[i]);
}

/* ---- from the device */

static void receive(struct stream *s, const struct packet *h, const uint8_t *data)
{
	uint16_t op = le16toh(h->op);
	uint32_t len = le32toh(h->len);

	s->host_alloc = le32toh(h->buf_alloc);
	s->host_fwd = le32toh(h->fwd_cnt);
	if (s->sent - s->host_fwd > s->host_alloc)
		ck_abort_msg("%u bytes sent, %u forwarded", s->sent, s->host_fwd);
	if (op == OP_RESPONSE && s->state == ASKED) {
		s->state = OPEN;
		return;
	}
	if (s->state != OPEN || (op != OP_RW && op != OP_CREDIT_UPDATE && op != OP_CREDIT_REQUEST))
		ck_abort_msg("operation %u in state %d", op, s->state);
	if (op == OP_CREDIT_REQUEST)
		s->told = s->got - ALLOC;
	if (op != OP_RW)
		return;
	check_bytes(data, len, s->got, "guest");
	s->got += len;
	if (s->got - s->told > ALLOC)
		ck_abort_msg("more than the guest has room for");
}

static void reap_rx(struct guest *g, const struct buffer *b, uint32_t used)
{
	const uint8_t *bytes = b->mem.va;
	struct packet h;

	if (used < HDR || used > b->mem.len)
		ck_abort_msg("a packet of %u bytes", used);
	memcpy(&h, bytes, HDR);
	if (used != HDR + le32toh(h.len) || le64toh(h.dst_cid) != CID || le64toh(h.src_cid) != HOST)
		ck_abort_msg("a packet of %u bytes with %u of payload", used, le32toh(h.len));
	for (unsigned int i = 0; i < STREAMS; i++) {
		struct stream *s = &g->streams[i];

		if (s->state == CLOSED || s->port != le32toh(h.dst_port))
			continue;
		if (le16toh(h.op) != OP_RST) {
			receive(s, &h, bytes + HDR);
			return;
		}
		/* Only a back end that knows nothing of the connection has a reason. */
		if (s->epoch == g->epoch)
			ck_abort_msg("a connection was reset");
		s->state = CLOSED;
		return;
	}
}

/* No connection of the past is alive. */
static void reap_event(struct guest *g, const struct buffer *b, uint32_t used)
{
	static const uint8_t reset[4];

	if (used != sizeof(reset) || memcmp(b->mem.va, reset, sizeof(reset)) != 0 || g->told_epoch == g->epoch)
		ck_abort_msg("an event of %u bytes", used);
	g->told_epoch = g->epoch;
	for (unsigned int i = 0; i < STREAMS; i++)
		g->streams[i].state = CLOSED;
}

static void vsock_reap(struct load *l, unsigned int q, void *token, uint32_t used)
{
	struct buffer *b = token;

	if (!b->in_flight)
		ck_abort_msg("queue %u: used, and not in flight", q);
	b->in_flight = false;
	if (q == RX)
		reap_rx(l->priv, b, used);
	if (q == EVENT)
		reap_event(l->priv, b, used);
	if (q == TX)
		l->completed++;
}

static void vsock_taken_over(struct load *l)
{
	((struct guest *)l->priv)->epoch++;
}

/* The guest was told, and each connection is one with the present back end that has carried something, both ways. */
static bool vsock_over(const struct load *l)
{
	const struct guest *g = l->priv;

	if (g->told_epoch != g->epoch)
		return false;
	for (unsigned int i = 0; i < STREAMS; i++) {
		const struct stream *s = &g->streams[i];

		if (s->state != OPEN || s->epoch != g->epoch || !s->got || !s->host_fwd)
			return false;
	}
	return true;
}

static void vsock_begin(struct load *l)
{
	struct guest *g = calloc(1, sizeof(*g));

	ck_assert_ptr_nonnull(g);
	for (unsigned int i = 0; i < RX_BUFS; i++)
		load_alloc(l, true, HDR + PAYLOAD, &g->rx[i].mem);
	for (unsigned int i = 0; i < TX_BUFS; i++)
		load_alloc(l, false, HDR + PAYLOAD, &g->tx[i].mem);
	for (unsigned int i = 0; i < EVENTS; i++)
		load_alloc(l, true, 8, &g->events[i].mem);
	for (unsigned int i = 0; i < PEERS; i++)
		g->peers[i].fd = -1;
	g->listener = host_listen(l->dir);
	g->next_port = 1024;
	l->priv = g;
}

static void vsock_end(struct load *l)
{
	struct guest *g = l->priv;

	for (unsigned int i = 0; i < PEERS; i++) {
		if (g->peers[i].fd >= 0)
			close(g->peers[i].fd);
	}
	close(g->listener);
	free(g);
}

const struct load_kind load_vsock = {
	.name = "vsock",
	.device = "vsock",
	.args = {"--map=guest:9=unix:%T/peer", "--features=+ring_packed,+log_all,+pagefault"},
	.nqueues = 3,
	.begin = vsock_begin,
	.submit = vsock_submit,
	.reap = vsock_reap,
	.turn = vsock_turn,
	.taken_over = vsock_taken_over,
	.over = vsock_over,
	.end = vsock_end,
};
