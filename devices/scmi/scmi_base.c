/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_base.c - base protocol, 0x10: Arm SCMI 3.2, section "Base protocol".
 *
 * There is one agent, the guest, number 1; number 0 is the platform.  The guest can take its own access away, as far as
 * a protocol goes, and gets it back by a reset of its configuration.  There is one device in the standard's sense, a
 * group of things: number 0, all of them.
 */
#include "devices/scmi/scmi.h"

enum {
	BASE_DISCOVER_VENDOR = 0x3,
	BASE_DISCOVER_SUB_VENDOR = 0x4,
	BASE_DISCOVER_IMPLEMENTATION_VERSION = 0x5,
	BASE_DISCOVER_LIST_PROTOCOLS = 0x6,
	BASE_DISCOVER_AGENT = 0x7,
	BASE_NOTIFY_ERRORS = 0x8,
	BASE_SET_DEVICE_PERMISSIONS = 0x9,
	BASE_SET_PROTOCOL_PERMISSIONS = 0xa,
	BASE_RESET_AGENT_CONFIGURATION = 0xb,
};

/* Ids of the protocols besides this one, in their order.  Returns how many. */
static unsigned int protocols(const struct scmi *s, uint8_t ids[static 16])
{
	unsigned int n = 0;

	for (unsigned int i = 0; scmi_protos[i]; i++) {
		if (scmi_protos[i]->id != SCMI_PROTO_BASE && scmi_proto_there(s, scmi_protos[i]))
			ids[n++] = scmi_protos[i]->id;
	}
	return n;
}

/* bits 15:8 agents, 7:0 protocols besides this one. */
static void attributes(struct scmi_cmd *c)
{
	uint8_t ids[16];

	scmi_put(c, 1u << 8 | protocols(c->s, ids));
}

static int run_vendor(struct scmi_cmd *c)
{
	scmi_put_name(c, c->s->vendor, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int run_sub_vendor(struct scmi_cmd *c)
{
	scmi_put_name(c, c->s->sub_vendor, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int run_implementation(struct scmi_cmd *c)
{
	scmi_put(c, (uint32_t)c->s->implementation);
	return SCMI_SUCCESS;
}

static int run_list(struct scmi_cmd *c)
{
	uint8_t ids[16], word[4];
	unsigned int all = protocols(c->s, ids), skip = scmi_in(c, 0), n;

	if (skip > all)
		return SCMI_INVALID_PARAMETERS;
	scmi_put(c, 0);
	n = 4 * scmi_room(c, 4);
	n = n < all - skip ? n : all - skip;
	scmi_set_word(c, 0, n);
	for (unsigned int i = 0; i < n; i += 4) {
		for (unsigned int j = 0; j < 4; j++)
			word[j] = i + j < n ? ids[skip + i + j] : 0;
		scmi_put_bytes(c, word, 4);
	}
	return SCMI_SUCCESS;
}

static int run_agent(struct scmi_cmd *c)
{
	uint32_t id = scmi_in(c, 0);

	id = id == SCMI_SELF ? SCMI_AGENT : id;
	if (id > SCMI_AGENT)
		return SCMI_NOT_FOUND;
	scmi_put(c, id);
	scmi_put_name(c, id ? c->s->agent : "platform", SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int run_notify_errors(struct scmi_cmd *c)
{
	if (scmi_in(c, 0) > 1)
		return SCMI_INVALID_PARAMETERS;
	c->s->notify_errors = scmi_in(c, 0);
	return SCMI_SUCCESS;
}

/* Word 0 is the agent, 1 the device, the last one flags: bit 0, allowed. */
static int permissions_check(const struct scmi_cmd *c, unsigned int last)
{
	if (scmi_in(c, 0) != SCMI_AGENT || scmi_in(c, 1) != 0)
		return SCMI_NOT_FOUND;
	return scmi_in(c, last) > 1 ? SCMI_INVALID_PARAMETERS : SCMI_SUCCESS;
}

/* Access of all protocols but this one, or none. */
static int run_device_permissions(struct scmi_cmd *c)
{
	int status = permissions_check(c, 2);

	if (status == SCMI_SUCCESS)
		c->s->protocol_denied = scmi_in(c, 2) ? 0 : ~1u;
	return status;
}

static int run_protocol_permissions(struct scmi_cmd *c)
{
	int status = permissions_check(c, 3);
	uint32_t id = scmi_in(c, 2) - SCMI_PROTO_BASE, there = 0;
	uint8_t ids[16];

	if (status != SCMI_SUCCESS)
		return status;
	if (id == 0)
		return SCMI_DENIED;
	for (unsigned int n = protocols(c->s, ids); n--;)
		there |= ids[n] - SCMI_PROTO_BASE == (int)id;
	if (!there)
		return SCMI_NOT_FOUND;
	if (scmi_in(c, 3))
		c->s->protocol_denied &= ~(1u << id);
	else
		c->s->protocol_denied |= 1u << id;
	return SCMI_SUCCESS;
}

/* agent_id, flags: bit 0, permissions too. */
static int run_reset(struct scmi_cmd *c)
{
	struct scmi *s = c->s;

	if (scmi_in(c, 1) > 1)
		return SCMI_INVALID_PARAMETERS;
	if (scmi_in(c, 0) != SCMI_AGENT)
		return SCMI_NOT_FOUND;
	if (scmi_in(c, 1))
		s->protocol_denied = 0;
	s->notify_errors = s->notify_system = false;
	for (unsigned int i = 0; i < s->nres; i++)
		scmi_guest_forget(s->res[i]);
	return SCMI_SUCCESS;
}

static const struct scmi_msg msgs[] = {
	{.id = BASE_DISCOVER_VENDOR, .len = 0, .run = run_vendor, .name = "BASE_DISCOVER_VENDOR"},
	{.id = BASE_DISCOVER_SUB_VENDOR, .len = 0, .run = run_sub_vendor, .name = "BASE_DISCOVER_SUB_VENDOR"},
	{.id = BASE_DISCOVER_IMPLEMENTATION_VERSION,
	 .len = 0,
	 .run = run_implementation,
	 .name = "BASE_DISCOVER_IMPLEMENTATION_VERSION"},
	{.id = BASE_DISCOVER_LIST_PROTOCOLS, .len = 4, .run = run_list, .name = "BASE_DISCOVER_LIST_PROTOCOLS"},
	{.id = BASE_DISCOVER_AGENT, .len = 4, .run = run_agent, .name = "BASE_DISCOVER_AGENT"},
	{.id = BASE_NOTIFY_ERRORS, .len = 4, .p2a = true, .run = run_notify_errors, .name = "BASE_NOTIFY_ERRORS"},
	{.id = BASE_SET_DEVICE_PERMISSIONS,
	 .len = 12,
	 .run = run_device_permissions,
	 .name = "BASE_SET_DEVICE_PERMISSIONS"},
	{.id = BASE_SET_PROTOCOL_PERMISSIONS,
	 .len = 16,
	 .run = run_protocol_permissions,
	 .name = "BASE_SET_PROTOCOL_PERMISSIONS"},
	{.id = BASE_RESET_AGENT_CONFIGURATION, .len = 8, .run = run_reset, .name = "BASE_RESET_AGENT_CONFIGURATION"},
};

const struct scmi_proto scmi_base = {
	.id = SCMI_PROTO_BASE,
	.version = 0x20001,
	.kind = SCMI_KINDS,
	.name = "base",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
