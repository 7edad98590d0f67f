/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_frontend.c - the lines by which a front-end is told of a back end that runs: --print-frontend.
 */
#include <stdio.h>

#include "cmd/frontends.h"
#include "cmd/probe/probe.h"

/* Bits 0-23 and 50-63 are the device's own: VIRTIO 1.4, section 2.2. */
#define DEVICE_BITS (UINT64_C(0xffffff) | ~(BIT(50) - 1))

/* Whether a back end that answers so can be of this class. */
static bool may_be(const struct probe *p, const struct vdev_class *class)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (p->features & DEVICE_BITS & BIT(bit) && !vdev_feature_name(class, bit))
			return false;
	}
	return (!p->nqueues || p->nqueues == class->face.nqueues) && p->config_size <= class->face.config_size &&
	       !p->config_size == !class->face.config_size;
}

/* Which device it may be; says so.  Returns NULL where none of those built in fits. */
static const struct vdev_class *guess(const struct probe *p)
{
	const struct vdev_class *first = NULL;

	for (const struct vdev_class *const *c = vdev_classes; *c; c++) {
		if (!may_be(p, *c))
			continue;
		printf("# %s %s (--id=%s), by its queues, features and configuration\n",
		       first ? "or" : "a guess:", (*c)->name, (*c)->name);
		first = first ? first : *c;
	}
	return first;
}

bool probe_frontend(struct probe *p)
{
	const struct vdev_class *class = p->class ? p->class : p->id ? NULL : guess(p);
	struct frontend_facts facts = {
		.name = class ? class->name : probe_id_name(p->id),
		.path = p->path,
		.virtio_id = class ? class->virtio_id : p->id,
		.nqueues = p->nqueues,
		.config_size = class ? class->face.config_size : p->config_size,
		.shmem = p->protocol & BIT(VU_PF_SHMEM),
	};

	if (!facts.virtio_id) {
		probe_say(p, PROBE_FAIL, "what kind of device it is cannot be guessed: --id=DEVICE is needed");
		return false;
	}
	if (!facts.name)
		facts.name = "device";
	for (unsigned int q = 0; q < facts.nqueues; q++)
		facts.queue_size[q] = class && q < class->face.nqueues ? class->face.queues[q].size : 256;
	frontend_print(&facts, p->print_frontend);
	return true;
}
