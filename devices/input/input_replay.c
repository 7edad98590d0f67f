/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_replay.c - a device and its events in a file; see input_replay.h.
 *
 *	N: the device's name
 *	I: BUS VENDOR PRODUCT VERSION               hexadecimal
 *	P: BYTE...                                  the next bytes of its properties
 *	B: TYPE BYTE...                             the next bytes of the codes of a type
 *	A: AXIS MIN MAX FUZZ FLAT [RESOLUTION]      the axis hexadecimal
 *	E: SECONDS.MICROSECONDS TYPE CODE VALUE     type and code hexadecimal
 *
 * Lines that begin with "#", "L:" and "S:" are not looked at.
 */
#include "devices/input/input_replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/input.h>

/* Events of a file. */
#define EVENTS_MAX 1000000u

/* The longest wait between two packets, us: who recorded over lunch does not want to see it again. */
#define WAIT_MAX 60000000u

struct reader {
	struct input_caps *caps;
	struct input_replay *r;
	size_t props, bytes[INPUT_TYPES]; /* read so far */
	unsigned int room, packet;
	bool ids;
};

/* Reads the next number of a line.  Returns whether there was one. */
static bool number_take(char **at, int base, int64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoll(*at, &end, base);
	if (end == *at || errno)
		return false;
	*at = end;
	return true;
}

/* Reads n numbers in the range of 32 bits, the least first.  Returns whether they are there, and nothing else if all.
 */
static bool numbers_take(char **at, int base, int64_t *values, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!number_take(at, base, &values[i]) || values[i] < INT32_MIN || values[i] > UINT32_MAX)
			return false;
	}
	return true;
}

static bool at_end(const char *at)
{
	return at[strspn(at, " \t")] == '\0';
}

/* Reads bytes behind those that were read before. */
static bool bytes_take(char *at, uint8_t *bytes, size_t *have)
{
	int64_t byte;

	while (!at_end(at)) {
		if (!number_take(&at, 16, &byte) || byte < 0 || byte > UINT8_MAX)
			return false;
		/* Kernels that know more types may have more. */
		if (*have < INPUT_BITMAP)
			bytes[(*have)++] = (uint8_t)byte;
		else if (byte)
			return false;
	}
	return true;
}

static bool codes_take(struct reader *f, char *at)
{
	int64_t type;

	if (!number_take(&at, 16, &type) || type < 0 || type >= (int64_t)INPUT_TYPES)
		return false;
	return bytes_take(at, f->caps->codes[type], &f->bytes[type]);
}

static bool ids_take(struct reader *f, char *at)
{
	int64_t v[4];

	if (!numbers_take(&at, 16, v, 4) || !at_end(at))
		return false;
	for (unsigned int i = 0; i < 4; i++) {
		if (v[i] < 0 || v[i] > UINT16_MAX)
			return false;
	}
	f->ids = true;
	f->caps->bus = (uint16_t)v[0];
	f->caps->vendor = (uint16_t)v[1];
	f->caps->product = (uint16_t)v[2];
	f->caps->version = (uint16_t)v[3];
	return true;
}

static bool axis_take(struct reader *f, char *at)
{
	int64_t axis, v[5] = {0};

	if (!number_take(&at, 16, &axis) || axis < 0 || axis >= (int64_t)INPUT_AXES || !numbers_take(&at, 10, v, 4))
		return false;
	if (!at_end(at) && !(numbers_take(&at, 10, v + 4, 1) && at_end(at)))
		return false;
	f->caps->abs[axis] =
		(struct input_abs){(int32_t)v[0], (int32_t)v[1], (int32_t)v[2], (int32_t)v[3], (int32_t)v[4]};
	return true;
}

static bool event_add(struct reader *f, const struct input_replay_event *e)
{
	struct input_replay *r = f->r;
	bool report = e->ev.type == EV_SYN && e->ev.code == SYN_REPORT;

	f->packet = report ? 0 : f->packet + 1;
	if (r->n == EVENTS_MAX || f->packet > INPUT_PACKET)
		return false;
	if (r->n == f->room) {
		unsigned int room = f->room ? f->room * 2 : 256;
		struct input_replay_event *more = realloc(r->events, room * sizeof(*more));

		if (!more)
			return false;
		r->events = more;
		f->room = room;
	}
	r->events[r->n++] = *e;
	return true;
}

static bool event_take(struct reader *f, char *at)
{
	struct input_replay_event e;
	int64_t s, us = 0, v[2], value;

	if (!number_take(&at, 10, &s) || s < 0 || s > UINT32_MAX)
		return false;
	if (*at == '.') {
		at++;
		/* Six digits: evemu writes no others. */
		if (strspn(at, "0123456789") != 6 || !number_take(&at, 10, &us))
			return false;
	}
	if (!numbers_take(&at, 16, v, 2) || v[0] < 0 || v[0] > UINT16_MAX || v[1] < 0 || v[1] > UINT16_MAX)
		return false;
	if (!numbers_take(&at, 10, &value, 1))
		return false;
	/* What follows is a comment, as newer versions have it. */
	at += strspn(at, " \t");
	if (*at && *at != '#')
		return false;
	e.at = (uint64_t)s * 1000000 + (uint64_t)us;
	e.ev = (struct input_ev){(uint16_t)v[0], (uint16_t)v[1], (int32_t)value};
	return event_add(f, &e);
}

/* Reads one line.  Returns whether it could be read. */
static bool line_take(struct reader *f, char *line)
{
	line[strcspn(line, "\r\n")] = '\0';
	if (!line[0] || line[0] == '#' || strncmp(line, "L:", 2) == 0 || strncmp(line, "S:", 2) == 0)
		return true;
	if (line[1] != ':')
		return false;
	switch (line[0]) {
	case 'N':
		snprintf(f->caps->name, sizeof(f->caps->name), "%s", line + 2 + strspn(line + 2, " "));
		return f->caps->name[0];
	case 'I':
		return ids_take(f, line + 2);
	case 'P':
		return bytes_take(line + 2, f->caps->props, &f->props);
	case 'B':
		return codes_take(f, line + 2);
	case 'A':
		return axis_take(f, line + 2);
	case 'E':
		return event_take(f, line + 2);
	default:
		return false;
	}
}

/* The types are a bitmap of their own there, which is not wanted; those that have no codes are told by it alone. */
static void types_settle(struct input_caps *c)
{
	if (bit_get(c->codes[EV_SYN], EV_REP)) {
		bit_set(c->codes[EV_REP], REP_DELAY, true);
		bit_set(c->codes[EV_REP], REP_PERIOD, true);
	}
	memset(c->codes[EV_SYN], 0, INPUT_BITMAP);
}

int input_replay_read(struct input_replay *r, const char *path, struct input_caps *caps, struct log *log)
{
	struct reader f = {.caps = caps, .r = r};
	FILE *in = fopen(path, "re");
	unsigned int lines = 0;
	char line[1024];
	int err = in ? 0 : -errno;

	if (err) {
		log_error(log, "--replay=%s: %s", path, strerror(-err));
		return err;
	}
	while (!err && fgets(line, sizeof(line), in)) {
		lines++;
		if (!line_take(&f, line))
			err = -EINVAL;
	}
	if (err)
		log_error(log, "--replay=%s: line %u: a line as evemu-record(1) writes it is wanted", path, lines);
	else if (ferror(in) || !caps->name[0] || !f.ids) {
		err = ferror(in) ? -EIO : -EINVAL;
		log_error(log,
			  "--replay=%s: it names no device (N:, I:); a file that evemu-record(1) has written is wanted",
			  path);
	}
	fclose(in);
	types_settle(caps);
	return err;
}

/* ---- playing */

/* When an event is due, us after the first one. */
static uint64_t event_due(const struct input_replay *r, unsigned int i)
{
	return r->events[i].at > r->events[0].at ? r->events[i].at - r->events[0].at : 0;
}

static void wait_next(struct input_replay *r)
{
	double now = ev_now(r->loop), due;

	if (r->next == r->n)
		return;
	due = r->begun + (double)event_due(r, r->next) / 1e6;
	/* After a long wait the rest is played as if that had been shorter. */
	if (due - now > WAIT_MAX / 1e6) {
		r->begun -= due - now - WAIT_MAX / 1e6;
		due = now + WAIT_MAX / 1e6;
	}
	ev_timer_set(&r->timer, due > now ? due - now : 0., 0.);
	ev_timer_start(r->loop, &r->timer);
}

static void packet_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct input_replay *r = container_of(w, struct input_replay, timer);
	struct input_ev evs[INPUT_PACKET];
	unsigned int n = 0;

	while (r->next < r->n) {
		const struct input_ev *ev = &r->events[r->next++].ev;

		if (ev->type == EV_SYN && ev->code == SYN_REPORT)
			break;
		evs[n++] = *ev;
	}
	if (n)
		r->packet(r->arg, evs, n);
	wait_next(r);
}

void input_replay_init(struct input_replay *r, struct ev_loop *loop,
		       void (*packet)(void *arg, const struct input_ev *evs, unsigned int n), void *arg)
{
	*r = (struct input_replay){.loop = loop, .packet = packet, .arg = arg};
	ev_init(&r->timer, packet_due);
}

void input_replay_start(struct input_replay *r)
{
	ev_timer_stop(r->loop, &r->timer);
	ev_now_update(r->loop);
	r->begun = ev_now(r->loop);
	r->next = 0;
	wait_next(r);
}

void input_replay_close(struct input_replay *r)
{
	if (r->loop)
		ev_timer_stop(r->loop, &r->timer);
	free(r->events);
}

/* ---- recording */

static void bytes_write(FILE *out, const char *head, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		fputs(head, out);
		for (size_t j = i; j < i + 8; j++)
			fprintf(out, " %02x", j < n ? bytes[j] : 0);
		fputc('\n', out);
	}
}

void input_record_head(FILE *out, const struct input_caps *caps)
{
	uint8_t types[INPUT_TYPES / 8] = {1};

	fprintf(out, "# EVEMU 1.3\nN: %s\nI: %04x %04x %04x %04x\n", caps->name, caps->bus, caps->vendor, caps->product,
		caps->version);
	bytes_write(out, "P:", caps->props, 8);
	for (unsigned int type = EV_KEY; type < INPUT_TYPES; type++) {
		for (unsigned int i = 0; i < INPUT_BITMAP; i++)
			types[type / 8] |= (uint8_t)((caps->codes[type][i] != 0) << type % 8);
	}
	bytes_write(out, "B: 00", types, sizeof(types));
	for (unsigned int type = EV_KEY; type <= EV_SND; type++) {
		char head[8];

		snprintf(head, sizeof(head), "B: %02x", type);
		if (bit_get(types, type))
			bytes_write(out, head, caps->codes[type], type == EV_KEY ? INPUT_BITMAP : 8);
	}
	for (unsigned int axis = 0; axis < INPUT_AXES; axis++) {
		const struct input_abs *a = &caps->abs[axis];

		if (input_caps_has(caps, EV_ABS, axis))
			fprintf(out, "A: %02x %d %d %d %d %d\n", axis, a->min, a->max, a->fuzz, a->flat, a->res);
	}
}
