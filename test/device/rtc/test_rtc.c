/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_rtc.c - the RTC device: VIRTIO 1.4, section 5.23.
 */
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/unix_socket.h"
#include "devices/rtc/rtc.h"
#include "test/lib/carrier.h"
#include "test/lib/open_device.h"
#include "test/unit/suites.h"

#define REQUESTQ 0
#define ALARMQ	 1

#define F_ALARM 0

enum {
	OK = 0,
	EOPNOTSUPP_ = 2,
	ENODEV_ = 3,
	EINVAL_ = 4,
	EIO_ = 5,
};

enum {
	READ = 1,
	READ_CROSS = 2,
	CFG = 0x1000,
	CLOCK_CAP = 0x1001,
	CROSS_CAP = 0x1002,
	READ_ALARM = 0x1003,
	SET_ALARM = 0x1004,
	SET_ALARM_ENABLED = 0x1005,
	NOTIF_ALARM = 0x2000,
};

enum {
	VCT = 0,
	TSC = 1,
	INVALID = 0xff,
};

/* Clocks of "everything". */
enum {
	SMEARED,
	TAI,
	MONOTONIC,
	UTC,
	SLS,
	MAYBE,
};

#define NS   UINT64_C(1000000000)
#define Y2K  UINT64_C(946684800)
#define ROOM 24

static const char *const everything[] = {"--backend=sim",     "--clock=utc-smeared,tai", "--clock=monotonic,utc,utc-sls,utc-maybe-smeared",
					 "--control=%T/control", "--cross=tsc", "--counter-offset=-1000000000000", NULL};
static const char *const plain_sim[] = {"--backend=sim", "--control=%T/control", NULL};
static const char *const system_clocks[] = {"--tai-offset=37", NULL};

/* A command to the simulator; checks that the answer begins with these words. */
static void tell(struct carrier *c, const char *command, const char *want)
{
	int fd = unix_connect(carrier_path(c, "control"));
	char answer[4096] = "";
	unsigned int turns = 0;
	size_t len = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dprintf(fd, "%s\n", command), (int)strlen(command) + 1);
	while (!strstr(answer, "ok\n") && (strncmp(answer, "error", 5) || !strchr(answer, '\n'))) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (carrier_kind(c) != CARRIER_BINARY)
			carrier_idle(c, 0);
		else
			ck_assert_int_eq(poll(&p, 1, 20000), 1);
		n = read(fd, answer + len, sizeof(answer) - 1 - len);
		ck_assert_msg(n != 0 && ++turns < 1000000, "no answer to '%s'", command);
		len += n > 0 ? (size_t)n : 0;
		answer[len] = '\0';
	}
	close(fd);
	ck_assert_msg(strncmp(answer, want, strlen(want)) == 0, "%s: %s", command, answer);
}

static void act(struct carrier *c, const char *command)
{
	tell(c, command, "ok\n");
}

/* A request as the driver makes it.  Returns its length. */
static size_t make(uint8_t out[static ROOM], unsigned int type, unsigned int clock, unsigned int value, uint64_t time)
{
	const le16 le_type = htole16((uint16_t)type), id = htole16((uint16_t)clock);
	const le64 le_time = htole64(time);
	size_t at = 8;

	memset(out, 0, ROOM);
	memcpy(out, &le_type, 2);
	if (type == CFG)
		return at;
	if (type == SET_ALARM) {
		memcpy(out + at, &le_time, 8);
		at += 8;
	}
	memcpy(out + at, &id, 2);
	out[at + 2] = (uint8_t)value;
	return at + 8;
}

/* Asks; the answer must be this long when it is good.  Returns the status, and the two numbers behind it. */
static int ask(struct carrier *c, const uint8_t *out, size_t len, size_t room, le64 in[static 2])
{
	uint8_t answer[64];
	uint32_t used;

	memset(answer, 0xee, sizeof(answer));
	/* More room than is wanted is ignored. */
	used = carrier_request(c, REQUESTQ, out, len, answer, room + 8);
	ck_assert_uint_eq(used, answer[0] == OK ? room : 8);
	for (size_t i = 1; i < 8; i++)
		ck_assert_uint_eq(answer[i], 0);
	memcpy(in, answer + 8, 16);
	return answer[0];
}

static int request(struct carrier *c, unsigned int type, unsigned int clock, unsigned int value, uint64_t time, le64 in[static 2])
{
	static const struct {
		unsigned int type;
		size_t room;
	} rooms[] = {{READ, 16},      {READ_CROSS, 24}, {CFG, 16},	{CLOCK_CAP, 16},
		     {CROSS_CAP, 16}, {READ_ALARM, 24}, {SET_ALARM, 8}, {SET_ALARM_ENABLED, 8}};
	uint8_t out[ROOM];
	size_t len = make(out, type, clock, value, time), room = 16;

	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++)
		room = rooms[i].type == type ? rooms[i].room : room;
	return ask(c, out, len, room, in);
}

static uint64_t clock_read(struct carrier *c, unsigned int clock)
{
	le64 in[2];

	ck_assert_int_eq(request(c, READ, clock, 0, 0, in), OK);
	return le64toh(in[0]);
}

static int status_of(struct carrier *c, unsigned int type, unsigned int clock, unsigned int value, uint64_t time)
{
	le64 in[2];

	return request(c, type, clock, value, time, in);
}

static void set_alarm(struct carrier *c, unsigned int clock, uint64_t time, bool enabled)
{
	ck_assert_int_eq(status_of(c, SET_ALARM, clock, enabled, time), OK);
}

static void alarm_is(struct carrier *c, unsigned int clock, uint64_t time, bool enabled)
{
	le64 in[2];

	ck_assert_int_eq(request(c, READ_ALARM, clock, 0, 0, in), OK);
	ck_assert_uint_eq(le64toh(in[0]), time);
	ck_assert_uint_eq(le64toh(in[1]), enabled);
}

static struct frontend_request *listen(struct carrier *c)
{
	return carrier_submit(c, ALARMQ, NULL, 0, 16);
}

/* The buffer comes back, with an alarm of this clock. */
static void alarm_told(struct carrier *c, struct frontend_request *req, unsigned int clock)
{
	uint8_t in[16], want[16] = {NOTIF_ALARM & 0xff, NOTIF_ALARM >> 8, 0, 0, 0, 0, 0, 0, (uint8_t)clock};

	ck_assert_uint_eq(carrier_await(c, ALARMQ, req, in), sizeof(in));
	ck_assert_mem_eq(in, want, sizeof(in));
}

/*
 * What there is.
 */

static void config(struct carrier *c)
{
	static const uint8_t types[][2] = {{3, 0}, {1, 0}, {2, 0}, {0, 0}, {3, 2}, {4, 0}};
	le64 in[2];

	ck_assert_int_eq(request(c, CFG, 0, 0, 0, in), OK);
	ck_assert_uint_eq(le64toh(in[0]), ARRAY_SIZE(types));
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		ck_assert_int_eq(request(c, CLOCK_CAP, i, 0, 0, in), OK);
		ck_assert_uint_eq(le64toh(in[0]),
				  types[i][0] | types[i][1] << 8 | (carrier_has(c, F_ALARM) ? 1 << 16 : 0));
		ck_assert_int_eq(request(c, CROSS_CAP, i, TSC, 0, in), OK);
		ck_assert_uint_eq(le64toh(in[0]), 1);
		ck_assert_int_eq(request(c, CROSS_CAP, i, VCT, 0, in), OK);
		ck_assert_uint_eq(le64toh(in[0]), 0);
		ck_assert_int_eq(request(c, CROSS_CAP, i, INVALID, 0, in), OK);
		ck_assert_uint_eq(le64toh(in[0]), 0);
	}
}

/* The simulator's clocks: in the year 2000, and as far apart as they should be. */
static void reads(struct carrier *c)
{
	uint64_t utc = clock_read(c, UTC), tai;

	ck_assert_uint_ge(utc, Y2K * NS);
	ck_assert_uint_lt(utc, (Y2K + 3600) * NS);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t before = clock_read(c, UTC), smeared = clock_read(c, SMEARED), after;

		tai = clock_read(c, TAI);
		ck_assert_uint_le(before, smeared);
		ck_assert_uint_le(smeared, clock_read(c, SLS));
		after = clock_read(c, MAYBE);
		ck_assert_uint_ge(tai, before + 37 * NS);
		ck_assert_uint_le(tai, after + 37 * NS);
		utc = clock_read(c, MONOTONIC);
		ck_assert_uint_gt(clock_read(c, MONOTONIC), utc);
	}
}

/* The host's clocks. */
static void reads_system(struct carrier *c)
{
	struct timespec ts;
	uint64_t before = clock_now(CLOCK_REALTIME), got = clock_read(c, 0), boot;

	ck_assert_uint_le(before, got);
	ck_assert_uint_le(got, clock_now(CLOCK_REALTIME));
	boot = clock_now(CLOCK_BOOTTIME);
	got = clock_read(c, 2);
	ck_assert_uint_le(boot, got);
	ck_assert_uint_le(got, clock_now(CLOCK_BOOTTIME));
	ck_assert_int_eq(clock_gettime(CLOCK_TAI, &ts), 0);
	got = clock_read(c, 1);
	ck_assert_uint_ge(got, before + 10 * NS);
	ck_assert_uint_le(got, clock_now(CLOCK_REALTIME) + 100 * NS);
}

/* A counter of nanoseconds: what is read with it goes with the monotonic clock. */
static void cross(struct carrier *c)
{
	uint64_t last = 0, lowest;
	le64 in[2];

	for (unsigned int i = 0; i < 4; i++) {
		lowest = clock_read(c, MONOTONIC);
		ck_assert_int_eq(request(c, READ_CROSS, MONOTONIC, TSC, 0, in), OK);
		ck_assert_uint_ge(le64toh(in[0]), lowest);
		ck_assert_uint_eq(le64toh(in[1]), le64toh(in[0]) - 1000 * NS);
		ck_assert(!i || le64toh(in[1]) > last);
		last = le64toh(in[1]);
		ck_assert_int_eq(request(c, READ_CROSS, UTC, TSC, 0, in), OK);
		ck_assert_uint_ge(le64toh(in[0]), Y2K * NS);
	}
	ck_assert_int_eq(status_of(c, READ_CROSS, UTC, VCT, 0), EOPNOTSUPP_);
	ck_assert_int_eq(status_of(c, READ_CROSS, UTC, INVALID, 0), EOPNOTSUPP_);
	ck_assert_int_eq(status_of(c, READ_CROSS, UTC, 2, 0), EOPNOTSUPP_);
	ck_assert_int_eq(status_of(c, CROSS_CAP, UTC, 0xf0, 0), EOPNOTSUPP_);
}

#if defined(__x86_64__) || defined(__i386__)
#define SYSTEM_COUNTER TSC
static const char *const system_cross[] = {"--tai-offset=37", "--cross=tsc", NULL};

static uint64_t counter_now(void)
{
	return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
#define SYSTEM_COUNTER VCT
static const char *const system_cross[] = {"--tai-offset=37", "--cross=vct", NULL};

static uint64_t counter_now(void)
{
	uint64_t cycles;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(cycles) : : "memory");
	return cycles;
}
#endif

#ifdef SYSTEM_COUNTER
/* The processor's own: clock and counter lie between those before and after. */
static void cross_system(struct carrier *c)
{
	uint64_t last = 0;
	le64 in[2];

	for (unsigned int i = 0; i < 6; i++) {
		uint64_t cycles = counter_now(), ns = clock_now(CLOCK_REALTIME), got_ns, got_cycles;

		ck_assert_int_eq(request(c, READ_CROSS, 0, SYSTEM_COUNTER, 0, in), OK);
		got_ns = le64toh(in[0]);
		got_cycles = le64toh(in[1]);
		ck_assert_uint_ge(got_ns, ns);
		ck_assert_uint_le(got_ns, clock_now(CLOCK_REALTIME));
		ck_assert_uint_ge(got_cycles, cycles);
		ck_assert_uint_le(got_cycles, counter_now());
		ck_assert_uint_gt(got_cycles, last);
		last = got_cycles;
		carrier_idle(c, 2);
	}
}
#endif

/* What a driver gets wrong. */
static void wrong(struct carrier *c)
{
	const int alarms = carrier_has(c, F_ALARM) ? EINVAL_ : ENODEV_;
	uint8_t out[ROOM];
	le64 in[2];
	size_t len;

	ck_assert_int_eq(status_of(c, 0, 0, 0, 0), EOPNOTSUPP_);
	ck_assert_int_eq(status_of(c, 3, 0, 0, 0), EOPNOTSUPP_);
	ck_assert_int_eq(status_of(c, 0x1006, 99, 0, 0), EOPNOTSUPP_);
	ck_assert_int_eq(status_of(c, NOTIF_ALARM, 0, 0, 0), EOPNOTSUPP_);
	ck_assert_int_eq(status_of(c, READ, 6, 0, 0), ENODEV_);
	ck_assert_int_eq(status_of(c, READ, 0xffff, 0, 0), ENODEV_);
	ck_assert_int_eq(status_of(c, CLOCK_CAP, 6, 0, 0), ENODEV_);
	ck_assert_int_eq(status_of(c, CROSS_CAP, 6, TSC, 0), ENODEV_);
	ck_assert_int_eq(status_of(c, READ_CROSS, 6, 77, 0), ENODEV_);
	ck_assert_int_eq(status_of(c, SET_ALARM, 6, 1, 5), ENODEV_);
	ck_assert_int_eq(status_of(c, READ, 0, 1, 0), EINVAL_);
	ck_assert_int_eq(status_of(c, SET_ALARM, 0, 2, 5), alarms);
	ck_assert_int_eq(status_of(c, SET_ALARM_ENABLED, 0, 0x81, 0), alarms);
	/* Reserved bytes, of the head and of the rest. */
	for (size_t i = 2; i < 16; i++) {
		len = make(out, READ, 0, 0, 0);
		if (i == 8 || i == 9)
			continue;
		out[i] = 1;
		ck_assert_int_eq(ask(c, out, len, 16, in), EINVAL_);
	}
	/* Too short to read; all lengths. */
	for (size_t n = 1; n < 24; n++) {
		make(out, n < 16 ? READ : SET_ALARM, 0, 0, 0);
		if (n < 16)
			ck_assert_int_eq(ask(c, out, n, 16, in), EINVAL_);
		else if (carrier_has(c, F_ALARM))
			ck_assert_int_eq(ask(c, out, n, 8, in), EINVAL_);
	}
	if (carrier_has(c, F_ALARM))
		alarm_is(c, 0, 0, false);
}

/* Too little room: the status as far as it fits, and nothing where it does not. */
static void little_room(struct carrier *c)
{
	uint8_t out[ROOM], in[ROOM];
	size_t len = make(out, READ, UTC, 0, 0);

	for (uint32_t room = 1; room < 16; room++) {
		memset(in, 0xee, sizeof(in));
		ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, len, in, room), room < 8 ? room : 8);
		ck_assert_uint_eq(in[0], EINVAL_);
		for (uint32_t i = 1; i < 8; i++)
			ck_assert_uint_eq(in[i], i < room ? 0 : 0xee);
	}
	ck_assert_uint_eq(carrier_request(c, REQUESTQ, out, len, NULL, 0), 0);
	ck_assert_uint_ge(clock_read(c, UTC), Y2K * NS);
}

/* A reading that fails is one, and no more. */
static void fails(struct carrier *c)
{
	act(c, "fail 2");
	ck_assert_int_eq(status_of(c, READ, 0, 0, 0), EIO_);
	ck_assert_int_eq(status_of(c, READ_CROSS, 0, TSC, 0), EIO_);
	ck_assert_int_eq(status_of(c, READ, 0, 0, 0), OK);
}

/* Set, stepped and run fast: UTC and TAI follow, the monotonic clock is never set. */
static void moved(struct carrier *c)
{
	uint64_t monotonic, utc, later;

	act(c, "rate 0");
	monotonic = clock_read(c, MONOTONIC);
	act(c, "set 1700000000.25");
	ck_assert_uint_eq(clock_read(c, UTC), 1700000000 * NS + NS / 4);
	ck_assert_uint_eq(clock_read(c, TAI), 1700000037 * NS + NS / 4);
	act(c, "step -0.25");
	ck_assert_uint_eq(clock_read(c, UTC), 1700000000 * NS);
	act(c, "step +86400");
	ck_assert_uint_eq(clock_read(c, MAYBE), 1700086400 * NS);
	ck_assert_uint_eq(clock_read(c, MONOTONIC), monotonic);
	act(c, "rate 1000");
	carrier_idle(c, 20);
	act(c, "rate 0");
	utc = clock_read(c, UTC);
	later = clock_read(c, MONOTONIC);
	ck_assert_uint_ge(later - monotonic, 20 * NS);
	ck_assert_uint_eq(utc - 1700086400 * NS, later - monotonic);
}

/* A leap second: UTC steps, TAI does not, smeared clocks run slower. */
static void leaps(struct carrier *c)
{
	const uint64_t midnight = Y2K + 30 * 86400; /* 31 January 2000 */

	act(c, "rate 0");
	act(c, "set 949276800");
	act(c, "leap insert");
	act(c, "step 86399");
	ck_assert_uint_eq(clock_read(c, UTC), (midnight + 86399) * NS);
	/* 998 of the last 1000 seconds are over. */
	ck_assert_uint_eq(clock_read(c, SLS), (midnight + 86398) * NS + 2000000);
	ck_assert_uint_lt(clock_read(c, SMEARED), (midnight + 86399) * NS);
	act(c, "step 1.5");
	ck_assert_uint_eq(clock_read(c, UTC), (midnight + 86399) * NS + NS / 2);
	ck_assert_uint_eq(clock_read(c, TAI), (midnight + 86400 + 37) * NS + NS / 2);
	ck_assert_uint_eq(clock_read(c, SLS), (midnight + 86399) * NS + NS / 2 + 500000);
	act(c, "step 1");
	ck_assert_uint_eq(clock_read(c, UTC), (midnight + 86400) * NS + NS / 2);
	ck_assert_uint_eq(clock_read(c, TAI), (midnight + 86400 + 38) * NS + NS / 2);
	ck_assert_uint_eq(clock_read(c, SLS), (midnight + 86400) * NS + NS / 2);
	ck_assert_uint_gt(clock_read(c, SMEARED), (midnight + 86400) * NS + NS / 2);
	act(c, "step 43200");
	ck_assert_uint_eq(clock_read(c, SMEARED), (midnight + 86400 + 43200) * NS + NS / 2);
}

/* The clocks are read for the first time when a leap second is over: it is known all the same. */
static void leaps_unseen(struct carrier *c)
{
	act(c, "rate 0");
	act(c, "set 949276800");
	act(c, "leap insert");
	act(c, "step 86500");
	ck_assert_uint_eq(clock_read(c, UTC), (UINT64_C(949276800) + 86499) * NS);
	ck_assert_uint_eq(clock_read(c, SLS), (UINT64_C(949276800) + 86499) * NS);
	ck_assert_uint_gt(clock_read(c, SMEARED), (UINT64_C(949276800) + 86499) * NS + NS / 1000 * 490);
}

/* The control socket says what is wrong. */
static void control_errors(struct carrier *c)
{
	static const char *const bad[] = {"set x",    "set -1", "set 18000000001", "set 1.",	  "set 1.1234567890", "step 18000000000", "step -946684900000",
					  "step 1e5", "rate x", "rate 1000.5",	   "leap second", "fail x",	      "rate 1001"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		tell(c, bad[i], "error: '");
	tell(c, "clocks", "utc 9466");
	tell(c, "list", "0 utc-smeared 9466");
}

/*
 * Alarms.
 */

static void without_alarm(struct carrier *c)
{
	le64 in[2];

	for (unsigned int type = READ_ALARM; type <= SET_ALARM_ENABLED; type++)
		ck_assert_int_eq(status_of(c, type, 0, 0, 0), ENODEV_);
	ck_assert_int_eq(request(c, CLOCK_CAP, 0, 0, 0, in), OK);
	ck_assert_uint_eq(le64toh(in[0]), 3);
}

/* Any time is taken, also by a clock that will never come to it. */
static void any_time(struct carrier *c)
{
	static const uint64_t times[] = {0, 1, Y2K * NS, UINT64_MAX, INT64_MAX, 1ull << 63};

	if (!carrier_has(c, F_ALARM))
		return;
	for (unsigned int clock = 0; clock < 3; clock++) {
		alarm_is(c, clock, 0, false);
		for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
			set_alarm(c, clock, times[i], false);
			alarm_is(c, clock, times[i], false);
		}
		set_alarm(c, clock, UINT64_MAX, true);
		alarm_is(c, clock, UINT64_MAX, true);
		ck_assert_int_eq(status_of(c, SET_ALARM_ENABLED, clock, 0, 0), OK);
		alarm_is(c, clock, UINT64_MAX, false);
	}
	listen(c);
	carrier_stays(c, ALARMQ, 20);
}

/* A time that has passed: told at once, also when the alarm is enabled again, and not while it is not. */
static void passed_time(struct carrier *c)
{
	struct frontend_request *req;

	if (!carrier_has(c, F_ALARM))
		return;
	for (unsigned int clock = 0; clock < 2; clock++) {
		req = listen(c);
		set_alarm(c, clock, 1000, true);
		alarm_told(c, req, clock);
		req = listen(c);
		carrier_stays(c, ALARMQ, 5);
		ck_assert_int_eq(status_of(c, SET_ALARM_ENABLED, clock, 0, 0), OK);
		carrier_stays(c, ALARMQ, 5);
		ck_assert_int_eq(status_of(c, SET_ALARM_ENABLED, clock, 1, 0), OK);
		alarm_told(c, req, clock);
		set_alarm(c, clock, 0, false);
	}
}

/* In a while: not before; and the clock read afterwards has come to it. */
static void in_a_while(struct carrier *c)
{
	struct frontend_request *req;

	if (!carrier_has(c, F_ALARM))
		return;
	for (unsigned int clock = 0; clock < 3; clock++) {
		uint64_t time = clock_read(c, clock) + NS / 25;

		req = listen(c);
		set_alarm(c, clock, time, true);
		alarm_told(c, req, clock);
		ck_assert_uint_ge(clock_read(c, clock), time);
		alarm_is(c, clock, time, true);
	}
}

/* No buffer: it waits for one, once for each clock; who disables it hears nothing of it. */
static void waits_for_a_buffer(struct carrier *c)
{
	struct frontend_request *req;

	if (!carrier_has(c, F_ALARM))
		return;
	set_alarm(c, 0, 5, true);
	set_alarm(c, 0, 6, true);
	set_alarm(c, 1, 7, true);
	set_alarm(c, 2, 1, true);
	ck_assert_int_eq(status_of(c, SET_ALARM_ENABLED, 1, 0, 0), OK);
	req = listen(c);
	alarm_told(c, req, 0);
	req = listen(c);
	alarm_told(c, req, 2);
	listen(c);
	carrier_stays(c, ALARMQ, 10);
}

/* An alarm follows its clock: stepped over it, it is told; stepped back, it will be told again. */
static void follows_steps(struct carrier *c)
{
	struct frontend_request *req;
	uint64_t time;

	if (!carrier_has(c, F_ALARM))
		return;
	for (unsigned int clock = 0; clock < 2; clock++) {
		time = clock_read(c, clock) + 3600 * NS;
		req = listen(c);
		set_alarm(c, clock, time, true);
		act(c, "step 3000");
		carrier_stays(c, ALARMQ, 5);
		act(c, "step 700");
		alarm_told(c, req, clock);
		ck_assert_uint_ge(clock_read(c, clock), time);
		req = listen(c);
		act(c, "step 50");
		carrier_stays(c, ALARMQ, 5);
		act(c, "step -3000");
		carrier_stays(c, ALARMQ, 5);
		act(c, "rate 1000");
		act(c, "step 2240");
		alarm_told(c, req, clock);
		act(c, "rate 1");
		set_alarm(c, clock, 0, false);
	}
	/* The monotonic clock is not set, but runs fast. */
	req = listen(c);
	time = clock_read(c, 2) + 20 * NS;
	set_alarm(c, 2, time, true);
	act(c, "step 86400");
	carrier_stays(c, ALARMQ, 5);
	act(c, "rate 1000");
	alarm_told(c, req, 2);
	ck_assert_uint_ge(clock_read(c, 2), time);
}

/* A reset keeps alarms; what had expired is told once more. */
static void reset_keeps(struct carrier *c)
{
	uint64_t later = (Y2K + 86400) * NS;
	struct frontend_request *req;

	if (!carrier_has(c, F_ALARM))
		return;
	set_alarm(c, 0, 1000, true);
	set_alarm(c, 1, later, true);
	set_alarm(c, 2, 500, false);
	alarm_told(c, listen(c), 0);
	carrier_reset(c);
	alarm_is(c, 0, 1000, true);
	alarm_is(c, 1, later, true);
	alarm_is(c, 2, 500, false);
	alarm_told(c, listen(c), 0);
	req = listen(c);
	carrier_stays(c, ALARMQ, 5);
	act(c, "step 86400");
	alarm_told(c, req, 1);
}

/* Another front-end's guest finds nothing of it. */
static void reconnect_forgets(struct carrier *c)
{
	if (!carrier_has(c, F_ALARM) || carrier_kind(c) != CARRIER_BINARY)
		return;
	set_alarm(c, 0, 1000, true);
	set_alarm(c, 1, (Y2K + 1) * NS, true);
	carrier_reconnect(c);
	listen(c);
	carrier_stays(c, ALARMQ, 10);
	for (unsigned int clock = 0; clock < 3; clock++)
		alarm_is(c, clock, 0, false);
}

/* A buffer too small comes back empty; what is told in it is not told again. */
static void small_buffer(struct carrier *c)
{
	struct frontend_request *req;
	uint8_t in[8];

	if (!carrier_has(c, F_ALARM))
		return;
	req = carrier_submit(c, ALARMQ, NULL, 0, 8);
	set_alarm(c, 0, 1, true);
	ck_assert_uint_eq(carrier_await(c, ALARMQ, req, in), 0);
	alarm_told(c, listen(c), 0);
}

/* A guest moves: alarms and what waits go along, and the monotonic clock goes on. */
static void moves(struct carrier *c)
{
	uint64_t monotonic, time = (Y2K + 7200) * NS;

	if (!carrier_has(c, F_ALARM))
		return;
	set_alarm(c, 0, time, true);
	set_alarm(c, 1, 9, true);
	monotonic = clock_read(c, 2);
	carrier_move(c);
	ck_assert_uint_ge(clock_read(c, 2), monotonic);
	ck_assert_uint_lt(clock_read(c, 2), monotonic + 60 * NS);
	alarm_is(c, 0, time, true);
	alarm_is(c, 1, 9, true);
	alarm_told(c, listen(c), 1);
	listen(c);
	carrier_stays(c, ALARMQ, 10);
}

static const char *const no_alarm[] = {"--backend=sim", "--no-alarm", NULL};
static const char *const shifted[] = {"--backend=sim", "--offset=-30d", "--clock=utc,tai,monotonic", NULL};
static const char *const before_1970[] = {"--backend=sim", "--offset=-73000d", "--clock=utc", NULL};
static const char *const none[] = {"--backend=sim", "--no-utc", "--no-tai", "--no-monotonic", NULL};

static void another_time(struct carrier *c)
{
	ck_assert_uint_ge(clock_read(c, 0), (Y2K - 30 * 86400) * NS);
	ck_assert_uint_lt(clock_read(c, 0), (Y2K - 29 * 86400) * NS);
	ck_assert_uint_ge(clock_read(c, 1), (Y2K - 30 * 86400 + 37) * NS);
	ck_assert_uint_lt(clock_read(c, 1), (Y2K - 29 * 86400) * NS);
	ck_assert_uint_lt(clock_read(c, 2), 3600 * NS);
}

static void too_early(struct carrier *c)
{
	ck_assert_uint_eq(clock_read(c, 0), 0);
	if (carrier_has(c, F_ALARM)) {
		set_alarm(c, 0, 1, true);
		listen(c);
		carrier_stays(c, ALARMQ, 5);
	}
}

static void no_clocks(struct carrier *c)
{
	le64 in[2];

	ck_assert_int_eq(request(c, CFG, 0, 0, 0, in), OK);
	ck_assert_uint_eq(le64toh(in[0]), 0);
	ck_assert_int_eq(status_of(c, READ, 0, 0, 0), ENODEV_);
}

static const struct device_case cases[] = {
	{.name = "config", .run = config},
	{.name = "reads", .run = reads},
	{.name = "reads of the system", .run = reads_system, .args = system_clocks, .flags = CASE_ONCE},
	{.name = "cross", .run = cross},
#ifdef SYSTEM_COUNTER
	{.name = "cross of the system", .run = cross_system, .args = system_cross, .flags = CASE_ONCE},
#endif
	{.name = "wrong", .run = wrong},
	{.name = "little room", .run = little_room},
	{.name = "fails", .run = fails},
	{.name = "moved", .run = moved, .flags = CASE_ONCE},
	{.name = "leaps", .run = leaps, .flags = CASE_ONCE},
	{.name = "leaps unseen", .run = leaps_unseen, .flags = CASE_ONCE},
	{.name = "control errors", .run = control_errors, .flags = CASE_ONCE},
	{.name = "without alarm", .run = without_alarm, .args = no_alarm},
	{.name = "any time", .run = any_time},
	{.name = "passed time", .run = passed_time},
	{.name = "passed time of the system", .run = passed_time, .args = system_clocks},
	{.name = "in a while", .run = in_a_while, .flags = CASE_ONCE},
	{.name = "in a while of the system", .run = in_a_while, .args = system_clocks, .flags = CASE_ONCE},
	{.name = "waits for a buffer", .run = waits_for_a_buffer},
	{.name = "follows steps", .run = follows_steps, .args = plain_sim, .flags = CASE_ONCE},
	{.name = "reset keeps", .run = reset_keeps, .flags = CASE_ONCE},
	{.name = "reconnect forgets", .run = reconnect_forgets, .flags = CASE_ONCE},
	{.name = "small buffer", .run = small_buffer},
	{.name = "moves", .run = moves, .flags = CASE_ONCE},
	{.name = "another time", .run = another_time, .args = shifted},
	{.name = "too early", .run = too_early, .args = before_1970},
	{.name = "no clocks", .run = no_clocks, .args = none},
};

static const struct device_suite rtc = {
	.device = "rtc",
	.args = everything,
	DEVICE_CASES(cases),
};

/*
 * The host's clock is set here, so these run where the environment says that it may be: in a guest of guest.sh.
 */

static const char *const host_clocks[] = {"--clock=utc,utc-sls,tai", NULL};

static void host_set(uint64_t ns)
{
	const struct timespec ts = {.tv_sec = (time_t)(ns / NS), .tv_nsec = (long)(ns % NS)};

	ck_assert_int_eq(clock_settime(CLOCK_REALTIME, &ts), 0);
}

static void host_step(int64_t s)
{
	host_set(clock_now(CLOCK_REALTIME) + (uint64_t)s * NS);
}

static int host_adjust(unsigned int modes, int status, long constant)
{
	struct timex t = {.modes = modes, .status = status, .constant = constant};
	int state = adjtimex(&t);

	ck_assert_int_ge(state, 0);
	return state;
}

/*
 * A time service that knows the time (no error is left, maxerror) says whether a second is inserted at the end of this day; the
 * clock is set to a tenth of a second before a full one, for the kernel takes such news then.
 */
static void host_news(struct carrier *c, uint64_t s, int status, int state)
{
	host_set(s * NS - NS / 10);
	host_adjust(ADJ_STATUS | ADJ_MAXERROR, status, 0);
	for (unsigned int ms = 0; host_adjust(0, 0, 0) != state; ms += 5) {
		ck_assert_uint_lt(ms, 10000);
		carrier_idle(c, 5);
	}
}

static void know_tai(struct carrier *c)
{
	host_adjust(ADJ_TAI, 0, 37);
}

/* Set over an alarm, and back before it, the host's clock is followed at once. */
static void host_steps(struct carrier *c)
{
	struct frontend_request *req;

	if (!carrier_has(c, F_ALARM))
		return;
	for (unsigned int clock = 0; clock < 3; clock++) {
		uint64_t time = clock_read(c, clock) + 3600 * NS;

		req = listen(c);
		set_alarm(c, clock, time, true);
		host_step(3000);
		carrier_stays(c, ALARMQ, 20);
		host_step(700);
		alarm_told(c, req, clock);
		ck_assert_uint_ge(clock_read(c, clock), time);
		set_alarm(c, clock, 0, false);
	}
	/* Due soon, but for somebody who sets the clock. */
	req = listen(c);
	set_alarm(c, 0, clock_read(c, 0) + NS, true);
	host_step(-1000);
	carrier_stays(c, ALARMQ, 1200);
	host_step(1001);
	alarm_told(c, req, 0);
}

/* A leap second of the kernel's: UTC makes its step, TAI and the smeared clock none. */
static void host_leaps(struct carrier *c)
{
	const uint64_t midnight = UINT64_C(1798761600); /* 2027-01-01 */
	uint64_t begun = 0, last_utc = 0, last_sls = 0, last_tai = 0, steps = 0;

	/* The device hears of it before it begins to smear; a kernel whose clock is set forgets it. */
	host_news(c, midnight - 7400, 0, TIME_OK);
	host_news(c, midnight - 7200, STA_INS, TIME_INS);
	ck_assert_uint_lt(clock_read(c, 1), midnight * NS);
	host_news(c, midnight - 7000, 0, TIME_OK);
	host_news(c, midnight - 2, STA_INS, TIME_INS);
	do {
		uint64_t before = clock_now(CLOCK_BOOTTIME), utc = clock_read(c, 0), sls = clock_read(c, 1), tai = clock_read(c, 2);

		if (last_tai) {
			ck_assert_uint_gt(tai, last_tai);
			ck_assert_uint_ge(sls, last_sls);
			/* Not more than the time between the beginning of that reading and the end of this. */
			ck_assert_uint_le(sls - last_sls, clock_now(CLOCK_BOOTTIME) - begun + NS / 100);
			steps += utc < last_utc;
		}
		begun = before;
		last_utc = utc;
		last_sls = sls;
		last_tai = tai;
		carrier_idle(c, 10);
	} while (last_tai < (midnight + 37 + 1) * NS + NS / 5);
	host_adjust(ADJ_STATUS, 0, 0);
	ck_assert_uint_le(steps, 1);
	/* It was one: TAI is a second more ahead, and the smeared clock is UTC again. */
	last_utc = clock_read(c, 0);
	ck_assert_uint_ge(clock_read(c, 2), last_utc + 38 * NS);
	last_sls = clock_read(c, 1);
	ck_assert_uint_ge(last_sls, last_utc);
	ck_assert_uint_le(last_sls, clock_read(c, 0));
}

static const struct device_case host_cases[] = {
	{.name = "set clock: steps", .run = host_steps, .prepare = know_tai, .flags = CASE_ONCE},
	{.name = "set clock: a leap second", .run = host_leaps, .prepare = know_tai, .flags = CASE_ONCE},
};

static const struct device_suite rtc_host_cases = {
	.device = "rtc",
	.args = host_clocks,
	DEVICE_CASES(host_cases),
	.further = true,
};

/* A guest that moves within the hours around a leap second to a host that knows nothing of it: smeared time does not jump. */
START_TEST(test_move_leap)
{
	/* 100 s after the midnight that began 2017. */
	static const char *const args[] = {"--backend=sim", "--sim-time=1483228900", "--clock=utc-noon,utc", NULL};
	const struct rtc_reading ahead = {.ns = UINT64_C(1483228000) * NS, .leap = RTC_LEAP_AHEAD, .sign = 1};
	const struct rtc_reading done = {.ns = UINT64_C(1483228850) * NS, .leap = RTC_LEAP_DONE, .sign = 1};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct vdev *from, *to;
	struct state_record r;
	struct state s;
	size_t at = 0;

	if (open_device("rtc", loop, args, &from) == -ENOENT)
		return;
	ck_assert_int_eq(open_device("rtc", loop, args, &to), 0);
	rtc_leap_learn(&to_rtc(from)->leap, &ahead);
	rtc_leap_learn(&to_rtc(from)->leap, &done);
	state_begin(&s);
	from->class->save(from, &s);
	ck_assert_int_eq(s.err, 0);
	while (state_next(&s, &at, &r) == 1)
		ck_assert_int_eq(to->class->load(to, &r), 0);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t smeared, utc;

		ck_assert_int_eq(rtc_clock_read(&to_rtc(i ? to : from)->clocks[1], &utc, NULL), 0);
		ck_assert_int_eq(rtc_clock_read(&to_rtc(i ? to : from)->clocks[0], &smeared, NULL), 0);
		/* 43300 of 86401 seconds are over: a bit less than half a second is left to be taken away. */
		ck_assert_uint_ge(smeared, utc + NS / 1000 * 490);
		ck_assert_uint_le(smeared, utc + 20 * NS);
	}
	state_free(&s);
	vdev_free(from);
	vdev_free(to);
	ev_loop_destroy(loop);
}
END_TEST

/* Options that do not go together, or cannot be. */
START_TEST(test_options)
{
	static const struct {
		const char *args[4];
		int err;
	} rows[] = {
		{{"--backend=sim"}, 0},
		{{"--offset=+200"}, 0},
		{{"--offset=-3m"}, 0},
		{{"--clock=utc,utc,utc,utc,utc,utc,utc,utc", "--clock=utc,utc,utc,utc,utc,utc,utc,utc"}, 0},
		{{"--clock=utc,utc,utc,utc,utc,utc,utc,utc", "--clock=utc,utc,utc,utc,utc,utc,utc,utc,utc"}, -EINVAL},
		{{"--clock="}, -EINVAL},
		{{"--clock=utc,"}, -EINVAL},
		{{"--clock=gps"}, -EINVAL},
		{{"--offset="}, -EINVAL},
		{{"--offset=d"}, -EINVAL},
		{{"--offset=1w"}, -EINVAL},
		{{"--offset=+-1"}, -EINVAL},
		{{"--offset=6307200001"}, -EINVAL},
		{{"--offset=73001d"}, -EINVAL},
		{{"--offset=99999999999999999999999"}, -EINVAL},
		{{"--clock=utc", "--no-tai"}, -EINVAL},
		{{"--counter-offset=1"}, -EINVAL},
		{{"--backend=sim", "--cross=vct", "--counter-offset=99999999999999999999"}, -EINVAL},
		{{"--backend=sim", "--cross=vct", "--counter-offset="}, -EINVAL},
		{{"--backend=sim", "--cross=vct", "--counter-offset=-5"}, 0},
		{{"--backend=sim", "--cross=hpet"}, -EINVAL},
		{{"--sim-time=5"}, -EINVAL},
		{{"--tai-offset=0"}, -EINVAL},
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct vdev *d;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = open_device("rtc", loop, rows[i].args, &d);

		ck_assert_msg(err == rows[i].err, "%s: %d", rows[i].args[0], err);
		if (!err)
			vdev_free(d);
	}
	ev_loop_destroy(loop);
}
END_TEST

/* The command line of vhost-device-rtc. */
START_TEST(test_compat)
{
	char *argv[] = {(char *)"rtc", (char *)"--no-offer-alarm", (char *)"--no-utc", (char *)"--no-monotonic", NULL};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct opt_group groups[2] = {{0}};
	struct vdev *d;

	for (const struct vdev_class *const *class = vdev_classes; *class; class ++) {
		if (strcmp((*class)->name, "rtc") != 0)
			continue;
		ck_assert_int_eq(vdev_new(*class, "rtc", loop, &d), 0);
		groups[0] = (struct opt_group){"Device options", d->class->opts, d};
		ck_assert_int_eq(opt_parse(groups, true, 4, argv), 4);
		ck_assert_int_eq(vdev_check(d), 0);
		ck_assert_uint_eq(d->face.features, 0);
		ck_assert_int_eq(vdev_open(d), 0);
		vdev_free(d);
	}
	ev_loop_destroy(loop);
}
END_TEST

Suite *suite_rtc(void)
{
	Suite *s = suite_create("rtc");
	TCase *tc = tcase_create("options");

	tcase_add_test(tc, test_options);
	tcase_add_test(tc, test_compat);
	tcase_add_test(tc, test_move_leap);
	suite_add_tcase(s, tc);
	suite_add_device(s, &rtc);
	if (getenv("VDEVD_TEST_SET_CLOCK"))
		suite_add_device(s, &rtc_host_cases);
	return s;
}
