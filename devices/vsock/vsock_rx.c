/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vsock_rx.c - packets of the socket device into buffers of its rx queue: VIRTIO 1.4, section 5.10.6; see vsock.h.
 *
 * Buffers are popped in the queue's own turn, and some are kept.  What the tx queue, a socket or a timer causes is written
 * into those that are kept; where they are too few, the queue is asked for a turn.
 */
#include "devices/vsock/vsock.h"

#include <string.h>

#define HDR sizeof(struct vsock_hdr)

/* Keeps one more buffer.  Returns whether there was one with room for a header. */
static bool rx_pop(struct vsock *v)
{
	struct virtq *vq = vdev_queue(&v->d, VSOCK_RX);
	struct chain *c;

	if (v->nspare == VSOCK_RX_CHAINS)
		return false;
	if (!v->rx_turn) {
		if (v->rx_left)
			virtq_again(vq);
		return false;
	}
	while ((c = virtq_pop(vq))) {
		if (chain_writable(c) >= HDR) {
			v->spare[v->nspare++] = c;
			return true;
		}
		log_guest(&v->d.log, "rx: a buffer without room for a header");
		virtq_push(c);
	}
	v->rx_left = false;
	return false;
}

void vsock_rx_turn(struct vsock *v, bool begins)
{
	v->rx_turn = v->rx_left = true;
	while (rx_pop(v))
		;
	v->rx_turn = begins;
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

void vsock_rx_return(struct vsock *v)
{
	/* The last first: requeued chains keep their order in any case. */
	v->rx_left = false;
	while (v->nspare)
		virtq_requeue(v->spare[--v->nspare]);
}
