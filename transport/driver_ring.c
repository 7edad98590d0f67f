/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * driver_ring.c - the driver's side of a split virtqueue: VIRTIO 1.4, section 2.7.
 *
 * Theory of operation.  The device shares the areas and may write anywhere in them, so the descriptor free list, the
 * chains and the room in each are kept here; of shared memory only the used ring, the notification flag and the event
 * index are read.  Order: descriptors and the avail entry are written before avail->idx (store-release);
 * avail->idx before the flag or event is read (full fence, section 2.7.13.4.1); used->idx is read before the used
 * entries (load-acquire); the used event is written before used->idx is looked at again (full fence).
 */
#include "transport/driver_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/virtq.h"

/* A descriptor of the table, private copy; the members after next are those of a chain that begins here. */
struct slot {
	uint16_t next;
	bool head;      /* a buffer the device has begins here */
	uint16_t last;  /* descriptor of its chain */
	uint16_t count; /* of its descriptors */
	uint64_t room;  /* bytes the device may write */
	void *token;
};

struct driver_ring {
	struct driver_ring_raw raw;
	bool event_idx;
	uint16_t free_head;
	unsigned int nfree;
	unsigned int pending;
	uint16_t added;     /* next avail index, chains not yet published included */
	uint16_t published; /* avail->idx as last written */
	uint16_t taken;     /* next used index */
	const char *error;
	struct slot slots[];
};

void driver_ring_sizes(unsigned int num, struct driver_ring_sizes *sizes)
{
	*sizes = (struct driver_ring_sizes){
		.desc = VIRTQ_DESC_BYTES(num),
		.driver = VIRTQ_AVAIL_BYTES(num),
		.device = VIRTQ_USED_BYTES(num),
		.desc_align = VIRTQ_DESC_ALIGN,
		.driver_align = VIRTQ_AVAIL_ALIGN,
		.device_align = VIRTQ_USED_ALIGN,
	};
}

/* The event fields lie behind the rings. */
static le16 *used_event(const struct driver_ring *r)
{
	return &r->raw.avail->ring[r->raw.num];
}

static le16 *avail_event(const struct driver_ring *r)
{
	return (le16 *)(void *)&r->raw.used->ring[r->raw.num];
}

int driver_ring_new(unsigned int num, uint64_t features, const struct driver_ring_areas *areas, uint16_t base,
		    struct driver_ring **out)
{
	struct driver_ring_sizes sizes;
	struct driver_ring *r;

	if (num == 0 || num > VIRTQ_MAX_SIZE || (num & (num - 1)))
		return -EINVAL;

	r = calloc(1, sizeof(*r) + num * sizeof(r->slots[0]));
	if (!r)
		return -ENOMEM;

	driver_ring_sizes(num, &sizes);
	memset(areas->desc, 0, sizes.desc);
	memset(areas->driver, 0, sizes.driver);
	memset(areas->device, 0, sizes.device);

	r->raw = (struct driver_ring_raw){
		.desc = areas->desc, .avail = areas->driver, .used = areas->device, .num = num};
	r->event_idx = features & BIT(VIRTIO_F_EVENT_IDX);
	r->nfree = num;
	for (unsigned int i = 0; i < num; i++)
		r->slots[i].next = (uint16_t)(i + 1);
	r->added = r->published = r->taken = base;
	/* As both sides would have left a ring that stopped here with nothing in flight. */
	r->raw.avail->idx = htole16(base);
	r->raw.used->idx = htole16(base);
	*used_event(r) = htole16(base);
	*avail_event(r) = htole16(base);
	*out = r;
	return 0;
}

void driver_ring_free(struct driver_ring *r)
{
	free(r);
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

int driver_ring_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned int count,
		    const struct driver_table *table, void *token)
{
	unsigned int direct = table ? (unsigned int)min_size(table->direct, count) : count;
	unsigned int indirect = count - direct;
	unsigned int ndesc = direct + (indirect ? 1 : 0);
	uint16_t id = r->free_head, last = id;
	uint64_t room = 0;

	if (count == 0)
		return -EINVAL;
	if (ndesc > r->nfree || (table && indirect > table->room))
		return -ENOSPC;

	for (unsigned int i = 0; i < count; i++)
		room += bufs[i].writable ? bufs[i].len : 0;

	for (unsigned int i = 0; i < ndesc; i++) {
		last = i ? r->slots[last].next : id;
		r->raw.desc[last] = i < direct ? piece_desc(&bufs[i], i + 1 < ndesc, r->slots[last].next)
					       : table_fill(table, bufs + direct, indirect);
	}

	struct slot *slot = &r->slots[id];

	r->free_head = r->slots[last].next;
	r->nfree -= ndesc;
	r->pending++;
	slot->head = true;
	slot->last = last;
	slot->count = (uint16_t)ndesc;
	slot->room = room;
	slot->token = token;
	r->raw.avail->ring[r->added++ & (r->raw.num - 1)] = htole16(id);
	return 0;
}

bool driver_ring_publish(struct driver_ring *r)
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

static uint16_t used_idx(const struct driver_ring *r)
{
	return le16toh(__atomic_load_n(&r->raw.used->idx, __ATOMIC_ACQUIRE));
}

bool driver_ring_has_used(const struct driver_ring *r)
{
	return used_idx(r) != r->taken;
}

/* Remembers what the device did wrong. */
static int ring_error(struct driver_ring *r, const char *error)
{
	r->error = error;
	return -EPROTO;
}

int driver_ring_take(struct driver_ring *r, struct driver_used *used)
{
	uint16_t ready = (uint16_t)(used_idx(r) - r->taken);
	struct virtq_used_elem elem;

	if (r->error)
		return -EPROTO;
	if (ready == 0)
		return 0;
	if (ready > r->pending)
		return ring_error(r, "the used index is beyond what was made available");

	memcpy(&elem, &r->raw.used->ring[r->taken & (r->raw.num - 1)], sizeof(elem));

	uint32_t id = le32toh(elem.id);
	uint32_t len = le32toh(elem.len);

	if (id >= r->raw.num)
		return ring_error(r, "a used id is out of range");

	struct slot *slot = &r->slots[id];

	if (!slot->head)
		return ring_error(r, "a used id is of no buffer the device has");
	if (len > slot->room)
		return ring_error(r, "a used length is more than the buffer's room");

	used->token = slot->token;
	used->len = len;
	slot->head = false;
	r->slots[slot->last].next = r->free_head;
	r->free_head = (uint16_t)id;
	r->nfree += slot->count;
	r->pending--;
	r->taken++;
	return 1;
}

const char *driver_ring_error(const struct driver_ring *r)
{
	return r->error;
}

bool driver_ring_interrupts(struct driver_ring *r, bool enable)
{
	if (r->event_idx) {
		/* Behind the device's index, so that only a whole turn of the indexes would reach it. */
		uint16_t event = enable ? r->taken : (uint16_t)(r->taken - 1);

		__atomic_store_n(used_event(r), htole16(event), __ATOMIC_RELAXED);
	} else {
		unsigned int flags = enable ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT;

		__atomic_store_n(&r->raw.avail->flags, htole16((uint16_t)flags), __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return driver_ring_has_used(r);
}

void driver_ring_interrupt_after(struct driver_ring *r, unsigned int after)
{
	__atomic_store_n(used_event(r), htole16((uint16_t)(r->taken + after - 1)), __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

unsigned int driver_ring_free_descs(const struct driver_ring *r)
{
	return r->nfree;
}

unsigned int driver_ring_pending(const struct driver_ring *r)
{
	return r->pending;
}

uint16_t driver_ring_index(const struct driver_ring *r)
{
	return r->published;
}

struct driver_ring_raw driver_ring_raw(struct driver_ring *r)
{
	return r->raw;
}

void driver_ring_publish_raw(struct driver_ring *r, uint16_t head)
{
	r->raw.avail->ring[r->added++ & (r->raw.num - 1)] = htole16(head);
	r->published = r->added;
	__atomic_store_n(&r->raw.avail->idx, htole16(r->published), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
