/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * driver_ring.c - the driver's side of a virtqueue, whatever its layout: VIRTIO 1.4, section 2.6.
 *
 * The device shares the areas and may write anywhere in them, so what is free, what each buffer has and how much room is in it is
 * kept here, and what the device says is checked against it.
 */
#include "transport/driver/driver_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/driver/driver_ring_impl.h"
#include "transport/ring/virtq.h"

void driver_ring_sizes(unsigned int num, uint64_t features, struct driver_ring_sizes *sizes)
{
	if (features & BIT(VIRTIO_F_RING_PACKED)) {
		*sizes = (struct driver_ring_sizes){
			.desc = PVIRTQ_DESC_BYTES(num),
			.driver = sizeof(struct pvirtq_event_suppress),
			.device = sizeof(struct pvirtq_event_suppress),
			.desc_align = PVIRTQ_DESC_ALIGN,
			.driver_align = PVIRTQ_EVENT_ALIGN,
			.device_align = PVIRTQ_EVENT_ALIGN,
		};
		return;
	}
	*sizes = (struct driver_ring_sizes){
		.desc = VIRTQ_DESC_BYTES(num),
		.driver = VIRTQ_AVAIL_BYTES(num),
		.device = VIRTQ_USED_BYTES(num),
		.desc_align = VIRTQ_DESC_ALIGN,
		.driver_align = VIRTQ_AVAIL_ALIGN,
		.device_align = VIRTQ_USED_ALIGN,
	};
}

int driver_ring_new(unsigned int num, uint64_t features, const struct driver_ring_areas *areas, uint16_t base,
		    struct driver_ring **out)
{
	bool packed = features & BIT(VIRTIO_F_RING_PACKED);
	struct driver_ring_sizes sizes;
	struct driver_ring *r;

	*out = NULL;
	if (num == 0 || num > VIRTQ_MAX_SIZE || (!packed && (num & (num - 1))))
		return -EINVAL;

	r = calloc(1, sizeof(*r) + num * sizeof(r->slots[0]));
	if (!r)
		return -ENOMEM;

	driver_ring_sizes(num, features, &sizes);
	memset(areas->desc, 0, sizes.desc);
	memset(areas->driver, 0, sizes.driver);
	memset(areas->device, 0, sizes.device);

	r->layout = packed ? &driver_packed : &driver_split;
	r->raw.num = num;
	if (packed) {
		r->raw.packed = areas->desc;
		r->raw.driver = areas->driver;
		r->raw.device = areas->device;
	} else {
		r->raw.desc = areas->desc;
		r->raw.avail = areas->driver;
		r->raw.used = areas->device;
	}
	r->event_idx = features & BIT(VIRTIO_F_EVENT_IDX);
	r->nfree = num;
	r->in_order = features & BIT(VIRTIO_F_IN_ORDER);
	for (unsigned int i = 0; i < num; i++)
		r->slots[i].next = (uint16_t)(r->in_order ? (i + 1) % num : i + 1);
	r->layout->init(r, base);
	*out = r;
	return 0;
}

void driver_ring_free(struct driver_ring *r)
{
	free(r);
}

int driver_ring_add(struct driver_ring *r, const struct driver_buf *bufs, unsigned int count,
		    const struct driver_table *table, void *token)
{
	unsigned int direct = table ? (unsigned int)min_size(table->direct, count) : count;
	unsigned int indirect = count - direct;
	unsigned int ndesc = direct + (indirect ? 1 : 0);
	uint64_t room = 0;
	uint16_t id, last;

	if (count == 0)
		return -EINVAL;
	if (ndesc > r->nfree || (table && indirect > table->room))
		return -ENOSPC;

	for (unsigned int i = 0; i < count; i++)
		room += bufs[i].writable ? bufs[i].len : 0;
	id = r->layout->add(r, bufs, direct, table, indirect, &last);

	struct driver_slot *slot = &r->slots[id];

	r->free_head = r->slots[last].next;
	r->nfree -= ndesc;
	r->pending++;
	slot->head = true;
	slot->last = last;
	slot->count = (uint16_t)ndesc;
	slot->room = room;
	slot->token = token;
	if (r->pending == 1)
		r->oldest = id;
	else
		r->slots[r->youngest].younger = id;
	r->youngest = id;
	return 0;
}

bool driver_ring_publish(struct driver_ring *r)
{
	return r->layout->publish(r);
}

bool driver_ring_has_used(const struct driver_ring *r)
{
	uint32_t id, len;

	return r->in_batch || r->layout->used_at(r, r->taken, &id, &len) != 0;
}

unsigned int driver_ring_used(const struct driver_ring *r)
{
	uint16_t at = r->taken, oldest = r->oldest;
	uint32_t id = r->batch_id, len;
	bool in_batch = r->in_batch;
	unsigned int n = 0;

	for (; n < r->pending; n++) {
		if (!in_batch && (r->layout->used_at(r, at, &id, &len) <= 0 || id >= r->raw.num))
			break;
		/* In order, all up to this one. */
		const struct driver_slot *slot = &r->slots[r->in_order ? oldest : id];

		in_batch = r->in_order && id != oldest;
		at = r->layout->after(r, at, slot->count);
		oldest = slot->younger;
	}
	return n;
}

/* Remembers what the device did wrong. */
static int ring_error(struct driver_ring *r, const char *error)
{
	r->error = error;
	return -EPROTO;
}

/* Reads the next used entry and checks it.  Returns 1, 0 or -EPROTO. */
static int read_used(struct driver_ring *r, uint32_t *id, uint32_t *len)
{
	int got = r->layout->used_at(r, r->taken, id, len);

	if (got < 0)
		return ring_error(r, "more is used than was made available");
	if (!got)
		return 0;
	if (*id >= r->raw.num)
		return ring_error(r, "a used id is out of range");
	if (!r->slots[*id].head)
		return ring_error(r, "a used id is of no buffer the device has");
	if (*len > r->slots[*id].room)
		return ring_error(r, "a used length is more than the buffer's room");
	return 1;
}

/*
 * The same where buffers come back in order.  A used entry may stand for several, of which it names the last; the others
 * "are assumed to have been used completely": section 2.7.9.
 */
static int read_used_in_order(struct driver_ring *r, uint32_t *id, uint32_t *len)
{
	if (!r->in_batch) {
		int got = read_used(r, id, len);

		if (got <= 0)
			return got;
		r->batch_id = (uint16_t)*id;
		r->batch_len = *len;
	} else if (r->layout == &driver_split && !r->layout->used_at(r, r->taken, id, len)) {
		/* The index tells how many were used, and there are not as many. */
		return ring_error(r, "a buffer is used before an older one");
	}
	*id = r->oldest;
	r->in_batch = *id != r->batch_id;
	*len = r->in_batch ? (uint32_t)min_u64(r->slots[*id].room, UINT32_MAX) : r->batch_len;
	r->oldest = r->slots[*id].younger;
	return 1;
}

int driver_ring_take(struct driver_ring *r, struct driver_used *used)
{
	uint32_t id, len;
	int got;

	if (r->error)
		return -EPROTO;
	got = r->in_order ? read_used_in_order(r, &id, &len) : read_used(r, &id, &len);
	if (got <= 0)
		return got;

	struct driver_slot *slot = &r->slots[id];

	used->token = slot->token;
	used->len = len;
	slot->head = false;
	/* In order, what is free is what comes next in the table. */
	if (!r->in_order) {
		r->slots[slot->last].next = r->free_head;
		r->free_head = (uint16_t)id;
	}
	r->nfree += slot->count;
	r->pending--;
	r->taken = r->layout->after(r, r->taken, slot->count);
	return 1;
}

const char *driver_ring_error(const struct driver_ring *r)
{
	return r->error;
}

bool driver_ring_interrupts(struct driver_ring *r, bool enable)
{
	r->layout->interrupts(r, enable);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return driver_ring_has_used(r);
}

void driver_ring_interrupt_after(struct driver_ring *r, unsigned int after)
{
	r->layout->interrupt_after(r, after);
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

uint32_t driver_ring_base(const struct driver_ring *r)
{
	return r->layout->base(r);
}

uint32_t driver_ring_next_used(const struct driver_ring *r)
{
	return r->layout == &driver_packed ? r->taken | (uint32_t)r->taken << 16 : r->taken;
}

struct driver_ring_raw driver_ring_raw(struct driver_ring *r)
{
	return r->raw;
}

void driver_ring_publish_raw(struct driver_ring *r, uint16_t head)
{
	r->layout->publish_raw(r, head);
}
