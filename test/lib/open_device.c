/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * open_device.c - a device by its name and options; see open_device.h.
 */
#include "test/lib/open_device.h"

#include <errno.h>
#include <string.h>

#define ARGS 32

/* Parses the options into the device and opens it. */
static int configure(struct vdev *d, const char *const *args)
{
	const struct opt_group groups[2] = {{.title = "test", .opts = d->class->opts, .obj = d}};
	char *argv[ARGS] = {(char *)d->class->name};
	int argc = 1;

	for (; args && *args && argc < ARGS - 1; args++)
		argv[argc++] = (char *)*args;
	if (d->class->opts ? opt_parse(groups, false, argc, argv) != argc : argc > 1)
		return -EINVAL;
	return vdev_check(d) ? -EINVAL : vdev_open(d);
}

int open_device(const char *name, struct ev_loop *loop, const char *const *args, struct vdev **out)
{
	for (const struct vdev_class *const *class = vdev_classes; *class; class ++) {
		int err;

		if (strcmp((*class)->name, name) != 0)
			continue;
		err = vdev_new(*class, name, loop, out);
		if (err)
			return err;
		err = configure(*out, args);
		if (err)
			vdev_free(*out);
		return err;
	}
	return -ENOENT;
}
