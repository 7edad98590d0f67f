/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_clock.c - clock management protocol, 0x14: Arm SCMI 3.2, section "Clock management protocol".
 */
#include "devices/scmi/scmi.h"

enum {
	CLOCK_ATTRIBUTES = 0x3,
	CLOCK_DESCRIBE_RATES = 0x4,
	CLOCK_RATE_SET = 0x5,
	CLOCK_RATE_GET = 0x6,
	CLOCK_CONFIG_SET = 0x7,
	CLOCK_NAME_GET = 0x8,
	CLOCK_RATE_NOTIFY = 0x9,
	CLOCK_RATE_CHANGE_REQUESTED_NOTIFY = 0xa,
	CLOCK_CONFIG_GET = 0xb,
	CLOCK_POSSIBLE_PARENTS_GET = 0xc,
	CLOCK_PARENT_SET = 0xd,
	CLOCK_PARENT_GET = 0xe,
	CLOCK_GET_PERMISSIONS = 0xf,
};

enum { NOTE_CHANGED = 0, NOTE_REQUESTED = 1 };

/* Flags of CLOCK_RATE_SET. */
#define SET_ASYNC   1u
#define SET_FLAGS   0xfu
#define SET_UP(f)   ((f) >> 2 & 1)
#define SET_AUTO(f) ((f) >> 3 & 1)

static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, c->s->count[SCMI_CLOCK] | (scmi_p2a(c->s) ? SCMI_ASYNC_MAX : 0) << 16);
}

/* attributes: 31, 30 notices, 29 extended name, 28 parents, 1 permissions, 0 enabled. */
static void put_attributes(struct scmi_cmd *c, bool enabled)
{
	const struct scmi_thing *t = &c->res->thing;

	scmi_put(c, (scmi_p2a(c->s) ? 3u << 30 : 0) | scmi_long_name(c->res, 29) | (t->nparents ? 1u << 28 : 0) | 2 |
			    enabled);
	scmi_put_name(c, t->name, SCMI_SHORT_NAME);
	scmi_put(c, t->latency);
}

static int run_attributes(struct scmi_cmd *c)
{
	if (c->res->thing.gets & BIT(SCMI_ENABLED))
		return scmi_get(c, SCMI_ENABLED, 0, 1);
	put_attributes(c, true);
	return SCMI_SUCCESS;
}

static void end_attributes(struct scmi_cmd *c)
{
	put_attributes(c, c->io.v[0] != 0);
}

static int run_rates(struct scmi_cmd *c)
{
	return scmi_put_levels(c, scmi_in(c, 1), 8);
}

static void rate_tell(struct scmi_cmd *c, unsigned int note, int64_t rate)
{
	const uint32_t words[] = {SCMI_AGENT, c->res->id, (uint32_t)rate, (uint32_t)((uint64_t)rate >> 32)};

	if (c->res->guest.notify[note])
		scmi_tell(c->s, SCMI_PROTO_CLOCK, note, words, ARRAY_SIZE(words));
}

/* flags, clock_id, rate. */
static int run_rate_set(struct scmi_cmd *c)
{
	uint32_t flags = scmi_in(c, 0);
	uint64_t asked = scmi_in(c, 2) | (uint64_t)scmi_in(c, 3) << 32;
	int64_t rate = (int64_t)asked;
	int status = SCMI_SUCCESS;

	if (flags & ~SET_FLAGS || asked > INT64_MAX)
		return SCMI_INVALID_PARAMETERS;
	rate_tell(c, NOTE_REQUESTED, rate);
	if (!scmi_round(&c->res->thing, SET_AUTO(flags) ? 2 : SET_UP(flags), &rate))
		return SCMI_INVALID_PARAMETERS;
	if (flags & SET_ASYNC)
		status = scmi_delayed(c);
	return status == SCMI_SUCCESS ? scmi_set(c, SCMI_RATE, 1, rate, 0) : status;
}

static void end_rate_set(struct scmi_cmd *c)
{
	if (c->late) {
		scmi_put(c, c->res->id);
		scmi_put64(c, (uint64_t)c->io.v[0]);
	}
	rate_tell(c, NOTE_CHANGED, c->io.v[0]);
}

static int run_rate_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_RATE, 0, 1);
}

static void end_rate_get(struct scmi_cmd *c)
{
	scmi_put64(c, (uint64_t)c->io.v[0]);
}

/* attributes: 23:16 type of an extended configuration, of which there are none; 1:0 off, on, -, unchanged. */
static int run_config_set(struct scmi_cmd *c)
{
	uint32_t a = scmi_in(c, 1);

	if (a & ~0xff0003u || (a & 3) == 2)
		return SCMI_INVALID_PARAMETERS;
	if (a >> 16)
		return SCMI_NOT_SUPPORTED;
	return (a & 3) == 3 ? SCMI_SUCCESS : scmi_set(c, SCMI_ENABLED, 1, a & 1, 0);
}

static int run_config_get(struct scmi_cmd *c)
{
	if (scmi_in(c, 1))
		return SCMI_NOT_SUPPORTED;
	return scmi_get(c, SCMI_ENABLED, 0, 1);
}

static void end_config_get(struct scmi_cmd *c)
{
	scmi_put(c, 0);
	scmi_put(c, c->io.v[0] != 0);
	scmi_put(c, 0);
}

static uint32_t parent_id(const struct scmi_res *r, unsigned int i)
{
	return scmi_named(r->s, &r->thing.parents[i])->id;
}

/* num_parent_flags: 7:0 returned, 31:24 remaining. */
static int run_parents(struct scmi_cmd *c)
{
	unsigned int all = c->res->thing.nparents, skip = scmi_in(c, 1), n;

	if (skip >= all)
		return SCMI_OUT_OF_RANGE;
	scmi_put(c, 0);
	n = scmi_room(c, 4);
	n = n < all - skip ? n : all - skip;
	for (unsigned int i = 0; i < n; i++)
		scmi_put(c, parent_id(c->res, skip + i));
	scmi_set_word(c, 0, n | (all - skip - n) << 24);
	return SCMI_SUCCESS;
}

static int run_parent_set(struct scmi_cmd *c)
{
	for (unsigned int i = 0; i < c->res->thing.nparents; i++) {
		if (parent_id(c->res, i) == scmi_in(c, 1))
			return scmi_set(c, SCMI_PARENT, 1, i, 0);
	}
	return SCMI_INVALID_PARAMETERS;
}

static int run_parent_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_PARENT, 0, 1);
}

static void end_parent_get(struct scmi_cmd *c)
{
	scmi_put(c, parent_id(c->res, (unsigned int)c->io.v[0]));
}

/* 31 state, 30 parent, 29 rate. */
static int run_permissions(struct scmi_cmd *c)
{
	unsigned int sets = c->res->thing.writable ? c->res->thing.sets : 0;

	scmi_put(c, (sets & BIT(SCMI_ENABLED) ? 1u << 31 : 0) | (sets & BIT(SCMI_PARENT) ? 1u << 30 : 0) |
			    (sets & BIT(SCMI_RATE) ? 1u << 29 : 0));
	return SCMI_SUCCESS;
}

static int run_rate_notify(struct scmi_cmd *c)
{
	return scmi_notify_set(c, NOTE_CHANGED);
}

static int run_requested_notify(struct scmi_cmd *c)
{
	return scmi_notify_set(c, NOTE_REQUESTED);
}

#define CLOCK(id_, len_, run_) .id = (id_), .len = (len_), .of_thing = true, .run = (run_), .name = #id_

static const struct scmi_msg msgs[] = {
	{CLOCK(CLOCK_ATTRIBUTES, 4, run_attributes), .end = end_attributes},
	{CLOCK(CLOCK_DESCRIBE_RATES, 8, run_rates)},
	{CLOCK(CLOCK_RATE_SET, 16, run_rate_set), .at = 1, .sets = BIT(SCMI_RATE), .end = end_rate_set},
	{CLOCK(CLOCK_RATE_GET, 4, run_rate_get), .gets = BIT(SCMI_RATE), .end = end_rate_get},
	{CLOCK(CLOCK_CONFIG_SET, 12, run_config_set), .sets = BIT(SCMI_ENABLED)},
	{CLOCK(CLOCK_NAME_GET, 4, scmi_name_get)},
	{CLOCK(CLOCK_RATE_NOTIFY, 8, run_rate_notify), .p2a = true},
	{CLOCK(CLOCK_RATE_CHANGE_REQUESTED_NOTIFY, 8, run_requested_notify), .p2a = true},
	{CLOCK(CLOCK_CONFIG_GET, 8, run_config_get), .gets = BIT(SCMI_ENABLED), .end = end_config_get},
	{CLOCK(CLOCK_POSSIBLE_PARENTS_GET, 8, run_parents), .gets = BIT(SCMI_PARENT)},
	{CLOCK(CLOCK_PARENT_SET, 8, run_parent_set), .sets = BIT(SCMI_PARENT)},
	{CLOCK(CLOCK_PARENT_GET, 4, run_parent_get), .gets = BIT(SCMI_PARENT), .end = end_parent_get},
	{CLOCK(CLOCK_GET_PERMISSIONS, 4, run_permissions)},
};

const struct scmi_proto scmi_clock = {
	.id = SCMI_PROTO_CLOCK,
	.version = 0x30000,
	.kind = SCMI_CLOCK,
	.name = "clock",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
