/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_hwmon.c - sensors of the kernel's hwmon and thermal subsystems: their numbers have fixed units (the kernel's
 * Documentation/hwmon/sysfs-interface, Documentation/driver-api/thermal/sysfs-api).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/scmi/scmi_sysfs.h"

struct scmi_host {
	struct scmi_sysfs f;
	unsigned int value;
};

static const struct {
	const char *name;
	enum scmi_unit unit;
	int scale;
} channels[] = {
	{"temp", SCMI_UNIT_CELSIUS, -3}, {"in", SCMI_UNIT_VOLT, -3},	      {"curr", SCMI_UNIT_AMPERE, -3},
	{"power", SCMI_UNIT_WATT, -6},	 {"energy", SCMI_UNIT_JOULE, -6},     {"fan", SCMI_UNIT_RPM, 0},
	{"freq", SCMI_UNIT_HERTZ, 0},	 {"humidity", SCMI_UNIT_PERCENT, -3},
};

/* Which of the channels a word like "temp1" is of; -1: none. */
static int channel_find(const struct word *w)
{
	size_t letters = 0;

	while (letters < w->len && w->text[letters] >= 'a' && w->text[letters] <= 'z')
		letters++;
	if (letters == w->len || w->len > 32)
		return -1;
	for (size_t i = letters; i < w->len; i++) {
		if (w->text[i] < '0' || w->text[i] > '9')
			return -1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
		if (strlen(channels[i].name) == letters && strncmp(channels[i].name, w->text, letters) == 0)
			return (int)i;
	}
	return -1;
}

static int hwmon_check(const struct scmi_spec *spec, char *why, size_t why_size)
{
	if (channel_find(&spec->props[SCMI_PROP_CHANNEL]) >= 0)
		return 0;
	snprintf(
		why, why_size,
		"channel=%.*s: temp1, in0, curr1, power1, energy1, fan1, freq1 or humidity1 is wanted, with any number",
		WORD_SHOWN(spec->props[SCMI_PROP_CHANNEL]));
	return -EINVAL;
}

static void sensor_close(struct scmi_host *h)
{
	scmi_sysfs_close(&h->f);
	free(h);
}

/* Opens the folder and the file of the value.  Returns 0 or -errno with a reason. */
static int sensor_open(const struct scmi_spec *spec, const struct word *prefix, const char *file,
		       struct scmi_host **out, char *why, size_t why_size)
{
	struct scmi_host *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	err = scmi_sysfs_open(&h->f, &spec->props[SCMI_PROP_PATH]);
	snprintf(why, why_size, "path=%.*s", WORD_SHOWN(spec->props[SCMI_PROP_PATH]));
	if (!err) {
		err = scmi_sysfs_add(&h->f, prefix, file, false);
		snprintf(why, why_size, "%.*s/%.*s%s", WORD_SHOWN(spec->props[SCMI_PROP_PATH]), (int)prefix->len,
			 prefix->len ? prefix->text : "", file);
	}
	if (err < 0) {
		sensor_close(h);
		return err;
	}
	h->value = (unsigned int)err;
	*out = h;
	return 0;
}

static void range_read(struct scmi_host *h, const struct word *prefix, struct scmi_thing *t)
{
	if (scmi_sysfs_peek(&h->f, prefix, "_min", &t->min) < 0 || scmi_sysfs_peek(&h->f, prefix, "_max", &t->max) < 0)
		return;
	t->ranged = t->min < t->max;
	t->step = 1;
}

static int hwmon_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
		      size_t why_size)
{
	const struct word *channel = &spec->props[SCMI_PROP_CHANNEL];
	int i = channel_find(channel), err = sensor_open(spec, channel, "_input", out, why, why_size);
	const struct word none = {0};
	char text[SCMI_NAME_MAX + 1], chip[32] = "";

	if (err)
		return err;
	t->kind = SCMI_SENSOR;
	t->unit = channels[i].unit;
	t->scale = channels[i].scale;
	t->gets = 1u << SCMI_READING;
	range_read(*out, channel, t);
	if (t->name[0])
		return 0;
	(void)scmi_sysfs_peek_text(&(*out)->f, &none, "name", chip, sizeof(chip));
	if (scmi_sysfs_peek_text(&(*out)->f, channel, "_label", text, sizeof(text)) == 0)
		snprintf(t->name, sizeof(t->name), "%s", text);
	else
		snprintf(t->name, sizeof(t->name), "%s%s%.*s", chip, chip[0] ? "." : "", WORD_SHOWN(*channel));
	return 0;
}

static int thermal_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
			size_t why_size)
{
	const struct word none = {0};
	int err = sensor_open(spec, &none, "temp", out, why, why_size);

	if (err)
		return err;
	t->kind = SCMI_SENSOR;
	t->unit = SCMI_UNIT_CELSIUS;
	t->scale = -3;
	t->gets = 1u << SCMI_READING;
	if (!t->name[0] && scmi_sysfs_peek_text(&(*out)->f, &none, "type", t->name, sizeof(t->name)) < 0)
		snprintf(t->name, sizeof(t->name), "thermal");
	return 0;
}

static int sensor_get(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n)
{
	return what == SCMI_READING ? scmi_sysfs_get(&h->f, h->value, v) : -EOPNOTSUPP;
}

static int sensor_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	return -EOPNOTSUPP;
}

#define P(p) (1u << SCMI_PROP_##p)

const struct scmi_type scmi_hwmon_type = {
	.name = "hwmon",
	.help = "a channel of a hwmon device: temperature, voltage, current, power, energy, fan, frequency, humidity",
	.props = P(NAME) | P(PATH) | P(CHANNEL) | P(RATE) | P(INTERVAL),
	.wants = P(PATH) | P(CHANNEL),
	.blocks = true,
	.needs = scmi_sysfs_needs,
	.check = hwmon_check,
	.open = hwmon_open,
	.close = sensor_close,
	.get = sensor_get,
	.set = sensor_set,
};

const struct scmi_type scmi_thermal_type = {
	.name = "thermal",
	.help = "a thermal zone: its temperature",
	.props = P(NAME) | P(PATH) | P(RATE) | P(INTERVAL),
	.wants = P(PATH),
	.blocks = true,
	.needs = scmi_sysfs_needs,
	.open = thermal_open,
	.close = sensor_close,
	.get = sensor_get,
	.set = sensor_set,
};
