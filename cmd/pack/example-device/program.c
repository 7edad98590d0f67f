/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* program.c - a vdevd of its own that has no other device: main is in the library. */
#include "core/module.h"

extern const struct vdev_class vdev_dice_class;

const struct vdev_class *const vdev_classes[] = {&vdev_dice_class, NULL};
const char vdev_module_dir[] = ""; /* it loads no modules */
