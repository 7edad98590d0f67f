/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtq.c - the life of a virtqueue and its chains, whatever the layout: VIRTIO 1.4, section 2.6; see virtq.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "core/sort.h"
#include "transport/ring/ring.h"

int virtq_new(unsigned int index, const struct virtq_events *ev, void *owner, struct virtq **out)
{
	struct virtq *vq = calloc(1, sizeof(*vq));

	*out = NULL;
	if (!vq)
		return -ENOMEM;
	vq->index = index;
	vq->ev = ev;
	vq->owner = owner;
	vq->ring = &ring_split;
	*out = vq;
	return 0;
}

/* Frees what belongs to a size: chains and their pieces. */
static void virtq_free_arrays(struct virtq *vq)
{
	free(vq->chains);
	free(vq->resume);
	free(vq->segs);
	free(vq->own);
	vq->own = NULL;
	vq->chains = NULL;
	vq->resume = NULL;
	vq->segs = NULL;
	vq->nresume = vq->resumed = 0;
	vq->in_flight = 0;
	vq->num = 0;
	vq->oldest = vq->youngest = HEAD_NONE;
}

void virtq_free(struct virtq *vq)
{
	if (!vq)
		return;
	virtq_free_arrays(vq);
	free(vq);
}

void *virtq_owner(const struct virtq *vq)
{
	return vq->owner;
}

/* Room for num chains, and for twice the pieces of the longest. */
static int virtq_alloc_arrays(struct virtq *vq, unsigned int num, const struct ring_ops *ring)
{
	bool packed = ring == &ring_packed;

	if (vq->num == num && vq->ring == ring)
		return 0;
	virtq_free_arrays(vq);
	vq->ring = ring;
	vq->num = num;
	vq->nsegs = 2 * virtq_chain_limit(vq);
	vq->fresh_segs = 0;
	vq->free_segs = SEG_NONE;
	vq->chains = calloc(num, sizeof(*vq->chains));
	vq->resume = calloc(num, sizeof(*vq->resume));
	vq->segs = calloc(vq->nsegs, sizeof(*vq->segs));
	vq->own = packed ? calloc(1, INFLIGHT_PACKED_BYTES(num)) : NULL;
	if (vq->chains && vq->resume && vq->segs && (vq->own || !packed)) {
		vq->packed_record = vq->own;
		if (packed)
			ring->forget(vq);
		return 0;
	}
	virtq_free_arrays(vq);
	return -ENOMEM;
}

/* The same without the record. */
static void forget_chains(struct virtq *vq)
{
	for (unsigned int i = 0; vq->chains && i < vq->num; i++)
		vq->chains[i].state = CHAIN_FREE;
	vq->nresume = vq->resumed = 0;
	vq->in_flight = 0;
	vq->oldest = vq->youngest = HEAD_NONE;
}

void virtq_forget(struct virtq *vq)
{
	forget_chains(vq);
	/* A record without a version is one of nothing; it gets it at the next start.  All layouts have it at the same place. */
	if (vq->shared && vq->shared_size >= sizeof(struct inflight_split))
		((struct inflight_split *)vq->shared)->version = 0;
	else if (!vq->shared && vq->ring->forget && vq->chains)
		vq->ring->forget(vq);
}

void virtq_share_record(struct virtq *vq, void *record, size_t size)
{
	vq->shared = record;
	vq->shared_size = size;
	vq->packed_record = vq->own;
	vq->split_record = NULL;
}

/* Chooses the record of this life, and reads a shared one.  Returns 0 or -EINVAL. */
static int use_record(struct virtq *vq)
{
	bool packed = vq->ring == &ring_packed;
	size_t need = packed ? INFLIGHT_PACKED_BYTES(vq->num) : INFLIGHT_SPLIT_BYTES(vq->num);

	vq->packed_record = vq->own;
	vq->split_record = NULL;
	if (!vq->shared)
		return 0;
	if (need > vq->shared_size || (uintptr_t)vq->shared % sizeof(uint64_t))
		return -EINVAL;
	if (packed)
		vq->packed_record = vq->shared;
	else
		vq->split_record = vq->shared;
	forget_chains(vq);
	int err = vq->ring->recover(vq);

	if (err)
		forget_chains(vq);
	return err;
}

static int older_first(const void *a, const void *b)
{
	const struct requeued *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

/* The chain is the youngest in flight. */
static void virtq_enlist(struct virtq *vq, struct chain *c)
{
	c->younger = HEAD_NONE;
	if (vq->oldest == HEAD_NONE)
		vq->oldest = c->head;
	else
		vq->chains[vq->youngest].younger = c->head;
	vq->youngest = c->head;
}

/*
 * Lists the requeued chains in vq->resume, and in the list of those that are told used in its order (virtq_tell_answered) the
 * chains that belong there.
 */
static void collect_requeued(struct virtq *vq)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < vq->num; i++) {
		if (vq->chains[i].state == CHAIN_REQUEUED || vq->chains[i].state == CHAIN_DONE)
			vq->resume[n++] = (struct requeued){vq->chains[i].order, (uint16_t)i};
	}
	sort_items(vq->resume, n, sizeof(*vq->resume), older_first);
	vq->nresume = vq->resumed = 0;
	vq->oldest = vq->youngest = HEAD_NONE;
	for (unsigned int i = 0; i < n; i++) {
		struct chain *c = &vq->chains[vq->resume[i].head];

		if (vq->in_order || c->state == CHAIN_DONE)
			virtq_enlist(vq, c);
		if (c->state == CHAIN_REQUEUED)
			vq->resume[vq->nresume++] = vq->resume[i];
	}
}

/* Pins all parts of the ring, or none. */
static int map_all(struct virtq *vq)
{
	int err = vq->ring->map(vq);

	if (err)
		ring_unmap(&vq->parts);
	vq->mapped = !err;
	return err;
}

/* Pins the ring's parts where they are. */
static int virtq_map(struct virtq *vq)
{
	int err = map_all(vq);

	if (err && vq->addrs.or_guest && vq->addrs.space != GMEM_GUEST) {
		vq->addrs.space = GMEM_GUEST;
		if (map_all(vq) == 0)
			return 0;
		vq->addrs.space = GMEM_USER;
	}
	return err;
}

static void virtq_unmap(struct virtq *vq)
{
	ring_unmap(&vq->parts);
	vq->mapped = false;
}

/*
 * Whether used chains can be told now.  A ring behind an IOMMU may have to be looked for first; one whose memory has gone has
 * nobody left to tell.
 */
static bool virtq_can_tell(const struct virtq *vq)
{
	return vq->mapped || !vq->mem;
}

/* Tells the driver that the chain, whose pieces were given back, is used. */
static void virtq_tell_used(struct virtq *vq, struct chain *c)
{
	c->state = CHAIN_FREE;
	vq->in_flight -= c->slots;
	if (!vq->mem)
		return;
	vq->ring->push(vq, c, (uint32_t)c->written);
	vq->dirty = true;
	vq->used_since += vq->used_since < UINT_MAX - c->slots ? c->slots : 0;
}

/*
 * The same for those that are done, from the oldest of the list on: with VIRTIO_F_IN_ORDER that has all chains in flight, otherwise
 * those that could not be told when they were answered, for want of the ring.
 */
static void virtq_tell_answered(struct virtq *vq)
{
	while (vq->oldest != HEAD_NONE && vq->chains[vq->oldest].state == CHAIN_DONE) {
		struct chain *c = &vq->chains[vq->oldest];

		vq->oldest = c->younger;
		virtq_tell_used(vq, c);
	}
}

/* A turn begins. */
static void budget_renew(struct virtq *vq)
{
	vq->budget = (struct ring_budget){.chains = vq->num};
	vq->left_behind = false;
}

int virtq_start(struct virtq *vq, struct gmem *mem, unsigned int num, uint64_t features, const struct virtq_addrs *addrs,
		uint32_t base)
{
	const struct ring_ops *ring = features & BIT(VIRTIO_F_RING_PACKED) ? &ring_packed : &ring_split;
	const uint16_t begin = ring == &ring_packed ? PVIRTQ_WRAP : 0;
	int err, taken;

	if (!num || num > VIRTQ_MAX_SIZE || !ring->size_ok(num))
		return -EINVAL;
	err = virtq_alloc_arrays(vq, num, ring);
	if (err)
		return err;
	vq->mem = mem;
	vq->addrs = *addrs;
	vq->space = addrs->space == GMEM_IOVA ? GMEM_IOVA : GMEM_GUEST;
	vq->pin = vq->space == GMEM_IOVA ? chain_pin : chain_pin_plain;
	vq->indirect = features & BIT(VIRTIO_F_INDIRECT_DESC);
	vq->event_idx = features & BIT(VIRTIO_F_EVENT_IDX);
	vq->in_order = features & BIT(VIRTIO_F_IN_ORDER);
	err = virtq_map(vq);
	if (err)
		return err;
	taken = ring->set_base(vq, base);
	err = taken < 0 ? taken : use_record(vq);
	if (err) {
		virtq_unmap(vq);
		return err;
	}
	vq->used_since = 0;
	vq->stall = STALL_NONE;
	vq->fresh = vq->last_avail == begin && vq->used_idx == begin;
	vq->broken = vq->armed = vq->dry = vq->dirty = vq->remind = vq->called = false;
	vq->in_turn = vq->untake = false;
	budget_renew(vq);

	/* Chains between the used index and the base are in flight.  They are ours to finish if we know them all. */
	collect_requeued(vq);
	vq->lost = 0;
	if (!vq->shared && (unsigned int)taken != vq->in_flight) {
		virtq_forget(vq);
		vq->lost = (unsigned int)taken;
	}
	vq->life = RING_STARTED;
	virtq_tell_answered(vq);
	return 0;
}

void virtq_enable(struct virtq *vq, bool enable)
{
	vq->enabled = enable;
}

void virtq_stopping(struct virtq *vq)
{
	if (vq->life == RING_STARTED)
		vq->life = RING_STOPPING;
}

bool virtq_stopping_now(const struct virtq *vq)
{
	return vq->life == RING_STOPPING;
}

unsigned int virtq_lost(const struct virtq *vq)
{
	return vq->lost;
}

bool virtq_resumes(const struct virtq *vq)
{
	return vq->nresume > 0;
}

void virtq_log(struct virtq *vq, struct dirty_log *log, bool ring, uint64_t ring_addr)
{
	vq->log = log;
	vq->ring_log = ring ? log : NULL;
	vq->ring_log_addr = ring_addr;
}

bool virtq_base_fresh(uint64_t features, uint32_t base)
{
	return !base || (features & BIT(VIRTIO_F_RING_PACKED) && base == PVIRTQ_FRESH);
}

/*
 * Requeued chains that were taken last are as if they had not been: whoever starts the ring from its base finds them there,
 * also where nothing is known of this life.
 */
static void virtq_rewind(struct virtq *vq)
{
	unsigned int slots = 0;

	collect_requeued(vq);
	for (unsigned int i = 0; i < vq->nresume; i++)
		slots += vq->chains[vq->resume[i].head].slots;
	/* What is answered, and not told used, is not to be done again. */
	if ((!vq->shared || vq->untake) && !vq->broken && slots && slots == vq->in_flight && vq->ring->rewind(vq))
		virtq_forget(vq);
}

void virtq_untake(struct virtq *vq)
{
	vq->untake = true;
}

uint32_t virtq_stop(struct virtq *vq)
{
	ring_stats_flush(&vq->stats);
	if (vq->life != RING_STOPPED && vq->mapped) {
		virtq_rewind(vq);
		virtq_unmap(vq);
	}
	vq->life = RING_STOPPED;
	vq->stall = STALL_NONE;
	vq->dirty = vq->dry = false;
	vq->mem = NULL;
	return vq->ring->base(vq);
}

bool virtq_started(const struct virtq *vq)
{
	return vq->life != RING_STOPPED;
}

bool virtq_broken(const struct virtq *vq)
{
	return vq->broken;
}

bool virtq_running(const struct virtq *vq)
{
	return vq->life == RING_STARTED && vq->enabled && !vq->broken;
}

bool virtq_fresh(const struct virtq *vq)
{
	return vq->fresh;
}

unsigned int virtq_size(const struct virtq *vq)
{
	return vq->num;
}

unsigned int virtq_index(const struct virtq *vq)
{
	return vq->index;
}

unsigned int virtq_in_flight(const struct virtq *vq)
{
	return vq->held;
}

/* The ring waits for a translation. */
static void virtq_miss(struct virtq *vq)
{
	vq->stall = STALL_TRANSLATION;
	vq->ev->miss(vq);
}

/* Pins the ring's parts again, or waits for their translations.  Returns 0, -EAGAIN, or an error; then the ring is broken. */
static int virtq_find(struct virtq *vq)
{
	int err = virtq_map(vq);

	if (!err) {
		virtq_tell_answered(vq);
		return 0;
	}
	if (err == -EAGAIN) {
		virtq_miss(vq);
		return err;
	}
	vq->mem = NULL;
	virtq_break(vq, "not in memory any more");
	return err;
}

int virtq_remap(struct virtq *vq, struct gmem *mem)
{
	struct ring_parts old = vq->parts;
	bool mapped = vq->mapped;
	int err;

	/* The old memory's stays pinned until the new one's is: memory that is in both need not go and come. */
	vq->mem = mem;
	vq->parts.desc = vq->parts.driver = vq->parts.device = (struct ring_part){0};
	err = virtq_find(vq);
	if (mapped)
		ring_unmap(&old);
	return err == -EAGAIN ? 0 : err;
}

void virtq_translated(struct virtq *vq)
{
	if (!virtq_waiting(vq))
		return;
	vq->stall = STALL_NONE;
	if (vq->mapped || virtq_find(vq) == 0)
		vq->ev->again(vq);
}

void virtq_invalidate(struct virtq *vq, uint64_t first, uint64_t last)
{
	const struct ring_parts *p = &vq->parts;

	if (vq->life == RING_STOPPED || !vq->mapped || vq->addrs.space != GMEM_IOVA)
		return;
	if (!ring_part_overlaps(&p->desc, first, last) && !ring_part_overlaps(&p->driver, first, last) &&
	    !ring_part_overlaps(&p->device, first, last))
		return;
	virtq_unmap(vq);
	virtq_find(vq);
}

void virtq_untranslated(struct virtq *vq)
{
	vq->stall = STALL_NONE;
	virtq_break(vq, "an address without a translation");
}

bool virtq_waiting(const struct virtq *vq)
{
	return vq->life != RING_STOPPED && vq->stall == STALL_TRANSLATION;
}

/* A chain from the last life, or else from the ring. */
static int virtq_take(struct virtq *vq, struct chain **out)
{
	int ret;

	if (vq->resumed < vq->nresume) {
		ret = vq->ring->pop_again(vq, vq->resume[vq->resumed].head, out);
		vq->resumed += ret > 0;
	} else {
		ret = vq->ring->pop(vq, out);
		if (ret > 0) {
			vq->in_flight += (*out)->slots;
			if (vq->in_order)
				virtq_enlist(vq, *out);
		}
	}
	return ret;
}

/* Whether there is nothing left of the turn.  The first chain of a turn is always given. */
static bool budget_spent(struct ring_budget *b)
{
	if (b->chains && b->work >= WORK_LOOK) {
		const uint64_t now = ring_clock();

		b->work = 0;
		if (!b->began)
			b->began = now;
		else if (now - b->began > TURN_NS)
			b->chains = 0;
	}
	return !b->chains;
}

/* A chain was popped. */
static void budget_spend(struct ring_budget *b)
{
	b->chains--;
	b->work += CHAIN_WORK;
}

struct chain *virtq_pop(struct virtq *vq)
{
	struct chain *c = NULL;
	int ret;

	if (!virtq_running(vq) || vq->stall)
		return NULL;
	if (!vq->in_turn) {
		vq->ev->again(vq);
		return NULL;
	}
	if (budget_spent(&vq->budget)) {
		vq->left_behind = true;
		return NULL;
	}
	ret = virtq_take(vq, &c);
	if (ret == 0)
		vq->dry = !vq->armed;
	if (ret == -EAGAIN)
		virtq_miss(vq);
	if (ret == -ENOSPC) {
		if (vq->held)
			vq->stall = STALL_PIECES;
		else
			virtq_break(vq, "chain of more pieces than a chain may have");
	}
	if (ret <= 0)
		return NULL;
	if (vq->armed) {
		vq->armed = false;
		vq->ring->disarm(vq);
	}
	budget_spend(&vq->budget);
	return c;
}

/* A chain has come back from the device. */
static void virtq_returned(struct virtq *vq)
{
	vq->held--;
	if (vq->life == RING_STOPPING) {
		if (!vq->held)
			vq->ev->drained(vq);
	} else if (vq->stall == STALL_PIECES) {
		vq->stall = STALL_NONE;
		vq->ev->again(vq);
	}
}

/* Tells whoever looks on that the chain is answered. */
static void virtq_tell_trace(const struct chain *c, size_t read)
{
	const struct virtq_answer answer = {
		.head = c->head, .read = read, .readable = c->given, .written = c->written, .writable = c->written + c->writable};

	if (c->vq->ev->used)
		c->vq->ev->used(c->vq, &answer);
}

void virtq_push(struct chain *c)
{
	struct virtq *vq = c->vq;

	const size_t read = c->given - c->readable;

	if (vq->traced)
		virtq_tell_trace(c, read);
	ring_stats_pushed(&vq->stats, c->popped, read, c->written);
	/* At most 2^32 bytes. */
	vq->budget.work += (unsigned int)((read + c->written) / WORK_BYTES);
	chain_end(c, CHAIN_DONE);
	if (vq->in_order) {
		if (virtq_can_tell(vq))
			virtq_tell_answered(vq);
	} else if (virtq_can_tell(vq)) {
		virtq_tell_used(vq, c);
	} else {
		virtq_enlist(vq, c);
	}
	virtq_returned(vq);
}

void virtq_requeue(struct chain *c)
{
	chain_end(c, CHAIN_REQUEUED);
	virtq_returned(c->vq);
}

void virtq_again(struct virtq *vq)
{
	if (virtq_running(vq))
		vq->ev->again(vq);
}

void virtq_remind(struct virtq *vq)
{
	if (!virtq_running(vq))
		return;
	vq->remind = vq->dirty = true;
	vq->ev->again(vq);
}

void virtq_turn_begin(struct virtq *vq)
{
	vq->in_turn = true;
	ring_stats_turn(&vq->stats);
	budget_renew(vq);
}

void virtq_turn_end(struct virtq *vq)
{
	vq->in_turn = false;
	if (vq->left_behind)
		vq->ev->again(vq);
}

/* Notifies the driver of what was pushed, if it wants to be. */
static void virtq_notify(struct virtq *vq)
{
	/* Always after the first push of a life: what the driver asked for may be left over from before. */
	unsigned int n = vq->called ? vq->used_since : UINT_MAX;

	ring_stats_flush(&vq->stats);
	vq->dirty = false;
	vq->called = true;
	vq->used_since = 0;
	if (vq->mapped && (vq->ring->want_call(vq, n) || vq->remind))
		vq->ev->call(vq);
	vq->remind = false;
}

/* Asks for kicks, unless there is more already.  Returns whether there is. */
static bool virtq_arm(struct virtq *vq)
{
	vq->dry = false;
	if (vq->ring->available(vq))
		return true;
	vq->armed = true;
	return vq->ring->arm(vq);
}

bool virtq_flush(struct virtq *vq)
{
	/* Whether to notify stands in the ring: while that is looked for, it has to wait. */
	if (vq->dirty && virtq_can_tell(vq))
		virtq_notify(vq);
	return vq->dry && vq->mapped && virtq_running(vq) && virtq_arm(vq);
}

bool virtq_dirty(const struct virtq *vq)
{
	return vq->dirty || vq->dry;
}

void virtq_time(struct virtq *vq, bool timed)
{
	vq->stats.timed = timed;
}

void virtq_trace(struct virtq *vq, bool traced)
{
	vq->traced = traced;
}

void virtq_stats(const struct virtq *vq, struct vdev_queue_stats *out)
{
	*out = vq->stats.sum;
	out->running = virtq_running(vq);
	out->broken = vq->broken;
	out->in_flight = vq->held;
}
