/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_reset.c - reset domain management protocol, 0x16: Arm SCMI 3.2, section "Reset domain management protocol".
 *
 * A domain is a line.  It has one reset, so reset_state is taken as it is, and told to who wants to know of resets.
 */
#include "devices/scmi/scmi.h"

enum {
	RESET_DOMAIN_ATTRIBUTES = 0x3,
	RESET = 0x4,
	RESET_NOTIFY = 0x5,
	RESET_DOMAIN_NAME_GET = 0x6,
};

/* Flags of RESET. */
#define RESET_AUTONOMOUS 1u
#define RESET_ASSERT	 2u
#define RESET_ASYNC	 4u

#define LATENCY_UNKNOWN 0xffffffffu

static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, c->s->count[SCMI_RESET]);
}

/* 31 asynchronous resets, 30 notices, 29 extended name. */
static int run_domain(struct scmi_cmd *c)
{
	const struct scmi_thing *t = &c->res->thing;

	scmi_put(c, (scmi_p2a(c->s) ? 3u << 30 : 0) | scmi_long_name(c->res, 29));
	scmi_put(c, t->latency ? t->latency : LATENCY_UNKNOWN);
	scmi_put_name(c, t->name, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int run_reset(struct scmi_cmd *c)
{
	uint32_t flags = scmi_in(c, 1);
	int status = SCMI_SUCCESS;
	int64_t line = flags & RESET_AUTONOMOUS ? 2 : flags & RESET_ASSERT ? 1 : 0;

	if (flags & ~(RESET_AUTONOMOUS | RESET_ASSERT | RESET_ASYNC) ||
	    (flags & RESET_AUTONOMOUS && flags & RESET_ASSERT))
		return SCMI_INVALID_PARAMETERS;
	if (flags & RESET_ASYNC)
		status = scmi_delayed(c);
	return status == SCMI_SUCCESS ? scmi_set(c, SCMI_LINE, 1, line, 0) : status;
}

static void end_reset(struct scmi_cmd *c)
{
	const uint32_t words[] = {SCMI_AGENT, c->res->id, scmi_in(c, 2)};

	if (c->late)
		scmi_put(c, c->res->id);
	if (c->res->guest.notify[0] && c->io.v[0])
		scmi_tell(c->s, SCMI_PROTO_RESET, 0, words, ARRAY_SIZE(words));
}

static int run_notify(struct scmi_cmd *c)
{
	return scmi_notify_set(c, 0);
}

#define DOMAIN(id_, len_, run_) .id = (id_), .len = (len_), .of_thing = true, .run = (run_), .name = #id_

static const struct scmi_msg msgs[] = {
	{DOMAIN(RESET_DOMAIN_ATTRIBUTES, 4, run_domain)},
	{DOMAIN(RESET, 12, run_reset), .sets = BIT(SCMI_LINE), .end = end_reset},
	{DOMAIN(RESET_NOTIFY, 8, run_notify), .p2a = true},
	{DOMAIN(RESET_DOMAIN_NAME_GET, 4, scmi_name_get)},
};

const struct scmi_proto scmi_reset = {
	.id = SCMI_PROTO_RESET,
	.version = 0x30001,
	.kind = SCMI_RESET,
	.name = "reset",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
