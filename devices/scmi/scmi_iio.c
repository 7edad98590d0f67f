/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_iio.c - sensors of the kernel's industrial I/O subsystem: Documentation/ABI/testing/sysfs-bus-iio.
 *
 * A channel with _x_raw, _y_raw, _z_raw has axes.  A value is (raw + offset) x scale, which is told as a whole number
 * and a power of ten, without loss: scale is a decimal number.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/scmi/scmi_sysfs.h"

struct scmi_host {
	struct scmi_sysfs f;
	unsigned int axes, raw[SCMI_AXES_MAX];
	int64_t factor; /* of a raw value */
	int64_t offset; /* in the unit of the value */
};

/* What a channel is of, by its name behind "in_", and the power of ten that its unit in the kernel's ABI has. */
static const struct {
	const char *name;
	enum scmi_unit unit;
	int exponent;
} channels[] = {
	{"accel", SCMI_UNIT_METRE_S2, 0},
	{"anglvel", SCMI_UNIT_RADIAN_S, 0},
	{"angl", SCMI_UNIT_RADIAN, 0},
	{"rot", SCMI_UNIT_RADIAN, 0},
	{"incli", SCMI_UNIT_RADIAN, 0},
	{"magn", SCMI_UNIT_GAUSS, 0},
	{"temp", SCMI_UNIT_CELSIUS, -3},
	{"voltage", SCMI_UNIT_VOLT, -3},
	{"altvoltage", SCMI_UNIT_VOLT, -3},
	{"current", SCMI_UNIT_AMPERE, -3},
	{"power", SCMI_UNIT_WATT, -3},
	{"energy", SCMI_UNIT_JOULE, 0},
	{"pressure", SCMI_UNIT_KILOPASCAL, 0},
	{"humidityrelative", SCMI_UNIT_PERCENT, -3},
	{"illuminance", SCMI_UNIT_LUX, 0},
	{"resistance", SCMI_UNIT_OHM, 0},
	{"capacitance", SCMI_UNIT_FARAD, -9},
	{"distance", SCMI_UNIT_METRE, 0},
	{"velocity", SCMI_UNIT_METRE_S, 0},
	{"gravity", SCMI_UNIT_METRE_S2, 0},
	{"electricalconductivity", SCMI_UNIT_SIEMENS, 0},
	{"concentration", SCMI_UNIT_PERCENT, 0},
	{"proximity", SCMI_UNIT_UNSPECIFIED, 0},
	{"count", SCMI_UNIT_UNSPECIFIED, 0},
};

static bool is_channel(const struct word *w)
{
	if (w->len < 4 || w->len > 40 || strncmp(w->text, "in_", 3) != 0)
		return false;
	for (size_t i = 0; i < w->len; i++) {
		if (w->text[i] == '/' || w->text[i] == '.')
			return false;
	}
	return true;
}

static int iio_check(const struct scmi_spec *spec, char *why, size_t why_size)
{
	if (is_channel(&spec->props[SCMI_PROP_CHANNEL]))
		return 0;
	snprintf(why, why_size, "channel=%.*s: the begin of its files' names is wanted, as in_accel of in_accel_x_raw",
		 WORD_SHOWN(spec->props[SCMI_PROP_CHANNEL]));
	return -EINVAL;
}

static void iio_close(struct scmi_host *h)
{
	scmi_sysfs_close(&h->f);
	free(h);
}

/* The files of raw values: of the axes, or of one.  *cooked: values that have their unit already.  Returns 0 or -errno.
 */
static int raws_open(struct scmi_host *h, const struct word *channel, struct scmi_thing *t, bool *cooked)
{
	static const char *const axes[] = {"_x_raw", "_y_raw", "_z_raw"};
	int i;

	for (size_t a = 0; a < ARRAY_SIZE(axes); a++) {
		i = scmi_sysfs_add(&h->f, channel, axes[a], false);
		if (i < 0)
			break;
		h->raw[h->axes++] = (unsigned int)i;
	}
	t->axes = h->axes;
	if (h->axes)
		return 0;
	i = scmi_sysfs_add(&h->f, channel, "_raw", false);
	if (i < 0) {
		i = scmi_sysfs_add(&h->f, channel, "_input", false);
		*cooked = i >= 0;
	}
	if (i < 0)
		return i;
	h->raw[h->axes++] = (unsigned int)i;
	return 0;
}

/* A file of the channel, of its first axis, or of its kind: in_voltage0_scale, in_accel_x_scale, in_voltage_scale. */
static int shared_read(struct scmi_host *h, const struct word *channel, const char *name, struct scmi_decimal *d)
{
	struct word kind = *channel;
	char file[32], text[64];
	int err = scmi_sysfs_peek_text(&h->f, channel, name, text, sizeof(text));

	if (err) {
		snprintf(file, sizeof(file), "_x%s", name);
		err = scmi_sysfs_peek_text(&h->f, channel, file, text, sizeof(text));
	}
	if (err) {
		while (kind.len > 4 && kind.text[kind.len - 1] >= '0' && kind.text[kind.len - 1] <= '9')
			kind.len--;
		err = scmi_sysfs_peek_text(&h->f, &kind, name, text, sizeof(text));
	}
	return err ? err : scmi_decimal_parse(text, d);
}

static int unit_find(const struct word *channel)
{
	int best = -1;

	for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
		size_t len = strlen(channels[i].name);

		if (channel->len >= 3 + len && strncmp(channel->text + 3, channels[i].name, len) == 0 &&
		    (best < 0 || len > strlen(channels[best].name)))
			best = (int)i;
	}
	return best;
}

/* The offset in the unit of the value.  Where it has more digits than can be told, the last ones go. */
static int offset_take(struct scmi_host *h, struct scmi_decimal offset)
{
	for (; offset.exponent > 0; offset.exponent--) {
		if (__builtin_mul_overflow(offset.mantissa, 10, &offset.mantissa))
			return -ERANGE;
	}
	while (__builtin_mul_overflow(offset.mantissa, h->factor, &h->offset)) {
		if (offset.exponent >= 0)
			return -ERANGE;
		offset.mantissa /= 10;
		offset.exponent++;
	}
	for (; offset.exponent < 0; offset.exponent++)
		h->offset /= 10;
	return 0;
}

/* Reads scale and offset into a factor, an offset and the thing's power of ten.  Returns 0 or -ERANGE. */
static int scale_read(struct scmi_host *h, const struct word *channel, bool cooked, struct scmi_thing *t)
{
	struct scmi_decimal scale = {1, 0}, offset = {0, 0};
	int kind = unit_find(channel), exponent;

	if (!cooked) {
		if (shared_read(h, channel, "_scale", &scale) < 0)
			scale = (struct scmi_decimal){1, 0};
		if (shared_read(h, channel, "_offset", &offset) < 0)
			offset = (struct scmi_decimal){0, 0};
	}
	t->unit = kind < 0 ? SCMI_UNIT_UNSPECIFIED : channels[kind].unit;
	exponent = scale.exponent + (kind < 0 ? 0 : channels[kind].exponent);
	/* The standard has five bits for it: what is smaller is cut, what is greater multiplied. */
	for (; exponent < -16; exponent++)
		scale.mantissa /= 10;
	for (; exponent > 15; exponent--) {
		if (__builtin_mul_overflow(scale.mantissa, 10, &scale.mantissa))
			return -ERANGE;
	}
	if (!scale.mantissa)
		return -ERANGE;
	t->scale = exponent;
	h->factor = scale.mantissa;
	return offset_take(h, offset);
}

static void interval_read(struct scmi_host *h, struct scmi_thing *t)
{
	const struct word none = {0};
	int64_t hz;

	if (scmi_sysfs_peek(&h->f, &none, "sampling_frequency", &hz) == 0 && hz > 0)
		t->interval = 1000000 / (uint64_t)hz ? 1000000 / (uint64_t)hz : 1;
}

static int iio_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
		    size_t why_size)
{
	const struct word *channel = &spec->props[SCMI_PROP_CHANNEL], none = {0};
	struct scmi_host *h = calloc(1, sizeof(*h));
	bool cooked = false;
	char chip[24] = "iio";
	int err;

	if (!h)
		return -ENOMEM;
	snprintf(why, why_size, "path=%.*s,channel=%.*s", WORD_SHOWN(spec->props[SCMI_PROP_PATH]),
		 WORD_SHOWN(*channel));
	err = scmi_sysfs_open(&h->f, &spec->props[SCMI_PROP_PATH]);
	if (!err)
		err = raws_open(h, channel, t, &cooked);
	if (!err)
		err = scale_read(h, channel, cooked, t);
	if (err) {
		iio_close(h);
		return err;
	}
	t->kind = SCMI_SENSOR;
	t->gets = 1u << SCMI_READING;
	interval_read(h, t);
	if (!t->name[0]) {
		(void)scmi_sysfs_peek_text(&h->f, &none, "name", chip, sizeof(chip));
		snprintf(t->name, sizeof(t->name), "%s.%.*s", chip, WORD_SHOWN(*channel));
	}
	*out = h;
	return 0;
}

static int iio_get(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n)
{
	for (unsigned int i = 0; i < n && i < h->axes; i++) {
		int err = scmi_sysfs_get(&h->f, h->raw[i], &v[i]);

		if (err)
			return err;
		if (__builtin_mul_overflow(v[i], h->factor, &v[i]) || __builtin_add_overflow(v[i], h->offset, &v[i]))
			return -EIO;
	}
	return what == SCMI_READING ? 0 : -EOPNOTSUPP;
}

static int iio_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	return -EOPNOTSUPP;
}

#define P(p) (1u << SCMI_PROP_##p)

const struct scmi_type scmi_iio_type = {
	.name = "iio",
	.help = "a channel of an industrial I/O device (/sys/bus/iio/devices/iio:device0), with its axes: in_accel",
	.props = P(NAME) | P(PATH) | P(CHANNEL) | P(RATE) | P(INTERVAL),
	.wants = P(PATH) | P(CHANNEL),
	.blocks = true,
	.needs = scmi_sysfs_needs,
	.check = iio_check,
	.open = iio_open,
	.close = iio_close,
	.get = iio_get,
	.set = iio_set,
};
