/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rig.h - one virtqueue and the memory around it, for tests of ring and chain that write every byte of the driver's
 * side themselves.
 */
#ifndef VDEVD_TEST_LIB_RIG_H
#define VDEVD_TEST_LIB_RIG_H

#include "mem/gmem.h"
#include "transport/ring/split_layout.h"
#include "transport/ring/virtq.h"

/* Addresses of the memory, and offsets in it. */
#define RIG_GUEST  0x100000000u
#define RIG_USER   0x7f0000000000u
#define RIG_SIZE   (8u << 20)
#define RIG_DESC   0u
#define RIG_AVAIL  (1u << 20)
#define RIG_USED   (2u << 20)
#define RIG_TABLE  (3u << 20) /* for indirect tables */
#define RIG_BUFFER (4u << 20) /* for buffers, up to the end */

struct rig {
	struct gmem *mem;
	struct virtq *vq;
	int fd;
	uint8_t *va; /* the memory, from RIG_DESC on */
	unsigned int num;
	uint64_t features;
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	struct virtq_desc *table;
	uint8_t *buffer;

	/* What the ring told its transport. */
	unsigned int calls, brokens, drains, agains;
	const char *why;
};

/* Makes memory and queue; aborts the test when that fails. */
void rig_init(struct rig *r, const struct gmem_backend *backend);
/* Stops and frees all; what the device holds must have been given back. */
void rig_fini(struct rig *r);

/* Starts the ring, enabled; both of the driver's indexes are base. */
void rig_start(struct rig *r, unsigned int num, uint64_t features, uint16_t base);
/* Starts it as the driver left it. */
int rig_restart(struct rig *r, uint32_t base);
/* Stops it; returns its base. */
uint32_t rig_stop(struct rig *r);

/* Pops in a turn of its own. */
struct chain *rig_pop(struct rig *r);

/* Guest address of a place in the buffers. */
static inline uint64_t rig_addr(uint32_t off)
{
	return (uint64_t)RIG_GUEST + RIG_BUFFER + off;
}

/* Writes a descriptor. */
void rig_desc(struct virtq_desc *d, uint64_t addr, uint32_t len, unsigned int flags, unsigned int next);
/* Makes a chain's head available. */
void rig_publish(struct rig *r, uint16_t head);
/* A chain of one descriptor, at this index, of len bytes at rig_addr(off), made available. */
void rig_simple(struct rig *r, uint16_t head, uint32_t off, uint32_t len, bool writable);

uint16_t rig_used_idx(const struct rig *r);
/* The used element that the index stands for. */
struct virtq_used_elem rig_used(const struct rig *r, uint16_t idx);
le16 *rig_used_event(struct rig *r);
le16 *rig_avail_event(struct rig *r);

#endif
