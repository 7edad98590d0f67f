/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_power.c - power domain management protocol, 0x11: Arm SCMI 3.2, section "Power domain management protocol".
 *
 * A domain is on or off; off, it has lost its context.
 */
#include "devices/scmi/scmi.h"

enum {
	POWER_DOMAIN_ATTRIBUTES = 0x3,
	POWER_STATE_SET = 0x4,
	POWER_STATE_GET = 0x5,
	POWER_STATE_NOTIFY = 0x6,
	POWER_STATE_CHANGE_REQUESTED_NOTIFY = 0x7,
	POWER_DOMAIN_NAME_GET = 0x8,
};

enum { NOTE_CHANGED = 0, NOTE_REQUESTED = 1 };

/* Generic states: bit 30, the context is lost; 27:0 an id. */
#define STATE_ON  0u
#define STATE_OFF (1u << 30)

/* Domains; and no shared memory. */
static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, c->s->count[SCMI_POWER]);
	scmi_put(c, 0);
	scmi_put(c, 0);
	scmi_put(c, 0);
}

/* 31 notices, 30 asynchronous, 29 synchronous, 28 notices of requests, 27 extended name. */
static int run_domain(struct scmi_cmd *c)
{
	scmi_put(c, (scmi_p2a(c->s) ? 3u << 30 | 1u << 28 : 0) | 1u << 29 | scmi_long_name(c->res, 27));
	scmi_put_name(c, c->res->thing.name, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static void state_tell(struct scmi_cmd *c, unsigned int note, uint32_t state)
{
	const uint32_t words[] = {SCMI_AGENT, c->res->id, state};

	if (c->res->guest.notify[note])
		scmi_tell(c->s, SCMI_PROTO_POWER, note, words, ARRAY_SIZE(words));
}

/* flags, domain_id, power_state. */
static int run_set(struct scmi_cmd *c)
{
	uint32_t flags = scmi_in(c, 0), state = scmi_in(c, 2);
	int status = SCMI_SUCCESS;

	if (flags & ~1u || (state != STATE_ON && state != STATE_OFF))
		return SCMI_INVALID_PARAMETERS;
	state_tell(c, NOTE_REQUESTED, state);
	if (flags)
		status = scmi_delayed(c);
	return status == SCMI_SUCCESS ? scmi_set(c, SCMI_LEVEL, 1, state == STATE_ON, 0) : status;
}

static void end_set(struct scmi_cmd *c)
{
	if (c->late) {
		scmi_put(c, c->res->id);
		scmi_put(c, scmi_in(c, 2));
	}
	state_tell(c, NOTE_CHANGED, scmi_in(c, 2));
}

static int run_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_LEVEL, 0, 1);
}

static void end_get(struct scmi_cmd *c)
{
	scmi_put(c, c->io.v[0] ? STATE_ON : STATE_OFF);
}

static int run_notify(struct scmi_cmd *c)
{
	return scmi_notify_set(c, NOTE_CHANGED);
}

static int run_requested_notify(struct scmi_cmd *c)
{
	return scmi_notify_set(c, NOTE_REQUESTED);
}

#define POWER(id_, len_, run_) .id = (id_), .len = (len_), .of_thing = true, .run = (run_), .name = #id_

static const struct scmi_msg msgs[] = {
	{POWER(POWER_DOMAIN_ATTRIBUTES, 4, run_domain)},
	{POWER(POWER_STATE_SET, 12, run_set), .at = 1, .sets = BIT(SCMI_LEVEL), .end = end_set},
	{POWER(POWER_STATE_GET, 4, run_get), .gets = BIT(SCMI_LEVEL), .end = end_get},
	{POWER(POWER_STATE_NOTIFY, 8, run_notify), .p2a = true},
	{POWER(POWER_STATE_CHANGE_REQUESTED_NOTIFY, 8, run_requested_notify), .p2a = true},
	{POWER(POWER_DOMAIN_NAME_GET, 4, scmi_name_get)},
};

const struct scmi_proto scmi_power = {
	.id = SCMI_PROTO_POWER,
	.version = 0x30001,
	.kind = SCMI_POWER,
	.name = "power domain",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
