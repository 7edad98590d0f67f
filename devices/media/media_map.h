/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_map.h - buffers in shared memory region 0: VIRTIO 1.4, section "Media Device", "Mapping a MMAP buffer".
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_MAP_H
#define VDEVD_DEVICES_MEDIA_MEDIA_MAP_H

#include "core/device.h"
#include "devices/media/media_mem.h"

/* Mappings at a time, those that come and go included. */
#define MEDIA_MAPS_MAX 256

enum media_map_state {
	MEDIA_MAP_FREE,
	MEDIA_MAP_ASKED,  /* the front-end is mapping it */
	MEDIA_MAP_THERE,
	MEDIA_MAP_ENDING, /* it is unmapping it, or would not; or the device was reset meanwhile: the place stays taken */
};

struct media_map {
	enum media_map_state state;
	struct media_mem *mem;
	bool writable;
	unsigned int refs; /* of the guest */
	bool asked;	   /* something of the front-end, that has not ended yet */
	bool unsure;	   /* the device was reset while that was to map it: it may be there */
	unsigned int front_end; /* the number of the one that was asked */
	struct vdev_ask ask; /* ask.mapping: where */
	struct media_maps *maps;
	struct media_map *next; /* by offset */
};

struct media_maps {
	struct vdev *d;
	uint64_t room; /* of the region, bytes */
	struct media_map at[MEDIA_MAPS_MAX];
	struct media_map *first;
	/* The front-end has answered: err 0 or -errno, then m is no more.  May be called for one that nobody waits for. */
	void (*mapped)(struct media_maps *maps, struct media_map *m, int err);
};

/* The members d, room, mapped are set. */

/*
 * Maps memory, whose reference becomes the mapping's; the same memory twice is one mapping.
 * Returns 0 and *out: there, or asked for (then mapped is called); -ENOMEM: the region is full; or -errno of vdev_ask.
 */
int media_map(struct media_maps *maps, struct media_mem *mem, bool writable, struct media_map **out);

/* The guest gives up a mapping at this offset.  Returns 0, or -EINVAL: there is none. */
int media_unmap(struct media_maps *maps, uint64_t offset);

/* The device was reset: all mappings have gone. */
void media_maps_reset(struct media_maps *maps);

/* Nothing is asked any more. */
void media_maps_close(struct media_maps *maps);

/* How many are there. */
unsigned int media_maps_count(const struct media_maps *maps);

#endif
