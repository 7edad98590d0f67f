/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_can.c - keeps a CAN controller busy, on a bus with a node that answers each frame: test/lib/guest_load.h.
 */
#include <check.h>
#include <string.h>

#include "test/lib/guest_load.h"
#include "test/lib/random.h"

enum { CAN_TXQ, CAN_RXQ, CAN_CONTROLQ };

#define BUFFERS 8u

struct can_load {
	struct load_requests requests;
	struct can_buffer {
		struct frontend_buf in;
		bool in_flight;
	} rx[BUFFERS];
	struct frontend_buf start, result;
	bool starting, started;
	uint32_t sent, heard; /* the identifiers that were sent and heard last */
};

static void can_begin(struct load *l)
{
	static const uint8_t start[2] = {0x01, 0x02};
	struct can_load *r;

	load_requests_begin(l);
	r = l->priv;
	for (unsigned int i = 0; i < BUFFERS; i++)
		load_alloc(l, true, 80, &r->rx[i].in);
	load_alloc(l, false, sizeof(start), &r->start);
	load_alloc(l, true, 1, &r->result);
	memcpy(r->start.va, start, sizeof(start));
}

/* VIRTIO 1.4, section "CAN Device": a frame without data, with an identifier of 29 bits.  The answer's is greater by one. */
static void can_submit(struct load *l)
{
	struct can_load *r = l->priv;

	if (!r->starting && !r->started)
		r->starting = load_add(l, CAN_CONTROLQ, &r->start, 2, &r->result, 1, 1, &r->start);
	for (unsigned int i = 0; i < BUFFERS; i++) {
		if (!r->rx[i].in_flight)
			r->rx[i].in_flight = load_add(l, CAN_RXQ, NULL, 0, &r->rx[i].in, 80, 1, &r->rx[i]);
	}
	while (r->started && random_next(&l->random) % 8) {
		const uint32_t id = r->sent + 2;
		const uint8_t out[16] = {1, 0, [8] = 0, 0x80, [12] = (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16), 0};

		/* Where the device forgets, its controller is stopped for a while. */
		if (!load_request(l, out, sizeof(out), 1, 1, l->lasting ? 0 : LOAD_ANY))
			break;
		r->sent = id % (1u << 24);
	}
}

/* Answers come in order, and none twice; those that are on the bus when the guest moves are not heard. */
static void can_heard(struct load *l, struct can_buffer *b, uint32_t used)
{
	static const uint8_t head[12] = {0x01, 0x01, [9] = 0x80};
	struct can_load *r = l->priv;
	const uint8_t *in = b->in.va;
	const uint32_t id = in[12] | (uint32_t)in[13] << 8 | (uint32_t)in[14] << 16;

	if (!b->in_flight || used != 16 || memcmp(in, head, sizeof(head)) != 0 || in[15])
		ck_abort_msg("a frame of %u bytes, type %02x%02x, id %u", used, in[1], in[0], id);
	if (id > r->sent + 1 || !(id & 1) || (l->lasting && id <= r->heard))
		ck_abort_msg("frame %u behind frame %u, and %u was sent", id, r->heard, r->sent);
	r->heard = id;
	b->in_flight = false;
}

static void can_reap(struct load *l, unsigned int q, void *token, uint32_t used)
{
	struct can_load *r = l->priv;

	if (q == CAN_TXQ) {
		load_requests_reap(l, q, token, used);
	} else if (q == CAN_RXQ) {
		can_heard(l, token, used);
	} else {
		r->started = used == 1 && *(uint8_t *)r->result.va == 0;
		r->starting = false;
		if (!r->started)
			ck_abort_msg("the controller was not started");
	}
}

/* A device that forgets has stopped. */
static void can_taken_over(struct load *l)
{
	struct can_load *r = l->priv;

	r->started &= l->lasting;
}

static void can_end(struct load *l)
{
	const struct can_load *r = l->priv;

	ck_assert(l->completed < 1000 || r->heard);
	load_requests_end(l);
}

const struct load_kind load_can = {
	.size = sizeof(struct can_load),
	.name = "can",
	.device = "can",
	.args = {"--sim-echo", "--features=+ring_packed,+log_all,+pagefault"},
	.features = BIT(0) | BIT(3),
	.nqueues = 3,
	.begin = can_begin,
	.submit = can_submit,
	.reap = can_reap,
	.taken_over = can_taken_over,
	.end = can_end,
};
