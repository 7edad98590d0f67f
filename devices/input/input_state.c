/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_state.c - how a device stands; see input_state.h.
 *
 * Contacts are those of the kernel's multi-touch protocol B (Documentation/input/multi-touch-protocol.rst): a slot is
 * chosen by ABS_MT_SLOT, and holds a contact while its ABS_MT_TRACKING_ID is not negative.
 */
#include "devices/input/input_state.h"

#include <limits.h>
#include <string.h>

#include <linux/input.h>

#define TRACKING (ABS_MT_TRACKING_ID - INPUT_MT_FIRST)

_Static_assert(INPUT_KEYS == KEY_CNT && INPUT_AXES == ABS_CNT, "linux/input-event-codes.h");
_Static_assert(SW_CNT <= INPUT_SWITCHES && EV_CNT == INPUT_TYPES, "linux/input-event-codes.h");
_Static_assert(ABS_MT_TOUCH_MAJOR == INPUT_MT_FIRST && ABS_MT_TOOL_Y == INPUT_MT_FIRST + INPUT_MT_CODES - 1,
	       "linux/input-event-codes.h");

static bool is_mt(unsigned int code)
{
	return code >= INPUT_MT_FIRST && code < INPUT_MT_FIRST + INPUT_MT_CODES;
}

void input_state_init(struct input_state *s, const struct input_caps *caps)
{
	memset(s, 0, sizeof(*s));
	if (input_caps_has(caps, EV_ABS, ABS_MT_SLOT) && caps->abs[ABS_MT_SLOT].max >= 0)
		s->slots = (unsigned int)min_u64((uint64_t)caps->abs[ABS_MT_SLOT].max + 1, INPUT_SLOTS);
	for (unsigned int i = 0; i < INPUT_SLOTS; i++)
		s->mt[i][TRACKING] = -1;
}

static void apply_abs(struct input_state *s, unsigned int code, int32_t value)
{
	if (code >= INPUT_AXES)
		return;
	if (code == ABS_MT_SLOT) {
		if (value >= 0 && (unsigned int)value < s->slots)
			s->slot = (unsigned int)value;
	} else if (!is_mt(code)) {
		s->abs[code] = value;
	} else if (s->slots) {
		s->mt[s->slot][code - INPUT_MT_FIRST] = value;
	}
}

void input_state_apply(struct input_state *s, const struct input_ev *ev)
{
	if (ev->type == EV_KEY && ev->code < INPUT_KEYS && (ev->value == 0 || ev->value == 1))
		bit_set(s->keys, ev->code, ev->value);
	else if (ev->type == EV_SW && ev->code < INPUT_SWITCHES)
		bit_set(s->switches, ev->code, ev->value);
	else if (ev->type == EV_ABS)
		apply_abs(s, ev->code, ev->value);
}

void input_state_release(struct input_state *s)
{
	memset(s->keys, 0, sizeof(s->keys));
	for (unsigned int i = 0; i < INPUT_SLOTS; i++)
		s->mt[i][TRACKING] = -1;
}

void input_state_opposite(struct input_state *s, const struct input_caps *caps)
{
	for (unsigned int i = 0; i < sizeof(s->keys); i++)
		s->keys[i] ^= caps->codes[EV_KEY][i];
	for (unsigned int i = 0; i < sizeof(s->switches); i++)
		s->switches[i] ^= caps->codes[EV_SW][i];
	for (unsigned int code = 0; code < INPUT_AXES; code++) {
		if (!input_caps_has(caps, EV_ABS, code) || code == ABS_MT_SLOT)
			continue;
		if (!is_mt(code))
			s->abs[code] ^= 1;
		for (unsigned int i = 0; is_mt(code) && i < s->slots; i++)
			s->mt[i][code - INPUT_MT_FIRST] ^= 1;
	}
	/* A contact that may be there is one that is another. */
	for (unsigned int i = 0; i < s->slots; i++)
		s->mt[i][TRACKING] = s->mt[i][TRACKING] == INT_MAX ? 0 : INT_MAX;
	s->slot = s->slots ? (s->slot + 1) % s->slots : 0;
}

/* Packets that are being made. */
struct lead {
	struct input_ev evs[INPUT_LEAD_PACKET];
	unsigned int n;
	unsigned int slot; /* the driver's */
	void (*put)(void *arg, const struct input_ev *evs, unsigned int n);
	void *arg;
};

static void lead_flush(struct lead *l)
{
	if (l->n)
		l->put(l->arg, l->evs, l->n);
	l->n = 0;
}

/* A packet ends where the next event could not be in it with its slot. */
static void lead_add(struct lead *l, uint16_t type, unsigned int code, int32_t value)
{
	if (l->n + 2 > INPUT_LEAD_PACKET)
		lead_flush(l);
	l->evs[l->n++] = (struct input_ev){type, (uint16_t)code, value};
}

static void lead_slot(struct lead *l, unsigned int slot)
{
	if (l->slot == slot)
		return;
	lead_add(l, EV_ABS, ABS_MT_SLOT, (int32_t)slot);
	l->slot = slot;
}

/* Contacts end that are not there any more, or are others. */
static void lead_ends(struct lead *l, const struct input_state *from, const struct input_state *to)
{
	for (unsigned int i = 0; i < to->slots; i++) {
		int32_t was = from->mt[i][TRACKING], is = to->mt[i][TRACKING];

		if (was < 0 || was == is)
			continue;
		lead_slot(l, i);
		lead_add(l, EV_ABS, ABS_MT_TRACKING_ID, -1);
	}
}

static void lead_contacts(struct lead *l, const struct input_state *from, const struct input_state *to)
{
	for (unsigned int i = 0; i < to->slots; i++) {
		const int32_t *was = from->mt[i], *is = to->mt[i];

		if (is[TRACKING] >= 0 && is[TRACKING] != was[TRACKING]) {
			lead_slot(l, i);
			lead_add(l, EV_ABS, ABS_MT_TRACKING_ID, is[TRACKING]);
		}
		for (unsigned int code = 0; code < INPUT_MT_CODES; code++) {
			if (code == TRACKING || is[code] == was[code])
				continue;
			lead_slot(l, i);
			lead_add(l, EV_ABS, INPUT_MT_FIRST + code, is[code]);
		}
	}
	if (to->slots)
		lead_slot(l, to->slot);
}

void input_state_lead(const struct input_state *from, const struct input_state *to,
		      void (*put)(void *arg, const struct input_ev *evs, unsigned int n), void *arg)
{
	struct lead l = {.slot = from->slot, .put = put, .arg = arg};

	lead_ends(&l, from, to);
	lead_flush(&l);
	lead_contacts(&l, from, to);
	for (unsigned int i = 0; i < INPUT_KEYS; i++) {
		if (bit_get(from->keys, i) != bit_get(to->keys, i))
			lead_add(&l, EV_KEY, i, bit_get(to->keys, i));
	}
	for (unsigned int i = 0; i < INPUT_AXES; i++) {
		if (from->abs[i] != to->abs[i])
			lead_add(&l, EV_ABS, i, to->abs[i]);
	}
	for (unsigned int i = 0; i < INPUT_SWITCHES; i++) {
		if (bit_get(from->switches, i) != bit_get(to->switches, i))
			lead_add(&l, EV_SW, i, bit_get(to->switches, i));
	}
	lead_flush(&l);
}
