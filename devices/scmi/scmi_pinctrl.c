/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_pinctrl.c - pin control protocol, 0x19: Arm SCMI 3.2, section "Pin control protocol".
 *
 * A thing is a group of pins.  Pins are numbered through all groups.  Function 0 is gpio, of all groups; function N + 1
 * is what group N is for, and has its name.
 */
#include <stdio.h>

#include "devices/scmi/scmi.h"

enum {
	PINCTRL_ATTRIBUTES = 0x3,
	PINCTRL_LIST_ASSOCIATIONS = 0x4,
	PINCTRL_SETTINGS_GET = 0x5,
	PINCTRL_SETTINGS_CONFIGURE = 0x6,
	PINCTRL_REQUEST = 0x7,
	PINCTRL_RELEASE = 0x8,
	PINCTRL_NAME_GET = 0x9,
};

enum { SELECT_PIN = 0, SELECT_GROUP = 1, SELECT_FUNCTION = 2 };

#define NO_FUNCTION 0xffffffffu

/* What an identifier and a selector mean. */
struct selected {
	unsigned int selector, id;
	struct scmi_res *group; /* NULL: function gpio */
	unsigned int pin;	/* in its group */
};

static unsigned int groups(const struct scmi *s)
{
	return s->count[SCMI_PIN];
}

static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, groups(c->s) << 16 | c->s->npins);
	scmi_put(c, groups(c->s) + 1);
}

/* Finds what is meant.  Returns a status. */
static int select_find(const struct scmi *s, uint32_t id, uint32_t selector, struct selected *f)
{
	*f = (struct selected){.selector = selector, .id = id};
	if (selector > SELECT_FUNCTION)
		return SCMI_INVALID_PARAMETERS;
	for (unsigned int i = 0; i < groups(s); i++) {
		struct scmi_res *r = s->of_kind[SCMI_PIN][i];
		bool it = selector == SELECT_PIN     ? id >= r->first_pin && id - r->first_pin < r->thing.npins
			  : selector == SELECT_GROUP ? id == i
						     : id == i + 1;

		if (!it)
			continue;
		f->group = r;
		f->pin = selector == SELECT_PIN ? id - r->first_pin : 0;
		return SCMI_SUCCESS;
	}
	return selector == SELECT_FUNCTION && id == 0 ? SCMI_SUCCESS : SCMI_NOT_FOUND;
}

static void select_name(const struct selected *f, char name[static SCMI_LONG_NAME])
{
	if (!f->group)
		snprintf(name, SCMI_LONG_NAME, "gpio");
	else if (f->selector == SELECT_PIN)
		snprintf(name, SCMI_LONG_NAME, "%.58s.%u", f->group->thing.name, f->pin);
	else
		snprintf(name, SCMI_LONG_NAME, "%s", f->group->thing.name);
}

static unsigned int select_elements(const struct scmi *s, const struct selected *f)
{
	return f->selector == SELECT_PIN     ? 0
	       : f->selector == SELECT_GROUP ? f->group->thing.npins
	       : f->group		     ? 1
					     : groups(s);
}

/* attributes: 31 extended name, 15:0 elements. */
static int run_attributes(struct scmi_cmd *c)
{
	char name[SCMI_LONG_NAME];
	struct selected f;
	int status = select_find(c->s, scmi_in(c, 0), scmi_in(c, 1), &f);

	if (status != SCMI_SUCCESS)
		return status;
	select_name(&f, name);
	scmi_put(c, (strlen(name) >= SCMI_SHORT_NAME ? 1u << 31 : 0) | select_elements(c->s, &f));
	scmi_put_name(c, name, SCMI_SHORT_NAME);
	return SCMI_SUCCESS;
}

static int run_name(struct scmi_cmd *c)
{
	char name[SCMI_LONG_NAME];
	struct selected f;
	int status = select_find(c->s, scmi_in(c, 0), scmi_in(c, 1), &f);

	if (status != SCMI_SUCCESS)
		return status;
	select_name(&f, name);
	scmi_put(c, 0);
	scmi_put_name(c, name, SCMI_LONG_NAME);
	return SCMI_SUCCESS;
}

/* Pins of a group, groups of a function.  flags: 11:0 returned, 31:16 remaining; then 16-bit identifiers. */
static int run_associations(struct scmi_cmd *c)
{
	unsigned int all, skip = scmi_in(c, 2), n, first;
	struct selected f;
	int status = select_find(c->s, scmi_in(c, 0), scmi_in(c, 1), &f);

	if (status != SCMI_SUCCESS)
		return status;
	if (f.selector == SELECT_PIN)
		return SCMI_NOT_SUPPORTED;
	all = select_elements(c->s, &f);
	if (skip >= all)
		return SCMI_OUT_OF_RANGE;
	scmi_put(c, 0);
	n = 2 * scmi_room(c, 4);
	n = n < all - skip ? n : all - skip;
	first = skip + (f.selector == SELECT_GROUP ? f.group->first_pin : f.group ? f.group->id : 0);
	for (unsigned int i = 0; i < n; i += 2)
		scmi_put(c, (first + i) | (i + 1 < n ? (first + i + 1) << 16 : 0));
	scmi_set_word(c, 0, n | (all - skip - n) << 16);
	return SCMI_SUCCESS;
}

static unsigned int select_place(const struct selected *f)
{
	return f->selector == SELECT_PIN ? f->pin : SCMI_ALL_PINS;
}

/* The types that are asked for, in pairs with room for values.  Returns how many there are in all. */
static unsigned int types_list(struct scmi_cmd *c, unsigned int skip, unsigned int room, unsigned int *n)
{
	uint32_t types = c->res->thing.settings;
	unsigned int all = 0;

	*n = 0;
	for (unsigned int type = 0; type < SCMI_MODES; type++) {
		if (!(types & BIT(type)) || all++ < skip || *n == room)
			continue;
		c->io.v[(size_t)2 * *n] = type;
		c->io.v[(size_t)2 * *n + 1] = 0;
		++*n;
	}
	return all;
}

/* attributes: 19:18 one setting, all, the function; 17:16 selector; 15:8 settings to be skipped; 7:0 type. */
static int run_get(struct scmi_cmd *c)
{
	uint32_t a = scmi_in(c, 1), flag = a >> 18 & 3;
	unsigned int n = 1, room = scmi_room(c, 4) < 4 ? 0 : scmi_room(c, 4) / 2 - 1;
	struct selected f;
	int status = select_find(c->s, scmi_in(c, 0), a >> 16 & 3, &f);

	if (status != SCMI_SUCCESS)
		return status;
	if (a >> 20 || flag == 3 || f.selector == SELECT_FUNCTION)
		return SCMI_INVALID_PARAMETERS;
	c->res = f.group;
	c->io.v[0] = flag == 2 ? SCMI_SETTING_FUNCTION : a & 0xff;
	c->io.v[1] = 0;
	if (flag == 0 && ((a & 0xff) >= SCMI_MODES || !(f.group->thing.settings & BIT(a & 0xff))))
		return SCMI_NOT_SUPPORTED;
	if (flag == 1) {
		unsigned int most = room < SCMI_VALUES / 2 ? room : SCMI_VALUES / 2,
			     all = types_list(c, a >> 8 & 0xff, most, &n);

		if ((a >> 8 & 0xff) >= all)
			return SCMI_OUT_OF_RANGE;
	}
	return n && room ? scmi_get(c, SCMI_SETTING, select_place(&f), 2 * n) : SCMI_PROTOCOL_ERROR;
}

static uint32_t function_id(const struct scmi_res *group, int64_t function)
{
	return function == SCMI_FUNCTION_GPIO ? 0 : function == SCMI_FUNCTION_OWN ? group->id + 1 : NO_FUNCTION;
}

/* function_selected; num_configs: 7:0 returned, 31:24 remaining; pairs. */
static void end_get(struct scmi_cmd *c)
{
	uint32_t a = scmi_in(c, 1), left = 0;
	const int64_t *v = c->io.v;

	if ((a >> 18 & 3) == 2) {
		scmi_put(c, function_id(c->res, v[1]));
		scmi_put(c, 0);
		return;
	}
	if ((a >> 18 & 3) == 1)
		left = (uint32_t)__builtin_popcount(c->res->thing.settings) - (a >> 8 & 0xff) - c->io.n / 2;
	scmi_put(c, NO_FUNCTION);
	scmi_put(c, c->io.n / 2 | left << 24);
	for (unsigned int i = 0; i < c->io.n; i++)
		scmi_put(c, (uint32_t)v[i]);
}

/* attributes: 10 the function is meant, 9:2 number of settings, 1:0 selector. */
static int run_configure(struct scmi_cmd *c)
{
	uint32_t function = scmi_in(c, 1), a = scmi_in(c, 2), n = a >> 2 & 0xff, used = 0;
	struct selected f;
	int status = select_find(c->s, scmi_in(c, 0), a & 3, &f);

	if (c->in_len != 12 + (size_t)n * 8)
		return SCMI_PROTOCOL_ERROR;
	if (status != SCMI_SUCCESS)
		return status;
	if (a >> 11 || f.selector == SELECT_FUNCTION || (!n && !(a >> 10 & 1)) || n > SCMI_VALUES / 2 - 1)
		return SCMI_INVALID_PARAMETERS;
	c->res = f.group;
	if (a >> 10 & 1) {
		if (function != 0 && function != f.group->id + 1)
			return SCMI_NOT_FOUND;
		c->io.v[used++] = SCMI_SETTING_FUNCTION;
		c->io.v[used++] = function ? SCMI_FUNCTION_OWN : SCMI_FUNCTION_GPIO;
	}
	for (uint32_t i = 0; i < n; i++) {
		c->io.v[used++] = scmi_in(c, 3 + 2 * i) & 0xff;
		c->io.v[used++] = scmi_in(c, 4 + 2 * i);
	}
	status = scmi_set(c, SCMI_SETTING, used, c->io.v[0], c->io.v[1]);
	c->io.index = select_place(&f);
	return status;
}

/* Requests or releases pins.  Returns a status. */
static int request(struct scmi_cmd *c, bool want)
{
	struct selected f;
	int status = select_find(c->s, scmi_in(c, 0), scmi_in(c, 1), &f);
	unsigned int first, last;

	if (status != SCMI_SUCCESS)
		return status;
	if (f.selector == SELECT_FUNCTION)
		return SCMI_NOT_SUPPORTED;
	first = f.selector == SELECT_PIN ? f.pin : 0;
	last = f.selector == SELECT_PIN ? f.pin : f.group->thing.npins - 1;
	for (unsigned int i = first; i <= last; i++) {
		if (f.group->guest.requested[i] == want)
			return want ? SCMI_IN_USE : SCMI_INVALID_PARAMETERS;
	}
	for (unsigned int i = first; i <= last; i++)
		f.group->guest.requested[i] = want;
	return SCMI_SUCCESS;
}

static int run_request(struct scmi_cmd *c)
{
	return request(c, true);
}

static int run_release(struct scmi_cmd *c)
{
	return request(c, false);
}

#define PINS(id_, len_, run_) .id = (id_), .len = (len_), .run = (run_), .name = #id_

static const struct scmi_msg msgs[] = {
	{PINS(PINCTRL_ATTRIBUTES, 8, run_attributes)},
	{PINS(PINCTRL_LIST_ASSOCIATIONS, 12, run_associations)},
	{PINS(PINCTRL_SETTINGS_GET, 8, run_get), .end = end_get},
	{PINS(PINCTRL_SETTINGS_CONFIGURE, 12, run_configure), .longer = true},
	{PINS(PINCTRL_REQUEST, 8, run_request)},
	{PINS(PINCTRL_RELEASE, 8, run_release)},
	{PINS(PINCTRL_NAME_GET, 8, run_name)},
};

const struct scmi_proto scmi_pinctrl = {
	.id = SCMI_PROTO_PINCTRL,
	.version = 0x10000,
	.kind = SCMI_PIN,
	.name = "pin control",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
