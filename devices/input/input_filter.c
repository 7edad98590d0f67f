/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_filter.c - what of a host's device the guest sees; see input_filter.h.
 *
 * A key that is not allowed is not told, nor is its scan code (MSC_SCAN).  LEDs, sounds, repeat and force are the
 * guest's to set: what the host says of them is not told, and a driver that would send it back could go round in
 * circles.
 */
#include "devices/input/input_filter.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <linux/input.h>

#include "devices/input/input_names.h"

static int refuse(const struct word *w, const char *what, char *why, size_t why_size)
{
	snprintf(why, why_size, "'%.*s': %s", WORD_SHOWN(*w), what);
	return -EINVAL;
}

static int allow_keys(void *arg, struct word w, char *why, size_t why_size)
{
	struct input_filter *f = arg;
	struct word first = w, second;
	bool range = word_cut(&first, '-', &second);
	int from = input_key_find(&first), to = range ? input_key_find(&second) : from;

	if (from < 0 || to < from)
		return refuse(&w, "a key is wanted, or a range: KEY_VOLUMEUP, 0x110-0x117", why, why_size);
	for (int code = from; code <= to; code++)
		bit_set(f->allowed, (unsigned int)code, true);
	return 0;
}

int input_filter_allow(struct input_filter *f, const char *value, char *why, size_t why_size)
{
	f->allow = true;
	return words_each(value, ',', allow_keys, f, why, why_size);
}

/* The pointer's axis that an axis of contacts goes with, or itself. */
static unsigned int axis_root(unsigned int axis)
{
	return axis == ABS_MT_POSITION_X ? ABS_X : axis == ABS_MT_POSITION_Y ? ABS_Y : axis;
}

static int map_axis(struct input_filter *f, const struct word *w, unsigned int from, struct word to, char *why,
		    size_t why_size)
{
	bool turned = to.len && to.text[0] == '-';
	int axis;

	to = (struct word){to.text + turned, to.len - turned};
	axis = input_axis_find(&to);
	if (axis < 0 || from >= ABS_MT_SLOT || axis >= ABS_MT_SLOT)
		return refuse(w, "axes as ABS_X=ABS_Y or ABS_Y=-ABS_Y are wanted, those of a pointer", why, why_size);
	if (f->axes[from])
		return refuse(w, "this axis is another one already", why, why_size);
	f->axes[from] = (uint8_t)(axis + 1);
	f->turned[from] = turned;
	return 0;
}

static int map_one(void *arg, struct word w, char *why, size_t why_size)
{
	struct input_filter *f = arg;
	struct word from = w, to;
	int code, key;

	if (!word_cut(&from, '=', &to))
		return refuse(&w, "FROM=TO is wanted, as KEY_CAPSLOCK=KEY_LEFTCTRL", why, why_size);
	if (from.len > 4 && strncmp(from.text, "ABS_", 4) == 0) {
		code = input_axis_find(&from);
		return code < 0 ? refuse(&w, "there is no such axis", why, why_size)
				: map_axis(f, &w, (unsigned int)code, to, why, why_size);
	}
	code = input_key_find(&from);
	key = input_key_find(&to);
	if (code < 0 || key < 0)
		return refuse(&w, "two keys, as KEY_CAPSLOCK=KEY_LEFTCTRL, are wanted", why, why_size);
	if (f->keys[code])
		return refuse(&w, "this key is another one already", why, why_size);
	f->keys[code] = (uint16_t)(key + 1);
	return 0;
}

int input_filter_map(struct input_filter *f, const char *value, char *why, size_t why_size)
{
	return words_each(value, ',', map_one, f, why, why_size);
}

static bool limit_parse(struct word w, int32_t *value)
{
	bool negative = w.len && w.text[0] == '-';
	uint64_t n;

	w = (struct word){w.text + negative, w.len - negative};
	if (word_number(&w, &n) < 0 || n > INT32_MAX)
		return false;
	*value = negative ? -(int32_t)n : (int32_t)n;
	return true;
}

static int range_one(void *arg, struct word w, char *why, size_t why_size)
{
	struct input_filter *f = arg;
	struct word name = w, range = {NULL, 0}, max;
	int axis = word_cut(&name, '=', &range) ? input_axis_find(&name) : -1;

	if (axis < 0 || axis >= ABS_MT_SLOT || !word_cut(&range, ':', &max) || !limit_parse(range, &f->min[axis]) ||
	    !limit_parse(max, &f->max[axis]) || f->min[axis] >= f->max[axis])
		return refuse(&w, "AXIS=MIN:MAX is wanted, as ABS_X=0:1919", why, why_size);
	f->ranged[axis] = true;
	return 0;
}

int input_filter_range(struct input_filter *f, const char *value, char *why, size_t why_size)
{
	return words_each(value, ',', range_one, f, why, why_size);
}

/* ---- what the guest is told of */

/* The guest's axis for one of the host's. */
static unsigned int axis_to(const struct input_filter *f, unsigned int axis)
{
	unsigned int root = axis_root(axis), to = f->axes[root] ? f->axes[root] - 1u : root;

	if (root == axis)
		return to;
	return to == ABS_X ? ABS_MT_POSITION_X : to == ABS_Y ? ABS_MT_POSITION_Y : axis;
}

static unsigned int key_to(const struct input_filter *f, unsigned int key)
{
	return f->keys[key] ? f->keys[key] - 1u : key;
}

static bool key_passes(const struct input_filter *f, unsigned int key)
{
	return !f->allow || bit_get(f->allowed, key);
}

static int32_t clamp(int64_t n)
{
	return n < INT32_MIN ? INT32_MIN : n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

/* a * b / c, rounded to the nearest; b and c are spans of axes, of 32 bits, and not 0.  What is beyond 64 bits is their
 * end. */
static int64_t scale(int64_t a, int64_t b, int64_t c)
{
	uint64_t size = a < 0 ? (uint64_t)-a : (uint64_t)a, n = (uint64_t)c, wide = (uint64_t)b, whole;

	if (__builtin_mul_overflow(size / n, wide, &whole) || whole > INT64_MAX / 2)
		return a < 0 ? INT64_MIN / 2 : INT64_MAX / 2;
	whole += (size % n * wide + n / 2) / n;
	return a < 0 ? -(int64_t)whole : (int64_t)whole;
}

static void abs_make(struct input_filter *f, unsigned int axis)
{
	const struct input_abs *from = &f->host.abs[axis];
	unsigned int to = axis_to(f, axis), root = axis_root(to);
	int64_t span = (int64_t)from->max - from->min, wide;

	bit_set(f->guest.codes[EV_ABS], to, true);
	f->guest.abs[to] = *from;
	if (!f->ranged[root] || span <= 0)
		return;
	wide = (int64_t)f->max[root] - f->min[root];
	f->guest.abs[to] = (struct input_abs){
		.min = f->min[root],
		.max = f->max[root],
		.fuzz = clamp(scale(from->fuzz, wide, span)),
		.flat = clamp(scale(from->flat, wide, span)),
		.res = clamp(scale(from->res, wide, span)),
	};
}

void input_filter_caps(struct input_filter *f, const struct input_caps *host)
{
	struct input_caps *g = &f->guest;

	f->host = *host;
	*g = *host;
	memset(g->codes[EV_KEY], 0, sizeof(g->codes[EV_KEY]));
	memset(g->codes[EV_ABS], 0, sizeof(g->codes[EV_ABS]));
	for (unsigned int key = 0; key < INPUT_KEYS; key++) {
		if (input_caps_has(host, EV_KEY, key) && key_passes(f, key_to(f, key)))
			bit_set(g->codes[EV_KEY], key_to(f, key), true);
	}
	for (unsigned int axis = 0; axis < INPUT_AXES; axis++) {
		if (input_caps_has(host, EV_ABS, axis))
			abs_make(f, axis);
	}
	if (g->abs[ABS_MT_SLOT].max >= (int32_t)INPUT_SLOTS)
		g->abs[ABS_MT_SLOT].max = INPUT_SLOTS - 1;
	if (f->allow)
		bit_set(g->codes[EV_MSC], MSC_SCAN, false);
	/* Effects are beyond the protocol; of force its gain and its centre can be set. */
	memset(g->codes[EV_FF], 0, INPUT_BITMAP);
	for (unsigned int code = FF_GAIN; code <= FF_AUTOCENTER; code++)
		bit_set(g->codes[EV_FF], code, bit_get(host->codes[EV_FF], code));
	memset(g->codes[EV_PWR], 0, INPUT_BITMAP);
	memset(g->codes[EV_FF_STATUS], 0, INPUT_BITMAP);
	/* What this device itself tells. */
	memset(g->codes[EV_SYN], 0, INPUT_BITMAP);
	bit_set(g->codes[EV_SYN], SYN_REPORT, true);
	bit_set(g->codes[EV_SYN], SYN_DROPPED, true);
	if (input_caps_has(g, EV_ABS, ABS_MT_POSITION_X) && !input_caps_has(g, EV_ABS, ABS_MT_SLOT))
		bit_set(g->codes[EV_SYN], SYN_MT_REPORT, true);
}

/* ---- events */

static int32_t abs_value(const struct input_filter *f, unsigned int axis, int32_t value)
{
	const struct input_abs *from = &f->host.abs[axis];
	unsigned int root = axis_root(axis_to(f, axis));
	int64_t span = (int64_t)from->max - from->min, v = value;

	if (f->turned[axis_root(axis)])
		v = (int64_t)from->min + from->max - v;
	if (!f->ranged[root] || span <= 0)
		return clamp(v);
	return clamp(f->min[root] + scale(v - from->min, (int64_t)f->max[root] - f->min[root], span));
}

/* Whether the guest sees an event, which becomes the guest's. */
static bool event_pass(struct input_filter *f, struct input_ev *ev)
{
	switch (ev->type) {
	case EV_KEY:
		if (ev->code >= INPUT_KEYS)
			return false;
		ev->code = (uint16_t)key_to(f, ev->code);
		/* Where the guest repeats keys itself, it would see each twice. */
		return key_passes(f, ev->code) && (ev->value == 0 || ev->value == 1 ||
						   (ev->value == 2 && !input_caps_has(&f->guest, EV_REP, REP_DELAY)));
	case EV_ABS:
		if (ev->code >= INPUT_AXES)
			return false;
		if (ev->code == ABS_MT_SLOT) {
			f->beyond = ev->value < 0 || ev->value >= (int32_t)INPUT_SLOTS;
			return !f->beyond;
		}
		if (f->beyond && ev->code > ABS_MT_SLOT)
			return false;
		ev->value = abs_value(f, ev->code, ev->value);
		ev->code = (uint16_t)axis_to(f, ev->code);
		return true;
	case EV_MSC:
		return ev->code != MSC_SCAN || !f->allow;
	case EV_SYN:
		return ev->code == SYN_MT_REPORT;
	default:
		return ev->type == EV_REL || ev->type == EV_SW;
	}
}

unsigned int input_filter_packet(struct input_filter *f, const struct input_ev *evs, unsigned int n,
				 struct input_ev *out)
{
	unsigned int passed = 0, told = 0;

	for (unsigned int i = 0; i < n; i++) {
		out[passed] = evs[i];
		if (!event_pass(f, &out[passed]))
			continue;
		told += out[passed++].type != EV_MSC;
	}
	/* A time stamp alone would tell that there was a key. */
	return told || passed == n ? passed : 0;
}
