/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_voltage.c - voltage domain management protocol, 0x17: Arm SCMI 3.2, section "Voltage domain management
 * protocol".
 */
#include "devices/scmi/scmi.h"

enum {
	VOLTAGE_DOMAIN_ATTRIBUTES = 0x3,
	VOLTAGE_DESCRIBE_LEVELS = 0x4,
	VOLTAGE_CONFIG_SET = 0x5,
	VOLTAGE_CONFIG_GET = 0x6,
	VOLTAGE_LEVEL_SET = 0x7,
	VOLTAGE_LEVEL_GET = 0x8,
	VOLTAGE_DOMAIN_NAME_GET = 0x9,
};

/* Architectural modes of config, bits 3:0. */
#define MODE_OFF 0
#define MODE_ON	 7

static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, c->s->count[SCMI_VOLTAGE]);
}

/* 31 asynchronous LEVEL_SET, 30 extended name. */
static int run_domain(struct scmi_cmd *c)
{
	scmi_put(c, (scmi_p2a(c->s) ? 1u << 31 : 0) | scmi_long_name(c->res, 30));
	scmi_put_name(c, c->res->thing.name, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int run_levels(struct scmi_cmd *c)
{
	return scmi_put_levels(c, scmi_in(c, 1), 4);
}

static int run_config_set(struct scmi_cmd *c)
{
	uint32_t mode = scmi_in(c, 1);

	if (mode != MODE_OFF && mode != MODE_ON)
		return SCMI_INVALID_PARAMETERS;
	return scmi_set(c, SCMI_ENABLED, 1, mode == MODE_ON, 0);
}

static int run_config_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_ENABLED, 0, 1);
}

static void end_config_get(struct scmi_cmd *c)
{
	scmi_put(c, c->io.v[0] ? MODE_ON : MODE_OFF);
}

/* flags: 0 asynchronous, 1 the delayed response is not of interest. */
static int run_level_set(struct scmi_cmd *c)
{
	uint32_t flags = scmi_in(c, 1);
	int64_t level = (int32_t)scmi_in(c, 2), rounded = level;
	int status = SCMI_SUCCESS;

	if (flags & ~3u)
		return SCMI_INVALID_PARAMETERS;
	if (!scmi_round(&c->res->thing, 0, &rounded) || rounded != level)
		return SCMI_OUT_OF_RANGE;
	if (flags & 1)
		status = scmi_delayed(c);
	return status == SCMI_SUCCESS ? scmi_set(c, SCMI_LEVEL, 1, level, 0) : status;
}

static void end_level_set(struct scmi_cmd *c)
{
	if (!c->late)
		return;
	scmi_put(c, c->res->id);
	scmi_put(c, (uint32_t)c->io.v[0]);
}

static int run_level_get(struct scmi_cmd *c)
{
	return scmi_get(c, SCMI_LEVEL, 0, 1);
}

static void end_level_get(struct scmi_cmd *c)
{
	scmi_put(c, (uint32_t)c->io.v[0]);
}

#define VOLTAGE(id_, len_, run_) .id = (id_), .len = (len_), .of_thing = true, .run = (run_), .name = #id_

static const struct scmi_msg msgs[] = {
	{VOLTAGE(VOLTAGE_DOMAIN_ATTRIBUTES, 4, run_domain)},
	{VOLTAGE(VOLTAGE_DESCRIBE_LEVELS, 8, run_levels)},
	{VOLTAGE(VOLTAGE_CONFIG_SET, 8, run_config_set), .sets = BIT(SCMI_ENABLED)},
	{VOLTAGE(VOLTAGE_CONFIG_GET, 4, run_config_get), .gets = BIT(SCMI_ENABLED), .end = end_config_get},
	{VOLTAGE(VOLTAGE_LEVEL_SET, 12, run_level_set), .sets = BIT(SCMI_LEVEL), .end = end_level_set},
	{VOLTAGE(VOLTAGE_LEVEL_GET, 4, run_level_get), .gets = BIT(SCMI_LEVEL), .end = end_level_get},
	{VOLTAGE(VOLTAGE_DOMAIN_NAME_GET, 4, scmi_name_get)},
};

const struct scmi_proto scmi_voltage = {
	.id = SCMI_PROTO_VOLTAGE,
	.version = 0x20001,
	.kind = SCMI_VOLTAGE,
	.name = "voltage",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
