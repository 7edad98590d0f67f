/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * driver_packed.c - the driver's side of a packed virtqueue: VIRTIO 1.4, section 2.8.
 *
 * Theory of operation.  A device looks at one descriptor, the next: so of all that is added before a publish only the flags of
 * the very first descriptor are held back, and written last (store-release).  Then a full fence, and the device's event
 * suppression structure is read (section 2.8.21.3).  A used descriptor's flags are read before its id and length (load-acquire).
 */
#include <errno.h>
#include <string.h>

#include "transport/driver/driver_ring_impl.h"

static struct pvirtq_desc *desc_at(const struct driver_ring *r, uint16_t place)
{
	return &r->raw.packed[pvirtq_index(place)];
}

static void packed_init(struct driver_ring *r, uint16_t base)
{
	bool odd = (base / r->raw.num) & 1;
	uint16_t place = (uint16_t)(base % r->raw.num | (odd ? 0 : PVIRTQ_WRAP));

	r->added = r->published = r->taken = place;
	/* What lies ahead was used in the round before, what lies behind in this one. */
	for (unsigned int i = 0; i < r->raw.num; i++) {
		unsigned int wrap = (i < pvirtq_index(place)) == !odd ? PVIRTQ_WRAP : 0;

		r->raw.packed[i].flags = htole16((uint16_t)pvirtq_used_flags((uint16_t)wrap));
	}
}

/* Writes the next descriptor; the flags of the first since the last publish are held back. */
static void put_desc(struct driver_ring *r, uint64_t addr, uint32_t len, uint16_t id, unsigned int flags)
{
	struct pvirtq_desc *d = desc_at(r, r->added);

	flags |= pvirtq_avail_flags(r->added);
	d->addr = htole64(addr);
	d->len = htole32(len);
	d->id = htole16(id);
	if (r->held_back++)
		d->flags = htole16((uint16_t)flags);
	else
		r->first_flags = (uint16_t)flags;
	r->added = pvirtq_advance(r->added, 1, r->raw.num);
}

static unsigned int piece_flags(const struct driver_buf *buf, bool more)
{
	return (buf->writable ? VIRTQ_DESC_F_WRITE : 0) | (more ? VIRTQ_DESC_F_NEXT : 0);
}

static uint16_t packed_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned int direct,
			   const struct driver_table *table, unsigned int indirect, uint16_t *last)
{
	uint16_t id = r->free_head;

	*last = id;
	for (unsigned int i = 0; i < direct; i++)
		put_desc(r, bufs[i].addr, bufs[i].len, id, piece_flags(&bufs[i], i + 1 < direct || indirect));
	for (unsigned int i = 0; i < indirect; i++) {
		const struct driver_buf *buf = &bufs[direct + i];
		struct pvirtq_desc d = {.addr = htole64(buf->addr),
					.len = htole32(buf->len),
					.flags = htole16((uint16_t)piece_flags(buf, false))};

		memcpy((char *)table->va + i * sizeof(d), &d, sizeof(d));
	}
	if (indirect)
		put_desc(r, table->addr, (uint32_t)(indirect * sizeof(struct pvirtq_desc)), id, VIRTQ_DESC_F_INDIRECT);
	return id;
}

static bool packed_publish(struct driver_ring *r)
{
	const struct pvirtq_event_suppress *device = r->raw.device;
	unsigned int n = r->held_back, flags;

	if (!n)
		return false;
	__atomic_store_n(&desc_at(r, r->published)->flags, htole16(r->first_flags), __ATOMIC_RELEASE);
	r->published = r->added;
	r->held_back = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags = le16toh(__atomic_load_n(&device->flags, __ATOMIC_ACQUIRE));
	return pvirtq_need_event(flags, le16toh(__atomic_load_n(&device->desc, __ATOMIC_RELAXED)), r->event_idx, r->added,
				 n, r->raw.num);
}

static int packed_used_at(const struct driver_ring *r, uint16_t at, uint32_t *id, uint32_t *len)
{
	const struct pvirtq_desc *d = desc_at(r, at);
	unsigned int flags = le16toh(__atomic_load_n(&d->flags, __ATOMIC_ACQUIRE));

	if ((flags & (PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED)) != pvirtq_used_flags(at))
		return 0;
	if (!r->pending)
		return -EPROTO;
	*id = le16toh(__atomic_load_n(&d->id, __ATOMIC_RELAXED));
	/* "Element Length is reserved for used descriptors without the VIRTQ_DESC_F_WRITE flag": section 2.8.4. */
	*len = flags & VIRTQ_DESC_F_WRITE ? le32toh(__atomic_load_n(&d->len, __ATOMIC_RELAXED)) : 0;
	return 1;
}

static uint16_t packed_after(const struct driver_ring *r, uint16_t at, unsigned int count)
{
	return pvirtq_advance(at, count, r->raw.num);
}

static void ask(struct driver_ring *r, uint16_t place, unsigned int flags)
{
	__atomic_store_n(&r->raw.driver->desc, htole16(place), __ATOMIC_RELAXED);
	__atomic_store_n(&r->raw.driver->flags, htole16((uint16_t)flags), __ATOMIC_RELEASE);
}

static void packed_interrupts(struct driver_ring *r, bool enable)
{
	if (!enable)
		ask(r, r->taken, RING_EVENT_FLAGS_DISABLE);
	else
		ask(r, r->taken, r->event_idx ? RING_EVENT_FLAGS_DESC : RING_EVENT_FLAGS_ENABLE);
}

static void packed_interrupt_after(struct driver_ring *r, unsigned int after)
{
	unsigned int each = r->pending ? (r->raw.num - r->nfree) / r->pending : 1;

	ask(r, pvirtq_advance(r->taken, each * (after - 1), r->raw.num), RING_EVENT_FLAGS_DESC);
}

static uint32_t packed_base(const struct driver_ring *r)
{
	return r->published | (uint32_t)r->published << 16;
}

static void packed_publish_raw(struct driver_ring *r, uint16_t head)
{
	put_desc(r, 0, 0, head, VIRTQ_DESC_F_WRITE);
	packed_publish(r);
}

const struct driver_layout driver_packed = {
	.init = packed_init,
	.add = packed_add,
	.publish = packed_publish,
	.used_at = packed_used_at,
	.after = packed_after,
	.interrupts = packed_interrupts,
	.interrupt_after = packed_interrupt_after,
	.base = packed_base,
	.publish_raw = packed_publish_raw,
};
