/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * open_device.c - a device by its name and options; see open_device.h.
 */
#include "test/lib/open_device.h"

#include <errno.h>
#include <string.h>

#define ARGS 32

int device_parse(struct vdev *d, bool compat, int argc, char **argv)
{
	static const struct opt control[] = {
		{.name = "control", .type = OPT_TEXT, .off = offsetof(struct vdev, control_path), .arg = "PATH"},
		{0},
	};
	const struct opt_group groups[] = {
		{.title = "Common options", .opts = control, .obj = d},
		{.title = "Device options", .opts = d->class->opts, .obj = d},
		{0},
	};

	return opt_parse(groups, compat, argc, argv);
}

/* Parses the options into the device and opens it. */
static int configure(struct vdev *d, const char *const *args)
{
	char *argv[ARGS] = {(char *)d->class->name};
	int argc = 1;

	for (; args && *args && argc < ARGS - 1; args++)
		argv[argc++] = (char *)*args;
	if (device_parse(d, false, argc, argv) != argc)
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
