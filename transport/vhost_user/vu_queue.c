/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_queue.c - the rings of a vhost-user back end: start, stop, kick, call.
 * QEMU docs/interop/vhost-user.rst, "Ring states"; see vu_session.h.
 *
 * A ring without a way to kick (SET_VRING_KICK without a descriptor) is looked at every millisecond.
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

/* How often a ring is looked at when its front-end gave no way to kick, seconds. */
#define POLL_INTERVAL 0.001

/* The driver wants to know of used buffers. */
static void on_call(struct virtq *vq)
{
	struct vu_queue *q = virtq_owner(vq);

	if (q->call.fd >= 0) {
		if (notify_fd_signal(&q->call) == -ETIMEDOUT)
			log_guest(&q->b->d->log, "queue %u: the call descriptor blocks; it is left alone", q->index);
	} else if (vu_has(q->b, VU_PF_INBAND_NOTIFICATIONS)) {
		q->call_pending = true;
		vu_channel_push(q->b);
	}
}

static void on_broken(struct virtq *vq, const char *why)
{
	struct vu_queue *q = virtq_owner(vq);
	struct vdev *d = q->b->d;

	log_guest(&d->log, "queue %u (%s) is broken: %s", q->index, d->face.queues[q->index].name, why);
	if (q->err.fd >= 0) {
		notify_fd_signal(&q->err);
	} else if (vu_has(q->b, VU_PF_INBAND_NOTIFICATIONS)) {
		q->err_pending = true;
		vu_channel_push(q->b);
	}
	/* DEVICE_NEEDS_RESET is told by a configuration change: VIRTIO 1.4, section 2.1.1. */
	if (vu_has(q->b, VU_PF_STATUS))
		vdev_config_changed(d);
}

static void on_drained(struct virtq *vq)
{
	struct vu_queue *q = virtq_owner(vq);

	/* The device is in the midst of virtq_push: its ring goes away in a turn of its own. */
	loop_again_start(&q->b->drained, q->b->d->loop);
}

static void on_again(struct virtq *vq)
{
	vu_queue_again(virtq_owner(vq));
}

static void on_miss(struct virtq *vq)
{
	vu_iotlb_miss(virtq_owner(vq));
}

static const struct virtq_events queue_events = {
	.call = on_call,
	.broken = on_broken,
	.drained = on_drained,
	.again = on_again,
	.miss = on_miss,
};

/* Rings give chains when the front-end has enabled them, and it is known whose they are. */
static void queue_gate(struct vu_queue *q)
{
	if (q->begins && !q->b->reset_pending) {
		q->begins = false;
		vdev_start(q->b->d, q->index);
	}
	virtq_enable(q->vq, q->enabled && !q->b->reset_pending);
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

void vu_queue_turn(struct vu_queue *q)
{
	if (q->b->reset_pending && q->enabled && virtq_started(q->vq))
		vu_device_reset(q->b);
	if (!virtq_running(q->vq))
		return;
	virtq_turn_begin(q->vq);
	q->b->d->class->kick(q->b->d, q->index);
	virtq_turn_end(q->vq);
	if (!virtq_waiting(q->vq))
		q->misses = 0;
}

bool vu_queues_flush(struct vu_backend *b, bool serve)
{
	bool served = false;

	for (unsigned int i = 0; i < b->nqueues; i++) {
		struct vu_queue *q = &b->queues[i];

		if (!virtq_dirty(q->vq) || !virtq_flush(q->vq))
			continue;
		if (serve)
			vu_queue_turn(q);
		else
			vu_queue_again(q);
		served |= serve;
	}
	return served;
}

void vu_queue_again(struct vu_queue *q)
{
	loop_again_start(&q->again, q->b->d->loop);
}

static void again_run(struct loop_again *again)
{
	vu_queue_turn(container_of(again, struct vu_queue, again));
}

static void kick_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vu_queue *q = container_of(w, struct vu_queue, kick_io);

	if (revents & EV_ERROR) {
		log_guest(&q->b->d->log, "queue %u: the kick descriptor cannot be waited for; the ring is looked at instead", q->index);
		ev_timer_set(&q->poll, POLL_INTERVAL, POLL_INTERVAL);
		ev_timer_start(loop, &q->poll);
	}
	if (notify_fd_drain(&q->kick) < 0) {
		log_debug(&q->b->d->log, "queue %u: kick descriptor closed by the front-end", q->index);
		ev_io_stop(loop, w);
	}
	vu_queue_turn(q);
}

static void poll_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	vu_queue_turn(container_of(w, struct vu_queue, poll));
}

static void queue_watch(struct vu_queue *q)
{
	struct ev_loop *loop = q->b->d->loop;

	if (q->kick.fd >= 0) {
		ev_io_set(&q->kick_io, q->kick.fd, EV_READ);
		ev_io_start(loop, &q->kick_io);
	} else if (!vu_has(q->b, VU_PF_INBAND_NOTIFICATIONS)) {
		ev_timer_set(&q->poll, POLL_INTERVAL, POLL_INTERVAL);
		ev_timer_start(loop, &q->poll);
	}
}

static void queue_unwatch(struct vu_queue *q)
{
	struct ev_loop *loop = q->b->d->loop;

	ev_io_stop(loop, &q->kick_io);
	ev_timer_stop(loop, &q->poll);
	loop_again_stop(&q->again, loop);
}

void vu_queue_set_kick(struct vu_queue *q, int fd)
{
	queue_unwatch(q);
	notify_fd_set(&q->kick, fd);
	if (virtq_started(q->vq)) {
		queue_watch(q);
		vu_queue_again(q); /* what came by the old way */
	}
}

void vu_queue_set_call(struct vu_queue *q, int fd)
{
	notify_fd_set(&q->call, fd);
	/* The driver may wait for a notification that went to the old one. */
	if (fd >= 0 && virtq_started(q->vq))
		notify_fd_signal(&q->call);
}

void vu_queue_set_err(struct vu_queue *q, int fd)
{
	notify_fd_set(&q->err, fd);
	if (fd >= 0 && virtq_started(q->vq) && virtq_broken(q->vq))
		notify_fd_signal(&q->err);
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
	if (b->reset_pending && (!virtq_base_fresh(b->features, q->base) || virtq_resumes(q->vq))) {
		b->reset_pending = false; /* the machine was only paused */
		gate_all(b);
	}
	q->begins = true;
	queue_gate(q);
	queue_watch(q);
	vu_queue_again(q); /* chains that were there before us may have had their kick */
	vu_channel_push(b);
	return 0;
}

void vu_queue_enable(struct vu_queue *q, bool enable)
{
	q->enabled = enable;
	queue_gate(q);
	if (enable && virtq_started(q->vq))
		vu_queue_again(q); /* a kick that came before was not acted upon */
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
		queue_unwatch(q);
		virtq_stopping(q->vq);
		if (!q->begins)
			vdev_quiesce(b->d, i);
		q->begins = false;
	}
	stop_finish(b);
}

void vu_queue_clear(struct vu_queue *q)
{
	queue_unwatch(q);
	notify_fd_set(&q->kick, -1);
	notify_fd_set(&q->call, -1);
	notify_fd_set(&q->err, -1);
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
		int err = virtq_new(i, &queue_events, q, &q->vq);

		if (err)
			return err;
		b->vqs[i] = q->vq;
		/* The control socket alone can ask. */
		virtq_time(q->vq, b->d->control != NULL);
		q->b = b;
		q->index = i;
		q->start = vu_queue_start;
		q->kick = q->call = q->err = NOTIFY_FD_NONE;
		ev_init(&q->kick_io, kick_ready);
		ev_init(&q->poll, poll_due);
		ev_init(&q->miss_timer, vu_iotlb_timeout);
		loop_again_init(&q->again, again_run);
	}
	return 0;
}

void vu_queues_free(struct vu_backend *b)
{
	for (unsigned int i = 0; b->queues && i < b->nqueues; i++) {
		if (!b->queues[i].vq)
			continue;
		vu_queue_clear(&b->queues[i]);
		virtq_free(b->queues[i].vq);
	}
	loop_again_stop(&b->drained, b->d->loop);
	free(b->queues);
	free(b->vqs);
	b->queues = NULL;
	b->vqs = NULL;
}
