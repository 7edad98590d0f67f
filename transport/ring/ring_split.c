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

#include "transport/ring/ring.h"

/* Places in the used part. */
#define USED_FLAGS   offsetof(struct virtq_used, flags)
#define USED_IDX     offsetof(struct virtq_used, idx)
#define USED_ELEM(i) (offsetof(struct virtq_used, ring) + (i) * sizeof(struct virtq_used_elem))

/* A field of the avail part. */
static le16 *avail_field(const struct virtq *vq, size_t off)
{
	return ring_part_at(&vq->parts.driver, off);
}

/* avail->ring[i]; behind the last is used_event, where the driver wants to be notified. */
static le16 *avail_entry(const struct virtq *vq, unsigned int i)
{
	return avail_field(vq, offsetof(struct virtq_avail, ring) + i * sizeof(le16));
}

static le16 *used_event(const struct virtq *vq)
{
	return avail_entry(vq, vq->num);
}

/* A field of the used part; avail_event, where we want to be kicked, is behind the last element. */
static le16 *used_field(const struct virtq *vq, size_t off)
{
	return ring_part_at(&vq->parts.device, off);
}

/*
 * Marks what was written into the used part, at the address that the front-end gave for it; behind an IOMMU that is one before
 * translation, and the place itself is marked.
 */
static void log_used(const struct virtq *vq, size_t off, size_t len)
{
	if (!vq->ring_log)
		return;
	if (vq->space == GMEM_IOVA)
		ring_part_log(vq, &vq->parts.device, off, len);
	else
		dirty_log_mark(vq->ring_log, vq->ring_log_addr + off, len);
}

static bool split_size_ok(unsigned int num)
{
	return !(num & (num - 1));
}

static int split_map(struct virtq *vq)
{
	struct ring_parts *p = &vq->parts;
	int err = ring_map_part(vq, vq->addrs.desc, VIRTQ_DESC_BYTES(vq->num), VIRTQ_DESC_ALIGN, GMEM_READ, &p->desc);

	if (!err)
		err = ring_map_part(vq, vq->addrs.avail, VIRTQ_AVAIL_BYTES(vq->num), VIRTQ_AVAIL_ALIGN, GMEM_READ,
				    &p->driver);
	if (!err)
		err = ring_map_part(vq, vq->addrs.used, VIRTQ_USED_BYTES(vq->num), VIRTQ_USED_ALIGN, GMEM_WRITE,
				    &p->device);
	return err;
}

static int split_set_base(struct virtq *vq, uint32_t base)
{
	if (base > UINT16_MAX)
		return -EINVAL;
	vq->last_avail = (uint16_t)base;
	vq->parts.shadow_avail = vq->last_avail;
	vq->used_idx = load16(used_field(vq, USED_IDX));
	return (uint16_t)(vq->last_avail - vq->used_idx);
}

static uint32_t split_base(const struct virtq *vq)
{
	return vq->last_avail;
}

static bool split_rewind(struct virtq *vq)
{
	uint16_t first = (uint16_t)(vq->last_avail - vq->nresume);

	for (unsigned int i = 0; i < vq->nresume; i++) {
		if (load16(avail_entry(vq, (uint16_t)(first + i) & (vq->num - 1))) != vq->resume[i].head)
			return false;
	}
	vq->last_avail = first;
	return true;
}

static void record_init(struct virtq *vq)
{
	struct inflight_split *rec = vq->split_record;

	memset(rec->desc, 0, vq->num * sizeof(rec->desc[0]));
	rec->features = 0;
	rec->desc_num = (uint16_t)vq->num;
	rec->last_batch_head = 0;
	rec->used_idx = vq->used_idx;
	forget_shared();
	rec->version = INFLIGHT_VERSION;
}

static int split_recover(struct virtq *vq)
{
	struct inflight_split *rec = vq->split_record;
	uint16_t head, batch;

	if (!rec->version) {
		record_init(vq);
		return 0;
	}
	if (rec->version != INFLIGHT_VERSION || rec->desc_num != vq->num)
		return -EINVAL;
	/* Used, and then there was no time to note it. */
	head = rec->last_batch_head;
	batch = (uint16_t)(vq->used_idx - rec->used_idx);
	for (uint16_t i = 0; i < batch; i++) {
		if (head >= vq->num || batch > vq->num)
			return -EINVAL;
		rec->desc[head].inflight = 0;
		head = rec->desc[head].next;
	}
	rec->used_idx = vq->used_idx;
	for (unsigned int i = 0; i < vq->num; i++) {
		int err = rec->desc[i].inflight ? virtq_recovered(vq, (uint16_t)i, 0, 1, rec->desc[i].counter) : 0;

		if (err)
			return err;
	}
	vq->last_avail = (uint16_t)(vq->used_idx + vq->in_flight);
	vq->parts.shadow_avail = vq->last_avail;
	return 0;
}

/* The record has the chain from now on. */
static void split_keep(struct virtq *vq, const struct chain *c)
{
	struct inflight_split_desc *e = &vq->split_record->desc[c->head];

	e->counter = c->order;
	forget_shared();
	e->inflight = 1;
	forget_shared();
}

/* Follows the descriptors from i on and adds their buffers. */
static int walk(struct chain *c, struct desc_table *t, uint32_t i, bool nested);

static int walk_indirect(struct chain *c, const struct virtq_desc *desc)
{
	struct desc_table t;
	int err;

	if (le16toh(desc->flags) & VIRTQ_DESC_F_NEXT)
		return virtq_break(c->vq, "indirect descriptor with a next one");
	err = desc_table_open(c->vq, le64toh(desc->addr), le32toh(desc->len), &t);
	if (err)
		return err;
	err = walk(c, &t, 0, true);
	desc_table_close(&t);
	return err;
}

static int walk(struct chain *c, struct desc_table *t, uint32_t i, bool nested)
{
	struct virtq *vq = c->vq;
	struct virtq_desc desc;

	/* A chain visits no descriptor twice, so one longer than its table is a loop. */
	for (uint32_t count = 0; count < t->size; count++) {
		if (i >= t->size)
			return virtq_break(vq, "descriptor index out of range");
		int err = desc_table_read(t, i, &desc);

		if (err)
			return err;
		uint16_t flags = le16toh(desc.flags);

		if (flags & VIRTQ_DESC_F_INDIRECT)
			return nested ? virtq_break(vq, "indirect descriptor in an indirect table") :
					walk_indirect(c, &desc);
		err = chain_add(c, le64toh(desc.addr), le32toh(desc.len), flags & VIRTQ_DESC_F_WRITE);
		if (err)
			return err;
		if (!(flags & VIRTQ_DESC_F_NEXT))
			return 0;
		i = le16toh(desc.next);
	}
	return virtq_break(vq, "descriptors form a loop");
}

static int split_pop_again(struct virtq *vq, uint16_t head, struct chain **out)
{
	struct desc_table ring = {.vq = vq, .ring = &vq->parts.desc, .size = vq->num};
	struct chain *c;
	int err;

	if (head >= vq->num)
		return virtq_break(vq, "chain's head out of range");
	err = chain_begin(vq, head, &c);
	if (err)
		return err;
	c->slots = 1;
	err = walk(c, &ring, head, false);
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
	uint16_t idx = le16toh(__atomic_load_n(avail_field(vq, offsetof(struct virtq_avail, idx)), __ATOMIC_ACQUIRE));

	vq->parts.shadow_avail = idx;
	return idx != vq->last_avail;
}

static int split_pop(struct virtq *vq, struct chain **out)
{
	if (vq->parts.shadow_avail == vq->last_avail && !split_refresh(vq))
		return 0;
	if ((uint16_t)(vq->parts.shadow_avail - vq->last_avail) > vq->num)
		return virtq_break(vq, "available index is more than the ring's size ahead");
	uint16_t head = load16(avail_entry(vq, vq->last_avail & (vq->num - 1)));
	int ret = split_pop_again(vq, head, out);

	if (ret > 0) {
		if (vq->split_record)
			split_keep(vq, *out);
		vq->last_avail++;
	}
	return ret;
}

static void split_push(struct virtq *vq, const struct chain *c, uint32_t len)
{
	const size_t elem = USED_ELEM(vq->used_idx & (vq->num - 1));
	struct inflight_split *rec = vq->split_record;

	/* Its two halves may be in two pieces. */
	*(le32 *)ring_part_at(&vq->parts.device, elem) = htole32(c->head);
	*(le32 *)ring_part_at(&vq->parts.device, elem + sizeof(le32)) = htole32(len);
	log_used(vq, elem, sizeof(le32));
	log_used(vq, elem + sizeof(le32), sizeof(le32));
	if (rec) {
		rec->desc[c->head].next = rec->last_batch_head;
		rec->last_batch_head = c->head;
	}
	vq->used_idx++;
	__atomic_store_n(used_field(vq, USED_IDX), htole16(vq->used_idx), __ATOMIC_RELEASE); /* order 2 */
	log_used(vq, USED_IDX, sizeof(le16));
	forget_shared();
	if (rec) {
		rec->desc[c->head].inflight = 0;
		forget_shared();
		rec->used_idx = vq->used_idx;
	}
}

static bool split_want_call(struct virtq *vq, unsigned int n)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* order 3 */
	if (!vq->event_idx)
		return !(load16(avail_field(vq, offsetof(struct virtq_avail, flags))) & VIRTQ_AVAIL_F_NO_INTERRUPT);
	return n > UINT16_MAX || virtq_need_event(load16(used_event(vq)), vq->used_idx, (uint16_t)(vq->used_idx - n));
}

static bool split_arm(struct virtq *vq)
{
	const size_t ask = vq->event_idx ? USED_ELEM(vq->num) : USED_FLAGS;

	store16(used_field(vq, ask), vq->event_idx ? vq->last_avail : 0);
	log_used(vq, ask, sizeof(le16));
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* order 4 */
	return split_refresh(vq);
}

static void split_disarm(struct virtq *vq)
{
	/* With event index, an avail_event that stays behind already says it. */
	if (vq->event_idx)
		return;
	store16(used_field(vq, USED_FLAGS), VIRTQ_USED_F_NO_NOTIFY);
	log_used(vq, USED_FLAGS, sizeof(le16));
}

const struct ring_ops ring_split = {
	.size_ok = split_size_ok,
	.map = split_map,
	.set_base = split_set_base,
	.base = split_base,
	.rewind = split_rewind,
	.recover = split_recover,
	.pop = split_pop,
	.pop_again = split_pop_again,
	.push = split_push,
	.available = split_refresh,
	.want_call = split_want_call,
	.arm = split_arm,
	.disarm = split_disarm,
};
