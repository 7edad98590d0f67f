/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_driver.c - a GPIO driver's requests: VIRTIO 1.4, section 5.18; see gpio_driver.h.
 */
#include "test/device/gpio/gpio_driver.h"

#include <string.h>

#include "test/lib/open_device.h"

void gpio_fill(uint8_t out[8], unsigned int type, unsigned int line, uint32_t value)
{
	const uint8_t bytes[8] = {
		(uint8_t)type,	(uint8_t)(type >> 8),  (uint8_t)line,	       (uint8_t)(line >> 8),
		(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24),
	};

	memcpy(out, bytes, sizeof(bytes));
}

unsigned int gpio_ask(struct carrier *c, unsigned int type, unsigned int line, uint32_t value, unsigned int *got)
{
	uint8_t out[8], in[2] = {0xaa, 0xaa};

	gpio_fill(out, type, line, value);
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, sizeof(out), in, sizeof(in)), sizeof(in));
	ck_assert_uint_le(in[0], ERR);
	if (got)
		*got = in[1];
	else
		ck_assert_uint_eq(in[1], 0);
	return in[0];
}

void gpio_tell(struct carrier *c, unsigned int type, unsigned int line, uint32_t value)
{
	ck_assert_msg(gpio_ask(c, type, line, value, NULL) == OK, "request %u of line %u with %u", type, line, value);
}

void gpio_refused(struct carrier *c, unsigned int type, unsigned int line, uint32_t value)
{
	ck_assert_msg(gpio_ask(c, type, line, value, NULL) == ERR, "request %u of line %u with %u", type, line, value);
}

unsigned int gpio_value(struct carrier *c, unsigned int line)
{
	unsigned int value;

	ck_assert_uint_eq(gpio_ask(c, GET_VALUE, line, 0, &value), OK);
	ck_assert_uint_le(value, 1);
	return value;
}

unsigned int gpio_direction(struct carrier *c, unsigned int line)
{
	unsigned int direction;

	ck_assert_uint_eq(gpio_ask(c, GET_DIRECTION, line, 0, &direction), OK);
	return direction;
}

struct frontend_request *gpio_unmask(struct carrier *c, unsigned int line)
{
	const uint8_t out[2] = {(uint8_t)line, (uint8_t)(line >> 8)};

	return carrier_submit(c, EVENTQ, out, sizeof(out), 1);
}

void gpio_returned(struct carrier *c, struct frontend_request *req, unsigned int status)
{
	uint8_t in = 0xaa;

	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, &in), 1);
	ck_assert_uint_eq(in, status);
}

void gpio_interrupted(struct carrier *c, unsigned int line)
{
	gpio_returned(c, gpio_unmask(c, line), VALID);
}

struct vdev *gpio_device(struct ev_loop *loop, const char *const *args, bool compat)
{
	char *argv[16] = {(char *)"gpio"};
	int argc = 1;
	struct vdev *d;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	for (const struct vdev_class *const *class = vdev_classes; *class; class ++) {
		if (strcmp((*class)->name, "gpio"))
			continue;
		ck_assert_int_eq(vdev_new(*class, "gpio", loop, &d), 0);
		if (device_parse(d, compat, argc, argv) == argc)
			return d;
		vdev_free(d);
		return NULL;
	}
	ck_abort_msg("gpio is not built");
	return NULL;
}
