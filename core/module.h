/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * module.h - devices that are not built in: NAME.so in one folder.
 *
 * A module runs with all the rights of the process, so it is loaded before privileges are dropped, and only when
 * nobody but root or the process's own user can have written it.
 */
#ifndef VDEVD_CORE_MODULE_H
#define VDEVD_CORE_MODULE_H

#include "core/device.h"

/* What a module exports, under the name vdev_module. */
struct vdev_module {
	uint32_t contract; /* VDEV_CONTRACT (config.h): a checksum of the headers it was built with */
	const struct vdev_class *class;
};

extern const struct vdev_module vdev_module;

/* The folder of this program's modules, beside vdev_classes; "": it loads none. */
extern const char vdev_module_dir[];

/*
 * Loads dir/name.so, for the life of the process.
 * Returns 0 and *class; -ENOENT, without a word: there is no such module, or name cannot be one's, or this vdevd was
 * built without modules; -EPERM: file or folder could have been written by others; -ENOEXEC: it is no module
 * or its contract is another.  The last two log what would be right.
 */
int module_load(const char *dir, const char *name, const struct vdev_class **class);

/*
 * The device of this name, or which is also called so: built in (vdev_classes) or else a module in the folder dir.
 * Returns 0 and *class; -ENOENT: there is none; or as module_load.
 */
int class_find(const char *dir, const char *name, const struct vdev_class **class);

/*
 * Calls fn for each module in the folder, in the order of their names, without loading them; ends early when fn
 * returns other than 0, and returns that.  Returns 0 also where there is no folder, or -errno.
 */
int module_each(const char *dir, int (*fn)(void *arg, const char *name), void *arg);

#endif
