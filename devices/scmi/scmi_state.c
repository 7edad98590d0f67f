/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_state.c - what goes with a guest that moves: the notices it wants, settings of its sensors, and the rates and
 * levels it has set, which are set here.
 */
#include <errno.h>

#include "devices/scmi/scmi.h"

/* The record "agent". */
struct saved_agent {
	le32 flags; /* bits: 0 notices of errors, 1 of the system's power */
	le32 denied;
} __attribute__((packed));

struct saved_trip {
	le32 mode;
	le64 value;
} __attribute__((packed));

/* The record "thing". */
struct saved_thing {
	uint8_t name[SCMI_LONG_NAME];
	le32 kind;
	le32 flags; /* bits: 0, 1 notices, 2 enabled, 3 with time stamps */
	le64 interval;
	le32 low, high;
	struct saved_trip trips[SCMI_TRIPS];
	le32 requested;
	le32 changed;
	le64 set[8][2];
} __attribute__((packed));

_Static_assert(sizeof(struct saved_agent) == 8, "the agent in a state");
_Static_assert(sizeof(struct saved_trip) == 12, "a trip point in a state");
_Static_assert(sizeof(struct saved_thing) == 88 + 4 * 12 + 8 + 128, "a thing in a state");

#define CHANGES_ALL 0xfeu /* SCMI_RATE to SCMI_PAI */

static void thing_save(const struct scmi_res *r, struct state *state)
{
	const struct scmi_guest *g = &r->guest;
	struct saved_thing t = {
		.kind = htole32(r->thing.kind),
		.flags = htole32((g->notify[0] ? 1u : 0) | (g->notify[1] ? 2u : 0) | (g->enabled ? 4u : 0) |
				 (g->stamped ? 8u : 0)),
		.interval = htole64(g->interval),
		.low = htole32(g->low),
		.high = htole32(g->high),
		.changed = htole32(g->changed & CHANGES_ALL),
	};
	uint32_t requested = 0;

	memcpy(t.name, r->thing.name, SCMI_NAME_MAX);
	for (unsigned int i = 0; i < SCMI_TRIPS; i++) {
		t.trips[i].mode = htole32(g->trips[i].mode);
		t.trips[i].value = htole64((uint64_t)g->trips[i].value);
	}
	for (unsigned int i = 0; i < 32; i++)
		requested |= g->requested[i] ? UINT32_C(1) << i : 0;
	t.requested = htole32(requested);
	for (unsigned int i = 0; i < 8; i++) {
		bool changed = g->changed & BIT(i) & CHANGES_ALL;

		t.set[i][0] = htole64(changed ? (uint64_t)g->set[i][0] : 0);
		t.set[i][1] = htole64(changed ? (uint64_t)g->set[i][1] : 0);
	}
	state_put(state, "thing", &t, sizeof(t));
}

/* Whether the guest has made anything of it. */
static bool thing_touched(const struct scmi_res *r)
{
	const struct scmi_guest *g = &r->guest;
	bool touched = g->notify[0] || g->notify[1] || !g->enabled || g->stamped || g->interval || g->low || g->high ||
		       g->changed & CHANGES_ALL;

	for (unsigned int i = 0; i < SCMI_TRIPS; i++)
		touched |= g->trips[i].mode != 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(g->requested); i++)
		touched |= g->requested[i];
	return touched;
}

void scmi_save(struct vdev *d, struct state *state)
{
	struct scmi *s = to_scmi(d);
	const struct saved_agent a = {
		.flags = htole32((s->notify_errors ? 1u : 0) | (s->notify_system ? 2u : 0)),
		.denied = htole32(s->protocol_denied),
	};

	scmi_cmds_give_up(s);
	if (a.flags || a.denied)
		state_put(state, "agent", &a, sizeof(a));
	for (unsigned int i = 0; i < s->nres; i++) {
		if (thing_touched(s->res[i]))
			thing_save(s->res[i], state);
	}
	events_save(&s->events, state);
}

static struct scmi_res *thing_of(struct scmi *s, const struct saved_thing *t)
{
	const struct word name = {(const char *)t->name, strnlen((const char *)t->name, sizeof(t->name))};

	for (unsigned int i = 0; i < s->nres; i++) {
		if (s->res[i]->thing.kind == le32toh(t->kind) && word_is(&name, s->res[i]->thing.name))
			return s->res[i];
	}
	log_guest(&s->d.log, "the state has a thing '%.*s', which is not here", WORD_SHOWN(name));
	return NULL;
}

/* What was set there must be what can be set here. */
static int changes_check(const struct scmi_res *r, const struct saved_thing *t)
{
	uint32_t changed = le32toh(t->changed);

	if (changed & ~CHANGES_ALL || (changed && !r->thing.writable) || changed & ~(r->thing.sets))
		return -EINVAL;
	for (unsigned int what = SCMI_RATE; what <= SCMI_PAI; what++) {
		for (unsigned int i = 0; changed & BIT(what) && i < (what == SCMI_LIMITS ? 2 : 1); i++) {
			int64_t v = (int64_t)le64toh(t->set[what][i]);
			/* The one that the guest has not set is none that it would have to be allowed. */
			bool left = what == SCMI_LIMITS && r->known & BIT(what) && v == r->initial[what][i];

			if (!left && !scmi_value_fits(r, what, v))
				return -EINVAL;
		}
	}
	return 0;
}

static int thing_check(const struct scmi_res *r, const struct saved_thing *t)
{
	if (le32toh(t->flags) > 15 || (t->interval && le64toh(t->interval) < SCMI_INTERVAL_MIN) ||
	    le64toh(t->interval) > SCMI_INTERVAL_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < SCMI_TRIPS; i++) {
		if (le32toh(t->trips[i].mode) > 3)
			return -EINVAL;
	}
	return changes_check(r, t);
}

static int thing_load(struct scmi *s, const struct saved_thing *t)
{
	struct scmi_res *r = thing_of(s, t);
	uint32_t flags = le32toh(t->flags);
	struct scmi_guest *g;

	if (!r)
		return -EINVAL;
	if (thing_check(r, t) < 0) {
		log_guest(&s->d.log, "the state of '%s' cannot be that of the thing here", r->thing.name);
		return -EINVAL;
	}
	g = &r->guest;
	g->notify[0] = flags & 1;
	g->notify[1] = flags & 2;
	g->enabled = flags & 4;
	g->stamped = flags & 8;
	g->interval = le64toh(t->interval);
	g->low = le32toh(t->low);
	g->high = le32toh(t->high);
	for (unsigned int i = 0; i < SCMI_TRIPS; i++) {
		g->trips[i].mode = le32toh(t->trips[i].mode);
		g->trips[i].value = (int64_t)le64toh(t->trips[i].value);
	}
	for (unsigned int i = 0; i < 32; i++)
		g->requested[i] = le32toh(t->requested) & BIT(i);
	for (unsigned int i = 0; i < 8; i++) {
		g->set[i][0] = (int64_t)le64toh(t->set[i][0]);
		g->set[i][1] = (int64_t)le64toh(t->set[i][1]);
	}
	scmi_take_over(r, le32toh(t->changed));
	return 0;
}

int scmi_load(struct vdev *d, const struct state_record *r)
{
	struct scmi *s = to_scmi(d);
	struct saved_agent a;
	struct saved_thing t;
	int err = events_load(&s->events, r);

	if (err != -ENOENT)
		return err;
	if (strcmp(r->name, "thing") == 0 && r->len == sizeof(t)) {
		memcpy(&t, r->bytes, sizeof(t));
		return thing_load(s, &t);
	}
	if (strcmp(r->name, "agent") != 0 || r->len != sizeof(a))
		return -EINVAL;
	memcpy(&a, r->bytes, sizeof(a));
	if (le32toh(a.flags) > 3 || le32toh(a.denied) & 1)
		return -EINVAL;
	s->notify_errors = le32toh(a.flags) & 1;
	s->notify_system = le32toh(a.flags) & 2;
	s->protocol_denied = le32toh(a.denied);
	return 0;
}
