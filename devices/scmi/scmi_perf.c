/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_perf.c - performance domain management protocol, 0x13: Arm SCMI 3.2, section "Performance domain management
 * protocol".
 *
 * A level is a frequency in kHz.  FastChannels there are none: VIRTIO 1.4, "SCMI Device".
 */
#include "devices/scmi/scmi.h"

enum {
	PERFORMANCE_DOMAIN_ATTRIBUTES = 0x3,
	PERFORMANCE_DESCRIBE_LEVELS = 0x4,
	PERFORMANCE_LIMITS_SET = 0x5,
	PERFORMANCE_LIMITS_GET = 0x6,
	PERFORMANCE_LEVEL_SET = 0x7,
	PERFORMANCE_LEVEL_GET = 0x8,
	PERFORMANCE_NOTIFY_LIMITS = 0x9,
	PERFORMANCE_NOTIFY_LEVEL = 0xa,
	PERFORMANCE_DOMAIN_NAME_GET = 0xc,
};

enum { NOTE_LIMITS = 0, NOTE_LEVEL = 1 };

#define LEVEL_SIZE 20

/* Domains; powers have no unit: they are not known; and no shared memory. */
static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, c->s->count[SCMI_PERF]);
	scmi_put(c, 0);
	scmi_put(c, 0);
	scmi_put(c, 0);
}

/* 31 limits can be set, 30 the level, 29, 28 notices of them, 26 extended name. */
static int run_domain(struct scmi_cmd *c)
{
	const struct scmi_thing *t = &c->res->thing;
	unsigned int sets = t->writable ? t->sets : 0;

	scmi_put(c, (sets & BIT(SCMI_LIMITS) ? 1u << 31 : 0) | (sets & BIT(SCMI_LEVEL) ? 1u << 30 : 0) |
			    (scmi_p2a(c->s) ? 3u << 28 : 0) | scmi_long_name(c->res, 26));
	scmi_put(c, 0);
	scmi_put(c, (uint32_t)t->max);
	scmi_put(c, (uint32_t)t->max);
	scmi_put_name(c, t->name, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

/* num_levels: 15:0 returned, 31:16 remaining.  A domain that knows no list has its lowest and its highest. */
static int run_levels(struct scmi_cmd *c)
{
	const struct scmi_thing *t = &c->res->thing;
	const int64_t ends[2] = {t->min, t->max};
	const int64_t *from = t->nlevels ? t->levels : ends;
	unsigned int all = t->nlevels ? t->nlevels : t->max > t->min ? 2 : 1, skip = scmi_in(c, 1), n;

	if (skip >= all)
		return SCMI_OUT_OF_RANGE;
	scmi_put(c, 0);
	n = scmi_room(c, LEVEL_SIZE);
	n = n < all - skip ? n : all - skip;
	for (unsigned int i = 0; i < n; i++) {
		scmi_put(c, (uint32_t)from[skip + i]);
		scmi_put(c, 0);
		scmi_put(c, t->latency < 0xffff ? t->latency : 0xffff);
		scmi_put(c, (uint32_t)from[skip + i]);
		scmi_put(c, skip + i);
	}
	scmi_set_word(c, 0, n | (all - skip - n) << 16);
	return n ? SCMI_SUCCESS : SCMI_PROTOCOL_ERROR;
}

static bool level_there(const struct scmi_thing *t, int64_t level)
{
	int64_t rounded = level;

	return scmi_round(t, 0, &rounded) && rounded == level;
}

void scmi_limits_fill(const struct scmi_res *r, int64_t v[static 2])
{
	const struct scmi_guest *g = &r->guest;
	const int64_t ends[2] = {r->thing.max, r->thing.min};
	const int64_t *now = g->changed & BIT(SCMI_LIMITS) ? g->set[SCMI_LIMITS]
			     : r->known & BIT(SCMI_LIMITS) ? r->initial[SCMI_LIMITS]
							   : ends;

	for (unsigned int i = 0; i < 2; i++)
		v[i] = v[i] ? v[i] : now[i];
}

/* domain_id, range_max, range_min: 0 leaves one of them as it is. */
static int run_limits_set(struct scmi_cmd *c)
{
	uint32_t max = scmi_in(c, 1), min = scmi_in(c, 2);
	int64_t both[2] = {max, min};

	scmi_limits_fill(c->res, both);
	if ((!max && !min) || both[1] > both[0])
		return SCMI_INVALID_PARAMETERS;
	if ((max && !level_there(&c->res->thing, max)) || (min && !level_there(&c->res->thing, min)))
		return SCMI_OUT_OF_RANGE;
	return scmi_set(c, SCMI_LIMITS, 2, max, min);
}

static void end_limits_set(struct scmi_cmd *c)
{
	const uint32_t words[] = {SCMI_AGENT, c->res->id, (uint32_t)c->io.v[0], (uint32_t)c->io.v[1]};

	if (c->res->guest.notify[NOTE_LIMITS])
		scmi_tell(c->s, SCMI_PROTO_PERF, NOTE_LIMITS, words, ARRAY_SIZE(words));
}

static int run_limits_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_LIMITS, 0, 2);
}

static void end_limits_get(struct scmi_cmd *c)
{
	scmi_put(c, (uint32_t)c->io.v[0]);
	scmi_put(c, (uint32_t)c->io.v[1]);
}

static int run_level_set(struct scmi_cmd *c)
{
	const struct scmi_guest *g = &c->res->guest;
	uint32_t level = scmi_in(c, 1);

	if (!level_there(&c->res->thing, level))
		return SCMI_OUT_OF_RANGE;
	if (g->changed & BIT(SCMI_LIMITS) && (level > g->set[SCMI_LIMITS][0] || level < g->set[SCMI_LIMITS][1]))
		return SCMI_OUT_OF_RANGE;
	return scmi_set(c, SCMI_LEVEL, 1, level, 0);
}

static void end_level_set(struct scmi_cmd *c)
{
	const uint32_t words[] = {SCMI_AGENT, c->res->id, (uint32_t)c->io.v[0]};

	if (c->res->guest.notify[NOTE_LEVEL])
		scmi_tell(c->s, SCMI_PROTO_PERF, NOTE_LEVEL, words, ARRAY_SIZE(words));
}

static int run_level_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_LEVEL, 0, 1);
}

static void end_level_get(struct scmi_cmd *c)
{
	scmi_put(c, (uint32_t)c->io.v[0]);
}

static int run_notify_limits(struct scmi_cmd *c)
{
	return scmi_notify_set(c, NOTE_LIMITS);
}

static int run_notify_level(struct scmi_cmd *c)
{
	return scmi_notify_set(c, NOTE_LEVEL);
}

#define PERF(id_, len_, run_) .id = (id_), .len = (len_), .of_thing = true, .run = (run_), .name = #id_

static const struct scmi_msg msgs[] = {
	{PERF(PERFORMANCE_DOMAIN_ATTRIBUTES, 4, run_domain)},
	{PERF(PERFORMANCE_DESCRIBE_LEVELS, 8, run_levels)},
	{PERF(PERFORMANCE_LIMITS_SET, 12, run_limits_set), .sets = BIT(SCMI_LIMITS), .end = end_limits_set},
	{PERF(PERFORMANCE_LIMITS_GET, 4, run_limits_get), .gets = BIT(SCMI_LIMITS), .end = end_limits_get},
	{PERF(PERFORMANCE_LEVEL_SET, 8, run_level_set), .sets = BIT(SCMI_LEVEL), .end = end_level_set},
	{PERF(PERFORMANCE_LEVEL_GET, 4, run_level_get), .gets = BIT(SCMI_LEVEL), .end = end_level_get},
	{PERF(PERFORMANCE_NOTIFY_LIMITS, 8, run_notify_limits), .p2a = true},
	{PERF(PERFORMANCE_NOTIFY_LEVEL, 8, run_notify_level), .p2a = true},
	{PERF(PERFORMANCE_DOMAIN_NAME_GET, 4, scmi_name_get)},
};

const struct scmi_proto scmi_perf = {
	.id = SCMI_PROTO_PERF,
	.version = 0x40000,
	.kind = SCMI_PERF,
	.name = "performance",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
