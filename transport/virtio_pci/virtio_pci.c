/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio_pci.c - a device as a virtio PCI function: its life, its rings, who is asked for an access.
 * VIRTIO 1.4, section 4.1 "Virtio Over PCI Bus"; see virtio_pci.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/ring/ring_stats.h"
#include "transport/virtio_pci/vpci_impl.h"

/* device_status: VIRTIO 1.4, section 2.1. */
#define STATUS_DRIVER_OK 4u

static struct vpci_queue *queue_of(struct served *s)
{
	return container_of(s, struct vpci_queue, served);
}

void vpci_needs_reset(struct vpci *p)
{
	if (!p->status)
		return; /* nobody drives it */
	p->status |= VIRTIO_STATUS_DEVICE_NEEDS_RESET;
	vdev_config_changed(p->d);
}

static void on_call(struct served *s, int err)
{
	struct vpci_queue *q = queue_of(s);

	vpci_interrupt(q->p, VPCI_ISR_QUEUE, q->vector);
}

static void on_broken(struct served *s, const char *why)
{
	struct vpci_queue *q = queue_of(s);
	struct vdev *d = q->p->d;

	log_guest(&d->log, "queue %u (%s) is broken: %s", q->index, d->face.queues[q->index].name, why);
	vpci_needs_reset(q->p);
}

/* Forgets what the driver said of a stopped queue. */
static void queue_clear(struct vpci_queue *q)
{
	q->size = q->p->d->face.queues[q->index].size;
	q->vector = VIRTIO_MSI_NO_VECTOR;
	q->desc = q->driver = q->device = 0;
	q->enabled = q->resetting = false;
	q->base = 0;
	virtq_enable(q->served.vq, false);
	virtq_forget(q->served.vq);
}

/* The driver finds a fresh device. */
static void device_clear(struct vpci *p)
{
	for (unsigned int i = 0; i < p->nqueues; i++)
		queue_clear(&p->queues[i]);
	vdev_reset(p->d);
	vpci_irq_reset(p);
	p->device_feature_select = p->driver_feature_select = 0;
	p->driver_features = 0;
	p->config_vector = VIRTIO_MSI_NO_VECTOR;
	p->queue_select = 0;
	p->status = 0;
	p->notified = p->nqueues;
	p->resetting = false;
}

/* Rings that were asked to stop do so when their chains are back; then what waited for them goes on. */
static void rings_stop(struct vpci *p)
{
	bool all = true;

	for (unsigned int i = 0; i < p->nqueues; i++) {
		struct vpci_queue *q = &p->queues[i];

		if (!virtq_stopping_now(q->served.vq))
			continue;
		if (virtq_in_flight(q->served.vq)) {
			all = false;
			continue;
		}
		virtq_flush(q->served.vq);
		q->base = virtq_stop(q->served.vq);
		if (q->resetting)
			queue_clear(q);
	}
	if (!all)
		return;
	/* The driver takes its memory back, also what was only kept mapped. */
	if (p->mem)
		gmem_flush(p->mem);
	if (p->resetting)
		device_clear(p);
	void (*stopped)(void *) = p->stopped;

	p->stopped = NULL;
	if (stopped)
		stopped(p->arg);
}

static void drained_run(struct loop_again *again)
{
	rings_stop(container_of(again, struct vpci, drained));
}

static void on_drained(struct served *s)
{
	struct vpci *p = queue_of(s)->p;

	/* The device is in the midst of virtq_push: its ring goes away in a turn of its own. */
	loop_again_start(&p->drained, p->d->loop);
}

static void on_used(struct served *s, const struct virtq_answer *used)
{
	served_trace(s, used);
}

static const struct served_owner queue_owner = {
	.call = on_call,
	.broken = on_broken,
	.drained = on_drained,
	.used = on_used,
};

/* Begins to stop a ring, if it runs. */
static void queue_end(struct vpci_queue *q)
{
	if (!virtq_started(q->served.vq) || virtq_stopping_now(q->served.vq))
		return;
	virtq_untake(q->served.vq);
	served_end(&q->served);
}

static void queues_end(struct vpci *p)
{
	for (unsigned int i = 0; i < p->nqueues; i++)
		queue_end(&p->queues[i]);
}

void vpci_driver_reset(struct vpci *p)
{
	p->resetting = true;
	queues_end(p);
	rings_stop(p);
}

void vpci_queue_reset(struct vpci_queue *q)
{
	if (!q->enabled)
		return;
	q->resetting = true;
	queue_end(q);
	if (virtq_started(q->served.vq))
		rings_stop(q->p);
	else
		queue_clear(q);
}

void vpci_gate(struct vpci *p)
{
	for (unsigned int i = 0; i < p->nqueues; i++) {
		struct served *s = &p->queues[i].served;
		bool ready = p->status & STATUS_DRIVER_OK;

		if (!virtq_started(s->vq) || virtq_stopping_now(s->vq))
			continue;
		served_gate(s, ready, ready);
		if (ready)
			served_again(s); /* a notification that came before was not acted upon */
	}
}

void vpci_queue_start(struct vpci_queue *q)
{
	struct vpci *p = q->p;
	const struct virtq_addrs addrs = {
		.space = GMEM_GUEST,
		.desc = q->desc,
		.avail = q->driver,
		.used = q->device,
	};
	int err = p->mem ? virtq_start(q->served.vq, p->mem, q->size, p->d->features, &addrs, q->base) : -EFAULT;

	if (err) {
		log_guest(&p->d->log, "queue %u (%s) of %u entries at 0x%llx, 0x%llx, 0x%llx cannot start: %s", q->index,
			  p->d->face.queues[q->index].name, (unsigned int)q->size, (unsigned long long)q->desc,
			  (unsigned long long)q->driver, (unsigned long long)q->device, strerror(-err));
		vpci_needs_reset(p);
		return;
	}
	if (virtq_lost(q->served.vq))
		log_guest(&p->d->log, "queue %u (%s): requests of %u descriptors were in flight elsewhere, and are lost", q->index,
			  p->d->face.queues[q->index].name, virtq_lost(q->served.vq));
	virtq_log(q->served.vq, p->log, p->log, q->device);
	served_begin(&q->served, false);
	vpci_gate(p);
}

void vpci_log(struct vpci *p, struct dirty_log *log)
{
	p->log = log;
	for (unsigned int i = 0; i < p->nqueues; i++)
		virtq_log(p->queues[i].served.vq, log, log, p->queues[i].device);
}

void vpci_pause(struct vpci *p, void (*stopped)(void *arg))
{
	p->paused = true;
	p->stopped = stopped;
	queues_end(p);
	rings_stop(p);
}

void vpci_resume(struct vpci *p)
{
	p->paused = false;
	for (unsigned int i = 0; i < p->nqueues; i++) {
		struct vpci_queue *q = &p->queues[i];

		if (q->enabled && !virtq_started(q->served.vq))
			vpci_queue_start(q);
	}
	vpci_send_pending(p); /* of a function that was loaded */
}

void vpci_reset(struct vpci *p)
{
	device_clear(p);
	vpci_config_init(p);
}

void vpci_set_memory(struct vpci *p, struct gmem *mem)
{
	p->mem = mem;
}

void vpci_trace(struct vpci *p)
{
	for (unsigned int i = 0; i < p->nqueues; i++)
		virtq_trace(p->queues[i].served.vq, true);
}

unsigned int vpci_vectors(const struct vpci *p)
{
	return p->nqueues + 1;
}

uint64_t vpci_size(enum vpci_region region)
{
	static const uint64_t sizes[VPCI_REGIONS] = {
		[VPCI_BAR0] = VPCI_BAR0_SIZE,
		[VPCI_BAR1] = VPCI_BAR1_SIZE,
		[VPCI_CONFIG] = VPCI_CONFIG_SIZE,
	};

	return sizes[region];
}

/* Whether an access lies in the region. */
static bool inside(enum vpci_region region, uint64_t off, size_t len)
{
	return off <= vpci_size(region) && len <= vpci_size(region) - off;
}

static void bar0_read(struct vpci *p, size_t off, uint8_t *buf, size_t len)
{
	if (off < VPCI_ISR_AT)
		vpci_common_read(p, off, buf, len);
	else if (off == VPCI_ISR_AT && len)
		*buf = vpci_isr_take(p);
	else if (off >= VPCI_DEVICE_AT && off < VPCI_NOTIFY_AT)
		vdev_config_read(p->d, off - VPCI_DEVICE_AT, buf, len);
}

int vpci_read(struct vpci *p, enum vpci_region region, uint64_t off, void *buf, size_t len)
{
	memset(buf, 0, len);
	if (!inside(region, off, len))
		return -EINVAL;
	if (region == VPCI_CONFIG)
		vpci_config_read(p, (size_t)off, buf, len);
	else if (region == VPCI_BAR1)
		vpci_msix_read(p, (size_t)off, buf, len);
	else
		bar0_read(p, (size_t)off, buf, len);
	return 0;
}

/* A write to a queue's notification address; what is written names the queue once more. */
static void notified(struct vpci *p, size_t off)
{
	size_t q = off / VPCI_NOTIFY_STEP;

	if (q >= p->nqueues)
		return;
	/* One turn a call is for the last; a wire can bring many at once. */
	if (p->notified != q && p->notified < p->nqueues)
		served_again(&p->queues[p->notified].served);
	p->notified = (unsigned int)q;
}

/* The driver's writes to the device's configuration space; a refusal is told, since the bus cannot. */
static void device_write(struct vpci *p, size_t off, const uint8_t *buf, size_t len)
{
	int err = vdev_config_write(p->d, off, buf, len);

	if (err)
		log_guest(&p->d->log, "write of %zu bytes at %zu of the configuration space refused: %s", len, off, strerror(-err));
}

static void bar0_write(struct vpci *p, size_t off, const uint8_t *buf, size_t len)
{
	if (p->resetting)
		return;
	if (off >= VPCI_NOTIFY_AT)
		notified(p, off - VPCI_NOTIFY_AT);
	else if (off < VPCI_ISR_AT)
		vpci_common_write(p, off, buf, len);
	else if (off >= VPCI_DEVICE_AT)
		device_write(p, off - VPCI_DEVICE_AT, buf, len);
}

int vpci_write(struct vpci *p, enum vpci_region region, uint64_t off, const void *buf, size_t len)
{
	if (!inside(region, off, len))
		return -EINVAL;
	if (!len)
		return 0;
	if (region == VPCI_CONFIG)
		vpci_config_write(p, (size_t)off, buf, len);
	else if (region == VPCI_BAR1)
		vpci_msix_write(p, (size_t)off, buf, len);
	else
		bar0_write(p, (size_t)off, buf, len);
	return 0;
}

void vpci_turn(struct vpci *p)
{
	const unsigned int q = p->notified;

	if (q >= p->nqueues)
		return;
	p->notified = p->nqueues;
	served_turn(&p->queues[q].served);
}

bool vpci_flush(struct vpci *p, bool serve)
{
	bool served = false;

	for (unsigned int i = 0; i < p->nqueues; i++)
		served |= served_flush(&p->queues[i].served, serve);
	return served;
}

static void config_changed(struct vdev *d)
{
	struct vpci *p = container_of(d->transport, struct vpci, ops);

	p->generation++;
	if (p->status)
		vpci_interrupt(p, VPCI_ISR_CONFIG, p->config_vector);
}

static void queue_stats(struct vdev *d, unsigned int q, struct vdev_queue_stats *stats)
{
	virtq_stats(vdev_queue(d, q), stats);
}

static int queues_new(struct vpci *p)
{
	p->queues = calloc(p->nqueues, sizeof(*p->queues));
	p->vqs = calloc(p->nqueues, sizeof(*p->vqs));
	if (!p->queues || !p->vqs)
		return -ENOMEM;
	for (unsigned int i = 0; i < p->nqueues; i++) {
		struct vpci_queue *q = &p->queues[i];
		int err = served_new(&q->served, &queue_owner, p->d, i);

		if (err)
			return err;
		p->vqs[i] = q->served.vq;
		/* The control socket alone can ask. */
		virtq_time(q->served.vq, p->d->control != NULL);
		q->p = p;
		q->index = i;
		queue_clear(q);
	}
	return 0;
}

static void function_free(struct vpci *p)
{
	for (unsigned int i = 0; p->queues && i < p->nqueues; i++)
		served_free(&p->queues[i].served);
	loop_again_stop(&p->drained, p->d->loop);
	free(p->queues);
	free(p->vqs);
	free(p);
}

int vpci_new(struct vdev *d, const struct vpci_events *ev, void *arg, struct vpci **out)
{
	struct vpci *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->d = d;
	p->ev = ev;
	p->arg = arg;
	p->nqueues = p->notified = d->face.nqueues;
	p->config_vector = VIRTIO_MSI_NO_VECTOR;
	p->ops.queue_stats = queue_stats;
	p->ops.config_changed = config_changed;
	loop_again_init(&p->drained, drained_run);
	int err = queues_new(p);

	if (err) {
		function_free(p);
		return err;
	}
	vpci_config_init(p);
	vdev_attach(d, &p->ops, p->vqs);
	*out = p;
	return 0;
}

void vpci_free(struct vpci *p)
{
	if (!p)
		return;
	vdev_attach(p->d, NULL, NULL);
	function_free(p);
}
