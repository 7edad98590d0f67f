/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_driver.h - a GPIO driver's requests, for tests of that device: VIRTIO 1.4, section 5.18.
 */
#ifndef VDEVD_TEST_DEVICE_GPIO_GPIO_DRIVER_H
#define VDEVD_TEST_DEVICE_GPIO_GPIO_DRIVER_H

#include "test/lib/carrier.h"

enum {
	REQUESTQ,
	EVENTQ,
};

enum {
	GET_LINE_NAMES = 1,
	GET_DIRECTION,
	SET_DIRECTION,
	GET_VALUE,
	SET_VALUE,
	SET_IRQ_TYPE,
};

/* Directions. */
enum {
	NONE,
	OUT,
	IN,
};

/* Interrupt types. */
enum {
	IRQ_NONE = 0,
	RISING = 1,
	FALLING = 2,
	BOTH = 3,
	LEVEL_HIGH = 4,
	LEVEL_LOW = 8,
};

/* What a buffer of the eventq comes back with. */
enum {
	INVALID,
	VALID,
};

/* Statuses of an answer. */
#define OK  0
#define ERR 1

/* Writes a request. */
void gpio_fill(uint8_t out[8], unsigned int type, unsigned int line, uint32_t value);

/* Makes a request; returns its status, and the answer's value where got is not NULL: it must be 0 then. */
unsigned int gpio_ask(struct carrier *c, unsigned int type, unsigned int line, uint32_t value, unsigned int *got);

/* Makes one that must succeed, or must fail. */
void gpio_tell(struct carrier *c, unsigned int type, unsigned int line, uint32_t value);
void gpio_refused(struct carrier *c, unsigned int type, unsigned int line, uint32_t value);

unsigned int gpio_value(struct carrier *c, unsigned int line);
unsigned int gpio_direction(struct carrier *c, unsigned int line);

/* Queues the buffer that unmasks a line's interrupt. */
struct frontend_request *gpio_unmask(struct carrier *c, unsigned int line);

/* The buffer comes back with this status. */
void gpio_returned(struct carrier *c, struct frontend_request *req, unsigned int status);

/* The next interrupt of a line comes: both. */
void gpio_interrupted(struct carrier *c, unsigned int line);

/* Makes a device of these options, NULL at the end.  Returns NULL when they are refused. */
struct vdev *gpio_device(struct ev_loop *loop, const char *const *args, bool compat);

#endif
