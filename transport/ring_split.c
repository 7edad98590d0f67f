/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring_split.c - the device side of a split virtqueue: VIRTIO 1.4, section 2.7.
 *
 * Theory of operation: the barriers.  Driver and device run at the same time; four orders matter.
 *
 * 1. Available.  The driver writes descriptors and avail->ring[], then avail->idx (2.7.13.3).  We read idx with
 *    acquire, so that what we read afterwards is at least as new as the index that announced it.
 * 2. Used.  We write used->ring[], then used->idx with release (2.7.8.2): who sees the index sees the element, and
 *    the bytes of the answer, written before.
 * 3. To call or not to call.  We store used->idx, then read used_event (or avail->flags); the driver stores
 *    used_event, then reads used->idx (2.7.7.2).  Each side stores first and loads afterwards, which only a full fence on both
 *    sides keeps in order: without it both can miss the other's store, and the driver waits for ever.
 * 4. To kick or not to kick.  The mirror image (2.7.10): we store avail_event (or clear NO_NOTIFY), full fence,
 *    then read avail->idx again; what has come by then is ours to serve without a kick.
 *
 * All of it is shared with a hostile guest: an index or a descriptor is loaded once into a local, checked and used
 * from there.
 */
#include <errno.h>
#include <string.h>

#include "transport/ring.h"
#include "transport/split_layout.h"

/* The compiler may not read shared memory a second time behind our back. */
static inline void forget_shared(void)
{
	__asm__ volatile("" ::: "memory");
}

static inline uint16_t load16(const le16 *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline void store16(le16 *p, uint16_t v)
{
	__atomic_store_n(p, htole16(v), __ATOMIC_RELAXED);
}

static struct virtq_avail *split_avail(const struct virtq *vq)
{
	return vq->split.avail.va;
}

static struct virtq_used *split_used(const struct virtq *vq)
{
	return vq->split.used.va;
}

/* avail->used_event: where the driver wants to be notified. */
static le16 *used_event(const struct virtq *vq)
{
	return &split_avail(vq)->ring[vq->num];
}

/* used->avail_event: where we want to be kicked. */
static le16 *avail_event(const struct virtq *vq)
{
	return (le16 *)(void *)&split_used(vq)->ring[vq->num];
}

/* Pins a part of the ring, which must be in one piece and aligned where we see it. */
static int map_part(struct virtq *vq, uint64_t addr, size_t len, size_t align, enum gmem_access access,
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

static int split_map(struct virtq *vq)
{
	struct split_ring *s = &vq->split;
	int err = map_part(vq, vq->addrs.desc, VIRTQ_DESC_BYTES(vq->num), VIRTQ_DESC_ALIGN, GMEM_READ,
			   &s->desc.pieces[0]);

	if (err)
		return err;
	s->desc.npieces = 1;
	s->desc.size = vq->num;
	err = map_part(vq, vq->addrs.avail, VIRTQ_AVAIL_BYTES(vq->num), VIRTQ_AVAIL_ALIGN, GMEM_READ, &s->avail);
	if (err)
		goto undo_desc;
	err = map_part(vq, vq->addrs.used, VIRTQ_USED_BYTES(vq->num), VIRTQ_USED_ALIGN, GMEM_WRITE, &s->used);
	if (err)
		goto undo_avail;
	s->shadow_avail = vq->last_avail;
	return 0;
undo_avail:
	gmem_unpin(&s->avail);
undo_desc:
	gmem_unpin(&s->desc.pieces[0]);
	return err;
}

static void split_unmap(struct virtq *vq)
{
	gmem_unpin(&vq->split.used);
	gmem_unpin(&vq->split.avail);
	gmem_unpin(&vq->split.desc.pieces[0]);
}

static uint16_t split_used_idx(const struct virtq *vq)
{
	return load16(&split_used(vq)->idx);
}

/* Copies entry i, which is below t->size, out of a table that may lie in several pieces. */
static void table_read(const struct desc_table *t, uint32_t i, struct virtq_desc *desc)
{
	size_t off = (size_t)i * sizeof(*desc), done = 0;

	for (unsigned int p = 0; p < t->npieces && done < sizeof(*desc); p++) {
		const struct gmem_seg *piece = &t->pieces[p];

		if (off >= piece->len) {
			off -= piece->len;
			continue;
		}
		size_t n = min_size(piece->len - off, sizeof(*desc) - done);

		memcpy((char *)desc + done, (const char *)piece->va + off, n);
		done += n;
		off = 0;
	}
	forget_shared();
}

static int broken(struct virtq *vq, const char *why)
{
	virtq_break(vq, why);
	return -EIO;
}

/* Pins the indirect table a descriptor names: section 2.7.5.3. */
static int indirect_open(struct virtq *vq, const struct virtq_desc *desc, struct desc_table *t)
{
	uint32_t len = le32toh(desc->len);

	if (!vq->indirect)
		return broken(vq, "indirect descriptor without VIRTIO_F_INDIRECT_DESC");
	if (le16toh(desc->flags) & VIRTQ_DESC_F_NEXT)
		return broken(vq, "indirect descriptor with a next one");
	if (!len || len % sizeof(*desc))
		return broken(vq, "indirect table of a wrong length");
	t->size = len / (uint32_t)sizeof(*desc);
	if (t->size > virtq_chain_limit(vq))
		return broken(vq, "indirect table longer than a chain may be");
	int n = gmem_pin(vq->mem, GMEM_GUEST, le64toh(desc->addr), len, GMEM_READ, t->pieces, TABLE_PIECES);

	if (n < 0)
		return broken(vq, n == -EFAULT || n == -ENOSPC ? "indirect table outside of memory" :
								 "indirect table that cannot be mapped");
	t->npieces = (unsigned int)n;
	return 0;
}

static void indirect_close(struct desc_table *t)
{
	while (t->npieces)
		gmem_unpin(&t->pieces[--t->npieces]);
}

/* Follows the descriptors from i on and adds their buffers. */
static int walk(struct chain *c, const struct desc_table *t, uint32_t i, bool nested);

static int walk_indirect(struct chain *c, const struct virtq_desc *desc)
{
	struct desc_table t;
	int err = indirect_open(c->vq, desc, &t);

	if (err)
		return err;
	err = walk(c, &t, 0, true);
	indirect_close(&t);
	return err;
}

static int walk(struct chain *c, const struct desc_table *t, uint32_t i, bool nested)
{
	struct virtq *vq = c->vq;
	struct virtq_desc desc;

	/* A chain visits no descriptor twice, so one longer than its table is a loop. */
	for (uint32_t count = 0; count < t->size; count++) {
		if (i >= t->size)
			return broken(vq, "descriptor index out of range");
		table_read(t, i, &desc);
		uint16_t flags = le16toh(desc.flags);

		if (flags & VIRTQ_DESC_F_INDIRECT)
			return nested ? broken(vq, "indirect descriptor in an indirect table") :
					walk_indirect(c, &desc);
		int err = chain_add(c, le64toh(desc.addr), le32toh(desc.len), flags & VIRTQ_DESC_F_WRITE);

		if (err)
			return err;
		if (!(flags & VIRTQ_DESC_F_NEXT))
			return 0;
		i = le16toh(desc.next);
	}
	return broken(vq, "descriptors form a loop");
}

static int split_pop_again(struct virtq *vq, uint16_t head, struct chain **out)
{
	struct chain *c;
	int err;

	if (head >= vq->num)
		return broken(vq, "chain's head out of range");
	err = chain_begin(vq, head, &c);
	if (err)
		return err;
	err = walk(c, &vq->split.desc, head, false);
	if (!err)
		err = chain_ready(c);
	if (err) {
		chain_end(c, c->state);
		return err;
	}
	*out = c;
	return 1;
}

/* Reads the driver's index (order 1).  Returns whether there are chains beyond last_avail. */
static bool split_refresh(struct virtq *vq)
{
	uint16_t idx = le16toh(__atomic_load_n(&split_avail(vq)->idx, __ATOMIC_ACQUIRE));

	vq->split.shadow_avail = idx;
	return idx != vq->last_avail;
}

static int split_pop(struct virtq *vq, struct chain **out)
{
	if (vq->split.shadow_avail == vq->last_avail && !split_refresh(vq))
		return 0;
	if ((uint16_t)(vq->split.shadow_avail - vq->last_avail) > vq->num)
		return broken(vq, "available index is more than the ring's size ahead");
	uint16_t head = load16(&split_avail(vq)->ring[vq->last_avail & (vq->num - 1)]);
	int ret = split_pop_again(vq, head, out);

	if (ret > 0)
		vq->last_avail++;
	return ret;
}

static void split_push(struct virtq *vq, uint16_t head, uint32_t len)
{
	struct virtq_used *used = split_used(vq);
	struct virtq_used_elem *elem = &used->ring[vq->used_idx & (vq->num - 1)];

	elem->id = htole32(head);
	elem->len = htole32(len);
	vq->used_idx++;
	__atomic_store_n(&used->idx, htole16(vq->used_idx), __ATOMIC_RELEASE); /* order 2 */
}

static bool split_want_call(struct virtq *vq)
{
	uint16_t old = vq->signalled_used;
	bool first = !vq->called;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* order 3 */
	vq->signalled_used = vq->used_idx;
	vq->called = true;
	if (!vq->event_idx)
		return !(load16(&split_avail(vq)->flags) & VIRTQ_AVAIL_F_NO_INTERRUPT);
	return first || virtq_need_event(load16(used_event(vq)), vq->used_idx, old);
}

static bool split_arm(struct virtq *vq)
{
	if (vq->event_idx)
		store16(avail_event(vq), vq->last_avail);
	else
		store16(&split_used(vq)->flags, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* order 4 */
	return split_refresh(vq);
}

static void split_disarm(struct virtq *vq)
{
	/* With event index, an avail_event that stays behind already says it. */
	if (!vq->event_idx)
		store16(&split_used(vq)->flags, VIRTQ_USED_F_NO_NOTIFY);
}

const struct ring_ops ring_split = {
	.map = split_map,
	.unmap = split_unmap,
	.used_idx = split_used_idx,
	.pop = split_pop,
	.pop_again = split_pop_again,
	.push = split_push,
	.want_call = split_want_call,
	.arm = split_arm,
	.disarm = split_disarm,
};
