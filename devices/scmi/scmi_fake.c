/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_fake.c - things that are not there, for every protocol: what is set is got, and readings are the operator's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/scmi/scmi_host.h"

#define FAKE_PINS 16

/* Types 1 to 20, those that the standard names. */
#define FAKE_SETTINGS 0x1ffffeu

struct scmi_host {
	enum scmi_kind kind;
	bool ranged;
	unsigned int npins;
	int64_t min, max;
	int64_t readings[SCMI_AXES_MAX];
	int64_t rate, enabled, parent, level, limits[2], line, pai, draw;
	int64_t settings[FAKE_PINS][SCMI_MODES];
	int64_t functions[FAKE_PINS];
};

/* A kind of fake thing: what it is when nothing is said. */
struct fake_kind {
	const char *name;
	enum scmi_kind kind;
	enum scmi_unit unit;
	int scale;
	unsigned int axes;
	int64_t value;
	int64_t min, max, step;
	int64_t levels[8];
	unsigned int gets, sets;
};

#define WHAT(w) (1u << (w))

static const struct fake_kind kinds[] = {
	{.name = "accel",
	 .unit = SCMI_UNIT_METRE_S2,
	 .scale = -3,
	 .axes = 3,
	 .value = 1000,
	 .min = -80000,
	 .max = 80000,
	 .step = 1},
	{.name = "gyro",
	 .unit = SCMI_UNIT_RADIAN_S,
	 .scale = -3,
	 .axes = 3,
	 .value = 10,
	 .min = -40000,
	 .max = 40000,
	 .step = 1},
	{.name = "temperature",
	 .unit = SCMI_UNIT_CELSIUS,
	 .scale = -3,
	 .value = 42000,
	 .min = -40000,
	 .max = 125000,
	 .step = 1},
	{.name = "voltage", .unit = SCMI_UNIT_VOLT, .scale = -3, .value = 3300, .min = 0, .max = 12000, .step = 1},
	{.name = "current", .unit = SCMI_UNIT_AMPERE, .scale = -3, .value = 500, .min = 0, .max = 10000, .step = 1},
	{.name = "power", .unit = SCMI_UNIT_WATT, .scale = -6, .value = 1650000, .min = 0, .max = 100000000, .step = 1},
	{.name = "energy",
	 .unit = SCMI_UNIT_JOULE,
	 .scale = -6,
	 .value = 7200000,
	 .min = 0,
	 .max = INT64_MAX,
	 .step = 1},
	{.name = "clock",
	 .kind = SCMI_CLOCK,
	 .value = 24000000,
	 .min = 1000000,
	 .max = 1000000000,
	 .step = 1,
	 .gets = WHAT(SCMI_RATE) | WHAT(SCMI_ENABLED) | WHAT(SCMI_PARENT),
	 .sets = WHAT(SCMI_RATE) | WHAT(SCMI_ENABLED) | WHAT(SCMI_PARENT)},
	{.name = "regulator",
	 .kind = SCMI_VOLTAGE,
	 .value = 1800000,
	 .min = 800000,
	 .max = 3300000,
	 .step = 50000,
	 .gets = WHAT(SCMI_LEVEL) | WHAT(SCMI_ENABLED),
	 .sets = WHAT(SCMI_LEVEL) | WHAT(SCMI_ENABLED)},
	{.name = "reset", .kind = SCMI_RESET, .gets = WHAT(SCMI_LINE), .sets = WHAT(SCMI_LINE)},
	{.name = "domain", .kind = SCMI_POWER, .gets = WHAT(SCMI_LEVEL), .sets = WHAT(SCMI_LEVEL)},
	{.name = "perf",
	 .kind = SCMI_PERF,
	 .value = 1000000,
	 .levels = {500000, 1000000, 1500000, 2000000},
	 .gets = WHAT(SCMI_LEVEL) | WHAT(SCMI_LIMITS),
	 .sets = WHAT(SCMI_LEVEL) | WHAT(SCMI_LIMITS)},
	{.name = "powercap",
	 .kind = SCMI_POWERCAP,
	 .value = 15000000,
	 .min = 1000000,
	 .max = 65000000,
	 .step = 125000,
	 .gets = WHAT(SCMI_LEVEL) | WHAT(SCMI_PAI) | WHAT(SCMI_DRAW),
	 .sets = WHAT(SCMI_LEVEL) | WHAT(SCMI_PAI)},
	{.name = "pins", .kind = SCMI_PIN, .gets = WHAT(SCMI_SETTING), .sets = WHAT(SCMI_SETTING)},
};

static const struct fake_kind *kind_of(const struct scmi_spec *spec)
{
	if (!scmi_spec_has(spec, SCMI_PROP_KIND))
		return kinds;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (word_is(&spec->props[SCMI_PROP_KIND], kinds[i].name))
			return &kinds[i];
	}
	return NULL;
}

static int list_parents(const struct scmi_spec *spec, struct scmi_thing *t)
{
	struct word rest = spec->props[SCMI_PROP_PARENTS], behind;

	for (bool more = rest.text != NULL; more; rest = behind) {
		more = word_cut(&rest, ':', &behind);
		if (t->nparents == ARRAY_SIZE(t->parents) || !rest.len)
			return -EINVAL;
		t->parents[t->nparents++] = rest;
	}
	return 0;
}

/* Reads the words about values into a thing and its first value.  Returns 0 or -EINVAL with a reason. */
static int values_read(const struct scmi_spec *spec, struct scmi_thing *t, int64_t *value, char *why, size_t why_size)
{
	const struct fake_kind *k = kind_of(spec);
	uint64_t pins = 4;
	const char *wrong = NULL;

	while (t->nlevels < ARRAY_SIZE(k->levels) && k->levels[t->nlevels]) {
		t->levels[t->nlevels] = k->levels[t->nlevels];
		t->nlevels++;
	}
	t->min = k->min;
	t->max = k->max;
	t->step = k->step;
	*value = k->value;
	if (scmi_spec_has(spec, SCMI_PROP_RANGE)) {
		t->nlevels = 0;
		if (scmi_word_range(&spec->props[SCMI_PROP_RANGE], &t->min, &t->max, &t->step) < 0)
			wrong = "range=MIN:MAX or MIN:MAX:STEP is wanted, in whole numbers";
		*value = *value < t->min ? t->min : *value > t->max ? t->max : *value;
	}
	if (scmi_spec_has(spec, SCMI_PROP_LEVELS)) {
		if (scmi_word_levels(&spec->props[SCMI_PROP_LEVELS], t->levels, SCMI_LEVELS_MAX, &t->nlevels) < 0)
			wrong = "levels=N:N:N is wanted: at most 64 whole numbers, each greater than the one before";
		else
			*value = t->levels[0];
	}
	if (t->nlevels) {
		t->min = t->levels[0];
		t->max = t->levels[t->nlevels - 1];
		t->step = 1;
	}
	t->ranged = t->max > t->min;
	if (scmi_spec_has(spec, SCMI_PROP_VALUE) && scmi_word_signed(&spec->props[SCMI_PROP_VALUE], value) < 0)
		wrong = "value=N is wanted: a whole number";
	if (!wrong && t->ranged && (*value < t->min || *value > t->max))
		wrong = "the value is outside of its range";
	if (scmi_spec_has(spec, SCMI_PROP_PINS) &&
	    (word_number(&spec->props[SCMI_PROP_PINS], &pins) < 0 || !pins || pins > FAKE_PINS))
		wrong = "pins=N is wanted, from 1 to 16";
	t->npins = k->kind == SCMI_PIN ? (unsigned int)pins : 0;
	if (list_parents(spec, t) < 0)
		wrong = "parents=NAME:NAME is wanted: at most 8 other clocks";
	if (wrong)
		snprintf(why, why_size, "%s", wrong);
	return wrong ? -EINVAL : 0;
}

static int fake_check(const struct scmi_spec *spec, char *why, size_t why_size)
{
	struct scmi_thing t = {0};
	int64_t value;

	if (kind_of(spec))
		return values_read(spec, &t, &value, why, why_size);
	snprintf(why, why_size,
		 "kind=%.*s: accel, gyro, temperature, voltage, current, power, energy, clock, regulator, reset, "
		 "domain, perf, powercap or "
		 "pins is wanted",
		 WORD_SHOWN(spec->props[SCMI_PROP_KIND]));
	return -EINVAL;
}

static int fake_open(const struct scmi_spec *spec, struct scmi_thing *t, struct scmi_host **out, char *why,
		     size_t why_size)
{
	const struct fake_kind *k = kind_of(spec);
	struct scmi_host *h = calloc(1, sizeof(*h));
	int64_t value = 0;

	if (!h || values_read(spec, t, &value, why, why_size) < 0) {
		free(h);
		return h ? -EINVAL : -ENOMEM;
	}
	if (!t->name[0])
		snprintf(t->name, sizeof(t->name), "%s", scmi_spec_has(spec, SCMI_PROP_KIND) ? k->name : "fake");
	t->kind = h->kind = k->kind;
	t->unit = k->unit;
	t->scale = k->scale;
	t->axes = k->axes;
	t->gets = k->kind == SCMI_SENSOR ? WHAT(SCMI_READING) : k->gets;
	t->sets = k->sets;
	if (!t->nparents) {
		t->gets &= ~WHAT(SCMI_PARENT);
		t->sets &= ~WHAT(SCMI_PARENT);
	}
	t->settings = t->npins ? FAKE_SETTINGS : 0;
	h->npins = t->npins;
	for (unsigned int i = 0; i < FAKE_PINS; i++)
		h->functions[i] = SCMI_FUNCTION_NONE;
	h->ranged = t->ranged;
	h->min = t->min;
	h->max = t->max;
	/* Axes differ, as far as there is room. */
	for (unsigned int i = 0; i < SCMI_AXES_MAX; i++) {
		if (__builtin_mul_overflow(value, 1 + (int64_t)i, &h->readings[i]) ||
		    (t->ranged && (h->readings[i] < t->min || h->readings[i] > t->max)))
			h->readings[i] = value;
	}
	h->rate = h->level = value;
	h->limits[0] = t->max;
	h->limits[1] = t->min;
	h->pai = 1000000;
	h->draw = value / 2;
	*out = h;
	return 0;
}

static void fake_close(struct scmi_host *h)
{
	free(h);
}

/* Where a value that is alone stands; NULL: there is no such thing. */
static int64_t *fake_at(struct scmi_host *h, enum scmi_what what)
{
	switch (what) {
	case SCMI_RATE:
		return &h->rate;
	case SCMI_ENABLED:
		return &h->enabled;
	case SCMI_PARENT:
		return &h->parent;
	case SCMI_LEVEL:
		return &h->level;
	case SCMI_LIMITS:
		return h->limits;
	case SCMI_LINE:
		return &h->line;
	case SCMI_PAI:
		return &h->pai;
	case SCMI_READING:
		return h->readings;
	default:
		return NULL;
	}
}

/* A setting of a pin; NULL: there is no such. */
static int64_t *setting_at(struct scmi_host *h, unsigned int pin, int64_t type)
{
	if (pin >= h->npins)
		return NULL;
	if (type == SCMI_SETTING_FUNCTION)
		return &h->functions[pin];
	return type >= 0 && type < SCMI_MODES && FAKE_SETTINGS & BIT(type) ? &h->settings[pin][type] : NULL;
}

/* All of them or none. */
static int settings_set(struct scmi_host *h, unsigned int index, const int64_t *v, unsigned int n)
{
	unsigned int first = index == SCMI_ALL_PINS ? 0 : index, last = index == SCMI_ALL_PINS ? h->npins - 1 : index;

	if (!n) {
		memset(h->settings, 0, sizeof(h->settings));
		for (unsigned int i = 0; i < FAKE_PINS; i++)
			h->functions[i] = SCMI_FUNCTION_NONE;
	}
	for (unsigned int i = 0; i + 1 < n; i += 2) {
		if (!setting_at(h, first, v[i]))
			return -EOPNOTSUPP;
	}
	for (unsigned int pin = first; pin <= last; pin++) {
		for (unsigned int i = 0; i + 1 < n; i += 2)
			*setting_at(h, pin, v[i]) = v[i + 1];
	}
	return 0;
}

static int fake_get(struct scmi_host *h, enum scmi_what what, unsigned int index, int64_t *v, unsigned int n)
{
	const int64_t *at = fake_at(h, what);

	if (what == SCMI_DRAW) {
		v[0] = h->draw;
		v[1] = h->pai;
		return 0;
	}
	if (what == SCMI_SETTING) {
		for (unsigned int i = 0; i + 1 < n; i += 2) {
			at = setting_at(h, index == SCMI_ALL_PINS ? 0 : index, v[i]);
			if (!at)
				return -EOPNOTSUPP;
			v[i + 1] = *at;
		}
		return 0;
	}
	if (!at)
		return -EOPNOTSUPP;
	memcpy(v, at, n * sizeof(*v));
	return 0;
}

static int fake_set(struct scmi_host *h, enum scmi_what what, unsigned int index, const int64_t *v, unsigned int n)
{
	int64_t *at = fake_at(h, what);

	if (what == SCMI_SETTING)
		return settings_set(h, index, v, n);
	if (!at || what == SCMI_READING)
		return -EOPNOTSUPP;
	if (what == SCMI_LIMITS) {
		for (unsigned int i = 0; i < n; i++)
			at[i] = v[i] ? v[i] : at[i];
		return 0;
	}
	/* A line that is asserted and released is not. */
	at[0] = what == SCMI_LINE && v[0] == 2 ? 0 : v[0];
	return 0;
}

int scmi_fake_put(struct scmi_host *h, unsigned int index, int64_t value)
{
	if (h->ranged && (value < h->min || value > h->max))
		return -ERANGE;
	if (h->kind == SCMI_SENSOR)
		h->readings[index] = value;
	else if (h->kind == SCMI_CLOCK)
		h->rate = value;
	else if (h->kind == SCMI_POWERCAP)
		h->draw = value;
	else if (h->kind == SCMI_RESET)
		h->line = value != 0;
	else
		h->level = value;
	return 0;
}

#define P(p) (1u << SCMI_PROP_##p)

const struct scmi_type scmi_fake_type = {
	.name = "fake",
	.help = "a thing that is not there, an accelerometer or kind=: accel, gyro, temperature, voltage, current, "
		"power, energy, clock, "
		"regulator, reset, domain, perf, powercap, pins",
	.props = P(NAME) | P(KIND) | P(VALUE) | P(LEVELS) | P(RANGE) | P(ALLOW) | P(RATE) | P(LATENCY) | P(PINS) |
		 P(PARENTS) | P(RO) | P(RW),
	.fake = true,
	.check = fake_check,
	.open = fake_open,
	.close = fake_close,
	.get = fake_get,
	.set = fake_set,
};
