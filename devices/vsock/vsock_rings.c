/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_rings.c - packets of the socket device in its rx and tx queues: VIRTIO 1.4, section 5.10.6; see vsock.h.
 */
#include "devices/vsock/vsock.h"

#include <string.h>

#define HDR sizeof(struct vsock_hdr)

/* ---- to the guest */

/* Pops one more buffer of rx.  Returns whether there was one with room for a header. */
static bool rx_pop(struct vsock *v)
{
	struct chain *c;

	if (v->nspare == VSOCK_RX_CHAINS)
		return false;
	while ((c = virtq_pop(vdev_queue(&v->d, VSOCK_RX)))) {
		if (chain_writable(c) >= HDR) {
			v->spare[v->nspare++] = c;
			return true;
		}
		log_guest(&v->d.log, "rx: a buffer without room for a header");
		virtq_push(c);
	}
	return false;
}

/* The first n spare buffers were given to the guest. */
static void rx_gone(struct vsock *v, unsigned int n)
{
	v->nspare -= n;
	memmove(v->spare, v->spare + n, v->nspare * sizeof(*v->spare));
}

struct chain *vsock_rx_chain(struct vsock *v)
{
	return v->nspare || rx_pop(v) ? v->spare[0] : NULL;
}

void vsock_rx_push(struct vsock *v, const struct vsock_packet *p)
{
	struct vsock_hdr hdr;

	vsock_packet_put(p, &hdr);
	chain_put(v->spare[0], &hdr, sizeof(hdr));
	virtq_push(v->spare[0]);
	rx_gone(v, 1);
}

bool vsock_rx_gather(struct vsock *v, struct vsock_portion *p, size_t want)
{
	p->n = p->niov = 0;
	while (want && p->niov < VSOCK_IOV && (p->n < v->nspare || rx_pop(v))) {
		struct iovec *iov = p->iov + p->niov;
		unsigned int n = chain_iov(v->spare[p->n], CHAIN_WRITE, HDR, iov, VSOCK_IOV - p->niov, want);
		uint32_t room = 0;

		if (!n)
			break;
		for (unsigned int i = 0; i < n; i++)
			room += (uint32_t)iov[i].iov_len;
		p->niov += n;
		p->room[p->n++] = room;
		want -= room;
	}
	return p->n > 0;
}

void vsock_rx_deliver(struct vsock *v, const struct vsock_portion *p, struct vsock_conn *c, size_t len,
		      uint32_t flags)
{
	unsigned int i;

	for (i = 0; len && i < p->n; i++) {
		uint32_t n = (uint32_t)min_size(len, p->room[i]);
		struct vsock_packet packet;
		struct vsock_hdr hdr;

		vsock_conn_send(c, n, n == len ? flags : 0, &packet);
		vsock_packet_put(&packet, &hdr);
		chain_put(v->spare[i], &hdr, sizeof(hdr));
		chain_wrote(v->spare[i], n);
		virtq_push(v->spare[i]);
		len -= n;
	}
	rx_gone(v, i);
}

/* Answers to packets that belong to no connection. */
static void send_resets(struct vsock *v)
{
	while (v->nresets && vsock_rx_chain(v)) {
		vsock_rx_push(v, &v->resets[v->reset_first]);
		v->reset_first = (v->reset_first + 1) % VSOCK_RESETS;
		v->nresets--;
	}
}

void vsock_pump(struct vsock *v)
{
	struct vsock_link *l;

	send_resets(v);
	while (!v->nresets && (l = TAILQ_FIRST(&v->ready))) {
		TAILQ_REMOVE(&v->ready, l, list);
		l->queued = false;
		if (vsock_link_serve(l))
			continue;
		/* It was the first to ask, so it is the first when there is a buffer. */
		TAILQ_INSERT_HEAD(&v->ready, l, list);
		l->queued = true;
		return;
	}
}

/* ---- from the guest */

/* Answers with a RST; there is room: see vsock_tx. */
static void refuse(struct vsock *v, const struct vsock_packet *p)
{
	if (p->op == VSOCK_OP_RST)
		return;
	vsock_packet_reset(p, &v->resets[(v->reset_first + v->nresets) % VSOCK_RESETS]);
	v->nresets++;
}

/* A packet that belongs to no connection there is. */
static void tx_stray(struct vsock *v, const struct vsock_packet *p)
{
	bool there = p->dst_cid == VSOCK_CID_HOST || v->ngroups;

	if (p->op != VSOCK_OP_REQUEST || p->len || !there || !vsock_link_dial(v, p))
		refuse(v, p);
}

/* Whether the driver has accepted sockets of this type: section 5.10.3.1. */
static bool type_served(const struct vsock *v, uint16_t type)
{
	uint64_t f = v->d.features;

	if (type == VSOCK_TYPE_SEQPACKET)
		return f & BIT(VIRTIO_VSOCK_F_SEQPACKET);
	return type == VSOCK_TYPE_STREAM && (f & BIT(VIRTIO_VSOCK_F_STREAM) || !(f & BIT(VIRTIO_VSOCK_F_NO_IMPLIED_STREAM)));
}

static void tx_packet(struct vsock *v, struct chain *c)
{
	struct vsock_link *l = NULL;
	struct vsock_packet p;
	struct vsock_hdr hdr;
	bool sound = chain_get(c, &hdr, sizeof(hdr)), ours;

	if (sound)
		vsock_packet_get(&p, &hdr);
	if (!sound || (p.op == VSOCK_OP_RW && p.len > chain_readable(c))) {
		log_guest(&v->d.log, "tx: a packet shorter than it says");
		virtq_push(c);
		return;
	}
	ours = p.src_cid == v->guest_cid && type_served(v, p.type);
	if (ours)
		l = vsock_link_find(v, &p);
	if (v->batch.link && (v->batch.link != l || p.op != VSOCK_OP_RW))
		vsock_batch_flush(v);
	if (l && l->conn.type == p.type) {
		vsock_link_receive(l, &p, c);
		return;
	}
	virtq_push(c);
	if (ours && !l)
		tx_stray(v, &p);
	else
		refuse(v, &p);
}

void vsock_tx(struct vsock *v)
{
	struct chain *c;

	do {
		while (v->nresets < VSOCK_RESETS && (c = virtq_pop(vdev_queue(&v->d, VSOCK_TX))))
			tx_packet(v, c);
		v->tx_waits = v->nresets == VSOCK_RESETS;
		vsock_batch_flush(v);
		vsock_pump(v);
	} while (v->tx_waits && v->nresets < VSOCK_RESETS);
}

void vsock_rx(struct vsock *v)
{
	/* One buffer in hand: a ring that cannot be trusted shows now, not when there is something to say. */
	vsock_rx_chain(v);
	vsock_pump(v);
	if (v->tx_waits && v->nresets < VSOCK_RESETS)
		vsock_tx(v);
}

void vsock_rx_return(struct vsock *v)
{
	/* The last first: requeued chains keep their order in any case. */
	while (v->nspare)
		virtq_requeue(v->spare[--v->nspare]);
}
