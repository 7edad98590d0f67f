/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring_table.c - what the layouts have in common: parts of rings, and tables of descriptors, which are of the same size in both.
 * VIRTIO 1.4, sections 2.7.5.3 and 2.8.7.
 */
#include <errno.h>
#include <string.h>

#include "transport/ring.h"

#define DESC_BYTES sizeof(struct virtq_desc)

_Static_assert(sizeof(struct pvirtq_desc) == DESC_BYTES, "descriptors of both layouts are of one size");

int ring_broken(struct virtq *vq, const char *why)
{
	virtq_break(vq, why);
	return -EIO;
}

int ring_map_part(struct virtq *vq, uint64_t addr, size_t len, size_t align, enum gmem_access access,
		  struct gmem_seg *seg)
{
	int n = gmem_pin(vq->mem, vq->addrs.space, addr, len, access, seg, 1);

	if (n < 0)
		return n == -ENOSPC ? -EFAULT : n;
	if ((uintptr_t)seg->va % align) {
		gmem_unpin(seg);
		return -EINVAL;
	}
	return 0;
}

void desc_table_read(const struct desc_table *t, uint32_t i, void *desc)
{
	size_t off = (size_t)i * DESC_BYTES, done = 0;

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
	forget_shared();
}

int desc_table_open(struct virtq *vq, uint64_t addr, uint32_t len, struct desc_table *t)
{
	if (!vq->indirect)
		return ring_broken(vq, "indirect descriptor without VIRTIO_F_INDIRECT_DESC");
	if (!len || len % DESC_BYTES)
		return ring_broken(vq, "indirect table of a wrong length");
	t->size = len / (uint32_t)DESC_BYTES;
	if (t->size > virtq_chain_limit(vq))
		return ring_broken(vq, "indirect table longer than a chain may be");
	int n = gmem_pin(vq->mem, GMEM_GUEST, addr, len, GMEM_READ, t->pieces, TABLE_PIECES);

	if (n < 0)
		return ring_broken(vq, n == -EFAULT || n == -ENOSPC ? "indirect table outside of memory" :
								      "indirect table that cannot be mapped");
	t->npieces = (unsigned int)n;
	return 0;
}

void desc_table_close(struct desc_table *t)
{
	while (t->npieces)
		gmem_unpin(&t->pieces[--t->npieces]);
}
