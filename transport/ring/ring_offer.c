/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring_offer.c - the features of device and rings that drivers are offered, whatever the transport, less what the operator masked.
 * VIRTIO 1.4, section 2.2 and section 6 "Reserved Feature Bits".  Why some are offered only when asked for: vu_offer.c.
 */
#include "core/device.h"
#include "transport/ring/virtq.h"

#define RING_FEATURES (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX))

#define WISHED_FEATURES                                                                                                \
	(BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |                          \
	 BIT(VIRTIO_F_NOTIFICATION_DATA) | BIT(VIRTIO_F_RING_RESET))

uint64_t virtq_unfit_features(const struct vdev *d)
{
	return d->face.any_order ? BIT(VIRTIO_F_IN_ORDER) : 0;
}

uint64_t virtq_offered_features(const struct vdev *d)
{
	uint64_t wished = WISHED_FEATURES & ~virtq_unfit_features(d);

	return ((d->face.features | RING_FEATURES) & d->feature_mask) | (wished & d->feature_wish);
}
