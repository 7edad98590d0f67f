/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * device_control.h - the control socket of a device (control.h) with the commands that every device has: stat, health.
 */
#ifndef VDEVD_CORE_DEVICE_CONTROL_H
#define VDEVD_CORE_DEVICE_CONTROL_H

#include "core/device.h"

/* CLOCK_MONOTONIC, milliseconds; never 0. */
uint64_t vdev_now_ms(void);

/*
 * Makes the socket at d->control_path, if there is to be one, with the commands of the class before those of every
 * device. Returns 0 and d->control (free with control_close), or -errno after a line that says why.
 */
int vdev_control_open(struct vdev *d);

#endif
