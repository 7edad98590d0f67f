/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_msg.c - messages of the SCMI device, as every protocol has them: header, token, status, length, the four
 * messages that all protocols know, delayed responses and notifications.  Arm SCMI 3.2, "Message format"; VIRTIO 1.4,
 * "SCMI Device".
 */
#include <errno.h>

#include "core/clock.h"
#include "devices/scmi/scmi.h"

/* Messages of each protocol. */
enum {
	MSG_VERSION = 0x0,
	MSG_ATTRIBUTES = 0x1,
	MSG_MESSAGE_ATTRIBUTES = 0x2,
	MSG_NEGOTIATE_VERSION = 0x10,
};

struct wire_head {
	le32 hdr;
	le32 status;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_head) == 8, "header and status of struct virtio_scmi_response");

const struct scmi_proto *const scmi_protos[] = {
	&scmi_base,  &scmi_power,   &scmi_system,   &scmi_perf,	   &scmi_clock, &scmi_sensor,
	&scmi_reset, &scmi_voltage, &scmi_powercap, &scmi_pinctrl, NULL,
};

int scmi_status_of(int err)
{
	switch (err) {
	case 0:
		return SCMI_SUCCESS;
	case -EOPNOTSUPP:
		return SCMI_NOT_SUPPORTED;
	case -EINVAL:
		return SCMI_INVALID_PARAMETERS;
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return SCMI_DENIED;
	case -ERANGE:
		return SCMI_OUT_OF_RANGE;
	case -EBUSY:
		return SCMI_BUSY;
	default:
		return SCMI_HARDWARE_ERROR;
	}
}

bool scmi_proto_there(const struct scmi *s, const struct scmi_proto *p)
{
	if (p->kind != SCMI_KINDS)
		return s->count[p->kind] > 0;
	return p->id == SCMI_PROTO_BASE || s->has_system;
}

/* ---- words */

void scmi_put_bytes(struct scmi_cmd *c, const void *bytes, size_t len)
{
	if (len > c->room - c->out_len) {
		c->full = true;
		return;
	}
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += len;
}

void scmi_put(struct scmi_cmd *c, uint32_t word)
{
	const le32 w = htole32(word);

	scmi_put_bytes(c, &w, sizeof(w));
}

void scmi_put64(struct scmi_cmd *c, uint64_t word)
{
	scmi_put(c, (uint32_t)word);
	scmi_put(c, (uint32_t)(word >> 32));
}

void scmi_put_name(struct scmi_cmd *c, const char *name, size_t size)
{
	char padded[SCMI_LONG_NAME] = {0};
	size_t len = strnlen(name, size - 1);

	for (size_t i = 0; i < len; i++)
		padded[i] = name[i];
	scmi_put_bytes(c, padded, size);
}

unsigned int scmi_room(const struct scmi_cmd *c, size_t size)
{
	return (unsigned int)((c->room - c->out_len) / size);
}

void scmi_set_word(struct scmi_cmd *c, unsigned int i, uint32_t word)
{
	const le32 w = htole32(word);

	if ((size_t)4 * i + 4 <= c->out_len)
		memcpy(c->out + (size_t)4 * i, &w, sizeof(w));
}

/* ---- what many protocols have */

int scmi_name_get(struct scmi_cmd *c)
{
	scmi_put(c, 0);
	scmi_put_name(c, c->res->thing.name, SCMI_LONG_NAME);
	return SCMI_SUCCESS;
}

int scmi_notify_set(struct scmi_cmd *c, unsigned int which)
{
	if (scmi_in(c, 1) > 1)
		return SCMI_INVALID_PARAMETERS;
	c->res->guest.notify[which] = scmi_in(c, 1);
	return SCMI_SUCCESS;
}

static void cmd_io_done(struct scmi_io *io);

/* Whether the operator lets the guest do this now. */
static bool rate_allows(struct scmi_res *r)
{
	return policy_rate_take(&r->rate, 1, clock_now(CLOCK_MONOTONIC));
}

int scmi_get(struct scmi_cmd *c, enum scmi_what what, unsigned int index, unsigned int n)
{
	if (!rate_allows(c->res))
		return SCMI_BUSY;
	c->io.res = c->res;
	c->io.what = what;
	c->io.set = false;
	c->io.index = index;
	c->io.n = n;
	return SCMI_SUCCESS;
}

/* Values that the operator limits are what a guest chooses: not whether a thing is on. */
static bool value_allowed(const struct scmi_res *r, enum scmi_what what, int64_t v)
{
	if (!r->limited || (what != SCMI_RATE && what != SCMI_LEVEL && what != SCMI_LIMITS))
		return true;
	/* A limit that stays as it is. */
	if (what == SCMI_LIMITS && !v)
		return true;
	return v >= r->allow_min && v <= r->allow_max;
}

int scmi_set(struct scmi_cmd *c, enum scmi_what what, unsigned int n, int64_t v0, int64_t v1)
{
	if (!c->res->thing.writable || !value_allowed(c->res, what, v0) || (n > 1 && !value_allowed(c->res, what, v1)))
		return SCMI_DENIED;
	if (!rate_allows(c->res))
		return SCMI_BUSY;
	c->io.res = c->res;
	c->io.what = what;
	c->io.set = true;
	c->io.index = 0;
	c->io.n = n;
	c->io.v[0] = v0;
	c->io.v[1] = v1;
	return SCMI_SUCCESS;
}

int scmi_delayed(struct scmi_cmd *c)
{
	if (!scmi_p2a(c->s))
		return SCMI_NOT_SUPPORTED;
	/* Each has room among the events until it is there. */
	if (c->s->late >= SCMI_ASYNC_MAX || events_waiting(&c->s->events) + c->s->late >= SCMI_EVENTS)
		return SCMI_BUSY;
	c->late = true;
	return SCMI_SUCCESS;
}

bool scmi_value_fits(const struct scmi_res *r, enum scmi_what what, int64_t v)
{
	int64_t rounded = v;

	if (what == SCMI_PARENT)
		return v >= 0 && v < r->thing.nparents;
	if (what == SCMI_ENABLED || what == SCMI_LINE || r->thing.kind == SCMI_POWER)
		return v == 0 || v == 1;
	if (what == SCMI_PAI)
		return v > 0 && v <= UINT32_MAX;
	return value_allowed(r, what, v) && scmi_round(&r->thing, 0, &rounded) && rounded == v;
}

bool scmi_round(const struct scmi_thing *t, unsigned int how, int64_t *v)
{
	int64_t down, up;
	unsigned int i = 0;

	if (*v < t->min || *v > t->max)
		return false;
	if (t->nlevels) {
		while (i + 1 < t->nlevels && t->levels[i + 1] <= *v)
			i++;
		down = t->levels[i];
		up = down == *v || i + 1 == t->nlevels ? down : t->levels[i + 1];
	} else {
		int64_t step = t->step ? t->step : 1, over = (*v - t->min) % step;

		down = *v - over;
		up = !over || step > t->max - down ? down : down + step;
	}
	*v = how == 0 ? down : how == 1 ? up : *v - down <= up - *v ? down : up;
	return true;
}

/* bits 11:0 returned, 12 a triplet (min, max, step), 31:16 remaining. */
int scmi_put_levels(struct scmi_cmd *c, uint32_t skip, unsigned int size)
{
	const struct scmi_thing *t = &c->res->thing;
	const int64_t triplet[3] = {t->min, t->max, t->step};
	const int64_t *from = t->nlevels ? t->levels : triplet;
	unsigned int all = t->nlevels ? t->nlevels : 3, n;

	if (skip > all || (!t->nlevels && skip))
		return SCMI_OUT_OF_RANGE;
	scmi_put(c, 0);
	n = scmi_room(c, size);
	n = n < all - skip ? n : all - skip;
	if (!t->nlevels && n < 3)
		return SCMI_PROTOCOL_ERROR;
	for (unsigned int i = 0; i < n; i++) {
		scmi_put(c, (uint32_t)from[skip + i]);
		if (size == 8)
			scmi_put(c, (uint32_t)((uint64_t)from[skip + i] >> 32));
	}
	scmi_set_word(c, 0, n | (t->nlevels ? 0 : 1u << 12) | (all - skip - n) << 16);
	return SCMI_SUCCESS;
}

/* ---- messages of all protocols */

static const struct scmi_msg *msg_find(const struct scmi *s, const struct scmi_proto *p, uint32_t id)
{
	for (size_t i = 0; i < p->nmsgs; i++) {
		if (p->msgs[i].id == id && (!p->msgs[i].p2a || scmi_p2a(s)))
			return &p->msgs[i];
	}
	return NULL;
}

static int run_version(struct scmi_cmd *c)
{
	scmi_put(c, c->proto->version);
	return SCMI_SUCCESS;
}

static int run_attributes(struct scmi_cmd *c)
{
	c->proto->attributes(c);
	return SCMI_SUCCESS;
}

static int run_message_attributes(struct scmi_cmd *c);

/* "NOT_SUPPORTED: the requested version is not supported": there is the one. */
static int run_negotiate(struct scmi_cmd *c)
{
	return scmi_in(c, 0) == c->proto->version ? SCMI_SUCCESS : SCMI_NOT_SUPPORTED;
}

static const struct scmi_msg common_msgs[] = {
	{.id = MSG_VERSION, .len = 0, .run = run_version, .name = "PROTOCOL_VERSION"},
	{.id = MSG_ATTRIBUTES, .len = 0, .run = run_attributes, .name = "PROTOCOL_ATTRIBUTES"},
	{.id = MSG_MESSAGE_ATTRIBUTES, .len = 4, .run = run_message_attributes, .name = "PROTOCOL_MESSAGE_ATTRIBUTES"},
	{.id = MSG_NEGOTIATE_VERSION, .len = 4, .run = run_negotiate, .name = "NEGOTIATE_PROTOCOL_VERSION"},
};

static const struct scmi_proto common = {.msgs = common_msgs, .nmsgs = ARRAY_SIZE(common_msgs)};

static int run_message_attributes(struct scmi_cmd *c)
{
	uint32_t id = scmi_in(c, 0), attributes = 0;

	if (!msg_find(c->s, &common, id)) {
		if (!msg_find(c->s, c->proto, id))
			return SCMI_NOT_FOUND;
		if (c->proto->message_attributes)
			attributes = c->proto->message_attributes(c->s, id);
	}
	scmi_put(c, attributes);
	return SCMI_SUCCESS;
}

/* ---- a command */

static const struct scmi_proto *proto_find(const struct scmi *s, uint32_t id)
{
	for (size_t i = 0; scmi_protos[i]; i++) {
		if (scmi_protos[i]->id == id && scmi_proto_there(s, scmi_protos[i]))
			return scmi_protos[i];
	}
	return NULL;
}

/* Finds the thing that a command names.  Returns a status. */
static int thing_find(struct scmi_cmd *c)
{
	uint32_t id = scmi_in(c, c->msg->at);
	enum scmi_kind kind = c->proto->kind;

	if (id >= c->s->count[kind])
		return SCMI_NOT_FOUND;
	c->res = c->s->of_kind[kind][id];
	if (c->msg->gets & ~c->res->thing.gets || c->msg->sets & ~c->res->thing.sets)
		return SCMI_NOT_SUPPORTED;
	return SCMI_SUCCESS;
}

/* Looks at header and length, then runs the message.  Returns a status. */
static int cmd_begin(struct scmi_cmd *c)
{
	uint32_t id = SCMI_HDR_ID(c->hdr);
	int status;

	if (SCMI_HDR_TYPE(c->hdr) != SCMI_TYPE_COMMAND)
		return SCMI_NOT_SUPPORTED;
	c->proto = proto_find(c->s, SCMI_HDR_PROTO(c->hdr));
	if (!c->proto)
		return SCMI_NOT_SUPPORTED;
	if (c->s->protocol_denied & BIT(c->proto->id - SCMI_PROTO_BASE))
		return SCMI_DENIED;
	c->msg = msg_find(c->s, &common, id);
	if (!c->msg)
		c->msg = msg_find(c->s, c->proto, id);
	if (!c->msg)
		return SCMI_NOT_SUPPORTED;
	if (c->in_len < c->msg->len || c->in_len > SCMI_IN_MAX || (c->in_len > c->msg->len && !c->msg->longer))
		return SCMI_PROTOCOL_ERROR;
	status = c->msg->of_thing ? thing_find(c) : SCMI_SUCCESS;
	if (status == SCMI_SUCCESS)
		status = c->msg->run(c);
	return status == SCMI_SUCCESS && c->full ? SCMI_PROTOCOL_ERROR : status;
}

/* Answers on the cmdq: on an error "only hdr and status". */
static void cmd_answer(struct scmi_cmd *c, int status)
{
	const struct wire_head head = {htole32(c->hdr), htole32((uint32_t)status)};
	struct chain *chain = c->chain;

	c->chain = NULL;
	if (!chain_put(chain, &head, sizeof(head)))
		log_guest(&c->s->d.log, "a command with %zu bytes for its response, fewer than a header and a status",
			  chain_writable(chain));
	else if (status == SCMI_SUCCESS)
		chain_put(chain, c->out, c->out_len);
	virtq_push(chain);
}

static void cmd_free(struct scmi_cmd *c)
{
	c->s->in_flight--;
	if (c->late)
		c->s->late--;
	c->used = c->late = false;
}

/* A delayed response; its room is reserved. */
static void cmd_answer_late(struct scmi_cmd *c, int status)
{
	const uint32_t hdr = (c->hdr & ~SCMI_HDR_TYPE_MASK) | SCMI_TYPE_DELAYED << 8;
	const struct wire_head head = {htole32(hdr), htole32((uint32_t)status)};
	uint8_t record[sizeof(head) + SCMI_OUT_MAX];
	size_t len = status == SCMI_SUCCESS ? c->out_len : 0;

	memcpy(record, &head, sizeof(head));
	memcpy(record + sizeof(head), c->out, len);
	if (!c->abandoned)
		events_put(&c->s->events, record, sizeof(head) + len);
}

/* BASE_ERROR_EVENT, of one command: bits 9:0 of the second word count them; status and header of each. */
static void error_tell(const struct scmi_cmd *c, int status)
{
	const uint32_t words[] = {SCMI_AGENT, 1, (uint32_t)status, c->hdr};

	if (c->s->notify_errors && !c->abandoned && (status == SCMI_HARDWARE_ERROR || status == SCMI_PROTOCOL_ERROR))
		scmi_tell(c->s, SCMI_PROTO_BASE, 0, words, ARRAY_SIZE(words));
}

static void cmd_end(struct scmi_cmd *c, int status)
{
	if (status == SCMI_SUCCESS && c->full)
		status = SCMI_PROTOCOL_ERROR;
	error_tell(c, status);
	if (c->late && !c->chain)
		cmd_answer_late(c, status);
	else
		cmd_answer(c, status);
	/* Those that found no free command wait in the ring. */
	if (c->s->in_flight == SCMI_CMDS)
		virtq_again(vdev_queue(&c->s->d, SCMI_CMDQ));
	cmd_free(c);
}

/* The guest's changes are remembered: they go when it does, or with it. */
static void change_remember(struct scmi_cmd *c)
{
	struct scmi_guest *g = &c->res->guest;
	struct scmi_io *io = &c->io;

	if (!io->set)
		return;
	/* Whoever asked has gone, or was told BUSY: it is undone. */
	if (c->abandoned) {
		scmi_undo(c->res, io->what);
		return;
	}
	if (io->what == SCMI_LIMITS)
		scmi_limits_fill(c->res, io->v);
	scmi_tell_operator(c->res, io);
	g->changed |= (unsigned int)BIT(io->what);
	if (io->what > SCMI_PAI)
		return;
	g->set[io->what][0] = io->what == SCMI_LINE && io->v[0] == 2 ? 0 : io->v[0];
	g->set[io->what][1] = io->n > 1 ? io->v[1] : 0;
}

static void cmd_io_done(struct scmi_io *io)
{
	struct scmi_cmd *c = container_of(io, struct scmi_cmd, io);
	int status = scmi_status_of(io->err);

	if (status == SCMI_SUCCESS) {
		change_remember(c);
		if (c->msg->end)
			c->msg->end(c);
	}
	cmd_end(c, status);
}

void scmi_cmd_run(struct scmi_cmd *c)
{
	size_t room = chain_writable(c->chain);
	int status;

	c->proto = NULL;
	c->msg = NULL;
	c->res = c->io.res = NULL;
	c->io.done = cmd_io_done;
	c->full = c->late = c->abandoned = false;
	c->out_len = 0;
	c->room = min_size(SCMI_OUT_MAX, room < sizeof(struct wire_head) ? 0 : room - sizeof(struct wire_head));
	status = cmd_begin(c);
	if (status != SCMI_SUCCESS || !c->io.res) {
		c->late = false;
		cmd_end(c, status);
		return;
	}
	if (c->late) {
		c->s->late++;
		cmd_answer(c, SCMI_SUCCESS);
		c->room = SCMI_OUT_MAX;
	}
	scmi_io_start(&c->io);
}

void scmi_cmds_give_up(struct scmi *s)
{
	for (unsigned int i = 0; i < SCMI_CMDS; i++) {
		struct scmi_cmd *c = &s->cmds[i];

		if (!c->used || !c->late || c->abandoned)
			continue;
		cmd_answer_late(c, SCMI_BUSY);
		c->abandoned = true;
	}
}

void scmi_cmds_abandon(struct scmi *s)
{
	for (unsigned int i = 0; i < SCMI_CMDS; i++) {
		if (s->cmds[i].used)
			s->cmds[i].abandoned = true;
	}
}

void scmi_tell(struct scmi *s, unsigned int proto, unsigned int id, const uint32_t *words, unsigned int n)
{
	le32 record[3 + 4 * SCMI_AXES_MAX];

	if (!scmi_p2a(s) || n + 1 > ARRAY_SIZE(record) || events_waiting(&s->events) + s->late >= SCMI_EVENTS)
		return;
	record[0] = htole32(id | SCMI_TYPE_NOTIFICATION << 8 | proto << 10);
	for (unsigned int i = 0; i < n; i++)
		record[1 + i] = htole32(words[i]);
	events_put(&s->events, record, 4 * ((size_t)n + 1));
}

void scmi_told_by_operator(struct scmi_res *r, int64_t value)
{
	const uint32_t low = (uint32_t)value, high = (uint32_t)((uint64_t)value >> 32);
	const uint32_t rate[] = {0, r->id, low, high}, level[] = {0, r->id, low},
		       state[] = {0, r->id, value ? 0 : 1u << 30};

	if (r->thing.kind == SCMI_CLOCK && r->guest.notify[0])
		scmi_tell(r->s, SCMI_PROTO_CLOCK, 0, rate, ARRAY_SIZE(rate));
	else if (r->thing.kind == SCMI_POWER && r->guest.notify[0])
		scmi_tell(r->s, SCMI_PROTO_POWER, 0, state, ARRAY_SIZE(state));
	else if (r->thing.kind == SCMI_PERF && r->guest.notify[1])
		scmi_tell(r->s, SCMI_PROTO_PERF, 1, level, ARRAY_SIZE(level));
}
