/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * driver_ring.h - the driver's side of a virtqueue: VIRTIO 1.4, section 2.6 "Virtqueues", layouts 2.7 and 2.8.
 *
 * For tests and for probing back ends: it is careful with what the device writes, it can be told to break the
 * rules, and it does not care where its memory comes from.
 */
#ifndef VDEVD_TRANSPORT_DRIVER_DRIVER_RING_H
#define VDEVD_TRANSPORT_DRIVER_DRIVER_RING_H

#include "transport/ring/packed_layout.h"
#include "transport/ring/split_layout.h"

struct driver_ring;

/*
 * The three areas of section 2.6, in the host's address space: a split ring's table, avail and used; a packed
 * ring's descriptors, the driver's and the device's event suppression structure.
 */
struct driver_ring_areas {
	void *desc, *driver, *device;
};

/* How many bytes each area has and how it must be aligned. */
struct driver_ring_sizes {
	size_t desc, driver, device;
	size_t desc_align, driver_align, device_align;
};

/* A piece of a buffer: a guest address, bytes, and whether the device may write it. */
struct driver_buf {
	uint64_t addr;
	uint32_t len;
	bool writable;
};

/*
 * Room for an indirect table, with its guest address.  The first `direct` pieces of the chain still go into the ring
 * itself and the table follows them (section 2.7.5.3.2).
 */
struct driver_table {
	void *va;
	uint64_t addr;
	unsigned int room;   /* descriptors it can hold */
	unsigned int direct;
};

/* A buffer the device has used. */
struct driver_used {
	void *token;
	uint32_t len;
};

/* The parts of a ring for tests that write what a driver must not: a split one's, or a packed one's. */
struct driver_ring_raw {
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	struct pvirtq_desc *packed;
	struct pvirtq_event_suppress *driver, *device;
	unsigned int num;
};

/* What the areas of a ring of num entries need. */
void driver_ring_sizes(unsigned int num, uint64_t features, struct driver_ring_sizes *sizes);

/*
 * Makes an empty ring in memory that stays the caller's and is zeroed, as if base entries had gone by.
 * num: up to 32768, for a split ring a power of two.  features: those accepted; of interest are VIRTIO_F_RING_PACKED,
 * VIRTIO_F_EVENT_IDX and VIRTIO_F_IN_ORDER: then buffers must come back in the order they were added in.
 * Returns 0 and *out (free with driver_ring_free), -EINVAL or -ENOMEM.
 */
int driver_ring_new(unsigned int num, uint64_t features, const struct driver_ring_areas *areas, uint16_t base,
		    struct driver_ring **out);

/* Frees the bookkeeping, not the memory of the areas; NULL is allowed. */
void driver_ring_free(struct driver_ring *r);

/*
 * Adds a chain of count pieces, at least one, readable before writable ones; the device does not see it before
 * driver_ring_publish.
 * table: NULL, or room for an indirect table that stays untouched until the buffer is used.  token: handed back with
 * the used buffer.
 * Returns 0; -ENOSPC: too few free descriptors (or room in the table); -EINVAL: no pieces.
 */
int driver_ring_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned int count,
		    const struct driver_table *table, void *token);

/* Shows the device what was added.  Returns whether it asks to be notified. */
bool driver_ring_publish(struct driver_ring *r);

/*
 * Takes the next used buffer.  Returns 1; 0 when there is none; -EPROTO when the device wrote what it must not
 * (driver_ring_error says what): the ring stays where it is, for good.
 */
int driver_ring_take(struct driver_ring *r, struct driver_used *used);

/* Whether the device has used something, without taking it; how many buffers. */
bool driver_ring_has_used(const struct driver_ring *r);
unsigned int driver_ring_used(const struct driver_ring *r);

/* What the device did wrong, or NULL. */
const char *driver_ring_error(const struct driver_ring *r);

/*
 * Asks the device for a notification when it uses the next buffer (true) or for none.  Returns whether something was
 * used already, which no notification may announce.
 */
bool driver_ring_interrupts(struct driver_ring *r, bool enable);

/*
 * With event index: asks for a notification only when after more buffers, from 1, are used.  A packed ring counts
 * descriptors: there all buffers in flight must have as many.
 */
void driver_ring_interrupt_after(struct driver_ring *r, unsigned int after);

/* Descriptors that are free; buffers added and not yet taken back. */
unsigned int driver_ring_free_descs(const struct driver_ring *r);
unsigned int driver_ring_pending(const struct driver_ring *r);

/* Where a device stands that has used all that was published, as GET_VRING_BASE tells it. */
uint32_t driver_ring_base(const struct driver_ring *r);

/* The place of the next used buffer, as a front-end tells it to a back end that comes after one that died. */
uint32_t driver_ring_next_used(const struct driver_ring *r);

/* The areas, for hostile tests. */
struct driver_ring_raw driver_ring_raw(struct driver_ring *r);

/*
 * Publishes an arbitrary head index, or buffer id, as the next available entry, without a buffer behind it; nothing is
 * checked or remembered.  For hostile tests.
 */
void driver_ring_publish_raw(struct driver_ring *r, uint16_t head);

#endif
