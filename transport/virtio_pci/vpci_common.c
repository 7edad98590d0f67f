/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vpci_common.c - the common configuration structure: VIRTIO 1.4, section 4.1.4.3.
 *
 * A read takes its bytes from an image of the whole structure.  A write puts its bytes into that image, and each field that
 * has one of them is set to what it is there: halves of 64 bits, or whatever a driver writes at once.
 */
#include <string.h>

#include "transport/virtio_pci/vpci_impl.h"

/* device_status: VIRTIO 1.4, section 2.1. */
#define STATUS_FEATURES_OK 8u


struct common {
	le32 device_feature_select, device_feature;
	le32 driver_feature_select, driver_feature;
	le16 config_msix_vector, num_queues;
	uint8_t device_status, config_generation;
	le16 queue_select, queue_size, queue_msix_vector, queue_enable, queue_notify_off;
	le64 queue_desc, queue_driver, queue_device;
	le16 queue_notif_config_data, queue_reset;
	le16 admin_queue_index, admin_queue_num;
} __attribute__((packed));

_Static_assert(sizeof(struct common) == VPCI_COMMON_SIZE, "section 4.1.4.3");
_Static_assert(offsetof(struct common, queue_desc) == 0x20, "section 4.1.4.3");

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

/* The queue that is selected, or NULL: there is none. */
static struct vpci_queue *selected(const struct vpci *p)
{
	return p->queue_select < p->nqueues ? &p->queues[p->queue_select] : NULL;
}

static void image(const struct vpci *p, struct common *c)
{
	const struct vpci_queue *q = selected(p);

	*c = (struct common){
		.device_feature_select = htole32(p->device_feature_select),
		.device_feature = htole32(feature_word(virtq_offered_features(p->d), p->device_feature_select)),
		.driver_feature_select = htole32(p->driver_feature_select),
		.driver_feature = htole32(feature_word(p->driver_features, p->driver_feature_select)),
		.config_msix_vector = htole16(p->config_vector),
		.num_queues = htole16((uint16_t)p->nqueues),
		.device_status = p->status,
		.config_generation = p->generation,
		.queue_select = htole16(p->queue_select),
		.queue_msix_vector = htole16(VIRTIO_MSI_NO_VECTOR),
	};
	if (!q)
		return; /* a queue_size of 0 says so */
	c->queue_size = htole16(q->size);
	c->queue_msix_vector = htole16(q->vector);
	c->queue_enable = htole16(q->enabled);
	c->queue_notify_off = htole16((uint16_t)q->index);
	c->queue_desc = htole64(q->desc);
	c->queue_driver = htole64(q->driver);
	c->queue_device = htole64(q->device);
	c->queue_reset = htole16(q->resetting);
}

void vpci_common_read(const struct vpci *p, size_t off, uint8_t *buf, size_t len)
{
	struct common c;

	image(p, &c);
	if (off < sizeof(c))
		memcpy(buf, (const uint8_t *)&c + off, min_size(len, sizeof(c) - off));
}

static void set_driver_feature(struct vpci *p, const struct common *c)
{
	const uint32_t select = p->driver_feature_select;

	/* What was accepted stays: section 2.2. */
	if (select > 1 || p->status & STATUS_FEATURES_OK)
		return;
	p->driver_features &= ~((uint64_t)UINT32_MAX << (32 * select));
	p->driver_features |= (uint64_t)le32toh(c->driver_feature) << (32 * select);
}

/* The driver shows what it has accepted.  Returns whether the device can be driven so. */
static bool features_accept(struct vpci *p)
{
	if (p->driver_features & ~virtq_offered_features(p->d) || !(p->driver_features & BIT(VIRTIO_F_VERSION_1)))
		return false;
	vdev_features_set(p->d, p->driver_features);
	return true;
}

static void set_status(struct vpci *p, const struct common *c)
{
	uint8_t status = c->device_status;

	if (!status) {
		vpci_driver_reset(p);
		return;
	}
	if (status & STATUS_FEATURES_OK && !(p->status & STATUS_FEATURES_OK) && !features_accept(p)) {
		log_guest(&p->d->log, "driver features 0x%llx refused", (unsigned long long)p->driver_features);
		status &= (uint8_t)~STATUS_FEATURES_OK;
	}
	/* A driver clears none of them but by a reset: section 2.1.1. */
	p->status |= status & (uint8_t)~VIRTIO_STATUS_DEVICE_NEEDS_RESET;
	vpci_gate(p);
}

static void set_queue_enable(struct vpci *p, const struct common *c)
{
	struct vpci_queue *q = selected(p);

	/* "The driver MUST NOT write a 0 to queue_enable." */
	if (!q || q->enabled || le16toh(c->queue_enable) != 1)
		return;
	if (!(p->status & STATUS_FEATURES_OK)) {
		log_guest(&p->d->log, "queue %u is enabled before features are", q->index);
		vpci_needs_reset(p);
		return;
	}
	q->enabled = true;
	if (!p->paused)
		vpci_queue_start(q);
}

static uint16_t vector_known(const struct vpci *p, le16 vector)
{
	return le16toh(vector) < vpci_vectors(p) ? le16toh(vector) : (uint16_t)VIRTIO_MSI_NO_VECTOR;
}

/* What a driver says of a queue before it is enabled. */
static void set_queue_size(struct vpci *p, const struct common *c)
{
	struct vpci_queue *q = selected(p);

	if (q && !q->enabled)
		q->size = le16toh(c->queue_size);
}

static void set_queue_vector(struct vpci *p, const struct common *c)
{
	struct vpci_queue *q = selected(p);

	if (q)
		q->vector = vector_known(p, c->queue_msix_vector);
}

static void set_queue_areas(struct vpci *p, const struct common *c)
{
	struct vpci_queue *q = selected(p);

	if (!q || q->enabled)
		return;
	q->desc = le64toh(c->queue_desc);
	q->driver = le64toh(c->queue_driver);
	q->device = le64toh(c->queue_device);
}

static void set_queue_reset(struct vpci *p, const struct common *c)
{
	struct vpci_queue *q = selected(p);

	if (q && le16toh(c->queue_reset) == 1 && p->d->features & BIT(VIRTIO_F_RING_RESET))
		vpci_queue_reset(q);
}

static void set_device_feature_select(struct vpci *p, const struct common *c)
{
	p->device_feature_select = le32toh(c->device_feature_select);
}

static void set_driver_feature_select(struct vpci *p, const struct common *c)
{
	p->driver_feature_select = le32toh(c->driver_feature_select);
}

static void set_config_vector(struct vpci *p, const struct common *c)
{
	p->config_vector = vector_known(p, c->config_msix_vector);
}

static void set_queue_select(struct vpci *p, const struct common *c)
{
	p->queue_select = le16toh(c->queue_select);
}

#define FIELD(name, last, set)                                                                                         \
	{                                                                                                              \
		offsetof(struct common, name), offsetof(struct common, last) + sizeof(((struct common *)0)->last), set \
	}

/* The fields that can be written, in the order in which one write to several sets them. */
static const struct {
	size_t at, end;
	void (*set)(struct vpci *p, const struct common *c);
} fields[] = {
	FIELD(device_feature_select, device_feature_select, set_device_feature_select),
	FIELD(driver_feature_select, driver_feature_select, set_driver_feature_select),
	FIELD(driver_feature, driver_feature, set_driver_feature),
	FIELD(config_msix_vector, config_msix_vector, set_config_vector),
	FIELD(device_status, device_status, set_status),
	FIELD(queue_select, queue_select, set_queue_select),
	FIELD(queue_size, queue_size, set_queue_size),
	FIELD(queue_msix_vector, queue_msix_vector, set_queue_vector),
	FIELD(queue_desc, queue_device, set_queue_areas),
	FIELD(queue_enable, queue_enable, set_queue_enable),
	FIELD(queue_reset, queue_reset, set_queue_reset),
};

void vpci_common_write(struct vpci *p, size_t off, const uint8_t *buf, size_t len)
{
	struct common c;

	if (off >= sizeof(c))
		return;
	len = min_size(len, sizeof(c) - off);
	image(p, &c);
	memcpy((uint8_t *)&c + off, buf, len);
	for (size_t i = 0; i < ARRAY_SIZE(fields) && !p->resetting; i++) {
		if (off < fields[i].end && off + len > fields[i].at)
			fields[i].set(p, &c);
	}
}
