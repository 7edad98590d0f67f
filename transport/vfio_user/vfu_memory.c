/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_memory.c - guest memory of the vfio-user server: QEMU docs/interop/vfio-user.rst, "VFIO_USER_DMA_MAP" and
 * "VFIO_USER_DMA_UNMAP"; see vfu_session.h.
 *
 * Memory is reached where it came with a descriptor and may be read and written.  What came without one would be asked for by
 * messages, and what may only be read is a ROM: both are remembered, so that they can be unmapped, and a ring or buffer there breaks
 * the ring.
 *
 * "the server must release all references to that DMA region before replying": where something of it is in use the rings stop.
 * QEMU unmaps all of a region of its memory to map it again in other pieces, whenever firmware or a driver changes what a part of it
 * is.  So the rings stay where they are until the client says something else than DMA_MAP and DMA_UNMAP, or says nothing for a
 * while; one whose memory is not there then is broken.
 */
#include <errno.h>
#include <string.h>

#include "transport/vfio_user/vfu_session.h"

/* How long a client may take from one message about memory to the next, seconds. */
#define REMAP_PATIENCE 0.1

void vfu_memory_settled(struct vfu_backend *b, bool gone)
{
	if (!b->remapping)
		return;
	b->remapping = false;
	ev_timer_stop(b->d->loop, &b->remapped);
	if (!gone)
		vpci_resume(b->function);
}

static void patience_ends(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	vfu_memory_settled(container_of(w, struct vfu_backend, remapped), false);
}

void vfu_memory_init(struct vfu_backend *b)
{
	ev_timer_init(&b->remapped, patience_ends, 0., REMAP_PATIENCE);
}

/* More may come. */
static void remap_goes_on(struct vfu_backend *b)
{
	if (b->remapping)
		ev_timer_again(b->d->loop, &b->remapped);
}

static struct gmem_desc desc_of(uint64_t address, uint64_t size, uint64_t offset, int fd)
{
	return (struct gmem_desc){.guest_addr = address, .user_addr = address, .size = size, .offset = offset, .fd = fd};
}

/* The remembered range that has a byte of [address, last]; NULL: none has. */
static struct vfu_range *unreached_at(struct vfu_backend *b, uint64_t address, uint64_t last)
{
	for (unsigned int i = 0; i < b->nunreached; i++) {
		struct vfu_range *r = &b->unreached[i];

		if (address <= r->address + (r->size - 1) && last >= r->address)
			return r;
	}
	return NULL;
}

int vfu_dma_map(struct vfu_backend *b, size_t size)
{
	struct vfu_dma_map m;
	uint64_t last;

	remap_goes_on(b);
	if (size != sizeof(m))
		return -EINVAL;
	memcpy(&m, b->in, sizeof(m));
	if (!m.size || __builtin_add_overflow(m.address, m.size - 1, &last) ||
	    m.flags & ~(VFU_DMA_READABLE | VFU_DMA_WRITEABLE))
		return -EINVAL;
	if (unreached_at(b, m.address, last))
		return -EEXIST;
	if (gmem_count(b->mem) + b->nunreached == VFU_DMA_MAPS_MAX)
		return -ENOSPC;
	if (b->conn.nfds && m.flags == (VFU_DMA_READABLE | VFU_DMA_WRITEABLE)) {
		const struct gmem_desc desc = desc_of(m.address, m.size, m.offset, b->conn.fds[0]);

		return gmem_add(b->mem, &desc);
	}
	if (gmem_overlaps(b->mem, m.address, last))
		return -EEXIST;
	b->unreached[b->nunreached++] = (struct vfu_range){m.address, m.size};
	return 0;
}

/* The answer is what was asked for. */
static int unmapped(struct vfu_backend *b)
{
	memcpy(b->out, b->in, sizeof(struct vfu_dma_unmap));
	return sizeof(struct vfu_dma_unmap);
}

/* Forgets what the message in b->in says.  Returns 0 or -ENOENT. */
static int forget(struct vfu_backend *b)
{
	struct vfu_dma_unmap m;

	memcpy(&m, b->in, sizeof(m));
	if (m.flags & VFU_UNMAP_ALL) {
		b->nunreached = 0;
		gmem_clear(b->mem);
		return 0;
	}
	struct vfu_range *r = m.size ? unreached_at(b, m.address, m.address) : NULL;

	if (r && r->address == m.address && r->size == m.size) {
		*r = b->unreached[--b->nunreached];
		return 0;
	}
	const struct gmem_desc desc = desc_of(m.address, m.size, 0, -1);

	return gmem_remove(b->mem, &desc);
}

static void forget_stopped(void *arg)
{
	struct vfu_backend *b = arg;
	int err = forget(b);

	b->remapping = true;
	remap_goes_on(b);
	vfu_answer(b, err, err ? 0 : (size_t)unmapped(b));
}

int vfu_dma_unmap(struct vfu_backend *b, size_t size)
{
	struct vfu_dma_unmap m;
	uint64_t last = UINT64_MAX;

	remap_goes_on(b);
	if (size < sizeof(m))
		return -EINVAL;
	memcpy(&m, b->in, sizeof(m));
	if (m.flags & ~VFU_UNMAP_ALL)
		return -EINVAL;
	if (!(m.flags & VFU_UNMAP_ALL) && (!m.size || __builtin_add_overflow(m.address, m.size - 1, &last)))
		return -EINVAL;
	if (gmem_in_use(b->mem, m.flags & VFU_UNMAP_ALL ? 0 : m.address, last)) {
		vfu_conn_pause(b);
		vpci_pause(b->function, forget_stopped);
		return VFU_LATER;
	}
	int err = forget(b);

	return err ? err : unmapped(b);
}
