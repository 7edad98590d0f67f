/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_powercap.c - powercapping protocol, 0x18: Arm SCMI 3.2, section "Powercapping protocol".  Powers are uW,
 * intervals us.
 */
#include "devices/scmi/scmi.h"

enum {
	POWERCAP_DOMAIN_ATTRIBUTES = 0x3,
	POWERCAP_CAP_GET = 0x4,
	POWERCAP_CAP_SET = 0x5,
	POWERCAP_PAI_GET = 0x6,
	POWERCAP_PAI_SET = 0x7,
	POWERCAP_DOMAIN_NAME_GET = 0x8,
	POWERCAP_MEASUREMENTS_GET = 0x9,
	POWERCAP_CAP_NOTIFY = 0xa,
	POWERCAP_MEASUREMENTS_NOTIFY = 0xb,
};

enum { NOTE_CAP = 0, NOTE_MEASUREMENTS = 1 };

#define NO_PARENT   0xffffffffu
#define PAI_MIN	    1000
#define PAI_MAX	    60000000
#define PAI_STEP    1000
#define PAI_UNKNOWN 1000000

static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, c->s->count[SCMI_POWERCAP]);
}

static bool can_set(const struct scmi_res *r, enum scmi_what what)
{
	return r->thing.writable && r->thing.sets & BIT(what);
}

/*
 * 31, 30 notices, 29 asynchronous CAP_SET, 28 extended name, 27 the cap can be set, 26 it is measured, 25 the interval
 * can be set, 24:23 1: uW.  What cannot be set has one value.
 */
static int run_domain(struct scmi_cmd *c)
{
	const struct scmi_res *r = c->res;
	const struct scmi_thing *t = &r->thing;
	bool cap = can_set(r, SCMI_LEVEL), pai = can_set(r, SCMI_PAI);
	bool measured = t->gets & BIT(SCMI_DRAW);
	uint32_t fixed = r->known & BIT(SCMI_PAI) && r->initial[SCMI_PAI][0] > 0 ? (uint32_t)r->initial[SCMI_PAI][0]
										 : PAI_UNKNOWN;

	scmi_put(c, (scmi_p2a(c->s) ? 1u << 31 | (measured ? 1u << 30 : 0) | (cap ? 1u << 29 : 0) : 0) |
			    scmi_long_name(r, 28) | (cap ? 1u << 27 : 0) | (measured ? 1u << 26 : 0) |
			    (pai ? 1u << 25 : 0) | 1u << 23);
	scmi_put_name(c, t->name, SCMI_SHORT_NAME);
	scmi_put(c, pai ? PAI_MIN : fixed);
	scmi_put(c, pai ? PAI_MAX : fixed);
	scmi_put(c, pai ? PAI_STEP : 0);
	scmi_put(c, (uint32_t)(cap ? t->min : t->max));
	scmi_put(c, (uint32_t)t->max);
	scmi_put(c, (uint32_t)(cap ? t->step : 0));
	scmi_put(c, (uint32_t)t->max);
	scmi_put(c, 0);
	scmi_put(c, NO_PARENT);
	return SCMI_SUCCESS;
}

static int run_cap_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_LEVEL, 0, 1);
}

static void end_one(struct scmi_cmd *c)
{
	scmi_put(c, (uint32_t)c->io.v[0]);
}

/* domain_id, flags (0: the delayed response is not of interest, 1: asynchronous), power_cap. */
static int run_cap_set(struct scmi_cmd *c)
{
	uint32_t flags = scmi_in(c, 1);
	int64_t cap = scmi_in(c, 2), rounded = cap;
	int status = SCMI_SUCCESS;

	if (flags & ~3u)
		return SCMI_INVALID_PARAMETERS;
	if (!scmi_round(&c->res->thing, 0, &rounded))
		return SCMI_OUT_OF_RANGE;
	if (flags & 2)
		status = scmi_delayed(c);
	return status == SCMI_SUCCESS ? scmi_set(c, SCMI_LEVEL, 1, rounded, 0) : status;
}

static void end_cap_set(struct scmi_cmd *c)
{
	const struct scmi_guest *g = &c->res->guest;
	uint32_t pai = (uint32_t)(g->changed & BIT(SCMI_PAI) ? g->set[SCMI_PAI][0] : c->res->initial[SCMI_PAI][0]);
	const uint32_t words[] = {SCMI_AGENT, c->res->id, (uint32_t)c->io.v[0], pai};

	if (c->late) {
		scmi_put(c, c->res->id);
		scmi_put(c, (uint32_t)c->io.v[0]);
	}
	if (g->notify[NOTE_CAP])
		scmi_tell(c->s, SCMI_PROTO_POWERCAP, NOTE_CAP, words, ARRAY_SIZE(words));
}

static int run_pai_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_PAI, 0, 1);
}

/* domain_id, flags (reserved), pai. */
static int run_pai_set(struct scmi_cmd *c)
{
	uint32_t pai = scmi_in(c, 2);

	if (scmi_in(c, 1))
		return SCMI_INVALID_PARAMETERS;
	if (pai < PAI_MIN || pai > PAI_MAX)
		return SCMI_OUT_OF_RANGE;
	return scmi_set(c, SCMI_PAI, 1, pai, 0);
}

static int run_measurements(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_DRAW, 0, 2);
}

static void end_measurements(struct scmi_cmd *c)
{
	scmi_put(c, (uint32_t)c->io.v[0]);
	scmi_put(c, (uint32_t)c->io.v[1]);
}

static int run_cap_notify(struct scmi_cmd *c)
{
	return scmi_notify_set(c, NOTE_CAP);
}

/* domain_id, notify_enable, power_threshold_low, power_threshold_high. */
static int run_measurements_notify(struct scmi_cmd *c)
{
	struct scmi_guest *g = &c->res->guest;
	int status;

	if (scmi_in(c, 2) > scmi_in(c, 3))
		return SCMI_INVALID_PARAMETERS;
	status = scmi_notify_set(c, NOTE_MEASUREMENTS);
	if (status != SCMI_SUCCESS)
		return status;
	g->low = scmi_in(c, 2);
	g->high = scmi_in(c, 3);
	c->res->has_last = false;
	scmi_sensor_watch(c->res);
	return SCMI_SUCCESS;
}

static int zone(const struct scmi_guest *g, int64_t power)
{
	return power < g->low ? -1 : power > g->high;
}

/* Told when it goes over one of the thresholds. */
void scmi_powercap_measured(struct scmi_res *r, int64_t power)
{
	const uint32_t words[] = {SCMI_AGENT, r->id, (uint32_t)power};

	if (r->has_last && zone(&r->guest, power) != zone(&r->guest, r->last[0]))
		scmi_tell(r->s, SCMI_PROTO_POWERCAP, NOTE_MEASUREMENTS, words, ARRAY_SIZE(words));
	r->last[0] = power;
	r->has_last = true;
}

#define CAP(id_, len_, run_) .id = (id_), .len = (len_), .of_thing = true, .run = (run_), .name = #id_

static const struct scmi_msg msgs[] = {
	{CAP(POWERCAP_DOMAIN_ATTRIBUTES, 4, run_domain)},
	{CAP(POWERCAP_CAP_GET, 4, run_cap_get), .gets = BIT(SCMI_LEVEL), .end = end_one},
	{CAP(POWERCAP_CAP_SET, 12, run_cap_set), .sets = BIT(SCMI_LEVEL), .end = end_cap_set},
	{CAP(POWERCAP_PAI_GET, 4, run_pai_get), .gets = BIT(SCMI_PAI), .end = end_one},
	{CAP(POWERCAP_PAI_SET, 12, run_pai_set), .sets = BIT(SCMI_PAI)},
	{CAP(POWERCAP_DOMAIN_NAME_GET, 4, scmi_name_get)},
	{CAP(POWERCAP_MEASUREMENTS_GET, 4, run_measurements), .gets = BIT(SCMI_DRAW), .end = end_measurements},
	{CAP(POWERCAP_CAP_NOTIFY, 8, run_cap_notify), .p2a = true},
	{CAP(POWERCAP_MEASUREMENTS_NOTIFY, 16, run_measurements_notify), .p2a = true, .gets = BIT(SCMI_DRAW)},
};

const struct scmi_proto scmi_powercap = {
	.id = SCMI_PROTO_POWERCAP,
	.version = 0x20000,
	.kind = SCMI_POWERCAP,
	.name = "power cap",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
