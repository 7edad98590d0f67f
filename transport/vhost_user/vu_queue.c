/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_queue.c - the rings of a vhost-user back end: start, stop, kick, call.
 * QEMU docs/interop/vhost-user.rst, "Ring states"; see vu_session.h.
 *
 * Stopping with requests in flight. GET_VRING_BASE leaves nothing in flight that can be taken back: a chain that the
 * device holds and has not begun goes back into the ring, and out of a shared record. GET_VRING_BASE_SKIP_DRAIN, and
 * GET_VRING_BASE of a front-end that took GET_VRING_BASE_INFLIGHT alone, leave such chains in the record, which goes to
 * the next back end. A host operation that has begun and cannot be cancelled (an i2c transfer on the wire) is waited
 * for in both cases. If it were reported as in flight, the next back end would do it a second time.
 *
 * Requeued chains (a GPIO interrupt that has not come) stay in flight. They are popped again, in order, when the ring
 * starts from the same place. Where they are the last that were taken, the ring steps back to them and its base says
 * so: any back end finds them there. A chain that a later one has overtaken cannot be put back; only this connection,
 * and the record if there is one, knows of it. A back end that starts without that knowledge logs how many descriptors
 * are lost.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "transport/vhost_user/vu_session.h"

static struct vu_queue *queue_of(struct served *s)
{
	return container_of(s, struct vu_queue, served);
}

/* A driver that begins anew is known by its first ring that gives chains: the device it finds is a fresh one. */
static void before_turn(struct served *s)
{
	struct vu_queue *q = queue_of(s);

	if (q->b->reset_pending && q->enabled && virtq_started(q->vq))
		vu_device_reset(q->b);
}

static void after_turn(struct served *s)
{
	struct vu_queue *q = queue_of(s);

	if (!virtq_waiting(q->vq))
		q->misses = 0;
}

static void on_call(struct served *s, int err)
{
	struct vu_queue *q = queue_of(s);

	if (err == -ETIMEDOUT) {
		log_guest(&q->b->d->log, "queue %u: the call descriptor blocks; it is left alone", q->index);
	} else if (vu_has(q->b, VU_PF_INBAND_NOTIFICATIONS)) {
		q->call_pending = true;
		vu_channel_push(q->b);
	}
}

static void on_broken(struct served *s, const char *why)
{
	struct vu_queue *q = queue_of(s);
	struct vdev *d = q->b->d;

	log_guest(&d->log, "queue %u (%s) is broken: %s", q->index, d->face.queues[q->index].name, why);
	if (s->err.fd < 0 && vu_has(q->b, VU_PF_INBAND_NOTIFICATIONS)) {
		q->err_pending = true;
		vu_channel_push(q->b);
	}
	/* DEVICE_NEEDS_RESET is told by a configuration change: VIRTIO 1.4, section 2.1.1. */
	if (vu_has(q->b, VU_PF_STATUS))
		vdev_config_changed(d);
}

static void on_drained(struct served *s)
{
	struct vu_queue *q = queue_of(s);

	/* The device is in the midst of virtq_push: its ring goes away in a turn of its own. */
	loop_again_start(&q->b->drained, q->b->d->loop);
}

static void on_miss(struct served *s)
{
	vu_iotlb_miss(queue_of(s));
}

static void on_used(struct served *s, const struct virtq_answer *used)
{
	served_trace(s, used);
}

static const struct served_owner queue_owner = {
	.before_turn = before_turn,
	.after_turn = after_turn,
	.call = on_call,
	.broken = on_broken,
	.drained = on_drained,
	.miss = on_miss,
	.used = on_used,
};

/* Rings give chains when the front-end has enabled them, and it is known whose they are. */
static void queue_gate(struct vu_queue *q)
{
	served_gate(&q->served, !q->b->reset_pending, q->enabled);
}

static void gate_all(struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++)
		queue_gate(&b->queues[i]);
}

void vu_device_reset(struct vu_backend *b)
{
	b->reset_pending = false;
	b->asks.shut = true;
	vu_asks_cancel(b, false);
	vu_asks_tell(b);
	b->asks.shut = false;
	vdev_reset(b->d);
	vdev_features_set(b->d, vu_driver_features(b));
	gate_all(b);
}

bool vu_queues_flush(struct vu_backend *b, bool serve)
{
	bool served = false;

	for (unsigned int i = 0; i < b->nqueues; i++)
		served |= served_flush(&b->queues[i].served, serve);
	return served;
}

int vu_queue_start(struct vu_queue *q)
{
	struct vu_backend *b = q->b;
	struct virtq_addrs addrs = q->addrs;

	if (!q->num || !q->addrs_set)
		return -EINVAL;
	if (b->postcopy.phase == POSTCOPY_WAITS)
		return -EBUSY;
	if (b->tlb)
		addrs = (struct virtq_addrs){.space = GMEM_IOVA, .desc = addrs.desc, .avail = addrs.avail, .used = addrs.used};
	vu_inflight_share(q);
	/* A driver that begins anew has nothing in flight, whatever a record of its last life says. */
	if (b->inflight.mem && q->stopped && q->base != q->stopped_at)
		virtq_forget(q->vq);
	int err = virtq_start(q->vq, b->mem, q->num, b->features, &addrs, q->base);

	q->awaited = err == -EAGAIN;
	if (q->awaited) {
		vu_iotlb_miss(q);
		return 0;
	}
	if (err)
		return err;
	q->parked = false;
	if (virtq_lost(q->vq))
		log_guest(&b->d->log, "queue %u (%s): requests of %u descriptors were in flight elsewhere, and are lost: the front-end keeps "
			  "no record of them (INFLIGHT_SHMFD)", q->index, b->d->face.queues[q->index].name, virtq_lost(q->vq));
	/* "If VHOST_USER_F_PROTOCOL_FEATURES has not been negotiated, the ring starts directly in the enabled state." */
	if (!(b->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		q->enabled = true;
	if (b->reset_pending && (!virtq_fresh(q->vq) || virtq_resumes(q->vq))) {
		b->reset_pending = false; /* the machine was only paused */
		gate_all(b);
	}
	served_begin(&q->served, !vu_has(b, VU_PF_INBAND_NOTIFICATIONS));
	queue_gate(q);
	vu_channel_push(b);
	return 0;
}

void vu_queue_enable(struct vu_queue *q, bool enable)
{
	q->enabled = enable;
	queue_gate(q);
	if (enable && virtq_started(q->vq))
		served_again(&q->served); /* a kick that came before was not acted upon */
}

/* Goes on after rings were asked to stop, when all their chains are back. */
static void stop_finish(struct vu_backend *b)
{
	void (*stopped)(struct vu_backend *) = b->stopped;

	if (!stopped)
		return;
	for (unsigned int i = 0; i < b->nqueues; i++) {
		if (virtq_stopping_now(b->queues[i].vq) && virtq_in_flight(b->queues[i].vq))
			return;
	}
	for (unsigned int i = 0; i < b->nqueues; i++) {
		struct vu_queue *q = &b->queues[i];

		if (!virtq_stopping_now(q->vq))
			continue;
		virtq_flush(q->vq);
		q->base = q->stopped_at = virtq_stop(q->vq);
		q->stopped = true;
	}
	/* The driver takes its memory back, also what was only kept mapped. */
	gmem_flush(b->mem);
	b->stopped = NULL;
	stopped(b);
}

static void drained_run(struct loop_again *again)
{
	stop_finish(container_of(again, struct vu_backend, drained));
}

void vu_stop_queues(struct vu_backend *b, unsigned int first, unsigned int n, void (*stopped)(struct vu_backend *b))
{
	b->stopped = stopped;
	for (unsigned int i = first; i < first + n; i++) {
		struct vu_queue *q = &b->queues[i];

		vu_iotlb_settle(q);
		q->awaited = false;
		if (!virtq_started(q->vq))
			continue;
		served_end(&q->served);
	}
	stop_finish(b);
}

void vu_queue_clear(struct vu_queue *q)
{
	served_set_kick(&q->served, -1);
	served_set_call(&q->served, -1);
	served_set_err(&q->served, -1);
	q->num = 0;
	q->base = 0;
	q->addrs_set = q->log_ring = q->enabled = q->parked = q->stopped = q->call_pending = q->err_pending = false;
	q->fail_pending = false;
	q->misses = 0;
	virtq_enable(q->vq, false);
	virtq_forget(q->vq);
}

int vu_queues_new(struct vu_backend *b)
{
	b->nqueues = b->d->face.nqueues;
	b->queues = calloc(b->nqueues, sizeof(*b->queues));
	b->vqs = calloc(b->nqueues, sizeof(*b->vqs));
	if (!b->queues || !b->vqs)
		return -ENOMEM;
	loop_again_init(&b->drained, drained_run);
	for (unsigned int i = 0; i < b->nqueues; i++) {
		struct vu_queue *q = &b->queues[i];
		int err = served_new(&q->served, &queue_owner, b->d, i);

		if (err)
			return err;
		b->vqs[i] = q->vq = q->served.vq;
		/* The control socket alone can ask. */
		virtq_time(q->vq, b->d->control != NULL);
		virtq_trace(q->vq, b->trace);
		q->b = b;
		q->index = i;
		q->start = vu_queue_start;
		ev_init(&q->miss_timer, vu_iotlb_timeout);
	}
	return 0;
}

void vu_queues_free(struct vu_backend *b)
{
	for (unsigned int i = 0; b->queues && i < b->nqueues; i++) {
		if (!b->queues[i].vq)
			continue;
		vu_queue_clear(&b->queues[i]);
		served_free(&b->queues[i].served);
	}
	loop_again_stop(&b->drained, b->d->loop);
	free(b->queues);
	free(b->vqs);
	b->queues = NULL;
	b->vqs = NULL;
}
