/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gpio_gpiod.c - lines of this machine's GPIO chips, by libgpiod 2; see gpio_host.h.  gpio_gpiod1.c is for
 * libgpiod 1.6.
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

#define CONSUMER "vdevd"

/* Edges the kernel keeps for a line, and edges that are read at once. */
#define KERNEL_EDGES 256
#define READ_EDGES   64

static const struct sandbox_call gpiod_calls[] = {
	{.name = "ioctl", .why = "a chip's label and lines", .checks = {{1, SANDBOX_IS, GPIO_GET_CHIPINFO_IOCTL}}},
	{.name = "ioctl", .why = "a line's name", .checks = {{1, SANDBOX_IS, GPIO_V2_GET_LINEINFO_IOCTL}}},
	{.name = "ioctl", .why = "a line is taken", .checks = {{1, SANDBOX_IS, GPIO_V2_GET_LINE_IOCTL}}},
	{.name = "ioctl",
	 .why = "a line's direction, bias, edges",
	 .checks = {{1, SANDBOX_IS, GPIO_V2_LINE_SET_CONFIG_IOCTL}}},
	{.name = "ioctl", .why = "a line is read", .checks = {{1, SANDBOX_IS, GPIO_V2_LINE_GET_VALUES_IOCTL}}},
	{.name = "ioctl", .why = "a line is set", .checks = {{1, SANDBOX_IS, GPIO_V2_LINE_SET_VALUES_IOCTL}}},
	{0},
};
static void gpiod_needs(const struct gpio_host_args *args, const char *const *chips, unsigned int n, struct sandbox *s)
{
	sandbox_calls(s, gpiod_calls);
	chardev_needs(chips, n, s);
}

struct gpio_host {
	int watch; /* for chips that come back; -1: none is away */
	/* Made once, filled for each request. */
	struct gpiod_line_settings *settings;
	struct gpiod_line_config *config;
	struct gpiod_request_config *request;
	struct gpiod_edge_event_buffer *edges;
};

struct gpio_chip {
	struct gpio_host *h;
	struct gpiod_chip *chip;
	char label[GPIO_NAME_SIZE];
	unsigned int nlines;
	struct gpiod_line_request *lines[]; /* by offset; NULL: not ours */
};

static void gpiod_stop(struct gpio_host *h)
{
	gpiod_line_settings_free(h->settings);
	gpiod_line_config_free(h->config);
	gpiod_request_config_free(h->request);
	gpiod_edge_event_buffer_free(h->edges);
	free(h);
}

static int gpiod_start(const struct gpio_host_args *args, struct gpio_host **out)
{
	struct gpio_host *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->watch = -1;
	h->settings = gpiod_line_settings_new();
	h->config = gpiod_line_config_new();
	h->request = gpiod_request_config_new();
	h->edges = gpiod_edge_event_buffer_new(READ_EDGES);
	if (!h->settings || !h->config || !h->request || !h->edges) {
		gpiod_stop(h);
		return -ENOMEM;
	}
	gpiod_request_config_set_consumer(h->request, CONSUMER);
	gpiod_request_config_set_event_buffer_size(h->request, KERNEL_EDGES);
	*out = h;
	return 0;
}

/* A chip that is looked for. */
struct search {
	struct gpio_host *h;
	struct gpio_chip *found;
};

static int try_chip(void *arg, const char *path, const char *label)
{
	struct search *s = arg;
	struct gpiod_chip *chip = gpiod_chip_open(path);
	struct gpiod_chip_info *info;
	struct gpio_chip *c;
	int err = -ENODEV;

	if (!chip)
		return -errno;
	info = gpiod_chip_get_info(chip);
	if (!info) {
		err = -errno;
		goto close_chip;
	}
	if (label && strcmp(gpiod_chip_info_get_label(info), label))
		goto free_info;
	c = calloc(1, sizeof(*c) + gpiod_chip_info_get_num_lines(info) * sizeof(c->lines[0]));
	if (!c) {
		err = -ENOMEM;
		goto free_info;
	}
	c->h = s->h;
	c->chip = chip;
	c->nlines = (unsigned int)gpiod_chip_info_get_num_lines(info);
	snprintf(c->label, sizeof(c->label), "%s", gpiod_chip_info_get_label(info));
	gpiod_chip_info_free(info);
	s->found = c;
	return 0;

free_info:
	gpiod_chip_info_free(info);
close_chip:
	gpiod_chip_close(chip);
	return err;
}

static int gpiod_open(struct gpio_host *h, const char *spec, const char *label, struct gpio_chip **out)
{
	struct search s = {.h = h};
	int err = chardev_find(spec, label, try_chip, &s);

	*out = s.found;
	return err;
}

static int look_chip(const char *path, char label[static GPIO_NAME_SIZE])
{
	struct gpiod_chip *chip = gpiod_chip_open(path);
	struct gpiod_chip_info *info = chip ? gpiod_chip_get_info(chip) : NULL;
	int n = info ? (int)gpiod_chip_info_get_num_lines(info) : -errno;

	if (info)
		snprintf(label, GPIO_NAME_SIZE, "%s", gpiod_chip_info_get_label(info));
	gpiod_chip_info_free(info);
	gpiod_chip_close(chip);
	return n;
}

static void gpiod_tell(char *buf, size_t size)
{
	chardev_tell(buf, size, look_chip);
}

static void gpiod_release(struct gpio_chip *chip, unsigned int offset)
{
	if (chip->lines[offset])
		gpiod_line_request_release(chip->lines[offset]);
	chip->lines[offset] = NULL;
}

static void gpiod_close(struct gpio_chip *chip)
{
	for (unsigned int i = 0; i < chip->nlines; i++)
		gpiod_release(chip, i);
	gpiod_chip_close(chip->chip);
	free(chip);
}

static const char *gpiod_label(const struct gpio_chip *chip)
{
	return chip->label;
}

static unsigned int gpiod_lines(const struct gpio_chip *chip)
{
	return chip->nlines;
}

static int gpiod_name(struct gpio_chip *chip, unsigned int offset, char name[static GPIO_NAME_SIZE])
{
	struct gpiod_line_info *info = gpiod_chip_get_line_info(chip->chip, offset);
	const char *text;

	if (!info)
		return -errno;
	text = gpiod_line_info_get_name(info);
	snprintf(name, GPIO_NAME_SIZE, "%s", text ? text : "");
	gpiod_line_info_free(info);
	return 0;
}

/* Writes settings in the library's words.  What concerns the other direction is left out: the kernel refuses it. */
static void settings_fill(struct gpiod_line_settings *to, const struct gpio_settings *s)
{
	static const enum gpiod_line_bias bias[] = {
		[GPIO_BIAS_AS_IS] = GPIOD_LINE_BIAS_AS_IS,
		[GPIO_BIAS_DISABLED] = GPIOD_LINE_BIAS_DISABLED,
		[GPIO_BIAS_PULL_UP] = GPIOD_LINE_BIAS_PULL_UP,
		[GPIO_BIAS_PULL_DOWN] = GPIOD_LINE_BIAS_PULL_DOWN,
	};
	static const enum gpiod_line_drive drive[] = {
		[GPIO_DRIVE_PUSH_PULL] = GPIOD_LINE_DRIVE_PUSH_PULL,
		[GPIO_DRIVE_OPEN_DRAIN] = GPIOD_LINE_DRIVE_OPEN_DRAIN,
		[GPIO_DRIVE_OPEN_SOURCE] = GPIOD_LINE_DRIVE_OPEN_SOURCE,
	};
	static const enum gpiod_line_edge edge[] = {
		[0] = GPIOD_LINE_EDGE_NONE,
		[GPIO_EDGE_RISING] = GPIOD_LINE_EDGE_RISING,
		[GPIO_EDGE_FALLING] = GPIOD_LINE_EDGE_FALLING,
		[GPIO_EDGE_RISING | GPIO_EDGE_FALLING] = GPIOD_LINE_EDGE_BOTH,
	};

	gpiod_line_settings_reset(to);
	gpiod_line_settings_set_direction(to, s->output ? GPIOD_LINE_DIRECTION_OUTPUT : GPIOD_LINE_DIRECTION_INPUT);
	gpiod_line_settings_set_bias(to, bias[s->bias]);
	gpiod_line_settings_set_active_low(to, s->active_low);
	if (s->output) {
		gpiod_line_settings_set_drive(to, drive[s->drive]);
		gpiod_line_settings_set_output_value(to,
						     s->value ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
	} else {
		gpiod_line_settings_set_edge_detection(to, edge[s->edges]);
		gpiod_line_settings_set_debounce_period_us(to, s->debounce_us);
	}
}

static int gpiod_request(struct gpio_chip *chip, unsigned int offset, const struct gpio_settings *settings)
{
	struct gpio_host *h = chip->h;
	struct gpiod_line_request *line = chip->lines[offset];
	int err;

	settings_fill(h->settings, settings);
	gpiod_line_config_reset(h->config);
	if (gpiod_line_config_add_line_settings(h->config, &offset, 1, h->settings) < 0)
		return -errno;
	if (line)
		return gpiod_line_request_reconfigure_lines(line, h->config) < 0 ? -errno : 0;
	line = gpiod_chip_request_lines(chip->chip, h->request, h->config);
	if (!line)
		return -errno;
	err = fd_prepare(gpiod_line_request_get_fd(line));
	if (err) {
		gpiod_line_request_release(line);
		return err;
	}
	chip->lines[offset] = line;
	return 0;
}

static int gpiod_get(struct gpio_chip *chip, unsigned int offset)
{
	enum gpiod_line_value value = gpiod_line_request_get_value(chip->lines[offset], offset);

	return value == GPIOD_LINE_VALUE_ERROR ? -errno : value == GPIOD_LINE_VALUE_ACTIVE;
}

static int gpiod_set(struct gpio_chip *chip, unsigned int offset, bool value)
{
	enum gpiod_line_value v = value ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE;

	return gpiod_line_request_set_value(chip->lines[offset], offset, v) < 0 ? -errno : 0;
}

static int gpiod_fd(struct gpio_chip *chip, unsigned int offset)
{
	return gpiod_line_request_get_fd(chip->lines[offset]);
}

static int gpiod_edges(struct gpio_chip *chip, unsigned int offset, unsigned int max)
{
	int n = gpiod_line_request_read_edge_events(chip->lines[offset], chip->h->edges, max);

	if (n >= 0)
		return n;
	return errno == EAGAIN ? 0 : -errno;
}

static int gpiod_wait_begin(struct gpio_host *h, const char *spec)
{
	int fd = chardev_watch(spec, h->watch);

	h->watch = fd < 0 ? -1 : fd;
	return fd;
}

static void gpiod_wait_drain(struct gpio_host *h)
{
	chardev_drain(h->watch);
}

static void gpiod_wait_end(struct gpio_host *h)
{
	close(h->watch);
	h->watch = -1;
}

const struct gpio_host_ops gpio_host_gpiod = {
	.needs = gpiod_needs,
	.debounces = true,
	.start = gpiod_start,
	.stop = gpiod_stop,
	.chip_open = gpiod_open,
	.chips_tell = gpiod_tell,
	.chip_close = gpiod_close,
	.chip_label = gpiod_label,
	.chip_lines = gpiod_lines,
	.line_name = gpiod_name,
	.line_request = gpiod_request,
	.line_release = gpiod_release,
	.line_get = gpiod_get,
	.line_set = gpiod_set,
	.line_fd = gpiod_fd,
	.line_edges = gpiod_edges,
	.wait_begin = gpiod_wait_begin,
	.wait_drain = gpiod_wait_drain,
	.wait_end = gpiod_wait_end,
};
