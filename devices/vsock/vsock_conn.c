/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_conn.c - state and credit of one connection: VIRTIO 1.4, section 5.10.6; see vsock_conn.h.
 *
 * What the guest says of its own buffer is believed: a guest that lies loses its own bytes.  What it sends is checked
 * against the room it was told of.
 */
#include "devices/vsock/vsock_conn.h"

void vsock_packet_get(struct vsock_packet *p, const struct vsock_hdr *h)
{
	*p = (struct vsock_packet){
		.src_cid = le64toh(h->src_cid),
		.dst_cid = le64toh(h->dst_cid),
		.src_port = le32toh(h->src_port),
		.dst_port = le32toh(h->dst_port),
		.len = le32toh(h->len),
		.type = le16toh(h->type),
		.op = le16toh(h->op),
		.flags = le32toh(h->flags),
		.buf_alloc = le32toh(h->buf_alloc),
		.fwd_cnt = le32toh(h->fwd_cnt),
	};
}

void vsock_packet_put(const struct vsock_packet *p, struct vsock_hdr *h)
{
	*h = (struct vsock_hdr){
		.src_cid = htole64(p->src_cid),
		.dst_cid = htole64(p->dst_cid),
		.src_port = htole32(p->src_port),
		.dst_port = htole32(p->dst_port),
		.len = htole32(p->len),
		.type = htole16(p->type),
		.op = htole16(p->op),
		.flags = htole32(p->flags),
		.buf_alloc = htole32(p->buf_alloc),
		.fwd_cnt = htole32(p->fwd_cnt),
	};
}

void vsock_packet_reset(const struct vsock_packet *in, struct vsock_packet *out)
{
	*out = (struct vsock_packet){
		.src_cid = in->dst_cid,
		.dst_cid = in->src_cid,
		.src_port = in->dst_port,
		.dst_port = in->src_port,
		.type = in->type,
		.op = VSOCK_OP_RST,
	};
}

static void learn_credit(struct vsock_conn *c, const struct vsock_packet *p)
{
	c->peer_alloc = p->buf_alloc;
	c->peer_fwd = p->fwd_cnt;
}

void vsock_conn_dial(struct vsock_conn *c, const struct vsock_packet *p, uint32_t buf_alloc)
{
	*c = (struct vsock_conn){
		.cid = p->dst_cid,
		.guest_cid = p->src_cid,
		.port = p->dst_port,
		.guest_port = p->src_port,
		.type = p->type,
		.state = VSOCK_DIALLING,
		.buf_alloc = buf_alloc,
	};
	learn_credit(c, p);
}

void vsock_conn_ask(struct vsock_conn *c, uint64_t cid, uint32_t port, uint64_t guest_cid, uint32_t guest_port,
		    uint16_t type, uint32_t buf_alloc)
{
	*c = (struct vsock_conn){
		.cid = cid,
		.guest_cid = guest_cid,
		.port = port,
		.guest_port = guest_port,
		.type = type,
		.state = VSOCK_ASKED,
		.pending = VSOCK_OWES_REQUEST,
		.buf_alloc = buf_alloc,
	};
}

void vsock_conn_respond(struct vsock_conn *c)
{
	c->state = VSOCK_OPEN;
	c->pending |= VSOCK_OWES_RESPONSE;
}

/*
 * A guest in the middle of a message: nothing of it is forwarded before its end has come, and it may wait for the last
 * bit of room to send that.
 */
static void tell_waiting(struct vsock_conn *c)
{
	if (c->type == VSOCK_TYPE_SEQPACKET && c->fwd_cnt != c->told_fwd &&
	    c->buf_alloc - (c->rx_cnt - c->told_fwd) < c->buf_alloc / 4)
		c->pending |= VSOCK_OWES_UPDATE;
}

/* Payload: must fit into the room the guest was told of, or could have been told of. */
static enum vsock_verdict receive_data(struct vsock_conn *c, const struct vsock_packet *p)
{
	if (c->peer_shutdown & VSOCK_SHUTDOWN_SEND || p->len > c->buf_alloc - (c->rx_cnt - c->fwd_cnt))
		return VSOCK_WRONG;
	c->rx_cnt += p->len;
	tell_waiting(c);
	return VSOCK_DATA;
}

/* The guest has said what it will not do any more; when that is both, RST is the answer. */
static enum vsock_verdict receive_shutdown(struct vsock_conn *c, const struct vsock_packet *p)
{
	uint8_t flags = (uint8_t)(c->peer_shutdown | (p->flags & VSOCK_SHUTDOWN_BOTH));

	if (flags == c->peer_shutdown)
		return VSOCK_NOTHING;
	c->peer_shutdown = flags;
	return VSOCK_HALF;
}

/* Whether a packet of this kind may come in this state. */
static bool op_fits(const struct vsock_conn *c, uint16_t op)
{
	switch (op) {
	case VSOCK_OP_RESPONSE:
		return c->state == VSOCK_ASKED && !(c->pending & VSOCK_OWES_REQUEST);
	case VSOCK_OP_SHUTDOWN:
	case VSOCK_OP_RW:
		return c->state == VSOCK_OPEN || c->state == VSOCK_ENDING;
	case VSOCK_OP_CREDIT_UPDATE:
	case VSOCK_OP_CREDIT_REQUEST:
		return true;
	default:
		return false;
	}
}

enum vsock_verdict vsock_conn_receive(struct vsock_conn *c, const struct vsock_packet *p)
{
	if (p->op == VSOCK_OP_RST) {
		c->state = VSOCK_NONE;
		c->pending = 0;
		return VSOCK_GONE;
	}
	if (c->state == VSOCK_DEAD)
		return VSOCK_NOTHING;
	if (!op_fits(c, p->op) || (p->len && p->op != VSOCK_OP_RW))
		return VSOCK_WRONG;
	learn_credit(c, p);
	switch (p->op) {
	case VSOCK_OP_RESPONSE:
		c->state = VSOCK_OPEN;
		return VSOCK_ACCEPTED;
	case VSOCK_OP_SHUTDOWN:
		return receive_shutdown(c, p);
	case VSOCK_OP_RW:
		return receive_data(c, p);
	case VSOCK_OP_CREDIT_REQUEST:
		c->pending |= VSOCK_OWES_UPDATE;
		return VSOCK_NOTHING;
	default:
		return VSOCK_NOTHING;
	}
}

void vsock_conn_forwarded(struct vsock_conn *c, uint32_t len)
{
	c->fwd_cnt += len;
	/* Every quarter: a guest that streams is never without credit, and few packets say so. */
	if (c->state != VSOCK_OPEN)
		return;
	if (c->fwd_cnt - c->told_fwd >= c->buf_alloc / 4 && c->fwd_cnt != c->told_fwd)
		c->pending |= VSOCK_OWES_UPDATE;
	tell_waiting(c);
}

/* Whether there can be payload for the guest at all: neither side has said that there will be none. */
static bool may_send(const struct vsock_conn *c)
{
	return c->state == VSOCK_OPEN && !(c->told_shutdown & VSOCK_SHUTDOWN_SEND) &&
	       !(c->peer_shutdown & VSOCK_SHUTDOWN_RECEIVE);
}

uint32_t vsock_conn_credit(struct vsock_conn *c)
{
	uint32_t unread = c->tx_cnt - c->peer_fwd;
	uint32_t credit = unread < c->peer_alloc ? c->peer_alloc - unread : 0;

	if (!may_send(c))
		return 0;
	if (credit) {
		c->asked = false;
	} else if (!c->asked) {
		c->asked = true;
		c->pending |= VSOCK_OWES_ASKING;
	}
	return credit;
}

/* A packet of this connection's; each one tells the credit. */
static void fill_packet(struct vsock_conn *c, enum vsock_op op, struct vsock_packet *out)
{
	*out = (struct vsock_packet){
		.src_cid = c->cid,
		.dst_cid = c->guest_cid,
		.src_port = c->port,
		.dst_port = c->guest_port,
		.type = c->type,
		.op = (uint16_t)op,
		.buf_alloc = c->buf_alloc,
		.fwd_cnt = c->fwd_cnt,
	};
	c->told_fwd = c->fwd_cnt;
	c->pending &= (uint8_t)~VSOCK_OWES_UPDATE;
}

void vsock_conn_send(struct vsock_conn *c, uint32_t len, uint32_t flags, struct vsock_packet *out)
{
	fill_packet(c, VSOCK_OP_RW, out);
	out->len = len;
	out->flags = flags;
	c->tx_cnt += len;
}

void vsock_conn_shutdown(struct vsock_conn *c, unsigned int flags)
{
	uint8_t all = (uint8_t)(c->told_shutdown | flags);

	if (all == c->told_shutdown || c->state != VSOCK_OPEN)
		return;
	c->told_shutdown = all;
	c->pending |= VSOCK_OWES_SHUTDOWN;
	if (all == VSOCK_SHUTDOWN_BOTH)
		c->state = VSOCK_ENDING;
}

void vsock_conn_reset(struct vsock_conn *c)
{
	if (c->state == VSOCK_NONE)
		return;
	c->state = VSOCK_DEAD;
	c->pending = VSOCK_OWES_RST;
}

bool vsock_conn_next(struct vsock_conn *c, struct vsock_packet *out)
{
	/* In this order: what opens comes first, what closes last. */
	static const struct {
		uint8_t bit, op;
	} order[] = {
		{VSOCK_OWES_REQUEST, VSOCK_OP_REQUEST},       {VSOCK_OWES_RESPONSE, VSOCK_OP_RESPONSE},
		{VSOCK_OWES_UPDATE, VSOCK_OP_CREDIT_UPDATE},  {VSOCK_OWES_ASKING, VSOCK_OP_CREDIT_REQUEST},
		{VSOCK_OWES_SHUTDOWN, VSOCK_OP_SHUTDOWN},     {VSOCK_OWES_RST, VSOCK_OP_RST},
	};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (!(c->pending & order[i].bit))
			continue;
		c->pending &= (uint8_t)~order[i].bit;
		fill_packet(c, order[i].op, out);
		if (order[i].op == VSOCK_OP_SHUTDOWN)
			out->flags = c->told_shutdown;
		if (order[i].op == VSOCK_OP_RST)
			c->state = VSOCK_NONE;
		return true;
	}
	return false;
}
