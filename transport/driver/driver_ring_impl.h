/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * driver_ring_impl.h - the inside of the driver's side of a virtqueue: what driver_ring.c and the layouts
 * (driver_split.c, driver_packed.c) share.
 */
#ifndef VDEVD_TRANSPORT_DRIVER_DRIVER_RING_IMPL_H
#define VDEVD_TRANSPORT_DRIVER_DRIVER_RING_IMPL_H

#include "transport/driver/driver_ring.h"

/* What is known of a descriptor, or of a buffer id; the members after next are those of a buffer that has this number. */
struct driver_slot {
	uint16_t next;  /* free one; in a split ring also of a chain; with VIRTIO_F_IN_ORDER the next index */
	bool head;      /* a buffer the device has */
	uint16_t last;  /* descriptor of its chain */
	uint16_t count; /* of its descriptors */
	uint16_t younger; /* with VIRTIO_F_IN_ORDER: the buffer made available next */
	uint64_t room;  /* bytes the device may write */
	void *token;
};

struct driver_ring {
	const struct driver_layout *layout;
	struct driver_ring_raw raw;
	bool event_idx, in_order;
	bool in_batch;          /* a used entry was read that is of a younger buffer than the oldest, too */
	uint16_t batch_id;      /* the last buffer of that batch, and its length */
	uint32_t batch_len;
	uint16_t oldest, youngest; /* buffers the device has, with VIRTIO_F_IN_ORDER */
	uint16_t free_head;
	unsigned int nfree;     /* descriptors */
	unsigned int pending;   /* buffers */
	uint16_t added;         /* next available one, those not yet published included: an index, or a place */
	uint16_t published;     /* the same as the device knows it */
	uint16_t taken;         /* next used one */
	unsigned int held_back; /* of a packed ring: descriptors added and not yet published */
	uint16_t first_flags;   /* and the flags that publish them */
	const char *error;
	struct driver_slot slots[];
};

/* A layout.  The functions are those of driver_ring.h, for arguments that have been checked. */
struct driver_layout {
	/* Writes a ring that stopped with nothing in flight after base entries. */
	void (*init)(struct driver_ring *r, uint16_t base);
	/* Writes count descriptors, which there are.  Returns the buffer's number; *last: its last descriptor. */
	uint16_t (*add)(struct driver_ring *r, const struct driver_buf *bufs, unsigned int direct,
			const struct driver_table *table, unsigned int indirect, uint16_t *last);
	bool (*publish)(struct driver_ring *r);
	/* Reads the used entry at this place into id and len.  Returns 1, 0: none; -EPROTO: more than was made available. */
	int (*used_at)(const struct driver_ring *r, uint16_t at, uint32_t *id, uint32_t *len);
	/* The place after an entry of count descriptors. */
	uint16_t (*after)(const struct driver_ring *r, uint16_t at, unsigned int count);
	void (*interrupts)(struct driver_ring *r, bool enable);
	void (*interrupt_after)(struct driver_ring *r, unsigned int after);
	uint32_t (*base)(const struct driver_ring *r);
	void (*publish_raw)(struct driver_ring *r, uint16_t head);
};

extern const struct driver_layout driver_split;
extern const struct driver_layout driver_packed;

#endif
