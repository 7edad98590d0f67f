/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* module.c - dice.so, for a vdevd that loads modules. */
#include "core/module.h"

extern const struct vdev_class vdev_dice_class;

const struct vdev_module vdev_module = {VDEV_CONTRACT, &vdev_dice_class};
