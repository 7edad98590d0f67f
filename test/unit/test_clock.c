/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_clock.c - alarms on every clock: never early, past moments, moments that never come, clocks that are set.
 */
#include <errno.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "core/clock.h"
#include "test/unit/suites.h"

#define MS UINT64_C(1000000)

static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_TAI};

struct watch {
	struct alarm alarm;
	unsigned int dues, sets;
	uint64_t due_at, again_in; /* ns; 0: not again */
};

static struct ev_loop *loop;
static struct watch w;

static void due(struct alarm *a)
{
	struct watch *watch = container_of(a, struct watch, alarm);

	watch->dues++;
	watch->due_at = clock_now(a->clock);
	if (watch->again_in)
		alarm_at(a, watch->due_at + watch->again_in);
}

static void clock_set(struct alarm *a)
{
	container_of(a, struct watch, alarm)->sets++;
}

static void begin(clockid_t clock)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	w = (struct watch){.alarm = {.due = due, .clock_set = clock_set}};
	ck_assert_int_eq(alarm_open(&w.alarm, loop, clock), 0);
}

static void finish(void)
{
	alarm_close(&w.alarm);
	alarm_close(&w.alarm);
	ev_loop_destroy(loop);
}

static void turns(unsigned int n)
{
	while (n--)
		ev_run(loop, EVRUN_NOWAIT);
}

static void run_until(unsigned int dues)
{
	while (w.dues < dues)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_eq(w.dues, dues);
}

/* As clock_gettime(2) has it, and it goes on. */
START_TEST(test_now)
{
	struct timespec t;
	uint64_t now = clock_now(clocks[_i]);

	clock_gettime(clocks[_i], &t);
	ck_assert_uint_ge((uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec, now);
	ck_assert_uint_lt((uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec - now, 1000 * MS);
}
END_TEST

/* At the moment, once, not before; again from within. */
START_TEST(test_due)
{
	uint64_t at;

	begin(clocks[_i]);
	turns(2);
	at = clock_now(clocks[_i]) + 20 * MS;
	alarm_at(&w.alarm, at);
	turns(2);
	ck_assert_uint_eq(w.dues, 0);
	run_until(1);
	ck_assert_uint_ge(w.due_at, at);
	turns(3);
	ck_assert_uint_eq(w.dues, 1);
	w.again_in = 2 * MS;
	alarm_at(&w.alarm, clock_now(clocks[_i]));
	run_until(4);
	ck_assert_uint_ge(w.due_at, at + 4 * MS);
	finish();
}
END_TEST

/* The loop gives the alarm up: it is watched again. */
START_TEST(test_given_up)
{
	begin(clocks[_i]);
	turns(2);
	ev_io_stop(w.alarm.loop, &w.alarm.io);
	ev_feed_event(w.alarm.loop, &w.alarm.io, EV_ERROR | EV_READ);
	alarm_at(&w.alarm, clock_now(clocks[_i]) + MS);
	run_until(1);
	finish();
}
END_TEST

/* Moments that have passed, the clock's first one included, are due in the next turn. */
START_TEST(test_past)
{
	const uint64_t past[] = {0, 1, clock_now(clocks[_i]) - 1};

	begin(clocks[_i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(past); i++) {
		alarm_at(&w.alarm, past[i]);
		ck_assert_uint_eq(w.dues, i);
		turns(2);
		ck_assert_uint_eq(w.dues, i + 1);
	}
	finish();
}
END_TEST

/* The last moments that a number can tell are not due now; an alarm that is off, or set elsewhere, is not due either. */
START_TEST(test_not_due)
{
	const uint64_t far[] = {UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX / 2 - 1};

	begin(clocks[_i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(far); i++) {
		alarm_at(&w.alarm, far[i]);
		turns(3);
		ck_assert_uint_eq(w.dues, 0);
	}
	alarm_at(&w.alarm, clock_now(clocks[_i]) + 5 * MS);
	alarm_off(&w.alarm);
	usleep(8000);
	turns(3);
	ck_assert_uint_eq(w.dues, 0);
	alarm_at(&w.alarm, clock_now(clocks[_i]));
	usleep(1000); /* the timer has expired, and nobody has looked */
	alarm_at(&w.alarm, clock_now(clocks[_i]) + 10000 * MS);
	turns(3);
	ck_assert_uint_eq(w.dues, 0);
	finish();
}
END_TEST

/* Sets the clock forward by a nanosecond: less is no change.  Returns whether that is permitted. */
static bool set_clock(void)
{
	struct timex t = {.modes = ADJ_SETOFFSET | ADJ_NANO, .time = {.tv_usec = 1}};

	return adjtimex(&t) >= 0;
}

/* Somebody sets the clock: told once, whether an alarm is set or not; the alarm stays. */
START_TEST(test_clock_set)
{
	bool wall = clocks[_i] == CLOCK_REALTIME || clocks[_i] == CLOCK_TAI;

	begin(clocks[_i]);
	turns(2);
	if (!set_clock()) {
		finish();
		test_skip("the clock cannot be set here: %s", strerror(errno));
	}
	turns(3);
	ck_assert_uint_eq(w.sets, wall);
	alarm_at(&w.alarm, clock_now(clocks[_i]) + 20 * MS);
	ck_assert(set_clock());
	turns(3);
	ck_assert_uint_eq(w.sets, 2 * wall);
	ck_assert_uint_eq(w.dues, 0);
	run_until(1);
	/* It is found while the alarm is set, and told later. */
	ck_assert(set_clock());
	alarm_at(&w.alarm, clock_now(clocks[_i]) + 1000 * MS);
	ck_assert_uint_eq(w.sets, 2 * wall);
	turns(3);
	ck_assert_uint_eq(w.sets, 3 * wall);
	/* Both at once: the moment has come, and the clock was set. */
	alarm_at(&w.alarm, clock_now(clocks[_i]));
	usleep(1000);
	ck_assert(set_clock());
	turns(4);
	ck_assert_uint_eq(w.sets, 4 * wall);
	ck_assert_uint_eq(w.dues, 2);
	w.alarm.clock_set = NULL;
	ck_assert(set_clock());
	turns(3);
	finish();
}
END_TEST

START_TEST(test_no_clock)
{
	struct alarm a = {.due = due};

	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(alarm_open(&a, loop, CLOCK_PROCESS_CPUTIME_ID), -EINVAL);
	alarm_close(&a);
	ev_loop_destroy(loop);
}
END_TEST

Suite *suite_clock(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("alarms");

	tcase_add_loop_test(tc, test_now, 0, ARRAY_SIZE(clocks));
	tcase_add_loop_test(tc, test_due, 0, ARRAY_SIZE(clocks));
	tcase_add_loop_test(tc, test_given_up, 0, ARRAY_SIZE(clocks));
	tcase_add_loop_test(tc, test_past, 0, ARRAY_SIZE(clocks));
	tcase_add_loop_test(tc, test_not_due, 0, ARRAY_SIZE(clocks));
	tcase_add_loop_test(tc, test_clock_set, 0, ARRAY_SIZE(clocks));
	tcase_add_test(tc, test_no_clock);
	suite_add_tcase(s, tc);
	return s;
}
