/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring_packed.c - the device side of a packed virtqueue: VIRTIO 1.4, section 2.8.
 *
 * Theory of operation.  There is one array of descriptors, which both sides write: the driver makes descriptors available, the
 * device marks them used, each going round at its own pace.  What is used out of order overwrites descriptors of
 * chains still in flight, so a chain's are copied into a record (inflight.h) when it is taken, and only the copies are looked at: a
 * hostile driver cannot change them, and a chain that was given back unanswered can be built again.
 *
 * The barriers are those of ring_split.c in other clothes:
 *
 * 1. Available.  The driver writes a chain, and last the flags of its first descriptor; we read these with acquire.
 * 2. Used.  We write id and length, then the flags, with release.
 * 3. To call or not to call.  Flags stored, full fence, then the driver's event suppression structure is read.
 * 4. To kick or not to kick.  The device's event suppression structure stored, full fence, then the next flags are read.
 *
 * The order of stores to the record is vhost-user's ("Inflight I/O tracking"): at any instruction the process can end, and
 * the record and the ring tell what is in flight.
 *
 * Packed rings work with every device, and are offered only when the operator asks for them (--features=+ring_packed).
 * QEMU's generic stubs and User-Mode Linux pass every bit a back end offers on to the guest, and not all of them know
 * that the base of a packed ring is two places and not an index. A base of 0 is taken for a fresh ring, since some say
 * that. A buffer id must be below the queue size, as it is with Linux, DPDK and BSD.
 */
#include <errno.h>
#include <string.h>

#include "transport/ring/ring.h"

static struct pvirtq_desc *packed_desc(const struct virtq *vq, uint16_t place)
{
	return ring_part_at(&vq->parts.desc, PVIRTQ_DESC_BYTES(pvirtq_index(place)));
}

/*
 * Marks what was written into a part of the ring, where that is in guest memory: the address the front-end gives for the log
 * stands for the device's part alone, and the descriptors need not be beside it.
 */
static void log_part(const struct virtq *vq, const struct ring_part *part, size_t off, size_t len)
{
	if (vq->ring_log)
		ring_part_log(vq, part, off, len);
}

static bool packed_size_ok(unsigned int num)
{
	return num > 0;
}

static int packed_map(struct virtq *vq)
{
	struct ring_parts *p = &vq->parts;
	int err = ring_map_part(vq, vq->addrs.desc, PVIRTQ_DESC_BYTES(vq->num), PVIRTQ_DESC_ALIGN, GMEM_UPDATE,
				&p->desc);

	if (!err)
		err = ring_map_part(vq, vq->addrs.avail, sizeof(struct pvirtq_event_suppress), PVIRTQ_EVENT_ALIGN,
				    GMEM_READ, &p->driver);
	if (!err)
		err = ring_map_part(vq, vq->addrs.used, sizeof(struct pvirtq_event_suppress), PVIRTQ_EVENT_ALIGN,
				    GMEM_WRITE, &p->device);
	return err;
}

/*
 * Whether the ring has never been round.  At the end of every other round at least one descriptor bears the mark of its use, and
 * what the driver adds then has that mark, too.  It need not be the first: a buffer of several descriptors can begin at the end
 * of one round and end in the next, and only its first one is written when it is used.
 */
static bool never_round(const struct virtq *vq)
{
	for (unsigned int i = 0; i < vq->num; i++) {
		if (load16(&packed_desc(vq, (uint16_t)i)->flags) & PVIRTQ_DESC_F_USED)
			return false;
	}
	return true;
}

/*
 * Front-ends that know nothing of packed rings (User-Mode Linux) say 0 where a ring begins.  That is also a place, which a
 * ring has when the device has used all of a round.
 */
static uint32_t mend_base(const struct virtq *vq, uint32_t base)
{
	return !base && never_round(vq) ? PVIRTQ_FRESH : base;
}

static int packed_set_base(struct virtq *vq, uint32_t base)
{
	uint16_t avail, used;

	base = mend_base(vq, base);
	avail = (uint16_t)base;
	used = (uint16_t)(base >> 16);
	if (pvirtq_index(avail) >= vq->num || pvirtq_index(used) >= vq->num)
		return -EINVAL;
	/* Others fill in the lower half only. */
	if (pvirtq_distance(used, avail, vq->num) > vq->num)
		used = avail;
	vq->last_avail = avail;
	vq->used_idx = used;
	return (int)pvirtq_distance(used, avail, vq->num);
}

static uint32_t packed_base(const struct virtq *vq)
{
	return vq->last_avail | (uint32_t)vq->used_idx << 16;
}

/* Before the next available one is what is in flight, or what was taken later and used first. */
static bool packed_rewind(struct virtq *vq)
{
	const uint16_t first = pvirtq_retreat(vq->last_avail, vq->in_flight, vq->num);
	uint16_t place = first;

	for (unsigned int i = 0; i < vq->nresume; i++) {
		const struct chain *c = &vq->chains[vq->resume[i].head];
		const struct pvirtq_desc *last;

		place = pvirtq_advance(place, c->slots, vq->num);
		last = packed_desc(vq, (uint16_t)((pvirtq_index(place) ? pvirtq_index(place) : vq->num) - 1));
		if (load16(&last->id) != c->head)
			return false;
	}
	vq->last_avail = first;
	return true;
}

/* An entry of the record: some entry, whatever the front-end has made of the index. */
static struct inflight_packed_desc *record_at(const struct virtq *vq, uint16_t i)
{
	return &vq->packed_record->desc[i < vq->num ? i : 0];
}

static void record_used_idx(struct virtq *vq)
{
	struct inflight_packed *rec = vq->packed_record;

	rec->used_idx = pvirtq_index(vq->used_idx);
	rec->used_wrap_counter = !!(vq->used_idx & PVIRTQ_WRAP);
}

/* What was begun is done. */
static void record_commit(struct inflight_packed *rec)
{
	rec->old_free_head = rec->free_head;
	rec->old_used_idx = rec->used_idx;
	rec->old_used_wrap_counter = rec->used_wrap_counter;
}

/* All entries are in the free list. */
static void record_init(struct virtq *vq)
{
	struct inflight_packed *rec = vq->packed_record;

	rec->features = 0;
	rec->desc_num = (uint16_t)vq->num;
	rec->free_head = 0;
	for (unsigned int i = 0; i < vq->num; i++)
		rec->desc[i] = (struct inflight_packed_desc){.next = (uint16_t)(i + 1)};
	record_used_idx(vq);
	record_commit(rec);
	forget_shared();
	rec->version = INFLIGHT_VERSION;
}

static uint16_t record_place(uint16_t index, uint8_t wrap)
{
	return (uint16_t)(index | (wrap ? PVIRTQ_WRAP : 0));
}

/* Ends or undoes the push that a process did not live to finish.  Returns where the ring's used ones end, or -EINVAL. */
static int record_settle(struct virtq *vq)
{
	struct inflight_packed *rec = vq->packed_record;
	uint16_t old_idx = rec->old_used_idx, new_idx = rec->used_idx;
	uint8_t old_wrap = rec->old_used_wrap_counter, new_wrap = rec->used_wrap_counter;
	unsigned int flags;

	/* The front-end can write it at any time: what is checked is what is used. */
	forget_shared();
	if (old_idx >= vq->num || new_idx >= vq->num)
		return -EINVAL;
	const uint16_t old = record_place(old_idx, old_wrap), new = record_place(new_idx, new_wrap);

	flags = load16(&packed_desc(vq, old)->flags) & (PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED);
	if (new != old && flags != pvirtq_avail_flags(old)) {
		record_commit(rec);
		return new;
	}
	rec->free_head = rec->old_free_head;
	rec->used_idx = old_idx;
	rec->used_wrap_counter = old_wrap;
	return old;
}

static int packed_recover(struct virtq *vq)
{
	struct inflight_packed *rec = vq->packed_record;
	int place, err;

	if (!rec->version) {
		record_init(vq);
		return 0;
	}
	if (rec->version != INFLIGHT_VERSION || rec->desc_num != vq->num)
		return -EINVAL;
	place = record_settle(vq);
	if (place < 0)
		return place;
	uint16_t entry = rec->free_head;

	for (unsigned int n = 0; entry < vq->num && n < vq->num; n++, entry = rec->desc[entry].next)
		rec->desc[entry].inflight = 0;
	for (unsigned int i = 0; i < vq->num; i++) {
		const struct inflight_packed_desc *e = &rec->desc[i];

		if (!e->inflight)
			continue;
		err = virtq_recovered(vq, record_at(vq, e->last)->id, (uint16_t)i, e->num, e->counter);
		if (err)
			return err;
	}
	vq->used_idx = (uint16_t)place;
	vq->last_avail = pvirtq_advance(vq->used_idx, vq->in_flight, vq->num);
	return 0;
}

/* Whether the next descriptor is available (order 1). */
static bool packed_available(struct virtq *vq)
{
	unsigned int flags = le16toh(__atomic_load_n(&packed_desc(vq, vq->last_avail)->flags, __ATOMIC_ACQUIRE));

	return (flags & (PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED)) == pvirtq_avail_flags(vq->last_avail);
}

/*
 * Copies the available list of descriptors into free entries of the record, which stay free until packed_keep.
 * Returns how many, and *id, the buffer's; or -EIO after virtq_break.
 */
static int packed_copy(struct virtq *vq, uint16_t entry, uint16_t *id)
{
	uint16_t place = vq->last_avail;
	struct inflight_packed_desc *first = record_at(vq, entry);
	struct pvirtq_desc d;
	unsigned int n = 0;

	do {
		if (n == vq->num - vq->in_flight)
			return virtq_break(vq, n ? "more descriptors in flight than the ring has" :
						   "a descriptor in flight was made available again");
		memcpy(&d, packed_desc(vq, place), sizeof(d));
		forget_shared();
		struct inflight_packed_desc *e = record_at(vq, entry);

		e->addr = le64toh(d.addr);
		e->len = le32toh(d.len);
		e->id = le16toh(d.id);
		e->flags = le16toh(d.flags);
		first->last = entry;
		entry = e->next;
		place = pvirtq_advance(place, 1, vq->num);
		n++;
	} while (le16toh(d.flags) & VIRTQ_DESC_F_NEXT);
	first->num = (uint16_t)n;
	*id = le16toh(d.id);
	return (int)n;
}

/* Adds the buffers of an indirect table, whose descriptors are all of a chain: section 2.8.7. */
static int walk_table(struct chain *c, const struct inflight_packed_desc *e)
{
	struct pvirtq_desc d;
	struct desc_table t;
	int err = desc_table_open(c->vq, e->addr, e->len, &t);

	if (err)
		return err;
	for (uint32_t i = 0; !err && i < t.size; i++) {
		err = desc_table_read(&t, i, &d);
		if (err)
			break;
		err = chain_add(c, le64toh(d.addr), le32toh(d.len), le16toh(d.flags) & VIRTQ_DESC_F_WRITE);
	}
	desc_table_close(&t);
	return err;
}

/* Adds the buffers that the record's entries tell of. */
static int walk(struct chain *c)
{
	const struct inflight_packed_desc *first = record_at(c->vq, c->entry);
	uint16_t entry = c->entry;

	if (first->flags & VIRTQ_DESC_F_INDIRECT && c->slots == 1)
		return walk_table(c, first);
	for (unsigned int i = 0; i < c->slots; i++) {
		const struct inflight_packed_desc *e = record_at(c->vq, entry);

		if (e->flags & VIRTQ_DESC_F_INDIRECT)
			return virtq_break(c->vq, "indirect descriptor in a list");
		int err = chain_add(c, e->addr, e->len, e->flags & VIRTQ_DESC_F_WRITE);

		if (err)
			return err;
		entry = e->next;
	}
	return 0;
}

/* Builds the chain with this buffer id, of so many entries of the record from this one on. */
static int packed_build(struct virtq *vq, uint16_t id, uint16_t entry, unsigned int slots, struct chain **out)
{
	struct chain *c;
	int err;

	if (id >= vq->num)
		return virtq_break(vq, "buffer id out of range");
	err = chain_begin(vq, id, &c);
	if (err)
		return err;
	c->entry = entry;
	c->slots = (uint16_t)slots;
	err = walk(c);
	if (!err)
		err = chain_ready(c);
	if (err) {
		chain_end(c, c->state);
		return err;
	}
	*out = c;
	return 1;
}

static int packed_pop_again(struct virtq *vq, uint16_t head, struct chain **out)
{
	const struct chain *c = &vq->chains[head];

	return packed_build(vq, head, c->entry, c->slots, out);
}

/* The record has the chain from now on. */
static void packed_keep(struct virtq *vq, const struct chain *c)
{
	struct inflight_packed *rec = vq->packed_record;
	struct inflight_packed_desc *first = record_at(vq, c->entry);

	first->counter = c->order;
	forget_shared();
	first->inflight = 1;
	rec->free_head = record_at(vq, first->last)->next;
	forget_shared();
	rec->old_free_head = rec->free_head;
}

static int packed_pop(struct virtq *vq, struct chain **out)
{
	uint16_t entry = vq->packed_record->free_head, id = 0;
	int n, ret;

	if (!packed_available(vq))
		return 0;
	n = packed_copy(vq, entry, &id);
	if (n < 0)
		return n;
	ret = packed_build(vq, id, entry, (unsigned int)n, out);
	if (ret > 0) {
		packed_keep(vq, *out);
		vq->last_avail = pvirtq_advance(vq->last_avail, (unsigned int)n, vq->num);
	}
	return ret;
}

static void packed_push(struct virtq *vq, const struct chain *c, uint32_t len)
{
	const uint16_t at = vq->used_idx;
	struct pvirtq_desc *d = packed_desc(vq, at);
	unsigned int flags = pvirtq_used_flags(vq->used_idx) | (len ? VIRTQ_DESC_F_WRITE : 0);
	struct inflight_packed *rec = vq->packed_record;
	struct inflight_packed_desc *first = record_at(vq, c->entry);

	d->id = htole16(c->head);
	d->len = htole32(len);
	record_at(vq, first->last)->next = rec->free_head;
	rec->free_head = c->entry;
	vq->used_idx = pvirtq_advance(vq->used_idx, c->slots, vq->num);
	forget_shared();
	record_used_idx(vq);
	__atomic_store_n(&d->flags, htole16((uint16_t)flags), __ATOMIC_RELEASE); /* order 2 */
	log_part(vq, &vq->parts.desc, PVIRTQ_DESC_BYTES(pvirtq_index(at)), sizeof(*d));
	forget_shared();
	first->inflight = 0;
	forget_shared();
	record_commit(rec);
}

static bool packed_want_call(struct virtq *vq, unsigned int n)
{
	const struct pvirtq_event_suppress *driver = vq->parts.driver.first.va;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* order 3 */
	/* The place is read after the flags that say it counts, as the driver writes it before them. */
	unsigned int flags = le16toh(__atomic_load_n(&driver->flags, __ATOMIC_ACQUIRE));

	return pvirtq_need_event(flags, load16(&driver->desc), vq->event_idx, vq->used_idx, n, vq->num);
}

static bool packed_arm(struct virtq *vq)
{
	struct pvirtq_event_suppress *device = vq->parts.device.first.va;

	if (vq->event_idx) {
		store16(&device->desc, vq->last_avail);
		__atomic_store_n(&device->flags, htole16(RING_EVENT_FLAGS_DESC), __ATOMIC_RELEASE);
	} else {
		store16(&device->flags, RING_EVENT_FLAGS_ENABLE);
	}
	log_part(vq, &vq->parts.device, 0, sizeof(*device));
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* order 4 */
	return packed_available(vq);
}

static void packed_disarm(struct virtq *vq)
{
	struct pvirtq_event_suppress *device = vq->parts.device.first.va;

	store16(&device->flags, RING_EVENT_FLAGS_DISABLE);
	log_part(vq, &vq->parts.device, 0, sizeof(*device));
}

const struct ring_ops ring_packed = {
	.size_ok = packed_size_ok,
	.map = packed_map,
	.set_base = packed_set_base,
	.base = packed_base,
	.rewind = packed_rewind,
	.forget = record_init,
	.recover = packed_recover,
	.pop = packed_pop,
	.pop_again = packed_pop_again,
	.push = packed_push,
	.available = packed_available,
	.want_call = packed_want_call,
	.arm = packed_arm,
	.disarm = packed_disarm,
};
