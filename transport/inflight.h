/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * inflight.h - the record of chains in flight, as it is shared with a front-end: QEMU docs/interop/vhost-user.rst,
 * "Inflight I/O tracking".
 *
 * A packed ring cannot do without one: what is used out of order overwrites the descriptors of what is still in flight.
 * Where the front-end shares none, it is private memory of the same form.
 */
#ifndef VDEVD_TRANSPORT_INFLIGHT_H
#define VDEVD_TRANSPORT_INFLIGHT_H

#include "core/base.h"

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

#endif
