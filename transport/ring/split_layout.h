/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * split_layout.h - the split virtqueue in memory: VIRTIO 1.4, section 2.7.  Both sides use it.
 */
#ifndef VDEVD_TRANSPORT_RING_SPLIT_LAYOUT_H
#define VDEVD_TRANSPORT_RING_SPLIT_LAYOUT_H

#include "core/base.h"

/* Section 2.7.5 "The Virtqueue Descriptor Table". */
struct virtq_desc {
	le64 addr;
	le32 len;
	le16 flags;
	le16 next;
};

#define VIRTQ_DESC_F_NEXT     1u
#define VIRTQ_DESC_F_WRITE    2u
#define VIRTQ_DESC_F_INDIRECT 4u

/* Section 2.7.6 "The Virtqueue Available Ring"; used_event follows ring[size]. */
struct virtq_avail {
	le16 flags;
	le16 idx;
	le16 ring[];
};

#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u

/* Section 2.7.8 "The Virtqueue Used Ring"; avail_event follows ring[size]. */
struct virtq_used_elem {
	le32 id;
	le32 len;
};

struct virtq_used {
	le16 flags;
	le16 idx;
	struct virtq_used_elem ring[];
};

#define VIRTQ_USED_F_NO_NOTIFY 1u

/* Bytes of each part, event field included (whether or not VIRTIO_F_EVENT_IDX was accepted, section 2.7). */
#define VIRTQ_DESC_BYTES(num)  (sizeof(struct virtq_desc) * (num))
#define VIRTQ_AVAIL_BYTES(num) (sizeof(struct virtq_avail) + sizeof(le16) * ((num) + 1u))
#define VIRTQ_USED_BYTES(num)  (sizeof(struct virtq_used) + sizeof(struct virtq_used_elem) * (num) + sizeof(le16))

#define VIRTQ_DESC_ALIGN  16u
#define VIRTQ_AVAIL_ALIGN 2u
#define VIRTQ_USED_ALIGN  4u

/* Section 2.7.10: whether the other side asked to hear of the step from old to new. */
static inline bool virtq_need_event(uint16_t event, uint16_t new_idx, uint16_t old_idx)
{
	return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old_idx);
}

#endif
