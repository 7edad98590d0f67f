/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_events.c - records that wait for a driver's buffers: order, groups, what is lost, stops and moves.
 *
 * The device under test puts the records that its requests name.
 */
#include <errno.h>
#include <ev.h>
#include <string.h>

#include "devices/lib/events.h"
#include "test/lib/carrier.h"
#include "test/unit/suites.h"

#define REQUESTQ 0
#define EVENTQ	 1

#define RECORD 12
#define ROOM   8

/* A group of n records of len bytes; all bytes of the first are value, of the next value + 1, and so on. */
struct request {
	uint8_t n, len, value;
};

/* The length of a request that forgets the groups which begin with value. */
#define FORGET 0xff

struct response {
	uint8_t fit, waiting, lost;
};

struct source {
	struct vdev d;
	struct events events;
};

static struct source *source_of(struct vdev *d)
{
	return container_of(d, struct source, d);
}

static int source_open_full(struct vdev *d, enum events_full full)
{
	const struct events_opts opts = {
		.queue = EVENTQ, .record = RECORD, .room = ROOM, .full = full, .name = "events"};

	return events_open(&source_of(d)->events, d, &opts);
}

static int refusing_open(struct vdev *d)
{
	return source_open_full(d, EVENTS_REFUSE_NEWEST);
}

static int dropping_open(struct vdev *d)
{
	return source_open_full(d, EVENTS_DROP_OLDEST);
}

static bool source_put(struct events *e, const struct request *r)
{
	char bytes[16][RECORD + 1];
	struct iovec records[16];

	if (r->n > ARRAY_SIZE(records) || r->len > RECORD + 1)
		return false;
	for (unsigned int i = 0; i < r->n; i++) {
		memset(bytes[i], r->value + (int)i, sizeof(bytes[i]));
		records[i] = (struct iovec){bytes[i], r->len};
	}
	return r->n == 1 ? events_put(e, bytes[0], r->len) : events_put_many(e, records, r->n);
}

static bool begins_with(const void *record, size_t len, const void *arg)
{
	return len && memcmp(record, arg, 1) == 0;
}

static void source_kick(struct vdev *d, unsigned int q)
{
	struct events *e = &source_of(d)->events;
	struct chain *c;

	if (q == EVENTQ) {
		events_kick(e);
		return;
	}
	while ((c = virtq_pop(vdev_queue(d, q)))) {
		struct request request;
		struct response response = {0};

		if (!chain_get(c, &request, sizeof(request)))
			request = (struct request){0};
		if (request.len == FORGET)
			events_forget(e, begins_with, &request.value);
		else
			response.fit = request.n && source_put(e, &request);
		response.waiting = (uint8_t)events_waiting(e);
		response.lost = (uint8_t)events_lost(e);
		chain_put(c, &response, sizeof(response));
		virtq_push(c);
	}
}

static void source_quiesce(struct vdev *d, unsigned int q)
{
	if (q == EVENTQ)
		events_quiesce(&source_of(d)->events);
}

static void source_reset(struct vdev *d)
{
	events_reset(&source_of(d)->events);
}

static void source_save(struct vdev *d, struct state *s)
{
	events_save(&source_of(d)->events, s);
}

static int source_load(struct vdev *d, const struct state_record *r)
{
	return events_load(&source_of(d)->events, r) ? -EINVAL : 0;
}

static void source_close(struct vdev *d)
{
	events_close(&source_of(d)->events);
}

static const struct vdev_queue_desc source_queues[] = {
	{.name = "requestq", .size = 64, .max = 256},
	{.name = "eventq", .size = 64, .max = 256},
};

static const char *source_check(const uint8_t *in, uint32_t used)
{
	return used == sizeof(struct response) ? NULL : "not the bytes of a response";
}

static const struct request no_records = {.n = 0};

static const struct vdev_sample source_samples[] = {
	{.what = "a group of no records",
	 .queue = REQUESTQ,
	 .out = &no_records,
	 .out_len = sizeof(no_records),
	 .in_len = sizeof(struct response),
	 .check = source_check},
	{0},
};

#define SOURCE_CLASS(how) \
	{ \
		.name = "source", .summary = "events device", .about = "Tells what it is told to.", .virtio_id = 42, \
		.face.queues = source_queues, .face.nqueues = ARRAY_SIZE(source_queues), .inst_size = sizeof(struct source), \
		.samples = source_samples, \
		.open = how##_open, .kick = source_kick, .quiesce = source_quiesce, .reset = source_reset, \
		.save = source_save, .load = source_load, .close = source_close, \
	}

static const struct vdev_class refusing_class = SOURCE_CLASS(refusing);
static const struct vdev_class dropping_class = SOURCE_CLASS(dropping);

/* Has the device put a group. */
static struct response put(struct carrier *c, uint8_t n, uint8_t len, uint8_t value)
{
	const struct request request = {n, len, value};
	struct response response;

	ck_assert_uint_eq(carrier_request(c, REQUESTQ, &request, sizeof(request), &response, sizeof(response)),
			  sizeof(response));
	return response;
}

static void put_all(struct carrier *c, uint8_t n, uint8_t value)
{
	ck_assert(put(c, n, 4, value).fit);
}

static struct frontend_request *buffer(struct carrier *c)
{
	return carrier_submit(c, EVENTQ, NULL, 0, RECORD);
}

/* The buffer brings a record of len bytes. */
static void brings(struct carrier *c, struct frontend_request *req, uint32_t len, uint8_t value)
{
	uint8_t got[RECORD], want[RECORD];

	memset(want, value, sizeof(want));
	ck_assert_uint_eq(carrier_await(c, EVENTQ, req, got), len);
	ck_assert_mem_eq(got, want, len);
}

static void told(struct carrier *c, uint8_t value)
{
	brings(c, buffer(c), 4, value);
}

/* Nothing waits: a buffer stays until the next record. */
static void nothing_waits(struct carrier *c)
{
	struct frontend_request *req = buffer(c);

	carrier_stays(c, EVENTQ, 2);
	put_all(c, 1, 0xee);
	brings(c, req, 4, 0xee);
}

/* Records before buffers, buffers before records, each length; a group is told in its order. */
static void in_order(struct carrier *c)
{
	struct frontend_request *reqs[4];

	for (uint8_t i = 0; i < 4; i++)
		ck_assert_uint_eq(put(c, 1, i, i).waiting, i + 1);
	for (uint8_t i = 0; i < 4; i++)
		brings(c, buffer(c), i, i);
	for (unsigned int i = 0; i < 4; i++)
		reqs[i] = buffer(c);
	put(c, 1, RECORD, 50);
	brings(c, reqs[0], RECORD, 50);
	put_all(c, 3, 60);
	for (uint8_t i = 0; i < 3; i++)
		brings(c, reqs[i + 1], 4, (uint8_t)(60 + i));
	nothing_waits(c);
}

/* The newest are lost when there is no room, whole groups of them. */
static void refused_when_full(struct carrier *c)
{
	struct response r;

	put_all(c, 3, 10);
	put_all(c, 3, 20);
	r = put(c, 3, 4, 30);
	ck_assert(!r.fit);
	ck_assert_uint_eq(r.lost, 3);
	ck_assert_uint_eq(r.waiting, 6);
	put_all(c, 2, 40);
	ck_assert_uint_eq(put(c, 1, 4, 50).lost, 4);
	for (unsigned int round = 0; round < 3; round++)
		told(c, (uint8_t)(10 + round));
	put_all(c, 3, 60);
	for (unsigned int i = 0; i < 8; i++)
		told(c, (uint8_t[]){20, 21, 22, 40, 41, 60, 61, 62}[i]);
	nothing_waits(c);
}

/* What no room can hold, and a record that is too long, harm nothing. */
static void never_fits(struct carrier *c)
{
	put_all(c, 2, 10);
	ck_assert(!put(c, ROOM + 1, 4, 20).fit);
	ck_assert(!put(c, 1, RECORD + 1, 30).fit);
	ck_assert_uint_eq(put(c, 2, RECORD + 1, 40).lost, ROOM + 1 + 1 + 2);
	told(c, 10);
	told(c, 11);
	nothing_waits(c);
}

/* The oldest groups are lost, whole, but not one that the driver was told the beginning of. */
static void oldest_dropped(struct carrier *c)
{
	struct response r;

	put_all(c, 3, 10);
	put_all(c, 3, 20);
	put_all(c, 2, 30);
	told(c, 10);
	r = put(c, 2, 4, 40);
	ck_assert(r.fit);
	ck_assert_uint_eq(r.lost, 3);
	ck_assert_uint_eq(r.waiting, 6);
	/* Two of the first group stay: a group of seven has no room whatever is dropped. */
	r = put(c, 7, 4, 50);
	ck_assert(!r.fit);
	ck_assert_uint_eq(r.lost, 10);
	ck_assert_uint_eq(r.waiting, 6);
	r = put(c, 6, 4, 60);
	ck_assert(r.fit);
	ck_assert_uint_eq(r.lost, 14);
	ck_assert_uint_eq(r.waiting, 8);
	for (unsigned int i = 0; i < 8; i++)
		told(c, (uint8_t[]){11, 12, 60, 61, 62, 63, 64, 65}[i]);
	for (unsigned int i = 0; i < 3 * ROOM; i++)
		put_all(c, 1, (uint8_t)(100 + i));
	for (unsigned int i = 0; i < ROOM; i++)
		told(c, (uint8_t)(100 + 2 * ROOM + i));
	nothing_waits(c);
}

/* Groups are taken back by their first record, whole; the others stay in order, and one that has begun stays, too. */
static void taken_back(struct carrier *c)
{
	struct response r;

	put_all(c, 2, 10);
	told(c, 10);
	put_all(c, 1, 20);
	put_all(c, 3, 30);
	put_all(c, 1, 20);
	put_all(c, 1, 40);
	r = put(c, 0, FORGET, 20);
	ck_assert_uint_eq(r.waiting, 5);
	ck_assert_uint_eq(r.lost, 0);
	ck_assert_uint_eq(put(c, 0, FORGET, 11).waiting, 5);
	ck_assert_uint_eq(put(c, 0, FORGET, 31).waiting, 5);
	for (unsigned int i = 0; i < 5; i++)
		told(c, (uint8_t[]){11, 30, 31, 32, 40}[i]);
	put_all(c, 2, 50);
	ck_assert_uint_eq(put(c, 0, FORGET, 50).waiting, 0);
	nothing_waits(c);
}

/* Buffers without room are given back empty, and the record waits for one that has it. */
static void small_buffers(struct carrier *c)
{
	struct frontend_request *small = carrier_submit(c, EVENTQ, NULL, 0, 3), *none, *right;
	uint8_t byte = 1;

	none = carrier_submit(c, EVENTQ, &byte, 1, 0);
	right = buffer(c);
	put_all(c, 2, 10);
	ck_assert_uint_eq(carrier_await(c, EVENTQ, small, NULL), 0);
	ck_assert_uint_eq(carrier_await(c, EVENTQ, none, NULL), 0);
	brings(c, right, 4, 10);
	told(c, 11);
	nothing_waits(c);
}

/* A ring that stops has all its buffers back; they are used when it goes on.  What was put meanwhile has waited. */
static void stopped_ring(struct carrier *c)
{
	struct frontend_request *reqs[3];
	uint32_t base;

	for (unsigned int i = 0; i < 3; i++)
		reqs[i] = buffer(c);
	put_all(c, 1, 10);
	brings(c, reqs[0], 4, 10);
	base = carrier_stop(c, EVENTQ);
	put_all(c, 3, 20);
	carrier_start(c, EVENTQ, base);
	brings(c, reqs[1], 4, 20);
	brings(c, reqs[2], 4, 21);
	told(c, 22);
	nothing_waits(c);
}

static void reset_forgets(struct carrier *c)
{
	put_all(c, ROOM, 10);
	put(c, 1, 4, 20);
	carrier_reset(c);
	/* A front-end that goes on elsewhere than at 0 had only paused the machine. */
	for (uint8_t i = 0; carrier_kind(c) == CARRIER_SESSION && carrier_setting(c)->base && i < ROOM; i++)
		told(c, (uint8_t)(10 + i));
	ck_assert_uint_eq(put(c, 1, 4, 30).waiting, 1);
	told(c, 30);
	nothing_waits(c);
}

/* The guest moves with records that wait, and with a group it was told the beginning of. */
static void moves(struct carrier *c)
{
	put_all(c, 3, 10);
	put_all(c, 3, 20);
	told(c, 10);
	carrier_move(c);
	ck_assert_uint_eq(put(c, 2, 4, 30).waiting, 7);
	for (unsigned int i = 0; i < 7; i++)
		told(c, (uint8_t[]){11, 12, 20, 21, 22, 30, 31}[i]);
	carrier_move(c);
	nothing_waits(c);
}

/* After a move the group that has begun is not dropped, either. */
static void moves_begun(struct carrier *c)
{
	put_all(c, 3, 10);
	told(c, 10);
	carrier_move(c);
	put_all(c, 6, 20);
	put_all(c, 2, 30);
	for (unsigned int i = 0; i < 4; i++)
		told(c, (uint8_t[]){11, 12, 30, 31}[i]);
	nothing_waits(c);
}

static const struct device_case refusing_cases[] = {
	{.name = "in order", .run = in_order, .depth = 4},
	{.name = "refused when full", .run = refused_when_full},
	{.name = "never fits", .run = never_fits},
	{.name = "small buffers", .run = small_buffers, .depth = 3},
	{.name = "taken back", .run = taken_back},
	{.name = "stopped ring", .run = stopped_ring, .depth = 3},
	{.name = "reset forgets", .run = reset_forgets},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
};

static const struct device_case dropping_cases[] = {
	{.name = "oldest dropped", .run = oldest_dropped},
	{.name = "never fits", .run = never_fits},
	{.name = "moves with a group begun", .run = moves_begun, .flags = CASE_ONCE},
};

static const struct device_suite refusing = {
	.device = "source", .class = &refusing_class, DEVICE_CASES(refusing_cases)};
static const struct device_suite dropping = {
	.device = "source", .class = &dropping_class, DEVICE_CASES(dropping_cases)};

/* A state that cannot be one is refused, and leaves nothing behind. */
START_TEST(test_hostile_states)
{
#define HEAD(waiting, begun) waiting, 0, 0, 0, begun, 0, 0, 0
#define SLOT(len, after)     len, 0, 0, 0, after, 0, 0, 0
	static const struct {
		const char *what;
		size_t len;
		uint8_t bytes[200];
	} bad[] = {
		{"nothing", 0, {0}},
		{"half a head", 7, {HEAD(1, 0)}},
		{"no records", 8, {HEAD(0, 0)}},
		{"no slot", 8, {HEAD(1, 0)}},
		{"half a slot", 15, {HEAD(1, 0), SLOT(0, 0)}},
		{"a record cut short", 17, {HEAD(1, 0), SLOT(2, 0)}},
		{"a record too long", 16 + RECORD + 1, {HEAD(1, 0), SLOT(RECORD + 1, 0)}},
		{"bytes behind the last", 18, {HEAD(1, 0), SLOT(1, 0)}},
		{"a second record that is not there", 17, {HEAD(2, 0), SLOT(1, 1)}},
		{"a group without its end", 17, {HEAD(1, 0), SLOT(1, 1)}},
		{"a group that loses one", 26, {HEAD(2, 0), SLOT(1, 2), 0, SLOT(1, 0)}},
		{"a group that grows", 26, {HEAD(2, 0), SLOT(1, 1), 0, SLOT(1, 1)}},
		{"a group longer than the room", 17, {HEAD(1, 0), SLOT(1, ROOM)}},
		{"begun twice", 17, {HEAD(1, 2), SLOT(1, 0)}},
		{"more than there is room for", 8 + 8 * (ROOM + 1), {HEAD(ROOM + 1, 0)}},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct state_record r = {.name = "events"};
	struct vdev *d;

	ck_assert_int_eq(vdev_new(&refusing_class, "source", loop, &d), 0);
	ck_assert_int_eq(vdev_open(d), 0);
	struct events *e = &source_of(d)->events;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		r.bytes = bad[i].bytes;
		r.len = bad[i].len;
		ck_assert_msg(events_load(e, &r) == -EINVAL, "%s", bad[i].what);
		ck_assert_msg(events_waiting(e) == 0, "%s", bad[i].what);
	}
	r.bytes = (const uint8_t[]){HEAD(1, 1), SLOT(1, 0), 0x77};
	r.len = 17;
	strcpy(r.name, "event");
	ck_assert_int_eq(events_load(e, &r), -ENOENT);
	strcpy(r.name, "events");
	ck_assert_int_eq(events_load(e, &r), 0);
	ck_assert_uint_eq(events_waiting(e), 1);
	ck_assert_int_eq(events_load(e, &r), -EINVAL); /* once more is not fresh */
	vdev_free(d);
	ev_loop_destroy(loop);
}
END_TEST

/* More room than memory: an error, and nothing to close. */
START_TEST(test_no_memory)
{
	struct events_opts opts = {.record = SIZE_MAX, .room = 1, .name = "events"};
	struct events e;

	ck_assert_int_eq(events_open(&e, NULL, &opts), -ENOMEM);
	events_close(&e);
	opts.record = SIZE_MAX / 2;
	opts.room = UINT32_MAX;
	ck_assert_int_eq(events_open(&e, NULL, &opts), -ENOMEM);
	events_close(&e);
}
END_TEST

Suite *suite_events(void)
{
	Suite *s = suite_create("events");
	TCase *tc = tcase_create("state");

	tcase_add_test(tc, test_hostile_states);
	tcase_add_test(tc, test_no_memory);
	suite_add_tcase(s, tc);
	suite_add_device(s, &refusing);
	suite_add_device(s, &dropping);
	return s;
}
