/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * driver_split.c - the driver's side of a split virtqueue: VIRTIO 1.4, section 2.7.
 *
 * Theory of operation.  Of shared memory only the used ring, the notification flag and the event index are read.  Order:
 * descriptors and the avail entry are written before avail->idx (store-release); avail->idx before the flag or event is
 * read (full fence, section 2.7.13.4.1); used->idx is read before the used entries (load-acquire); the used
 * event is written before used->idx is looked at again (full fence, in driver_ring_interrupts).
 */
#include <errno.h>
#include <string.h>

#include "transport/driver/driver_ring_impl.h"

/* The event fields lie behind the rings. */
static le16 *used_event(const struct driver_ring *r)
{
	return &r->raw.avail->ring[r->raw.num];
}

static le16 *avail_event(const struct driver_ring *r)
{
	return (le16 *)(void *)&r->raw.used->ring[r->raw.num];
}

static void split_init(struct driver_ring *r, uint16_t base)
{
	r->added = r->published = r->taken = base;
	r->raw.avail->idx = htole16(base);
	r->raw.used->idx = htole16(base);
	*used_event(r) = htole16(base);
	*avail_event(r) = htole16(base);
}

static struct virtq_desc piece_desc(const struct driver_buf *buf, bool more, uint16_t next)
{
	unsigned int flags = (buf->writable ? VIRTQ_DESC_F_WRITE : 0) | (more ? VIRTQ_DESC_F_NEXT : 0);

	return (struct virtq_desc){
		.addr = htole64(buf->addr),
		.len = htole32(buf->len),
		.flags = htole16((uint16_t)flags),
		.next = htole16(more ? next : 0),
	};
}

/* Fills an indirect table and returns the descriptor that refers to it. */
static struct virtq_desc table_fill(const struct driver_table *table, const struct driver_buf *bufs, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct virtq_desc d = piece_desc(&bufs[i], i + 1 < count, (uint16_t)(i + 1));

		memcpy((char *)table->va + i * sizeof(d), &d, sizeof(d));
	}
	return (struct virtq_desc){
		.addr = htole64(table->addr),
		.len = htole32((uint32_t)(count * sizeof(struct virtq_desc))),
		.flags = htole16(VIRTQ_DESC_F_INDIRECT),
	};
}

static uint16_t split_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned int direct,
			  const struct driver_table *table, unsigned int indirect, uint16_t *last)
{
	unsigned int ndesc = direct + (indirect ? 1 : 0);
	uint16_t id = r->free_head;

	*last = id;
	for (unsigned int i = 0; i < ndesc; i++) {
		*last = i ? r->slots[*last].next : id;
		r->raw.desc[*last] = i < direct ? piece_desc(&bufs[i], i + 1 < ndesc, r->slots[*last].next)
						: table_fill(table, bufs + direct, indirect);
	}
	r->raw.avail->ring[r->added++ & (r->raw.num - 1)] = htole16(id);
	return id;
}

static bool split_publish(struct driver_ring *r)
{
	uint16_t old = r->published;

	if (old == r->added)
		return false;

	r->published = r->added;
	__atomic_store_n(&r->raw.avail->idx, htole16(r->published), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);

	if (r->event_idx)
		return virtq_need_event(le16toh(__atomic_load_n(avail_event(r), __ATOMIC_RELAXED)), r->published, old);
	return !(le16toh(__atomic_load_n(&r->raw.used->flags, __ATOMIC_RELAXED)) & VIRTQ_USED_F_NO_NOTIFY);
}

static int split_used_at(const struct driver_ring *r, uint16_t at, uint32_t *id, uint32_t *len)
{
	uint16_t idx = le16toh(__atomic_load_n(&r->raw.used->idx, __ATOMIC_ACQUIRE));
	struct virtq_used_elem elem;

	if (idx == at)
		return 0;
	if ((uint16_t)(idx - r->taken) > r->pending)
		return -EPROTO;
	memcpy(&elem, &r->raw.used->ring[at & (r->raw.num - 1)], sizeof(elem));
	*id = le32toh(elem.id);
	*len = le32toh(elem.len);
	return 1;
}

static uint16_t split_after(const struct driver_ring *r, uint16_t at, unsigned int count)
{
	return (uint16_t)(at + 1);
}

static void split_interrupts(struct driver_ring *r, bool enable)
{
	if (r->event_idx) {
		/* Behind the device's index, so that only a whole turn of the indexes would reach it. */
		uint16_t event = enable ? r->taken : (uint16_t)(r->taken - 1);

		__atomic_store_n(used_event(r), htole16(event), __ATOMIC_RELAXED);
	} else {
		unsigned int flags = enable ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT;

		__atomic_store_n(&r->raw.avail->flags, htole16((uint16_t)flags), __ATOMIC_RELAXED);
	}
}

static void split_interrupt_after(struct driver_ring *r, unsigned int after)
{
	__atomic_store_n(used_event(r), htole16((uint16_t)(r->taken + after - 1)), __ATOMIC_RELAXED);
}

static uint32_t split_base(const struct driver_ring *r)
{
	return r->published;
}

static void split_publish_raw(struct driver_ring *r, uint16_t head)
{
	r->raw.avail->ring[r->added++ & (r->raw.num - 1)] = htole16(head);
	r->published = r->added;
	__atomic_store_n(&r->raw.avail->idx, htole16(r->published), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

const struct driver_layout driver_split = {
	.init = split_init,
	.add = split_add,
	.publish = split_publish,
	.used_at = split_used_at,
	.after = split_after,
	.interrupts = split_interrupts,
	.interrupt_after = split_interrupt_after,
	.base = split_base,
	.publish_raw = split_publish_raw,
};
