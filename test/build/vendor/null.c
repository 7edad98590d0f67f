/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * null.c - the smallest device: takes any request and answers it with zeros.
 *
 * It implements no section of the standard; its id is one that no device type has.
 */
#include "core/device.h"
#include "transport/chain.h"

struct null {
	struct vdev dev;
	uint64_t limit; /* bytes of an answer */
};

static void null_kick(struct vdev *d, unsigned int q)
{
	struct null *n = container_of(d, struct null, dev);
	struct chain *c;

	while ((c = virtq_pop(vdev_queue(d, q)))) {
		chain_skip(c, chain_readable(c));
		chain_put_zeros(c, min_size(chain_writable(c), n->limit));
		virtq_push(c);
	}
}

static const struct vdev_queue_desc null_queues[] = {
	{ "requestq", 64, 32768 },
};

static const struct opt null_opts[] = {
	{ .name = "limit", .type = OPT_BYTES, .off = offsetof(struct null, limit), .arg = "BYTES", .def = "4K",
	  .min = 1, .max = 1 << 30, .help = "the longest answer" },
	{ .name = NULL },
};

extern const struct vdev_class vdev_null_class;

const struct vdev_class vdev_null_class = {
	.name = "null",
	.summary = "example of a vendor's device",
	.about = MAN("Takes any request and answers it with zeros."),
	.virtio_id = 63,
	.face.queues = null_queues,
	.face.nqueues = ARRAY_SIZE(null_queues),
	.opts = null_opts,
	.inst_size = sizeof(struct null),
	.kick = null_kick,
};
