/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * inflight.h - the record of chains in flight, as it is shared with a front-end: QEMU docs/interop/vhost-user.rst,
 * "Inflight I/O tracking".
 *
 * A packed ring cannot do without one: what is used out of order overwrites the descriptors of what is still in flight.
 * Where the front-end shares none, it is private memory of the same form.
 *
 * Theory of operation.  The process may be killed between any two instructions; the next one finds ring and record as the stores before
 * left them, in program order, and must tell from them what is in flight.  So a chain is in the record before the device
 * sees it, and leaves it after the driver can see that it is used; between these two stores, a third place
 * (used_idx; the old_ members) tells whether the used ring was already written.  Stores are kept in order by forget_shared.
 * The front-end shares the record: it is never trusted with an index.
 *
 * The next process finishes what was begun and pops the rest first, in the old order, whatever base it is told. Each
 * chain is used once. Whether the host saw a request twice is another matter: one that was made and not yet used is
 * made again. A record is trusted at the first start in a connection; later, a ring that does not begin where it
 * stopped is a driver's that begins anew.
 *
 * test/unit/test_inflight.c kills a ring after single instructions of a pop and two pushes (each of them with
 * VDEVD_TEST_DEPTH=all, some of them otherwise), test/protocol/test_crash.c the executable under load.
 */
#ifndef VDEVD_TRANSPORT_RING_INFLIGHT_H
#define VDEVD_TRANSPORT_RING_INFLIGHT_H

#include "core/base.h"

/* A head in a split ring's table of descriptors; in the host's byte order. */
struct inflight_split_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;        /* of the last batch that was used: ours are of one */
	uint64_t counter;     /* the order they were taken in */
};

struct inflight_split {
	uint64_t features;    /* 0 */
	uint16_t version;     /* INFLIGHT_VERSION; 0: nothing is there yet */
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct inflight_split_desc desc[];
};

/* A descriptor taken from a packed ring; in the host's byte order.  Members marked * are the first's of a chain alone. */
struct inflight_packed_desc {
	uint8_t inflight;     /* * */
	uint8_t padding;
	uint16_t next;        /* of its chain, or of the free list */
	uint16_t last;        /* * of its chain */
	uint16_t num;         /* * of them */
	uint64_t counter;     /* * the order they were taken in */
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

struct inflight_packed {
	uint64_t features;    /* 0 */
	uint16_t version;     /* INFLIGHT_VERSION; 0: nothing is there yet */
	uint16_t desc_num;
	uint16_t free_head;
	uint16_t old_free_head;
	uint16_t used_idx;
	uint16_t old_used_idx;
	uint8_t used_wrap_counter;
	uint8_t old_used_wrap_counter;
	uint8_t padding[7];
	struct inflight_packed_desc desc[];
};

#define INFLIGHT_VERSION 1u

#define INFLIGHT_SPLIT_BYTES(num)  (sizeof(struct inflight_split) + (num) * sizeof(struct inflight_split_desc))
#define INFLIGHT_PACKED_BYTES(num) (sizeof(struct inflight_packed) + (num) * sizeof(struct inflight_packed_desc))

/* Where the region of a queue of this size ends, and the next one's begins. */
static inline size_t inflight_queue_bytes(bool packed, unsigned int num)
{
	size_t bytes = packed ? INFLIGHT_PACKED_BYTES(num) : INFLIGHT_SPLIT_BYTES(num);

	return (bytes + 63) / 64 * 64;
}

#endif
