/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_iotlb.c - guests behind an IOMMU: VIRTIO 1.4, section 6, VIRTIO_F_ACCESS_PLATFORM; QEMU docs/interop/vhost-user.rst,
 * "IOMMU support".
 *
 * Theory of operation.  All addresses of rings, tables and buffers are the guest's I/O virtual ones.  What they mean is in a table
 * (mem/iotlb.h) that the front-end fills: nothing is there until it is asked for.  A lookup in vain is a miss: it is told on the
 * back channel, and the ring it was for waits: no chain is popped from it, while the loop, and the other rings, go on.  An update
 * lets all rings that wait try again from the beginning of their chain, and perhaps find the next miss.  A ring whose own parts
 * have no translation is started for the front-end, and in truth when they have.
 *
 * A ring waits for one address no longer than the patience lasts, and for one chain no oftener than the table has room; if
 * what comes is no access or too little, it waits no longer either.  Then the front-end is told of an access failure, and the ring
 * is broken: VIRTIO has no answer for a request that cannot be read.
 *
 * Invalidation.  The front-end waits for our acknowledgement before the guest learns that its unmapping is done.  By then no new
 * access begins by the old translation: it is out of the table, and rings that had a part there have let go of it (virtq_invalidate).
 * Chains that the device holds keep what they have pinned, until they are pushed: a pin holds a region of guest memory, which
 * stays mapped whatever the IOMMU says, so nothing but this guest's memory can be reached by it, and a driver that takes a buffer back
 * which the device has not used gets what it gets from a device that is in the midst of a transfer.  To wait for such chains would be
 * worse: one that waits for an event of the host (a connection's next byte, an interrupt) would hold up the front-end, and with it the
 * machine, for as long.
 *
 * Behind an IOMMU a ring need not be in one piece (struct ring_part). 4096 translations are kept (160 KiB, only where
 * the feature was accepted); the least used goes. A chain that misses twice as often is broken. Buffers are logged by
 * guest-physical address, and a ring where it lies, whatever log_guest_addr says: with an IOMMU that is untranslated.
 * rng_qemu_iommu of make check-guest is a Linux guest behind QEMU's intel-iommu.
 */
#include <errno.h>
#include <string.h>

#include "transport/vhost_user/vu_session.h"

int vu_iotlb_want(struct vu_backend *b, bool want)
{
	int err = want && !b->tlb ? iotlb_new(&b->tlb) : 0;

	if (!want) {
		iotlb_free(b->tlb);
		b->tlb = NULL;
	}
	vu_iotlb_apply(b);
	return err;
}

void vu_iotlb_apply(struct vu_backend *b)
{
	/* What it says may be of memory there is no more. */
	if (b->tlb)
		iotlb_invalidate(b->tlb, 0, UINT64_MAX);
	if (b->mem)
		gmem_set_iotlb(b->mem, b->tlb, vu_has(b, VU_PF_GPA_ADDRESSES) ? GMEM_GUEST : GMEM_USER);
}

void vu_iotlb_settle(struct vu_queue *q)
{
	ev_timer_stop(q->b->d->loop, &q->miss_timer);
	q->miss_pending = false;
}

/* A ring that the front-end takes for started never was. */
static void start_failed(struct vu_queue *q, int err)
{
	vu_iotlb_settle(q);
	q->awaited = false;
	log_guest(&q->b->d->log, "queue %u (%s) does not start: %s", q->index, q->b->d->face.queues[q->index].name,
		  strerror(-err));
	if (q->served.err.fd >= 0)
		notify_fd_signal(&q->served.err);
}

/* The access that the ring waits for will not be had. */
static void access_failed(struct vu_queue *q)
{
	struct vdev *d = q->b->d;

	vu_iotlb_settle(q);
	log_guest(&d->log, "queue %u (%s): no access to 0x%llx (to %s)", q->index, d->face.queues[q->index].name,
		  (unsigned long long)q->miss.iova, q->miss.perm == IOTLB_READ ? "read" : "write");
	q->failed = q->miss;
	q->fail_pending = true;
	vu_channel_push(q->b);
	if (q->awaited)
		start_failed(q, -EFAULT);
	else
		virtq_untranslated(q->vq);
}

static bool waits(const struct vu_queue *q)
{
	return q->awaited || virtq_waiting(q->vq);
}

void vu_iotlb_miss(struct vu_queue *q)
{
	const struct iotlb_miss miss = iotlb_missed(q->b->tlb);
	bool again = ev_is_active(&q->miss_timer) && miss.iova == q->miss.iova && miss.perm == q->miss.perm;

	if (again)
		return;
	q->miss = miss;
	q->miss_pending = true;
	ev_timer_stop(q->b->d->loop, &q->miss_timer);
	ev_timer_set(&q->miss_timer, q->b->iotlb_patience, 0.);
	ev_timer_start(q->b->d->loop, &q->miss_timer);
	q->misses++;
	log_debug(&q->b->d->log, "queue %u waits for the translation of 0x%llx", q->index, (unsigned long long)miss.iova);
	vu_channel_push(q->b);
}

void vu_iotlb_timeout(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct vu_queue *q = container_of(w, struct vu_queue, miss_timer);

	if (waits(q))
		access_failed(q);
}

/* Rings that wait try again. */
static void try_again(struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++) {
		struct vu_queue *q = &b->queues[i];

		if (!waits(q))
			continue;
		if (q->misses > 2 * IOTLB_MAX) {
			access_failed(q);
		} else if (q->awaited) {
			int err = q->start(q);

			if (err)
				start_failed(q, err);
		} else {
			virtq_translated(q->vq);
		}
		if (!waits(q))
			vu_iotlb_settle(q);
	}
}

/* Those that wait for what they will not get from this update. */
static void fail_denied(struct vu_backend *b, const struct vu_iotlb *m)
{
	for (unsigned int i = 0; i < b->nqueues; i++) {
		struct vu_queue *q = &b->queues[i];

		if (waits(q) && q->miss.iova - m->iova < m->size && (m->perm & q->miss.perm) != q->miss.perm)
			access_failed(q);
	}
}

static int update(struct vu_backend *b, const struct vu_iotlb *m)
{
	int err = 0;

	if (m->perm) {
		if (!gmem_has(b->mem, vu_has(b, VU_PF_GPA_ADDRESSES) ? GMEM_GUEST : GMEM_USER, m->user_addr, m->size))
			return -EINVAL;
		err = iotlb_update(b->tlb, m->iova, m->size, m->user_addr, m->perm);
	} else if (!m->size || m->iova > UINT64_MAX - (m->size - 1)) {
		err = -EINVAL;
	}
	if (err)
		return err;
	fail_denied(b, m);
	try_again(b);
	return 0;
}

int vu_iotlb_handle(struct vu_backend *b, const struct vu_iotlb *m)
{
	const uint64_t last = m->iova + (m->size - 1);

	if (!b->tlb)
		return -EINVAL;
	if (m->type == VU_IOTLB_UPDATE)
		return update(b, m);
	/* All of it is also 0 bytes from 0 on: a length that does not fit. */
	if (m->type != VU_IOTLB_INVALIDATE || last < m->iova)
		return -EINVAL;
	iotlb_invalidate(b->tlb, m->iova, last);
	for (unsigned int i = 0; i < b->nqueues; i++)
		virtq_invalidate(b->queues[i].vq, m->iova, last);
	return 0;
}
