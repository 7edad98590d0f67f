/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_save.h - what `vdevd probe --save` asks of a media device.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_SAVE_H
#define VDEVD_DEVICES_MEDIA_MEDIA_SAVE_H

#include "core/device.h"

extern const struct vdev_save media_saving;

#endif
