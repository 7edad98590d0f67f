/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * open_device.h - a device by its name and options, for tests that need no transport.
 */
#ifndef VDEVD_TEST_LIB_OPEN_DEVICE_H
#define VDEVD_TEST_LIB_OPEN_DEVICE_H

#include "core/device.h"

/* Parses the device's own options, and --control, which all devices have.  Returns as opt_parse. */
int device_parse(struct vdev *d, bool compat, int argc, char **argv);

/*
 * Makes a device of these options (NULL at the end; NULL: none) and opens it.
 * Returns 0 and *out, to be freed with vdev_free; -ENOENT: it is not in this build; -EINVAL: the options are wrong; or as vdev_open.
 */
int open_device(const char *name, struct ev_loop *loop, const char *const *args, struct vdev **out);

#endif
