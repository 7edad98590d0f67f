/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_control.c - what an operator does to the SCMI device at the control socket: values of fake things, faults of any
 * thing, a look at what the guest has set.
 */
#include <errno.h>
#include <stdio.h>

#include "core/control.h"
#include "devices/scmi/scmi.h"

static const char *const kind_names[SCMI_KINDS] = {"sensor", "clock", "voltage",  "reset",
						   "power",  "perf",  "powercap", "pins"};
static const char *const what_names[] = {"reading", "rate", "enabled", "parent", "level", "limits", "line", "interval"};

static const struct {
	const char *name;
	int err;
} errors[] = {
	{"hardware", -EIO},	      {"busy", -EBUSY},	    {"denied", -EACCES}, {"range", -ERANGE},
	{"unsupported", -EOPNOTSUPP}, {"invalid", -EINVAL},
};

void scmi_tell_operator(const struct scmi_res *r, const struct scmi_io *io)
{
	struct control *control = r->s->d.control;

	if (io->what > SCMI_PAI)
		control_tell(control, "guest %s settings", r->thing.name);
	else if (io->what == SCMI_LIMITS)
		control_tell(control, "guest %s limits %lld %lld", r->thing.name, (long long)io->v[0], (long long)io->v[1]);
	else
		control_tell(control, "guest %s %s %lld", r->thing.name, what_names[io->what], (long long)io->v[0]);
}

static struct scmi_res *find(struct scmi *s, const char *name, char *why, size_t why_size)
{
	const struct word w = word_of(name);
	struct scmi_res *r = scmi_named(s, &w);

	if (!r)
		snprintf(why, why_size, "'%.40s': no thing has this name (list shows them)", name);
	return r;
}

static int find_value(const struct scmi_res *r, int64_t *v)
{
	static const enum scmi_what first[SCMI_KINDS] = {SCMI_READING, SCMI_RATE,  SCMI_LEVEL, SCMI_LINE,
							 SCMI_LEVEL,   SCMI_LEVEL, SCMI_LEVEL, SCMI_SETTING};
	enum scmi_what what = first[r->thing.kind];

	/* A thing that blocks is not asked for a list. */
	return r->type->blocks || what == SCMI_SETTING || r->lost ? -EAGAIN : r->type->get(r->host, what, 0, v, 1);
}

static int run_list(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct scmi *s = arg;

	for (unsigned int i = 0; i < s->nres; i++) {
		const struct scmi_res *r = s->res[i];
		const struct scmi_guest *g = &r->guest;
		char text[256] = "";
		size_t len = 0;
		int64_t v[SCMI_VALUES];

		if (find_value(r, v) == 0)
			len += (size_t)snprintf(text, sizeof(text), " value %lld", (long long)v[0]);
		for (unsigned int what = SCMI_RATE; what <= SCMI_PAI; what++) {
			if (g->changed & BIT(what) && len < sizeof(text))
				len += (size_t)snprintf(text + len, sizeof(text) - len, " guest-%s %lld",
							what_names[what], (long long)g->set[what][0]);
		}
		control_say(c, "%s %u %s %s%s%s%s%s", kind_names[r->thing.kind], r->id, r->thing.name, r->type->name,
			    text, g->notify[0] || g->notify[1] ? " notices" : "", r->lost ? " lost" : "",
			    r->fault ? " fails" : "");
	}
	return 0;
}

static int run_set(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct scmi_res *r = find(arg, argv[0], why, why_size);
	const struct word text = word_of(argv[1]);
	uint64_t axis = 0;
	int64_t value;

	if (!r)
		return -ENOENT;
	if (!r->type->fake || r->thing.kind == SCMI_PIN) {
		snprintf(why, why_size, "'%.40s': not a fake thing with a value", argv[0]);
		return -EINVAL;
	}
	if (scmi_word_signed(&text, &value) < 0) {
		snprintf(why, why_size, "'%.40s': a whole number is wanted", argv[1]);
		return -EINVAL;
	}
	if (argc > 2 && (opt_parse_number(argv[2], false, &axis) < 0 || axis >= (r->thing.axes ? r->thing.axes : 1))) {
		snprintf(why, why_size, "'%.40s': the number of an axis is wanted", argv[2]);
		return -EINVAL;
	}
	if (scmi_fake_put(r->host, (unsigned int)axis, value) < 0) {
		snprintf(why, why_size, "'%.40s': from %lld to %lld", argv[1], (long long)r->thing.min,
			 (long long)r->thing.max);
		return -ERANGE;
	}
	scmi_changed(r);
	scmi_told_by_operator(r, value);
	return 0;
}

static int run_fail(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct scmi_res *r = find(arg, argv[0], why, why_size);
	uint64_t count = UINT32_MAX;

	if (!r)
		return -ENOENT;
	if (argc > 2 && (opt_parse_number(argv[2], false, &count) < 0 || !count || count >= UINT32_MAX)) {
		snprintf(why, why_size, "'%.40s': how many operations fail is wanted", argv[2]);
		return -EINVAL;
	}
	r->fault_count = (unsigned int)count;
	r->fault = 0;
	if (strcmp(argv[1], "off") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (strcmp(argv[1], errors[i].name) == 0) {
			r->fault = errors[i].err;
			return 0;
		}
	}
	snprintf(why, why_size, "'%.40s': hardware, busy, denied, range, unsupported, invalid or off is wanted",
		 argv[1]);
	return -EINVAL;
}

static int run_delay(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct scmi_res *r = find(arg, argv[0], why, why_size);
	uint64_t ms;

	if (!r)
		return -ENOENT;
	if (opt_parse_number(argv[1], false, &ms) < 0 || ms > 60000) {
		snprintf(why, why_size, "'%.40s': a time from 0 to 60000 ms is wanted", argv[1]);
		return -EINVAL;
	}
	r->delay = (unsigned int)ms;
	return 0;
}

static int lose(struct scmi *s, const char *name, bool lost, char *why, size_t why_size)
{
	struct scmi_res *r = find(s, name, why, why_size);

	if (!r)
		return -ENOENT;
	r->lost = lost;
	return 0;
}

static int run_lose(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	return lose(arg, argv[0], true, why, why_size);
}

static int run_back(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	return lose(arg, argv[0], false, why, why_size);
}

static int run_system(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	bool graceful = argc < 2 || strcmp(argv[1], "force") != 0;
	uint32_t state = strcmp(argv[0], "shutdown") == 0 ? 0 : 1;

	if ((state && strcmp(argv[0], "reset") != 0) || (argc > 1 && graceful)) {
		snprintf(why, why_size, "'%.40s': shutdown or reset is wanted, and perhaps force", argv[argc - 1]);
		return -EINVAL;
	}
	if (scmi_system_ask(arg, state, graceful) == 0)
		return 0;
	snprintf(why, why_size, "the guest does not listen (SYSTEM_POWER_STATE_NOTIFY), or there is no --system-power");
	return -ENOTCONN;
}

const struct control_command scmi_commands[] = {
	{"list", "", "show the things: protocol, id, name, value, what the guest has set", 0, 0, run_list},
	{"set", "NAME VALUE [AXIS]", "a fake thing has another value", 2, 3, run_set},
	{"fail", "NAME ERROR|off [COUNT]", "its operations fail: hardware, busy, denied, range, unsupported, invalid",
	 2, 3, run_fail},
	{"delay", "NAME MS", "each of its operations takes this time", 2, 2, run_delay},
	{"lose", "NAME", "it is unplugged", 1, 1, run_lose},
	{"back", "NAME", "it is there again", 1, 1, run_back},
	{"system", "shutdown|reset [force]", "ask the guest for it", 1, 2, run_system},
	{0},
};
