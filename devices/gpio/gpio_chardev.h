/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_chardev.h - where Linux keeps its GPIO chips, /dev/gpiochipN: what both versions of libgpiod leave to us.
 */
#ifndef VDEVD_DEVICES_GPIO_GPIO_CHARDEV_H
#define VDEVD_DEVICES_GPIO_GPIO_CHARDEV_H

#include "core/sandbox.h"
#include "devices/gpio/gpio_host.h"

/*
 * Finds a chip: spec is a path, a number, a name such as gpiochip0, or a label; label: NULL, or the one it must have.
 * try() opens the chip at a path, if it has this label (NULL: any).  It returns 0, -ENODEV or another -errno.
 * Returns 0 as soon as try() does; or why it did not: -ENODEV when there is no such chip.
 */
int chardev_find(const char *spec, const char *label, int (*try)(void *arg, const char *path, const char *label),
		 void *arg);

/*
 * Writes which chips there are, as gpio_host.h's chips_tell does.  look() opens the chip at a path, writes its label
 * and closes it.  It returns the number of its lines or -errno.
 */
void chardev_tell(char *buf, size_t size, int (*look)(const char *path, char label[static GPIO_NAME_SIZE]));

/*
 * Watches /dev, and the folder of spec where that is a path, for chips that come.
 * fd: what it returned for another chip, or -1.  Returns an inotify descriptor, the same, or -errno.
 */
int chardev_watch(const char *spec, int fd);

/* Empties such a descriptor. */
void chardev_drain(int fd);

/* What chardev_find and chardev_watch need, for chips of these specs that come back. */
void chardev_needs(const char *const *chips, unsigned int n, struct sandbox *s);

#endif
