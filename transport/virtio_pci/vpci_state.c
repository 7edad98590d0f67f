/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vpci_state.c - the registers of a virtio PCI function on their way to another one; see virtio_pci.h.
 *
 * What is loaded came from another machine: what a driver could not have made of the registers is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/virtio_pci/vpci_impl.h"

#define STATUS_FEATURES_OK 8u

struct registers {
	le64 driver_features;
	le32 device_feature_select, driver_feature_select;
	le16 config_vector, queue_select;
	uint8_t status, generation, isr, zero;
} __attribute__((packed));

struct queue {
	le64 desc, driver, device;
	le32 base;
	le16 size, vector;
	uint8_t enabled, zero[3];
} __attribute__((packed));

void vpci_save(const struct vpci *p, struct state *s)
{
	const struct registers r = {
		.driver_features = htole64(p->driver_features),
		.device_feature_select = htole32(p->device_feature_select),
		.driver_feature_select = htole32(p->driver_feature_select),
		.config_vector = htole16(p->config_vector),
		.queue_select = htole16(p->queue_select),
		.status = p->status,
		.generation = p->generation,
		.isr = p->isr,
	};
	le64 pending[ARRAY_SIZE(p->pending)];

	for (size_t i = 0; i < ARRAY_SIZE(pending); i++)
		pending[i] = htole64(p->pending[i]);
	state_begin(s);
	state_put(s, "registers", &r, sizeof(r));
	state_put(s, "config", p->config, sizeof(p->config));
	state_put(s, "table", p->table, vpci_vectors(p) * (size_t)VPCI_TABLE_ENTRY);
	state_put(s, "pending", pending, sizeof(pending));
	state_put_begin(s, "queues", p->nqueues * sizeof(struct queue));
	for (unsigned int i = 0; i < p->nqueues; i++) {
		const struct vpci_queue *from = &p->queues[i];
		const struct queue q = {
			.desc = htole64(from->desc),
			.driver = htole64(from->driver),
			.device = htole64(from->device),
			.base = htole32(from->base),
			.size = htole16(from->size),
			.vector = htole16(from->vector),
			.enabled = from->enabled,
		};

		state_append(s, &q, sizeof(q));
	}
}

static bool vector_possible(const struct vpci *p, uint16_t vector)
{
	return vector < vpci_vectors(p) || vector == VIRTIO_MSI_NO_VECTOR;
}

static int load_registers(struct vpci *p, const struct state_record *rec)
{
	struct registers r;

	if (rec->len != sizeof(r))
		return -EINVAL;
	memcpy(&r, rec->bytes, sizeof(r));
	const uint64_t features = le64toh(r.driver_features);

	if (!vector_possible(p, le16toh(r.config_vector)))
		return -EINVAL;
	if (r.status & STATUS_FEATURES_OK &&
	    (features & ~virtq_offered_features(p->d) || !(features & BIT(VIRTIO_F_VERSION_1))))
		return -EINVAL;
	p->driver_features = features;
	p->device_feature_select = le32toh(r.device_feature_select);
	p->driver_feature_select = le32toh(r.driver_feature_select);
	p->config_vector = le16toh(r.config_vector);
	p->queue_select = le16toh(r.queue_select);
	p->status = r.status;
	p->generation = r.generation;
	p->isr = r.isr & (VPCI_ISR_QUEUE | VPCI_ISR_CONFIG);
	if (p->status & STATUS_FEATURES_OK)
		vdev_features_set(p->d, features);
	return 0;
}

static int load_queues(struct vpci *p, const struct state_record *rec)
{
	struct queue q;

	/* The registers came before: rings have features. */
	if (rec->len != p->nqueues * sizeof(q))
		return -EINVAL;
	for (unsigned int i = 0; i < p->nqueues; i++) {
		struct vpci_queue *to = &p->queues[i];

		memcpy(&q, (const uint8_t *)rec->bytes + i * sizeof(q), sizeof(q));
		if (!vector_possible(p, le16toh(q.vector)) || q.enabled > 1 || (q.enabled && !(p->status & STATUS_FEATURES_OK)))
			return -EINVAL;
		to->desc = le64toh(q.desc);
		to->driver = le64toh(q.driver);
		to->device = le64toh(q.device);
		to->base = le32toh(q.base);
		to->size = le16toh(q.size);
		to->vector = le16toh(q.vector);
		to->enabled = q.enabled;
	}
	return 0;
}

/* What a driver can write of it; the rest says what the device is, and is ours. */
static int load_config(struct vpci *p, const struct state_record *rec)
{
	const uint8_t *from = rec->bytes;

	if (rec->len != sizeof(p->config))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(p->config); i++)
		p->config[i] = (uint8_t)((p->config[i] & ~p->writable[i]) | (from[i] & p->writable[i]));
	return 0;
}

static int load_pending(struct vpci *p, const struct state_record *rec)
{
	if (rec->len != sizeof(p->pending))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(p->pending); i++) {
		le64 word;

		memcpy(&word, (const uint8_t *)rec->bytes + i * sizeof(word), sizeof(word));
		p->pending[i] = le64toh(word);
	}
	return 0;
}

static int load_table(struct vpci *p, const struct state_record *rec)
{
	if (rec->len != vpci_vectors(p) * (size_t)VPCI_TABLE_ENTRY)
		return -EINVAL;
	memcpy(p->table, rec->bytes, rec->len);
	return 0;
}

/* In this order, and all of them. */
static const struct {
	const char *name;
	int (*load)(struct vpci *p, const struct state_record *rec);
} records[] = {
	{"registers", load_registers}, {"config", load_config},	  {"table", load_table},
	{"pending", load_pending},     {"queues", load_queues},
};

int vpci_load(struct vpci *p, const struct state *s)
{
	struct state_record rec;
	size_t at = 0;
	int err = 0;

	vpci_reset(p);
	for (size_t i = 0; !err && i < ARRAY_SIZE(records); i++) {
		err = state_next(s, &at, &rec) > 0 && strcmp(rec.name, records[i].name) == 0 ? records[i].load(p, &rec) : -EINVAL;
	}
	if (!err && state_next(s, &at, &rec) != 0)
		err = -EINVAL;
	if (err)
		vpci_reset(p);
	return err;
}
