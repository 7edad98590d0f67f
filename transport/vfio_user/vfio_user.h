/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfio_user.h - the server side of vfio-user: QEMU docs/interop/vfio-user.rst.
 *
 * A device is served as a virtio PCI function (transport/virtio_pci), to the clients that come one after the other.
 */
#ifndef VDEVD_TRANSPORT_VFIO_USER_VFIO_USER_H
#define VDEVD_TRANSPORT_VFIO_USER_VFIO_USER_H

#include "transport/front_socket.h"

/* vfio-user as what a socket speaks. */
extern const struct front_protocol vfu_protocol;

#endif
