/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * packed_layout.h - the packed virtqueue in memory: VIRTIO 1.4, section 2.8.  Both sides use it.
 */
#ifndef VDEVD_TRANSPORT_RING_PACKED_LAYOUT_H
#define VDEVD_TRANSPORT_RING_PACKED_LAYOUT_H

#include "core/base.h"

/* Section 2.8.13 "The Virtqueue Descriptor Format". */
struct pvirtq_desc {
	le64 addr;
	le32 len;
	le16 id;
	le16 flags;
};

/* VIRTQ_DESC_F_NEXT, _WRITE and _INDIRECT are those of the split layout. */
#define PVIRTQ_DESC_F_AVAIL (1u << 7)
#define PVIRTQ_DESC_F_USED  (1u << 15)

/* Section 2.8.14 "Event Suppression Structure Format": one written by the driver, one by the device. */
struct pvirtq_event_suppress {
	le16 desc; /* a place in the ring, as below */
	le16 flags;
};

#define RING_EVENT_FLAGS_ENABLE  0u
#define RING_EVENT_FLAGS_DISABLE 1u
#define RING_EVENT_FLAGS_DESC    2u
#define RING_EVENT_FLAGS_MASK    3u

#define PVIRTQ_DESC_ALIGN  16u
#define PVIRTQ_EVENT_ALIGN 4u

#define PVIRTQ_DESC_BYTES(num) (sizeof(struct pvirtq_desc) * (num))

/*
 * A place in the ring: the index of a descriptor, and in bit 15 the wrap counter (section 2.8.1).  vhost-user has two of them in
 * a base, the next available one and above it the next used one.
 */
#define PVIRTQ_WRAP  0x8000u
#define PVIRTQ_FRESH 0x80008000u

static inline uint16_t pvirtq_index(uint16_t place)
{
	return place & (uint16_t)~PVIRTQ_WRAP;
}

/* The place n descriptors, at most num, further on in a ring of num. */
static inline uint16_t pvirtq_advance(uint16_t place, unsigned int n, unsigned int num)
{
	unsigned int index = pvirtq_index(place) + n;

	return (uint16_t)(index < num ? (place & PVIRTQ_WRAP) | index : (~place & PVIRTQ_WRAP) | (index - num));
}

/* The place n descriptors, at most num, back. */
static inline uint16_t pvirtq_retreat(uint16_t place, unsigned int n, unsigned int num)
{
	unsigned int index = pvirtq_index(place);

	return (uint16_t)(n <= index ? (place & PVIRTQ_WRAP) | (index - n) : (~place & PVIRTQ_WRAP) | (index + num - n));
}

/* How far it is from one place to another; more than num when no ring of num can stand like that. */
static inline unsigned int pvirtq_distance(uint16_t from, uint16_t to, unsigned int num)
{
	unsigned int ahead = (from & PVIRTQ_WRAP) == (to & PVIRTQ_WRAP) ? 0 : num;
	unsigned int distance = ahead + pvirtq_index(to) - pvirtq_index(from);

	return distance > num ? num + 1 : distance;
}

/* The flags of a descriptor at this place that was made available, or was used. */
static inline unsigned int pvirtq_avail_flags(uint16_t place)
{
	return place & PVIRTQ_WRAP ? PVIRTQ_DESC_F_AVAIL : PVIRTQ_DESC_F_USED;
}

static inline unsigned int pvirtq_used_flags(uint16_t place)
{
	return place & PVIRTQ_WRAP ? PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED : 0;
}

/*
 * Section 2.8.10: whether the other side asked to hear of the last n descriptors, which end before place.
 * flags, event: as read from its structure; event_idx: VIRTIO_F_EVENT_IDX was accepted.
 */
static inline bool pvirtq_need_event(unsigned int flags, uint16_t event, bool event_idx, uint16_t place, unsigned int n,
				     unsigned int num)
{
	unsigned int behind;

	flags &= RING_EVENT_FLAGS_MASK;
	if (flags != RING_EVENT_FLAGS_DESC || !event_idx)
		return flags != RING_EVENT_FLAGS_DISABLE;
	/* The event is among the last n when place is at most n beyond it. */
	behind = pvirtq_distance(event, place, num);
	return n >= num || (behind > 0 && behind <= n);
}

#endif
