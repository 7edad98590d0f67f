/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_sensor.c - sensor management protocol, 0x15: Arm SCMI 3.2, section "Sensor management protocol".
 *
 * A sensor is read when it is asked for; and of its own accord, every update interval, while the guest wants its
 * updates or has trip points.  Each new reading is compared with the one before it.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "devices/scmi/scmi.h"

enum {
	SENSOR_DESCRIPTION_GET = 0x3,
	SENSOR_TRIP_POINT_NOTIFY = 0x4,
	SENSOR_TRIP_POINT_CONFIG = 0x5,
	SENSOR_READING_GET = 0x6,
	SENSOR_AXIS_DESCRIPTION_GET = 0x7,
	SENSOR_LIST_UPDATE_INTERVALS = 0x8,
	SENSOR_CONFIG_GET = 0x9,
	SENSOR_CONFIG_SET = 0xa,
	SENSOR_CONTINUOUS_UPDATE_NOTIFY = 0xb,
	SENSOR_NAME_GET = 0xc,
	SENSOR_AXIS_NAME_GET = 0xd,
};

enum { NOTE_TRIP = 0, NOTE_UPDATE = 1 };

#define INTERVAL_DEFAULT 1000000 /* us; where the thing does not say */
#define READING_SIZE	 16

static unsigned int axes_of(const struct scmi_res *r)
{
	return r->thing.axes ? r->thing.axes : 1;
}

static uint32_t scale_bits(int scale)
{
	return (uint32_t)scale & 0x1f;
}

/* num_sensors, max. outstanding asynchronous requests; and no shared memory. */
static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, c->s->count[SCMI_SENSOR] | (scmi_p2a(c->s) ? SCMI_ASYNC_MAX : 0) << 16);
	scmi_put(c, 0);
	scmi_put(c, 0);
	scmi_put(c, 0);
}

/* attributes_low: 31 asynchronous reading, 30 updates, 29 extended name, 14:10 scale of time stamps, 9 time stamps, 8
 * extended attributes, 7:0 trip points.  Time stamps are ns: -9. */
static uint32_t attributes_low(const struct scmi_res *r)
{
	uint32_t p2a = scmi_p2a(r->s) ? 1 : 0;

	return p2a << 31 | p2a << 30 | scmi_long_name(r, 29) | scale_bits(-9) << 10 | 1u << 9 |
	       (r->thing.ranged ? 1u << 8 : 0) | (p2a ? SCMI_TRIPS : 0);
}

/* attributes_high: 21:16 axes, 15:11 scale, 8 has axes, 7:0 type; with axes, scale and type are theirs. */
static uint32_t attributes_high(const struct scmi_res *r)
{
	const struct scmi_thing *t = &r->thing;

	if (t->axes)
		return t->axes << 16 | scale_bits(t->scale) << 11 | 1u << 8 | (uint32_t)t->unit;
	return scale_bits(t->scale) << 11 | (uint32_t)t->unit;
}

/* Resolution: bits 31:27 exponent, 26:0 value; then the range. */
static void put_range(struct scmi_cmd *c, const struct scmi_thing *t)
{
	scmi_put(c, scale_bits(t->scale) << 27 | ((uint32_t)t->step & 0x7ffffff));
	scmi_put64(c, (uint64_t)t->min);
	scmi_put64(c, (uint64_t)t->max);
}

static size_t description_size(const struct scmi_res *r)
{
	return 12 + SCMI_SHORT_NAME + (r->thing.ranged ? 4 + (r->thing.axes ? 0 : 20) : 0);
}

static int run_description(struct scmi_cmd *c)
{
	unsigned int all = c->s->count[SCMI_SENSOR], skip = scmi_in(c, 0), n = 0;

	if (skip >= all)
		return SCMI_OUT_OF_RANGE;
	scmi_put(c, 0);
	for (unsigned int i = skip; i < all; i++, n++) {
		const struct scmi_res *r = c->s->of_kind[SCMI_SENSOR][i];

		if (!scmi_room(c, description_size(r)))
			break;
		scmi_put(c, r->id);
		scmi_put(c, attributes_low(r));
		scmi_put(c, attributes_high(r));
		scmi_put_name(c, r->thing.name, SCMI_SHORT_NAME);
		if (r->thing.ranged) {
			scmi_put(c, 0);
			if (!r->thing.axes)
				put_range(c, &r->thing);
		}
	}
	scmi_set_word(c, 0, n | (all - skip - n) << 16);
	return n ? SCMI_SUCCESS : SCMI_PROTOCOL_ERROR;
}

static void axis_name(unsigned int axis, char name[static 8])
{
	/* Linux takes what is behind the last underscore. */
	snprintf(name, 8, "axis_%c", "XYZWUVT"[axis % SCMI_AXES_MAX]);
}

static int run_axis_description(struct scmi_cmd *c)
{
	const struct scmi_thing *t = &c->res->thing;
	unsigned int skip = scmi_in(c, 1), n = 0;
	size_t size = 12 + SCMI_SHORT_NAME + (t->ranged ? 20 : 0);
	char name[8];

	if (!t->axes)
		return SCMI_NOT_SUPPORTED;
	if (skip >= t->axes)
		return SCMI_OUT_OF_RANGE;
	scmi_put(c, 0);
	for (unsigned int i = skip; i < t->axes && scmi_room(c, size); i++, n++) {
		axis_name(i, name);
		scmi_put(c, i);
		scmi_put(c, t->ranged ? 1u << 8 : 0);
		scmi_put(c, scale_bits(t->scale) << 11 | (uint32_t)t->unit);
		scmi_put_name(c, name, SCMI_SHORT_NAME);
		if (t->ranged)
			put_range(c, t);
	}
	scmi_set_word(c, 0, n | (t->axes - skip - n) << 26);
	return n ? SCMI_SUCCESS : SCMI_PROTOCOL_ERROR;
}

static int run_axis_name(struct scmi_cmd *c)
{
	const struct scmi_thing *t = &c->res->thing;
	unsigned int skip = scmi_in(c, 1), n = 0;
	char name[8];

	if (!t->axes)
		return SCMI_NOT_SUPPORTED;
	if (skip >= t->axes)
		return SCMI_OUT_OF_RANGE;
	scmi_put(c, 0);
	for (unsigned int i = skip; i < t->axes && scmi_room(c, 4 + SCMI_LONG_NAME); i++, n++) {
		axis_name(i, name);
		scmi_put(c, i);
		scmi_put_name(c, name, SCMI_LONG_NAME);
	}
	scmi_set_word(c, 0, n | (t->axes - skip - n) << 26);
	return n ? SCMI_SUCCESS : SCMI_PROTOCOL_ERROR;
}

/* ---- update intervals: N x 10^exponent seconds */

static uint64_t interval_of(const struct scmi_res *r)
{
	uint64_t own = r->thing.interval ? r->thing.interval : INTERVAL_DEFAULT;

	return r->guest.interval ? r->guest.interval : own;
}

/* In 16 bits and an exponent of 10, which is at least -6. */
static void interval_split(uint64_t us, uint32_t *seconds, int *exponent)
{
	*exponent = -6;
	while (us > 0xffff || (us && us % 10 == 0 && *exponent < 0)) {
		us /= 10;
		++*exponent;
	}
	*seconds = (uint32_t)us;
}

/* What is more than a day, or less than there is, is the most and the least there is. */
static uint64_t interval_join(uint32_t seconds, uint32_t bits)
{
	int exponent = bits & 0x10 ? (int)bits - 32 : (int)bits;
	uint64_t us = (uint64_t)seconds * 1000000;

	for (; exponent > 0 && us < SCMI_INTERVAL_MAX; exponent--)
		us *= 10;
	for (; exponent < 0; exponent++)
		us /= 10;
	us = min_u64(us, SCMI_INTERVAL_MAX);
	return us < SCMI_INTERVAL_MIN ? SCMI_INTERVAL_MIN : us;
}

/* From the shortest to four seconds, which is what Linux can compute with, in steps of a millisecond; a longer one is
 * taken, too. */
static int run_intervals(struct scmi_cmd *c)
{
	uint64_t own = c->res->thing.interval ? c->res->thing.interval : SCMI_INTERVAL_MIN;
	const uint64_t triplet[3] = {own < SCMI_INTERVAL_MIN ? SCMI_INTERVAL_MIN : own, UINT64_C(4000000), 1000};

	if (scmi_in(c, 1) != 0)
		return SCMI_OUT_OF_RANGE;
	scmi_put(c, 3 | 1u << 12);
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t seconds;
		int exponent;

		interval_split(triplet[i], &seconds, &exponent);
		scmi_put(c, seconds << 5 | scale_bits(exponent));
	}
	return SCMI_SUCCESS;
}

/* sensor_config: 31:16 interval, 15:11 its exponent, 10:9 rounding (of a set), 1 time stamps, 0 enabled. */
static int run_config_get(struct scmi_cmd *c)
{
	const struct scmi_guest *g = &c->res->guest;
	uint32_t seconds;
	int exponent;

	interval_split(interval_of(c->res), &seconds, &exponent);
	scmi_put(c, seconds << 16 | scale_bits(exponent) << 11 | (g->stamped ? 2 : 0) | (g->enabled ? 1 : 0));
	return SCMI_SUCCESS;
}

static int run_config_set(struct scmi_cmd *c)
{
	struct scmi_guest *g = &c->res->guest;
	uint32_t config = scmi_in(c, 1);

	if (config & 0x1fc || (config >> 9 & 3) == 3)
		return SCMI_INVALID_PARAMETERS;
	if (config >> 16)
		g->interval = interval_join(config >> 16, config >> 11 & 0x1f);
	g->enabled = config & 1;
	g->stamped = config & 2;
	scmi_sensor_watch(c->res);
	return SCMI_SUCCESS;
}

/* ---- readings */

/* Words of all axes: value, time stamp.  Returns how many. */
static unsigned int reading_words(const struct scmi_io *io, uint32_t *words)
{
	bool stamped = io->res->guest.stamped;

	for (unsigned int i = 0; i < io->n; i++) {
		*words++ = (uint32_t)io->v[i];
		*words++ = (uint32_t)((uint64_t)io->v[i] >> 32);
		*words++ = stamped ? (uint32_t)io->when : 0;
		*words++ = stamped ? (uint32_t)(io->when >> 32) : 0;
	}
	return 4 * io->n;
}

static int run_reading(struct scmi_cmd *c)
{
	int status = SCMI_SUCCESS;

	if (scmi_in(c, 1) > 1)
		return SCMI_INVALID_PARAMETERS;
	if (!c->res->guest.enabled)
		return SCMI_DENIED;
	/* An answer that has no room is found before the host is asked. */
	if (scmi_in(c, 1))
		status = scmi_delayed(c);
	else if (scmi_room(c, READING_SIZE) < axes_of(c->res))
		status = SCMI_PROTOCOL_ERROR;
	return status == SCMI_SUCCESS ? scmi_get(c, SCMI_READING, 0, axes_of(c->res)) : status;
}

static void end_reading(struct scmi_cmd *c)
{
	uint32_t words[4 * SCMI_AXES_MAX];
	unsigned int n = reading_words(&c->io, words);

	if (c->late)
		scmi_put(c, c->res->id);
	for (unsigned int i = 0; i < n; i++)
		scmi_put(c, words[i]);
}

static void update_tell(const struct scmi_io *io)
{
	uint32_t words[2 + 4 * SCMI_AXES_MAX] = {SCMI_AGENT, io->res->id};
	unsigned int n = reading_words(io, words + 2);

	scmi_tell(io->res->s, SCMI_PROTO_SENSOR, NOTE_UPDATE, words, 2 + n);
}

/* trip_point_desc: 16 the direction, 1 rising; 7:0 the trip point. */
static void trips_tell(struct scmi_res *r, int64_t value)
{
	for (uint32_t i = 0; i < SCMI_TRIPS; i++) {
		const struct scmi_trip *t = &r->guest.trips[i];
		bool up = r->last[0] < t->value && value >= t->value;
		bool down = r->last[0] > t->value && value <= t->value;
		const uint32_t words[] = {SCMI_AGENT, r->id, i | (up ? 1u << 16 : 0)};

		if ((up && t->mode & 1) || (down && t->mode & 2))
			scmi_tell(r->s, SCMI_PROTO_SENSOR, NOTE_TRIP, words, ARRAY_SIZE(words));
	}
}

/* Whether it is to be read of its own accord. */
static bool watched(const struct scmi_res *r)
{
	const struct scmi_guest *g = &r->guest;
	bool trips = false;

	for (unsigned int i = 0; i < SCMI_TRIPS; i++)
		trips |= g->trips[i].mode != 0;
	if (r->thing.kind == SCMI_POWERCAP)
		return scmi_p2a(r->s) && g->notify[1];
	return r->thing.kind == SCMI_SENSOR && g->enabled && scmi_p2a(r->s) &&
	       (g->notify[NOTE_UPDATE] || (g->notify[NOTE_TRIP] && trips));
}

/* Whether its samples are to come by themselves. */
static bool streamed(const struct scmi_res *r)
{
	return watched(r) && r->thing.streams && r->guest.notify[NOTE_UPDATE] && !r->stream_failed;
}

static void poll_arm(struct scmi_res *r)
{
	ev_now_update(r->s->d.loop);
	ev_timer_set(&r->poll, (double)interval_of(r) / 1e6, 0.);
	ev_timer_start(r->s->d.loop, &r->poll);
}

/* Another reading of its own accord. */
static void reading_told(const struct scmi_io *io)
{
	struct scmi_res *r = io->res;

	if (r->guest.notify[NOTE_UPDATE])
		update_tell(io);
	if (r->guest.notify[NOTE_TRIP] && r->has_last)
		trips_tell(r, io->v[0]);
	memcpy(r->last, io->v, sizeof(r->last));
	r->has_last = true;
}

static void poll_done(struct scmi_io *io)
{
	struct scmi_res *r = io->res;

	if (!watched(r))
		return;
	if (!io->err && r->thing.kind == SCMI_POWERCAP)
		scmi_powercap_measured(r, io->v[0]);
	else if (!io->err)
		reading_told(io);
	if (!streamed(r))
		poll_arm(r);
}

static void poll_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct scmi_res *r = container_of(w, struct scmi_res, poll);

	scmi_changed(r);
}

/* Reads it now, where anybody wants that. */
void scmi_changed(struct scmi_res *r)
{
	if (!watched(r) || !list_empty(&r->poll_io.waiting))
		return;
	ev_timer_stop(r->s->d.loop, &r->poll);
	r->poll_io.res = r;
	r->poll_io.what = r->thing.kind == SCMI_POWERCAP ? SCMI_DRAW : SCMI_READING;
	r->poll_io.set = false;
	r->poll_io.n = r->thing.kind == SCMI_POWERCAP ? 2 : axes_of(r);
	r->poll_io.done = poll_done;
	scmi_io_start(&r->poll_io);
}

/* ---- samples that come by themselves */

#define SAMPLES_TURN 16 /* that are read in a turn of the loop */

static void sample_tell(struct scmi_res *r, const uint8_t *bytes)
{
	uint64_t now = clock_now(CLOCK_MONOTONIC);
	struct scmi_io io = {.res = r, .n = axes_of(r), .when = clock_now(CLOCK_REALTIME)};

	/* Those that are faster than the guest wants are passed over; an interval is met within a tenth. */
	if (r->guest.interval && r->told && now - r->told < r->guest.interval * 900)
		return;
	r->told = now;
	r->type->sample(r->host, bytes, io.v, io.n);
	reading_told(&io);
}

static void sample_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct scmi_res *r = container_of(w, struct scmi_res, sample);
	uint8_t bytes[SAMPLES_TURN * SCMI_SAMPLE_MAX];
	ssize_t got = read(r->thing.stream_fd, bytes, SAMPLES_TURN * r->thing.sample);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		log_guest(&r->s->d.log, "%s: its samples have ended: %s", r->thing.name,
			  got ? strerror(errno) : "end of file");
		r->stream_failed = true;
		scmi_sensor_watch(r);
		return;
	}
	for (size_t at = 0; at + r->thing.sample <= (size_t)got; at += r->thing.sample)
		sample_tell(r, bytes + at);
}

static void stream_done(struct scmi_io *io)
{
	struct scmi_res *r = io->res;

	if (io->err && io->v[0]) {
		log_guest(&r->s->d.log, "%s: its buffer cannot be switched on: %s", r->thing.name, strerror(-io->err));
		r->stream_failed = true;
		r->streaming = false;
	}
	if (!io->err && io->v[0] && streamed(r))
		ev_io_start(r->s->d.loop, &r->sample);
	scmi_sensor_watch(r);
}

/* Switches the stream on or off, when the last switching has ended. */
static void stream_switch(struct scmi_res *r)
{
	bool want = streamed(r);

	if (!want)
		ev_io_stop(r->s->d.loop, &r->sample);
	if (!r->thing.streams || want == r->streaming || !list_empty(&r->stream_io.waiting))
		return;
	r->streaming = want;
	r->told = 0;
	r->stream_io.res = r;
	r->stream_io.what = SCMI_STREAM;
	r->stream_io.set = true;
	r->stream_io.n = 1;
	r->stream_io.v[0] = want;
	r->stream_io.done = stream_done;
	scmi_io_start(&r->stream_io);
}

void scmi_sensor_init(struct scmi_res *r)
{
	ev_init(&r->poll, poll_due);
	ev_init(&r->sample, sample_ready);
	scmi_io_init(&r->poll_io);
	scmi_io_init(&r->back_io);
	scmi_io_init(&r->stream_io);
	list_init(&r->ios);
}

void scmi_sensor_watch(struct scmi_res *r)
{
	stream_switch(r);
	if (!watched(r) || streamed(r)) {
		ev_timer_stop(r->s->d.loop, &r->poll);
		return;
	}
	if (!r->has_last)
		scmi_changed(r);
	else if (list_empty(&r->poll_io.waiting)) {
		ev_timer_stop(r->s->d.loop, &r->poll);
		poll_arm(r);
	}
}

/* ---- notices */

static int run_trip_notify(struct scmi_cmd *c)
{
	int status = scmi_notify_set(c, NOTE_TRIP);

	scmi_sensor_watch(c->res);
	return status;
}

static int run_update_notify(struct scmi_cmd *c)
{
	int status = scmi_notify_set(c, NOTE_UPDATE);

	c->res->stream_failed = false;
	scmi_sensor_watch(c->res);
	return status;
}

/* event_control: 11:4 the trip point, 1:0 rising and falling. */
static int run_trip_config(struct scmi_cmd *c)
{
	uint32_t control = scmi_in(c, 1), trip = control >> 4 & 0xff;

	if (control & ~0xff3u)
		return SCMI_INVALID_PARAMETERS;
	if (trip >= SCMI_TRIPS)
		return SCMI_NOT_FOUND;
	c->res->guest.trips[trip].mode = control & 3;
	c->res->guest.trips[trip].value = (int64_t)(scmi_in(c, 2) | (uint64_t)scmi_in(c, 3) << 32);
	scmi_sensor_watch(c->res);
	return SCMI_SUCCESS;
}

#define SENSOR(id_, len_, run_) .id = (id_), .len = (len_), .of_thing = true, .run = (run_), .name = #id_

static const struct scmi_msg msgs[] = {
	{.id = SENSOR_DESCRIPTION_GET, .len = 4, .run = run_description, .name = "SENSOR_DESCRIPTION_GET"},
	{SENSOR(SENSOR_TRIP_POINT_NOTIFY, 8, run_trip_notify), .p2a = true},
	{SENSOR(SENSOR_TRIP_POINT_CONFIG, 16, run_trip_config), .p2a = true},
	{SENSOR(SENSOR_READING_GET, 8, run_reading), .end = end_reading},
	{SENSOR(SENSOR_AXIS_DESCRIPTION_GET, 8, run_axis_description)},
	{SENSOR(SENSOR_LIST_UPDATE_INTERVALS, 8, run_intervals)},
	{SENSOR(SENSOR_CONFIG_GET, 4, run_config_get)},
	{SENSOR(SENSOR_CONFIG_SET, 8, run_config_set)},
	{SENSOR(SENSOR_CONTINUOUS_UPDATE_NOTIFY, 8, run_update_notify), .p2a = true},
	{SENSOR(SENSOR_NAME_GET, 4, scmi_name_get)},
	{SENSOR(SENSOR_AXIS_NAME_GET, 8, run_axis_name)},
};

const struct scmi_proto scmi_sensor = {
	.id = SCMI_PROTO_SENSOR,
	.version = 0x30001,
	.kind = SCMI_SENSOR,
	.name = "sensor",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
};
