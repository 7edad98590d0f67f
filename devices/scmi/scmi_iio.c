/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_iio.c - sensors of the kernel's industrial I/O subsystem: Documentation/ABI/testing/sysfs-bus-iio.
 *
 * A channel with _x_raw, _y_raw, _z_raw has axes.  A value is (raw + offset) x scale, which is told as a whole number
 * and a power of ten, without loss: scale is a decimal number.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/scmi/scmi_scan.h"
#include "devices/scmi/scmi_sysfs.h"

struct scmi_host {
	struct scmi_sysfs f;
	unsigned int axes, raw[SCMI_AXES_MAX];
	int64_t factor; /* of a raw value */
	int64_t offset; /* in the unit of the value */
	/* of its buffer */
	struct scmi_scan scan;
	unsigned int enable, enables[SCMI_AXES_MAX]; /* files: buffer/enable, scan_elements/..._en */
	int fd;					     /* -1: none */
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

static const struct sandbox_call buffer_calls[] = {
	{.name = "read", .why = "samples of a sensor's buffer"},
	{0},
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
	if (h->fd >= 0)
		close(h->fd);
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

/* ---- its buffer */

static const char *const axis_names[] = {"_x", "_y", "_z"};

/* An element that is the sensor's, or one that somebody has enabled: it is in the samples, too. */
static int element_add(struct scmi_host *h, const char *name, int axis)
{
	struct scmi_scan_element e = {.axis = axis};
	const struct word none = {0};
	char file[120], text[64];
	int64_t index, on = 0;

	snprintf(file, sizeof(file), "scan_elements/%.80s_en", name);
	if (axis < 0 && (scmi_sysfs_peek(&h->f, &none, file, &on) < 0 || !on))
		return 0;
	snprintf(file, sizeof(file), "scan_elements/%.80s_index", name);
	if (scmi_sysfs_peek(&h->f, &none, file, &index) < 0 || index < 0 || index > 1000)
		return -EIO;
	e.index = (unsigned int)index;
	snprintf(file, sizeof(file), "scan_elements/%.80s_type", name);
	if (scmi_sysfs_peek_text(&h->f, &none, file, text, sizeof(text)) < 0 || scmi_scan_parse(text, &e.type) < 0)
		return -EIO;
	return scmi_scan_add(&h->scan, &e);
}

/* Which of the sensor's axes an element is; -1: none. */
static int axis_of(const struct scmi_host *h, const struct word *channel, const struct scmi_thing *t, const char *name)
{
	char mine[64];

	for (unsigned int i = 0; i < h->axes; i++) {
		snprintf(mine, sizeof(mine), "%.*s%s", (int)channel->len, channel->text, t->axes ? axis_names[i] : "");
		if (strcmp(mine, name) == 0)
			return (int)i;
	}
	return -1;
}

/* All elements of the folder scan_elements.  Returns 0 or -errno. */
static int elements_read(struct scmi_host *h, const struct word *channel, const struct scmi_thing *t)
{
	char path[PATH_MAX + 16], name[100];
	const struct dirent *e;
	unsigned int mine = 0;
	int err = 0, axis;
	DIR *d;

	snprintf(path, sizeof(path), "%s/scan_elements", h->f.path);
	d = opendir(path);
	if (!d)
		return -errno;
	while (!err && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len < 4 || len > 80 || strcmp(e->d_name + len - 3, "_en") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)len - 3, e->d_name);
		axis = axis_of(h, channel, t, name);
		mine += axis >= 0;
		err = element_add(h, name, axis);
	}
	closedir(d);
	scmi_scan_finish(&h->scan);
	return err ? err : mine != h->axes ? -ENOENT : h->scan.size > SCMI_SAMPLE_MAX ? -EFBIG : 0;
}

/* Files and node of the buffer; nothing is switched on.  Returns 0 or -errno with a reason. */
static int buffer_open(struct scmi_host *h, const struct word *channel, struct scmi_thing *t, char *why,
		       size_t why_size)
{
	const struct word none = {0};
	char name[80], node[NAME_MAX + 8];
	const char *slash = strrchr(h->f.path, '/');
	int err = elements_read(h, channel, t), i;

	snprintf(why, why_size, "%.60s/scan_elements", h->f.path);
	for (unsigned int a = 0; !err && a < h->axes; a++) {
		snprintf(name, sizeof(name), "scan_elements/%.*s%s_en", (int)channel->len, channel->text,
			 t->axes ? axis_names[a] : "");
		i = scmi_sysfs_add(&h->f, &none, name, true);
		err = i < 0 ? i : 0;
		h->enables[a] = (unsigned int)i;
	}
	if (err)
		return err;
	snprintf(why, why_size, "%.60s/buffer/enable", h->f.path);
	i = scmi_sysfs_add(&h->f, &none, "buffer/enable", true);
	if (i < 0)
		return i;
	h->enable = (unsigned int)i;
	snprintf(node, sizeof(node), "/dev/%.*s", NAME_MAX, slash ? slash + 1 : h->f.path);
	snprintf(why, why_size, "%.100s", node);
	h->fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (h->fd < 0)
		return -errno;
	t->streams = true;
	t->stream_fd = h->fd;
	t->sample = h->scan.size;
	return 0;
}

/* The kernel takes other elements only while the buffer is off. */
static int stream_set(struct scmi_host *h, bool on)
{
	int err = scmi_sysfs_put(&h->f, h->enable, 0);

	for (unsigned int i = 0; on && !err && i < h->axes; i++)
		err = scmi_sysfs_put(&h->f, h->enables[i], 1);
	return on && !err ? scmi_sysfs_put(&h->f, h->enable, 1) : err;
}

static int value_scale(const struct scmi_host *h, int64_t *v)
{
	return __builtin_mul_overflow(*v, h->factor, v) || __builtin_add_overflow(*v, h->offset, v) ? -EIO : 0;
}

static void iio_sample(const struct scmi_host *h, const uint8_t *bytes, int64_t *v, unsigned int n)
{
	scmi_scan_take(&h->scan, bytes, v, n);
	for (unsigned int i = 0; i < n; i++) {
		if (value_scale(h, &v[i]) < 0)
			v[i] = 0;
	}
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
	h->fd = -1;
	snprintf(why, why_size, "path=%.*s,channel=%.*s", WORD_SHOWN(spec->props[SCMI_PROP_PATH]),
		 WORD_SHOWN(*channel));
	err = scmi_sysfs_open(&h->f, &spec->props[SCMI_PROP_PATH]);
	if (!err)
		err = raws_open(h, channel, t, &cooked);
	if (!err)
		err = scale_read(h, channel, cooked, t);
	if (!err && scmi_spec_has(spec, SCMI_PROP_BUFFERED))
		err = buffer_open(h, channel, t, why, why_size);
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
		if (value_scale(h, &v[i]) < 0)
			return -EIO;
	}
	return what == SCMI_READING ? 0 : -EOPNOTSUPP;
}

static int iio_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	return what == SCMI_STREAM && h->fd >= 0 ? stream_set(h, v[0] != 0) : -EOPNOTSUPP;
}

/* Its buffer is switched on and off. */
static void iio_needs(const struct scmi_spec *spec, struct sandbox *s)
{
	scmi_sysfs_needs(spec, s);
	if (scmi_spec_has(spec, SCMI_PROP_BUFFERED))
		sandbox_calls(s, buffer_calls);
}

#define P(p) (1u << SCMI_PROP_##p)

const struct scmi_type scmi_iio_type = {
	.name = "iio",
	.help = "a channel of an industrial I/O device (/sys/bus/iio/devices/iio:device0), with its axes: in_accel; "
		"buffered: "
		"updates come from its buffer, at the rate of its trigger, which is yours to set",
	.props = P(NAME) | P(PATH) | P(CHANNEL) | P(RATE) | P(INTERVAL) | P(BUFFERED) | P(RW),
	.wants = P(PATH) | P(CHANNEL),
	.blocks = true,
	.needs = iio_needs,
	.check = iio_check,
	.open = iio_open,
	.close = iio_close,
	.get = iio_get,
	.set = iio_set,
	.sample = iio_sample,
};
