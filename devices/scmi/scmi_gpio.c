/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_gpio.c - lines of a gpio chip as resets, power domains and pins: the kernel's character devices, linux/gpio.h,
 * which need no library.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "devices/scmi/scmi_host.h"

#define LINES	  16
#define PULSE_MIN 100	  /* us; how long a reset is asserted when nothing is said */
#define PULSE_MAX 1000000 /* us */

/* Types of settings: Arm SCMI 3.2, "Pin control protocol", configuration types. */
enum {
	BIAS_DISABLE = 2,
	BIAS_PULL_UP = 4,
	BIAS_PULL_DOWN = 6,
	DRIVE_OPEN_DRAIN = 7,
	DRIVE_OPEN_SOURCE = 8,
	DRIVE_PUSH_PULL = 9,
	INPUT_MODE = 12,
	INPUT_VALUE = 14,
	OUTPUT_MODE = 17,
	OUTPUT_VALUE = 18,
};

#define T(type) (1u << (type))
#define PIN_SETTINGS                                                                                                   \
	(T(BIAS_DISABLE) | T(BIAS_PULL_UP) | T(BIAS_PULL_DOWN) | T(DRIVE_OPEN_DRAIN) | T(DRIVE_OPEN_SOURCE) |          \
	 T(DRIVE_PUSH_PULL) | T(INPUT_MODE) | T(INPUT_VALUE) | T(OUTPUT_MODE) | T(OUTPUT_VALUE))

struct scmi_host {
	unsigned int n;
	int64_t function[LINES];
	uint64_t flags[LINES], first_flags[LINES]; /* of the requests: GPIO_V2_LINE_FLAG_... */
	uint8_t value[LINES], first_value[LINES];  /* of outputs */
	int fd[LINES];
	uint32_t pulse; /* us */
};

static const char *const kinds[] = {"reset", "domain", "pins"};
static const enum scmi_kind kind_of[] = {SCMI_RESET, SCMI_POWER, SCMI_PIN};

static int kind_find(const struct scmi_spec *spec)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (word_is(&spec->props[SCMI_PROP_KIND], kinds[i]))
			return (int)i;
	}
	return -1;
}

/* Reads "3:5:6".  Returns how many; 0: these are none. */
static unsigned int lines_read(const struct scmi_spec *spec, uint32_t lines[static LINES])
{
	struct word rest = spec->props[SCMI_PROP_LINE], behind;
	unsigned int n = 0;
	uint64_t line;

	for (bool more = true; more; rest = behind) {
		more = word_cut(&rest, ':', &behind);
		if (n == LINES || word_number(&rest, &line) < 0 || line > UINT32_MAX)
			return 0;
		lines[n++] = (uint32_t)line;
	}
	return n;
}

static int gpio_check(const struct scmi_spec *spec, char *why, size_t why_size)
{
	uint32_t lines[LINES];
	int kind = kind_find(spec);
	unsigned int n = lines_read(spec, lines);

	if (kind < 0)
		snprintf(why, why_size, "kind=%.*s: reset, domain or pins is wanted",
			 WORD_SHOWN(spec->props[SCMI_PROP_KIND]));
	else if (!n || (n > 1 && kind_of[kind] != SCMI_PIN))
		snprintf(why, why_size, "line=%.*s: the number of a line is wanted, of at most 16 with kind=pins",
			 WORD_SHOWN(spec->props[SCMI_PROP_LINE]));
	else
		return 0;
	return -EINVAL;
}

static void gpio_close(struct scmi_host *h)
{
	for (unsigned int i = 0; i < h->n; i++)
		close(h->fd[i]);
	free(h);
}

static int value_get(const struct scmi_host *h, unsigned int i, int64_t *v)
{
	struct gpio_v2_line_values values = {.mask = 1};

	if (ioctl(h->fd[i], GPIO_V2_LINE_GET_VALUES_IOCTL, &values) < 0)
		return -errno;
	*v = (int64_t)(values.bits & 1);
	return 0;
}

static int value_set(struct scmi_host *h, unsigned int i, bool value)
{
	struct gpio_v2_line_values values = {.mask = 1, .bits = value};

	if (ioctl(h->fd[i], GPIO_V2_LINE_SET_VALUES_IOCTL, &values) < 0)
		return -errno;
	h->value[i] = value;
	return 0;
}

static int config_set(struct scmi_host *h, unsigned int i, uint64_t flags, bool value)
{
	struct gpio_v2_line_config config = {.flags = flags};

	if (flags & GPIO_V2_LINE_FLAG_OUTPUT) {
		config.num_attrs = 1;
		config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
		config.attrs[0].attr.values = value;
		config.attrs[0].mask = 1;
	}
	if (ioctl(h->fd[i], GPIO_V2_LINE_SET_CONFIG_IOCTL, &config) < 0)
		return -errno;
	h->flags[i] = flags;
	h->value[i] = value;
	return 0;
}

/* Requests a line as it is; then, where it is to be switched, it becomes an output with the value it has. */
static int line_open(struct scmi_host *h, int chip, uint32_t line, const char *name, bool active_low, bool output)
{
	struct gpio_v2_line_request request = {.offsets = {line}, .num_lines = 1};
	struct gpio_v2_line_info info = {.offset = line};
	uint64_t low = active_low ? GPIO_V2_LINE_FLAG_ACTIVE_LOW : 0;
	unsigned int i = h->n;
	int64_t value = 0;
	int err;

	snprintf(request.consumer, sizeof(request.consumer), "vdevd %.24s", name);
	request.config.flags = low;
	if (ioctl(chip, GPIO_V2_GET_LINEINFO_IOCTL, &info) < 0 || ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &request) < 0)
		return -errno;
	h->fd[h->n++] = request.fd;
	(void)fcntl(request.fd, F_SETFD, FD_CLOEXEC);
	h->function[i] = SCMI_FUNCTION_NONE;
	err = value_get(h, i, &value);
	if (err)
		return err;
	output |= (info.flags & GPIO_V2_LINE_FLAG_OUTPUT) != 0;
	err = config_set(h, i, low | (output ? GPIO_V2_LINE_FLAG_OUTPUT : GPIO_V2_LINE_FLAG_INPUT), value);
	h->first_flags[i] = h->flags[i];
	h->first_value[i] = h->value[i];
	return err;
}

static int gpio_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
		     size_t why_size)
{
	struct scmi_host *h = calloc(1, sizeof(*h));
	uint32_t lines[LINES];
	unsigned int n = lines_read(spec, lines);
	int kind = kind_find(spec), chip, err = 0;
	uint64_t pulse = 0;
	char path[256];

	if (!h)
		return -ENOMEM;
	snprintf(why, why_size, "path=%.*s,line=%.*s", WORD_SHOWN(spec->props[SCMI_PROP_PATH]),
		 WORD_SHOWN(spec->props[SCMI_PROP_LINE]));
	chip = word_copy(&spec->props[SCMI_PROP_PATH], path, sizeof(path)) ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (chip < 0) {
		err = errno ? -errno : -ENAMETOOLONG;
		free(h);
		return err;
	}
	if (!t->name[0])
		snprintf(t->name, sizeof(t->name), "gpio%u", lines[0]);
	t->kind = kind_of[kind];
	for (unsigned int i = 0; i < n && !err; i++)
		err = line_open(h, chip, lines[i], t->name, scmi_spec_has(spec, SCMI_PROP_ACTIVE_LOW),
				t->kind != SCMI_PIN && t->writable);
	close(chip);
	if (err) {
		gpio_close(h);
		return err;
	}
	if (scmi_spec_has(spec, SCMI_PROP_LATENCY))
		(void)word_number(&spec->props[SCMI_PROP_LATENCY], &pulse);
	h->pulse = pulse < PULSE_MIN ? PULSE_MIN : pulse > PULSE_MAX ? PULSE_MAX : (uint32_t)pulse;
	t->npins = t->kind == SCMI_PIN ? n : 0;
	t->settings = t->kind == SCMI_PIN ? PIN_SETTINGS : 0;
	t->gets = t->sets = t->kind == SCMI_RESET   ? 1u << SCMI_LINE
			    : t->kind == SCMI_POWER ? 1u << SCMI_LEVEL
						    : 1u << SCMI_SETTING;
	*out = h;
	return 0;
}

/* ---- pins */

static const struct {
	uint64_t flag, group; /* GPIO_V2_LINE_FLAG_...; those that exclude it */
} settings[SCMI_MODES] = {
#define BIAS  (GPIO_V2_LINE_FLAG_BIAS_DISABLED | GPIO_V2_LINE_FLAG_BIAS_PULL_UP | GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN)
#define DRIVE (GPIO_V2_LINE_FLAG_OPEN_DRAIN | GPIO_V2_LINE_FLAG_OPEN_SOURCE)
#define WAY   (GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_OUTPUT)
	[BIAS_DISABLE] = {GPIO_V2_LINE_FLAG_BIAS_DISABLED, BIAS},
	[BIAS_PULL_UP] = {GPIO_V2_LINE_FLAG_BIAS_PULL_UP, BIAS},
	[BIAS_PULL_DOWN] = {GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN, BIAS},
	[DRIVE_OPEN_DRAIN] = {GPIO_V2_LINE_FLAG_OPEN_DRAIN, DRIVE},
	[DRIVE_OPEN_SOURCE] = {GPIO_V2_LINE_FLAG_OPEN_SOURCE, DRIVE},
	[DRIVE_PUSH_PULL] = {0, DRIVE},
	[INPUT_MODE] = {GPIO_V2_LINE_FLAG_INPUT, WAY | DRIVE},
	[OUTPUT_MODE] = {GPIO_V2_LINE_FLAG_OUTPUT, WAY},
};

static int setting_get(const struct scmi_host *h, unsigned int pin, int64_t type, int64_t *v)
{
	if (type == SCMI_SETTING_FUNCTION) {
		*v = h->function[pin];
		return 0;
	}
	if (type < 0 || type >= SCMI_MODES || !(PIN_SETTINGS & T(type)))
		return -EOPNOTSUPP;
	if (type == INPUT_VALUE || type == OUTPUT_VALUE)
		return value_get(h, pin, v);
	*v = (h->flags[pin] & settings[type].group) == settings[type].flag ||
	     (settings[type].flag && h->flags[pin] & settings[type].flag);
	return 0;
}

/* What a line becomes by a row of settings.  Returns 0; -EOPNOTSUPP: it cannot. */
static int flags_find(const struct scmi_host *h, unsigned int pin, const int64_t *v, unsigned int n, uint64_t *flags,
		      bool *value)
{
	*flags = h->flags[pin];
	*value = h->value[pin];
	for (unsigned int i = 0; i + 1 < n; i += 2) {
		if (v[i] == SCMI_SETTING_FUNCTION && v[i + 1] == SCMI_FUNCTION_GPIO)
			continue;
		if (v[i] < 0 || v[i] >= SCMI_MODES || !(PIN_SETTINGS & T(v[i])) || v[i] == INPUT_VALUE)
			return -EOPNOTSUPP;
		if (v[i] == OUTPUT_VALUE) {
			*flags = (*flags & ~(uint64_t)WAY) | GPIO_V2_LINE_FLAG_OUTPUT;
			*value = v[i + 1] != 0;
		} else if (v[i + 1] || !settings[v[i]].flag) {
			*flags = (*flags & ~settings[v[i]].group) | settings[v[i]].flag;
		} else {
			*flags &= ~settings[v[i]].flag;
		}
	}
	/* A line that is neither is one that is read. */
	*flags |= *flags & WAY ? 0 : GPIO_V2_LINE_FLAG_INPUT;
	return 0;
}

static int settings_set(struct scmi_host *h, unsigned int index, const int64_t *v, unsigned int n)
{
	unsigned int first = index == SCMI_ALL_PINS ? 0 : index, last = index == SCMI_ALL_PINS ? h->n - 1 : index;
	uint64_t flags;
	bool value;
	int err = 0;

	for (unsigned int i = first; i <= last && !err; i++)
		err = flags_find(h, i, v, n, &flags, &value);
	for (unsigned int i = first; i <= last && !err; i++) {
		(void)flags_find(h, i, v, n, &flags, &value);
		err = n ? config_set(h, i, flags, value) : config_set(h, i, h->first_flags[i], h->first_value[i]);
		for (unsigned int j = 0; j + 1 < n; j += 2)
			h->function[i] = v[j] == SCMI_SETTING_FUNCTION ? v[j + 1] : h->function[i];
		h->function[i] = n ? h->function[i] : SCMI_FUNCTION_NONE;
	}
	return err;
}

/* ---- as a host */

static int gpio_get(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n)
{
	unsigned int pin = index == SCMI_ALL_PINS ? 0 : index;
	int err = 0;

	if (what != SCMI_SETTING)
		return value_get(h, 0, v);
	if (pin >= h->n)
		return -EOPNOTSUPP;
	for (unsigned int i = 0; i + 1 < n && !err; i += 2)
		err = setting_get(h, pin, v[i], &v[i + 1]);
	return err;
}

static int gpio_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	const struct timespec pulse = {.tv_sec = h->pulse / 1000000, .tv_nsec = (long)(h->pulse % 1000000) * 1000};
	int err;

	if (what == SCMI_SETTING)
		return index != SCMI_ALL_PINS && index >= h->n ? -EOPNOTSUPP : settings_set(h, index, v, n);
	if (what != SCMI_LINE || v[0] != 2)
		return value_set(h, 0, v[0] != 0);
	err = value_set(h, 0, true);
	nanosleep(&pulse, NULL);
	return err ? err : value_set(h, 0, false);
}

static const struct sandbox_call gpio_calls[] = {
	{.name = "ioctl", .why = "values of lines", .checks = {{1, SANDBOX_IS, GPIO_V2_LINE_GET_VALUES_IOCTL}}},
	{.name = "ioctl",
	 .why = "lines that the guest switches",
	 .checks = {{1, SANDBOX_IS, GPIO_V2_LINE_SET_VALUES_IOCTL}}},
	{.name = "ioctl", .why = "settings of pins", .checks = {{1, SANDBOX_IS, GPIO_V2_LINE_SET_CONFIG_IOCTL}}},
	{.name = "clock_nanosleep", .why = "how long a reset is asserted"},
	{0},
};

static void gpio_needs(const struct scmi_spec *spec, struct sandbox *s)
{
	sandbox_calls(s, gpio_calls);
}

#define P(p) (1u << SCMI_PROP_##p)

const struct scmi_type scmi_gpio_type = {
	.name = "gpio",
	.help = "lines of a gpio chip (path=/dev/gpiochip0), kind=: reset, domain (power) or pins",
	.props = P(NAME) | P(PATH) | P(KIND) | P(LINE) | P(RATE) | P(LATENCY) | P(RO) | P(RW) | P(ACTIVE_LOW),
	.wants = P(PATH) | P(KIND) | P(LINE),
	.blocks = true,
	.writes = true,
	.needs = gpio_needs,
	.check = gpio_check,
	.open = gpio_open,
	.close = gpio_close,
	.get = gpio_get,
	.set = gpio_set,
};
