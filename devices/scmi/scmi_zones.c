/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_zones.c - power zones (the kernel's powercap), regulators, and clocks as debugfs shows them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "devices/scmi/scmi_sysfs.h"

struct scmi_host {
	struct scmi_sysfs f, consumer;
	enum scmi_kind kind;
	/* files of f, or of the consumer; -1: there is none */
	int value, enabled, interval, energy, power, on, min, max;
	/* power is energy in a time */
	int64_t last_energy, energy_range;
	uint64_t last_when;
};

static const struct word none;

static void zone_close(struct scmi_host *h)
{
	scmi_sysfs_close(&h->f);
	scmi_sysfs_close(&h->consumer);
	free(h);
}

/* Makes one with its folder.  Returns it; or NULL with *err and a reason. */
static struct scmi_host *zone_new(const struct scmi_spec *spec, char *why, size_t why_size, int *err)
{
	struct scmi_host *h = calloc(1, sizeof(*h));

	*err = -ENOMEM;
	if (!h)
		return NULL;
	h->value = h->enabled = h->interval = h->energy = h->power = h->on = h->min = h->max = -1;
	snprintf(why, why_size, "path=%.*s", WORD_SHOWN(spec->props[SCMI_PROP_PATH]));
	*err = scmi_sysfs_open(&h->f, &spec->props[SCMI_PROP_PATH]);
	if (!*err)
		return h;
	free(h);
	return NULL;
}

static void zone_name(struct scmi_host *h, struct scmi_thing *t)
{
	const char *slash = strrchr(h->f.path, '/');

	if (!t->name[0] && scmi_sysfs_peek_text(&h->f, &none, "name", t->name, sizeof(t->name)) < 0)
		snprintf(t->name, sizeof(t->name), "%.63s", slash ? slash + 1 : h->f.path);
}

/* ---- power zones */

static bool is_cap(const struct scmi_spec *spec)
{
	return word_is(&spec->props[SCMI_PROP_KIND], "cap");
}

static int powercap_check(const struct scmi_spec *spec, char *why, size_t why_size)
{
	const struct word *kind = &spec->props[SCMI_PROP_KIND];

	if (!kind->text || is_cap(spec) || word_is(kind, "energy") || word_is(kind, "power"))
		return 0;
	snprintf(why, why_size, "kind=%.*s: energy or power (sensors) or cap (a power cap) is wanted", WORD_SHOWN(*kind));
	return -EINVAL;
}

/* The limit of its first constraint. */
static int cap_open(struct scmi_host *h, struct scmi_thing *t)
{
	int64_t now;

	h->value = scmi_sysfs_add(&h->f, &none, "constraint_0_power_limit_uw", t->writable);
	if (h->value < 0)
		return h->value;
	h->interval = scmi_sysfs_add(&h->f, &none, "constraint_0_time_window_us", t->writable);
	if (scmi_sysfs_get(&h->f, (unsigned int)h->value, &now) < 0)
		return -EIO;
	if (scmi_sysfs_peek(&h->f, &none, "constraint_0_max_power_uw", &t->max) < 0 || t->max <= 0)
		t->max = now;
	if (scmi_sysfs_peek(&h->f, &none, "constraint_0_min_power_uw", &t->min) < 0 || t->min <= 0)
		t->min = 1;
	t->ranged = t->max > t->min;
	t->step = 1;
	t->kind = SCMI_POWERCAP;
	t->gets = 1u << SCMI_LEVEL | (h->interval >= 0 ? 1u << SCMI_PAI : 0) |
		  (h->energy >= 0 || h->power >= 0 ? 1u << SCMI_DRAW : 0);
	t->sets = 1u << SCMI_LEVEL | (h->interval >= 0 ? 1u << SCMI_PAI : 0);
	return t->max <= UINT32_MAX ? 0 : -ERANGE;
}

static int powercap_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
			 size_t why_size)
{
	int err;
	bool power = word_is(&spec->props[SCMI_PROP_KIND], "power");
	struct scmi_host *h = zone_new(spec, why, why_size, &err);

	if (!h)
		return err;
	/* A zone counts its energy, or measures its power, or does both. */
	h->power = scmi_sysfs_add(&h->f, &none, "power_uw", false);
	h->energy = scmi_sysfs_add(&h->f, &none, "energy_uj", false);
	if (scmi_sysfs_peek(&h->f, &none, "max_energy_range_uj", &h->energy_range) < 0)
		h->energy_range = 0;
	if (h->energy >= 0 && scmi_sysfs_get(&h->f, (unsigned int)h->energy, &h->last_energy) == 0)
		h->last_when = clock_now(CLOCK_MONOTONIC);
	if (is_cap(spec)) {
		err = cap_open(h, t);
	} else {
		h->value = power ? h->power : h->energy;
		err = h->value < 0 ? h->value : 0;
		t->kind = SCMI_SENSOR;
		t->unit = power ? SCMI_UNIT_WATT : SCMI_UNIT_JOULE;
		t->scale = -6;
		t->gets = 1u << SCMI_READING;
	}
	if (err) {
		zone_close(h);
		return err;
	}
	h->kind = t->kind;
	zone_name(h, t);
	*out = h;
	return 0;
}

/* As the zone measures it, in its own interval, where that is known. */
static int power_get(struct scmi_host *h, int64_t *v)
{
	int err = scmi_sysfs_get(&h->f, (unsigned int)h->power, &v[0]);

	v[1] = 0;
	return err || h->interval < 0 ? err : scmi_sysfs_get(&h->f, (unsigned int)h->interval, &v[1]);
}

/* Power is the energy since it was asked for last; and so is the interval. */
static int draw_get(struct scmi_host *h, int64_t *v)
{
	uint64_t now = clock_now(CLOCK_MONOTONIC), us = (now - h->last_when) / 1000;
	int64_t energy, used;
	int err = scmi_sysfs_get(&h->f, (unsigned int)h->energy, &energy);

	if (err)
		return err;
	used = energy - h->last_energy;
	used += used < 0 ? h->energy_range : 0;
	v[0] = us && used > 0 && used < INT64_MAX / 1000000 ? used * 1000000 / (int64_t)us : 0;
	v[1] = us > UINT32_MAX ? UINT32_MAX : (int64_t)us;
	h->last_energy = energy;
	h->last_when = now;
	return 0;
}

static int powercap_get(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n)
{
	switch (what) {
	case SCMI_READING:
	case SCMI_LEVEL:
		return scmi_sysfs_get(&h->f, (unsigned int)h->value, v);
	case SCMI_PAI:
		return scmi_sysfs_get(&h->f, (unsigned int)h->interval, v);
	case SCMI_DRAW:
		return h->power >= 0 ? power_get(h, v) : draw_get(h, v);
	default:
		return -EOPNOTSUPP;
	}
}

static int powercap_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	if (what != SCMI_LEVEL && what != SCMI_PAI)
		return -EOPNOTSUPP;
	return scmi_sysfs_put(&h->f, (unsigned int)(what == SCMI_LEVEL ? h->value : h->interval), v[0]);
}

/* ---- regulators */

/* A consumer switches a regulator (reg-userspace-consumer: state), or sets its voltage as well (reg-virt-consumer). */
static int consumer_open(struct scmi_host *h, const struct scmi_spec *spec, bool writable, char *why, size_t why_size)
{
	int err = scmi_sysfs_open(&h->consumer, &spec->props[SCMI_PROP_CONSUMER]);

	snprintf(why, why_size, "consumer=%.*s", WORD_SHOWN(spec->props[SCMI_PROP_CONSUMER]));
	if (err)
		return err;
	h->on = scmi_sysfs_add(&h->consumer, &none, "state", writable);
	h->min = scmi_sysfs_add(&h->consumer, &none, "min_microvolts", writable);
	h->max = scmi_sysfs_add(&h->consumer, &none, "max_microvolts", writable);
	return h->on < 0 && (h->min < 0 || h->max < 0) ? h->on : 0;
}

static int regulator_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
			  size_t why_size)
{
	int err;
	struct scmi_host *h = zone_new(spec, why, why_size, &err);

	if (!h)
		return err;
	h->value = scmi_sysfs_add(&h->f, &none, "microvolts", false);
	h->enabled = scmi_sysfs_add(&h->f, &none, "state", false);
	if (h->value < 0 && h->enabled < 0)
		err = h->value;
	if (!err && scmi_spec_has(spec, SCMI_PROP_CONSUMER))
		err = consumer_open(h, spec, t->writable, why, why_size);
	if (err) {
		zone_close(h);
		return err;
	}
	if (scmi_sysfs_peek(&h->f, &none, "min_microvolts", &t->min) < 0 ||
	    scmi_sysfs_peek(&h->f, &none, "max_microvolts", &t->max) < 0) {
		if (h->value >= 0)
			(void)scmi_sysfs_get(&h->f, (unsigned int)h->value, &t->min);
		t->max = t->min;
	}
	/* Its steps are the kernel's secret: it has one level where it cannot be set. */
	t->step = 1;
	t->ranged = t->max > t->min;
	if (!t->ranged)
		t->levels[t->nlevels++] = t->min;
	h->kind = t->kind = SCMI_VOLTAGE;
	t->gets = (h->value >= 0 ? 1u << SCMI_LEVEL : 0) | (h->enabled >= 0 ? 1u << SCMI_ENABLED : 0);
	t->sets = (h->on >= 0 ? 1u << SCMI_ENABLED : 0) | (h->min >= 0 && h->max >= 0 ? 1u << SCMI_LEVEL : 0);
	zone_name(h, t);
	*out = h;
	return 0;
}

static int regulator_get(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n)
{
	char text[32];
	int err;

	if (what == SCMI_LEVEL)
		return scmi_sysfs_get(&h->f, (unsigned int)h->value, v);
	if (what != SCMI_ENABLED)
		return -EOPNOTSUPP;
	err = scmi_sysfs_text(&h->f, (unsigned int)h->enabled, text, sizeof(text));
	v[0] = strcmp(text, "enabled") == 0;
	return err;
}

/* The window moves to a voltage by its far end first: the kernel takes no empty one. */
static int voltage_set(struct scmi_host *h, int64_t uv)
{
	int64_t max = 0;
	int err = scmi_sysfs_get(&h->consumer, (unsigned int)h->max, &max);
	bool up = !err && uv > max;

	err = scmi_sysfs_put(&h->consumer, (unsigned int)(up ? h->max : h->min), uv);
	return err ? err : scmi_sysfs_put(&h->consumer, (unsigned int)(up ? h->min : h->max), uv);
}

static int regulator_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	if (what == SCMI_LEVEL)
		return voltage_set(h, v[0]);
	if (what != SCMI_ENABLED)
		return -EOPNOTSUPP;
	return scmi_sysfs_put_text(&h->consumer, (unsigned int)h->on, v[0] ? "enabled\n" : "disabled\n");
}

static void regulator_needs(const struct scmi_spec *spec, struct sandbox *s)
{
	struct scmi_spec consumer = *spec;

	scmi_sysfs_needs(spec, s);
	consumer.props[SCMI_PROP_PATH] = spec->props[SCMI_PROP_CONSUMER];
	scmi_sysfs_needs(&consumer, s);
}

/* ---- clocks */

static int clk_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
		    size_t why_size)
{
	int err;
	struct scmi_host *h = zone_new(spec, why, why_size, &err);

	if (!h)
		return err;
	h->value = scmi_sysfs_add(&h->f, &none, "clk_rate", false);
	h->enabled = scmi_sysfs_add(&h->f, &none, "clk_enable_count", false);
	err = h->value < 0     ? h->value
	      : h->enabled < 0 ? h->enabled
			       : scmi_sysfs_get(&h->f, (unsigned int)h->value, &t->levels[0]);
	if (err) {
		zone_close(h);
		return err;
	}
	t->nlevels = 1;
	t->min = t->max = t->levels[0];
	h->kind = t->kind = SCMI_CLOCK;
	t->writable = false;
	t->gets = 1u << SCMI_RATE | 1u << SCMI_ENABLED;
	zone_name(h, t);
	*out = h;
	return 0;
}

static int clk_get(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n)
{
	int err = scmi_sysfs_get(&h->f, (unsigned int)(what == SCMI_RATE ? h->value : h->enabled), v);

	v[0] = what == SCMI_ENABLED ? v[0] > 0 : v[0];
	return err;
}

static int clk_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	return -EOPNOTSUPP;
}

#define P(p) (1u << SCMI_PROP_##p)

const struct scmi_type scmi_powercap_type = {
	.name = "powercap",
	.help = "a power zone (/sys/class/powercap/...), kind=: energy or power, a sensor; cap, the limit of "
		"its first constraint",
	.props = P(NAME) | P(PATH) | P(KIND) | P(ALLOW) | P(RATE) | P(INTERVAL) | P(RO) | P(RW),
	.wants = P(PATH),
	.blocks = true,
	.needs = scmi_sysfs_needs,
	.check = powercap_check,
	.open = powercap_open,
	.close = zone_close,
	.get = powercap_get,
	.set = powercap_set,
};

const struct scmi_type scmi_regulator_type = {
	.name = "regulator",
	.help = "a regulator (/sys/class/regulator/...); a consumer= and rw let the guest switch it",
	.props = P(NAME) | P(PATH) | P(CONSUMER) | P(ALLOW) | P(RATE) | P(LATENCY) | P(RO) | P(RW),
	.wants = P(PATH),
	.blocks = true,
	.needs = regulator_needs,
	.open = regulator_open,
	.close = zone_close,
	.get = regulator_get,
	.set = regulator_set,
};

const struct scmi_type scmi_clk_type = {
	.name = "clk",
	.help = "a clock as debugfs shows it (/sys/kernel/debug/clk/NAME): it can be read only, the kernel has no more "
		"for programs",
	.props = P(NAME) | P(PATH) | P(RATE),
	.wants = P(PATH),
	.blocks = true,
	.needs = scmi_sysfs_needs,
	.open = clk_open,
	.close = zone_close,
	.get = clk_get,
	.set = clk_set,
};
