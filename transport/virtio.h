/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio.h - numbers of the standard that belong to no ring layout and to no transport: reserved feature bits and bits of the
 * device status.  VIRTIO 1.4, section 2.1 "Device Status Field" and section 6 "Reserved Feature Bits".
 */
#ifndef VDEVD_TRANSPORT_VIRTIO_H
#define VDEVD_TRANSPORT_VIRTIO_H

/* Feature bits. */
#define VIRTIO_F_NOTIFY_ON_EMPTY   24 /* of legacy drivers alone */
#define VIRTIO_F_INDIRECT_DESC     28
#define VIRTIO_F_EVENT_IDX         29
#define VIRTIO_F_VERSION_1         32
#define VIRTIO_F_ACCESS_PLATFORM   33
#define VIRTIO_F_RING_PACKED       34
#define VIRTIO_F_IN_ORDER          35
#define VIRTIO_F_NOTIFICATION_DATA 38
#define VIRTIO_F_RING_RESET        40

/* Bits of the device status. */
#define VIRTIO_STATUS_DEVICE_NEEDS_RESET 0x40u

#endif
