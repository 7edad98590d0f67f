/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring.c - what the layouts have in common: parts of rings, and tables of descriptors, which are of the same size in both.
 * VIRTIO 1.4, sections 2.7.5.3 and 2.8.7.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/ring/ring.h"

#define DESC_BYTES sizeof(struct virtq_desc)

_Static_assert(sizeof(struct pvirtq_desc) == DESC_BYTES, "descriptors of both layouts are of one size");

int virtq_break(struct virtq *vq, const char *why)
{
	if (!vq->broken) {
		vq->broken = true;
		vq->stats.sum.errors++;
		vq->ev->broken(vq, why);
	}
	return -EIO;
}

unsigned int virtq_chain_limit(const struct virtq *vq)
{
	return vq->num > VIRTQ_CHAIN_MIN_LIMIT ? vq->num : VIRTQ_CHAIN_MIN_LIMIT;
}

int virtq_recovered(struct virtq *vq, uint16_t head, uint16_t entry, unsigned int slots, uint64_t order)
{
	struct chain *c;

	if (head >= vq->num || !slots || slots > vq->num - vq->in_flight || vq->chains[head].state != CHAIN_FREE)
		return -EINVAL;
	c = &vq->chains[head];
	c->vq = vq;
	c->head = head;
	c->entry = entry;
	c->slots = (uint16_t)slots;
	c->order = order;
	c->state = CHAIN_REQUEUED;
	vq->in_flight += slots;
	if (vq->order <= order)
		vq->order = order + 1;
	return 0;
}

/* Addresses at which one piece may end and the next begin: no field of a ring goes over those. */
#define PIECE_ALIGN 16u

/* A ring behind an IOMMU, in at most so many pieces. */
static int map_pieces(struct virtq *vq, enum gmem_access access, unsigned int most, struct ring_part *part)
{
	struct gmem_seg *segs = calloc(most, sizeof(*segs));
	struct ring_piece *more = calloc(most, sizeof(*more));
	size_t begin = 0;
	int n = segs && more ? gmem_pin(vq->mem, vq->addrs.space, part->addr, part->len, access, segs, most) : -ENOMEM;
	bool whole = true;

	for (int i = 0; i < n; i++) {
		if (i)
			more[i - 1] = (struct ring_piece){begin, segs[i]};
		whole &= i == 0 || (part->addr + begin) % PIECE_ALIGN == 0;
		begin += segs[i].len;
	}
	if (n > 0) {
		part->first = segs[0];
		part->more = more;
		part->nmore = (unsigned int)n - 1;
	} else {
		free(more);
	}
	free(segs);
	return n < 0 ? n : whole ? 0 : -EINVAL;
}

int ring_map_part(struct virtq *vq, uint64_t addr, size_t len, size_t align, enum gmem_access access,
		  struct ring_part *part)
{
	int n;

	*part = (struct ring_part){.addr = addr, .len = len};
	n = gmem_pin(vq->mem, vq->addrs.space, addr, len, access, &part->first, 1);
	/* As many as there are pages; or more, where those are small. */
	for (size_t most = len / 4096 + 2; n == -ENOSPC && vq->addrs.space == GMEM_IOVA; most *= 2) {
		n = map_pieces(vq, access, (unsigned int)most, part);
		if (most > len / PIECE_ALIGN)
			break;
	}
	if (n < 0)
		return n == -ENOSPC ? -EFAULT : n;
	if ((uintptr_t)part->first.va % align)
		return -EINVAL;
	for (unsigned int i = 0; i < part->nmore; i++) {
		if ((uintptr_t)part->more[i].mem.va % align)
			return -EINVAL;
	}
	return 0;
}

static void unmap_part(struct ring_part *part)
{
	if (part->first.region)
		gmem_unpin(&part->first);
	while (part->nmore)
		gmem_unpin(&part->more[--part->nmore].mem);
	free(part->more);
	part->more = NULL;
}

void ring_unmap(struct ring_parts *parts)
{
	unmap_part(&parts->desc);
	unmap_part(&parts->driver);
	unmap_part(&parts->device);
}

bool ring_part_overlaps(const struct ring_part *part, uint64_t first, uint64_t last)
{
	return part->addr <= last && part->addr + (part->len - 1) >= first;
}

/* The piece that has this byte, and where it begins. */
static const struct gmem_seg *piece_of(const struct ring_part *part, size_t off, size_t *begin)
{
	unsigned int low = 0, high = part->nmore;

	*begin = 0;
	if (off < part->first.len)
		return &part->first;
	/* The last one that begins at off or before. */
	while (high - low > 1) {
		unsigned int mid = low + (high - low) / 2;

		if (part->more[mid].begin <= off)
			low = mid;
		else
			high = mid;
	}
	*begin = part->more[low].begin;
	return &part->more[low].mem;
}

void *ring_part_far(const struct ring_part *part, size_t off)
{
	size_t begin;
	const struct gmem_seg *mem = piece_of(part, off, &begin);

	return (char *)mem->va + (off - begin);
}

void ring_part_log(const struct virtq *vq, const struct ring_part *part, size_t off, size_t len)
{
	size_t begin;
	const struct gmem_seg *mem = piece_of(part, off, &begin);
	uint64_t addr;

	if (gmem_guest_addr(mem, &addr))
		dirty_log_mark(vq->ring_log, addr + (off - begin), len);
}

/* Copies an entry that is pinned. */
static void table_copy(const struct desc_table *t, uint32_t i, void *desc)
{
	size_t off = (size_t)(i - t->pinned) * DESC_BYTES, done = 0;

	for (unsigned int p = 0; p < t->npieces && done < DESC_BYTES; p++) {
		const struct gmem_seg *piece = &t->pieces[p];

		if (off >= piece->len) {
			off -= piece->len;
			continue;
		}
		size_t n = min_size(piece->len - off, DESC_BYTES - done);

		memcpy((char *)desc + done, (const char *)piece->va + off, n);
		done += n;
		off = 0;
	}
}

/* Pins entries from i on in the place of those that are: all, or behind an IOMMU as many as there are pieces for. */
static int table_pin(struct desc_table *t, uint32_t i)
{
	uint32_t count = t->size - i;
	int n;

	desc_table_close(t);
	for (;; count /= 2) {
		n = gmem_pin(t->vq->mem, t->vq->space, t->addr + (uint64_t)i * DESC_BYTES, count * DESC_BYTES, GMEM_READ,
			     t->pieces, TABLE_PIECES);
		if (n != -ENOSPC || t->vq->space != GMEM_IOVA || count == 1)
			break;
	}
	if (n == -EAGAIN)
		return n;
	if (n < 0)
		return virtq_break(t->vq, n == -EFAULT || n == -ENOSPC ? "indirect table outside of memory" :
									 "indirect table that cannot be mapped");
	t->npieces = (unsigned int)n;
	t->pinned = i;
	t->npinned = count;
	return 0;
}

int desc_table_read(struct desc_table *t, uint32_t i, void *desc)
{
	if (t->ring) {
		memcpy(desc, ring_part_at(t->ring, (size_t)i * DESC_BYTES), DESC_BYTES);
	} else {
		int err = i - t->pinned < t->npinned ? 0 : table_pin(t, i);

		if (err)
			return err;
		table_copy(t, i, desc);
	}
	forget_shared();
	return 0;
}

int desc_table_open(struct virtq *vq, uint64_t addr, uint32_t len, struct desc_table *t)
{
	uint64_t last;

	*t = (struct desc_table){.vq = vq, .addr = addr, .size = len / (uint32_t)DESC_BYTES};
	if (!vq->indirect)
		return virtq_break(vq, "indirect descriptor without VIRTIO_F_INDIRECT_DESC");
	if (!len || len % DESC_BYTES)
		return virtq_break(vq, "indirect table of a wrong length");
	if (t->size > virtq_chain_limit(vq))
		return virtq_break(vq, "indirect table longer than a chain may be");
	if (__builtin_add_overflow(addr, len - 1, &last))
		return virtq_break(vq, "indirect table outside of memory");
	return table_pin(t, 0);
}

void desc_table_close(struct desc_table *t)
{
	while (t->npieces)
		gmem_unpin(&t->pieces[--t->npieces]);
	t->npinned = 0;
}
