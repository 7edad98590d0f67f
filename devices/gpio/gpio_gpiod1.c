/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_gpiod1.c - lines of this machine's GPIO chips, by libgpiod 1.6; see gpio_host.h.  gpio_gpiod.c is for
 * libgpiod 2.
 *
 * This library knows no debouncing, and its kernel interface keeps 16 edges for a line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gpiod.h>
#include <linux/gpio.h>

#include "core/loop.h"
#include "devices/gpio/gpio_chardev.h"
#include "devices/gpio/gpio_host.h"

#define CONSUMER   "vdevd"
#define READ_EDGES 16

static const struct sandbox_call gpiod_calls[] = {
	{.name = "ioctl", .why = "a chip's label and lines", .checks = {{1, SANDBOX_IS, GPIO_GET_CHIPINFO_IOCTL}}},
	{.name = "ioctl", .why = "a line's name", .checks = {{1, SANDBOX_IS, GPIO_GET_LINEINFO_IOCTL}}},
	{.name = "ioctl", .why = "a line is taken", .checks = {{1, SANDBOX_IS, GPIO_GET_LINEHANDLE_IOCTL}}},
	{.name = "ioctl", .why = "a line is taken", .checks = {{1, SANDBOX_IS, GPIO_GET_LINEEVENT_IOCTL}}},
	{.name = "ioctl",
	 .why = "a line's direction, bias, edges",
	 .checks = {{1, SANDBOX_IS, GPIOHANDLE_SET_CONFIG_IOCTL}}},
	{.name = "ioctl", .why = "a line is read", .checks = {{1, SANDBOX_IS, GPIOHANDLE_GET_LINE_VALUES_IOCTL}}},
	{.name = "ioctl", .why = "a line is set", .checks = {{1, SANDBOX_IS, GPIOHANDLE_SET_LINE_VALUES_IOCTL}}},
	{0},
};
static void gpiod_needs(const struct gpio_host_args *args, const char *const *chips, unsigned int n, struct sandbox *s)
{
	sandbox_calls(s, gpiod_calls);
	chardev_needs(chips, n, s);
}

struct gpio_host {
	int watch; /* for chips that come back; -1: none is away */
};

/* A line, and what it was last requested as; type 0: it is not ours. */
struct gpiod1_line {
	struct gpiod_line *line;
	int type, flags;
};

struct gpio_chip {
	struct gpiod_chip *chip;
	struct gpiod1_line lines[]; /* by offset */
};

static int gpiod1_start(const struct gpio_host_args *args, struct gpio_host **out)
{
	struct gpio_host *h = malloc(sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->watch = -1;
	*out = h;
	return 0;
}

static void gpiod1_stop(struct gpio_host *h)
{
	free(h);
}

static int try_chip(void *arg, const char *path, const char *label)
{
	struct gpio_chip **found = arg, *c;
	struct gpiod_chip *chip = gpiod_chip_open(path);
	int err = -ENODEV;

	if (!chip)
		return -errno;
	if (label && strcmp(gpiod_chip_label(chip), label))
		goto close_chip;
	c = calloc(1, sizeof(*c) + gpiod_chip_num_lines(chip) * sizeof(c->lines[0]));
	if (!c) {
		err = -ENOMEM;
		goto close_chip;
	}
	c->chip = chip;
	for (unsigned int i = 0; i < gpiod_chip_num_lines(chip); i++) {
		c->lines[i].line = gpiod_chip_get_line(chip, i);
		if (!c->lines[i].line) {
			err = -errno;
			goto free_lines;
		}
	}
	*found = c;
	return 0;

free_lines:
	free(c);
close_chip:
	gpiod_chip_close(chip);
	return err;
}

static int gpiod1_open(struct gpio_host *h, const char *spec, const char *label, struct gpio_chip **out)
{
	*out = NULL;
	return chardev_find(spec, label, try_chip, out);
}

static int look_chip(const char *path, char label[static GPIO_NAME_SIZE])
{
	struct gpiod_chip *chip = gpiod_chip_open(path);
	int n;

	if (!chip)
		return -errno;
	n = (int)gpiod_chip_num_lines(chip);
	snprintf(label, GPIO_NAME_SIZE, "%s", gpiod_chip_label(chip));
	gpiod_chip_close(chip);
	return n;
}

static void gpiod1_tell(char *buf, size_t size)
{
	chardev_tell(buf, size, look_chip);
}

static void gpiod1_release(struct gpio_chip *chip, unsigned int offset)
{
	struct gpiod1_line *l = &chip->lines[offset];

	if (l->type)
		gpiod_line_release(l->line);
	l->type = 0;
}

static const char *gpiod1_label(const struct gpio_chip *chip)
{
	return gpiod_chip_label(chip->chip);
}

static unsigned int gpiod1_lines(const struct gpio_chip *chip)
{
	return gpiod_chip_num_lines(chip->chip);
}

static void gpiod1_close(struct gpio_chip *chip)
{
	for (unsigned int i = 0; i < gpiod1_lines(chip); i++)
		gpiod1_release(chip, i);
	gpiod_chip_close(chip->chip);
	free(chip);
}

static int gpiod1_name(struct gpio_chip *chip, unsigned int offset, char name[static GPIO_NAME_SIZE])
{
	const char *text = gpiod_line_name(chip->lines[offset].line);

	snprintf(name, GPIO_NAME_SIZE, "%s", text ? text : "");
	return 0;
}

/* The library's words for settings. */
static int request_type(const struct gpio_settings *s)
{
	static const int edges[] = {
		[0] = GPIOD_LINE_REQUEST_DIRECTION_INPUT,
		[GPIO_EDGE_RISING] = GPIOD_LINE_REQUEST_EVENT_RISING_EDGE,
		[GPIO_EDGE_FALLING] = GPIOD_LINE_REQUEST_EVENT_FALLING_EDGE,
		[GPIO_EDGE_RISING | GPIO_EDGE_FALLING] = GPIOD_LINE_REQUEST_EVENT_BOTH_EDGES,
	};

	return s->output ? GPIOD_LINE_REQUEST_DIRECTION_OUTPUT : edges[s->edges];
}

static int request_flags(const struct gpio_settings *s)
{
	static const int bias[] = {
		[GPIO_BIAS_AS_IS] = 0,
		[GPIO_BIAS_DISABLED] = GPIOD_LINE_REQUEST_FLAG_BIAS_DISABLE,
		[GPIO_BIAS_PULL_UP] = GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP,
		[GPIO_BIAS_PULL_DOWN] = GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN,
	};
	static const int drive[] = {
		[GPIO_DRIVE_PUSH_PULL] = 0,
		[GPIO_DRIVE_OPEN_DRAIN] = GPIOD_LINE_REQUEST_FLAG_OPEN_DRAIN,
		[GPIO_DRIVE_OPEN_SOURCE] = GPIOD_LINE_REQUEST_FLAG_OPEN_SOURCE,
	};

	return bias[s->bias] | (s->output ? drive[s->drive] : 0) |
	       (s->active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0);
}

static bool is_plain(int type)
{
	return type == GPIOD_LINE_REQUEST_DIRECTION_INPUT || type == GPIOD_LINE_REQUEST_DIRECTION_OUTPUT;
}

static int gpiod1_request(struct gpio_chip *chip, unsigned int offset, const struct gpio_settings *s)
{
	struct gpiod1_line *l = &chip->lines[offset];
	const struct gpiod_line_request_config config = {CONSUMER, request_type(s), request_flags(s)};
	int err = 0;

	if (l->type == config.request_type && l->flags == config.flags && !s->output)
		return 0;
	/* Turned round without being let go of, so that nobody takes it and nothing twitches. */
	if (l->type && is_plain(l->type) && is_plain(config.request_type)) {
		int direction = s->output ? GPIOD_LINE_REQUEST_DIRECTION_OUTPUT : GPIOD_LINE_REQUEST_DIRECTION_INPUT;

		if (gpiod_line_set_config(l->line, direction, config.flags, s->value) < 0)
			return -errno;
		l->type = config.request_type;
		l->flags = config.flags;
		return 0;
	}
	gpiod1_release(chip, offset);
	if (gpiod_line_request(l->line, &config, s->value) < 0)
		return -errno;
	l->type = config.request_type;
	l->flags = config.flags;
	if (s->edges)
		err = fd_prepare(gpiod_line_event_get_fd(l->line));
	if (err)
		gpiod1_release(chip, offset);
	return err;
}

static int gpiod1_get(struct gpio_chip *chip, unsigned int offset)
{
	int value = gpiod_line_get_value(chip->lines[offset].line);

	return value < 0 ? -errno : value;
}

static int gpiod1_set(struct gpio_chip *chip, unsigned int offset, bool value)
{
	return gpiod_line_set_value(chip->lines[offset].line, value) < 0 ? -errno : 0;
}

static int gpiod1_fd(struct gpio_chip *chip, unsigned int offset)
{
	return gpiod_line_event_get_fd(chip->lines[offset].line);
}

static int gpiod1_edges(struct gpio_chip *chip, unsigned int offset, unsigned int max)
{
	/* Counted, not looked at: on 32-bit machines the library's time may be shorter than ours, and so its events. */
	struct gpiod_line_event events[READ_EDGES];
	int n = gpiod_line_event_read_multiple(chip->lines[offset].line, events,
					       (unsigned int)min_size(max, READ_EDGES));

	if (n >= 0)
		return n;
	return errno == EAGAIN ? 0 : -errno;
}

static int gpiod1_wait_begin(struct gpio_host *h, const char *spec)
{
	int fd = chardev_watch(spec, h->watch);

	h->watch = fd < 0 ? -1 : fd;
	return fd;
}

static void gpiod1_wait_drain(struct gpio_host *h)
{
	chardev_drain(h->watch);
}

static void gpiod1_wait_end(struct gpio_host *h)
{
	close(h->watch);
	h->watch = -1;
}

const struct gpio_host_ops gpio_host_gpiod = {
	.needs = gpiod_needs,
	.start = gpiod1_start,
	.stop = gpiod1_stop,
	.chip_open = gpiod1_open,
	.chips_tell = gpiod1_tell,
	.chip_close = gpiod1_close,
	.chip_label = gpiod1_label,
	.chip_lines = gpiod1_lines,
	.line_name = gpiod1_name,
	.line_request = gpiod1_request,
	.line_release = gpiod1_release,
	.line_get = gpiod1_get,
	.line_set = gpiod1_set,
	.line_fd = gpiod1_fd,
	.line_edges = gpiod1_edges,
	.wait_begin = gpiod1_wait_begin,
	.wait_drain = gpiod1_wait_drain,
	.wait_end = gpiod1_wait_end,
};
