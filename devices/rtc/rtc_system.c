/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc_system.c - the kernel's clocks for the RTC device: clock_gettime(2), timers of core/clock.h, leap seconds by
 * adjtimex(2), and the processor's counter.
 *
 * The monotonic clock is CLOCK_BOOTTIME: physical time goes on while a machine is suspended.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/timex.h>

#include "devices/rtc/rtc_host.h"

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#endif

/* How often a clock and the counter are read, so that one pair is near enough. */
#define PAIRS 8

struct rtc_host {
	struct ev_loop *loop;
};

static const clockid_t clocks[RTC_BASES] = {
	[RTC_BASE_UTC] = CLOCK_REALTIME,
	[RTC_BASE_TAI] = CLOCK_TAI,
	[RTC_BASE_MONOTONIC] = CLOCK_BOOTTIME,
};

static const struct sandbox_call system_calls[] = {
	{.name = "adjtimex", .why = "leap seconds"},
	{.name = "clock_adjtime", .why = "the same", .checks = {{0, SANDBOX_IS, CLOCK_REALTIME}}},
	{.name = "clock_adjtime64", .why = "the same", .checks = {{0, SANDBOX_IS, CLOCK_REALTIME}}},
	{0},
};

static void system_needs(struct sandbox *s)
{
	sandbox_calls(s, system_calls);
	sandbox_calls(s, alarm_calls);
}

static int system_start(const struct rtc_host_args *args, struct rtc_host **out)
{
	struct rtc_host *h = calloc(1, sizeof(*h));

	if (!h) {
		log_error(args->log, "out of memory");
		return -ENOMEM;
	}
	h->loop = args->loop;
	*out = h;
	return 0;
}

static void system_stop(struct rtc_host *h)
{
	free(h);
}

static bool system_counts(enum rtc_counter counter)
{
#if defined(__x86_64__) || defined(__i386__)
	return counter == RTC_COUNTER_X86_TSC;
#elif defined(__aarch64__)
	return counter == RTC_COUNTER_ARM_VCT;
#else
	return false;
#endif
}

/* The counter of this processor, not before what stands before it; 0 where it has none. */
static uint64_t counter_now(void)
{
#if defined(__x86_64__) || defined(__i386__)
	uint64_t cycles;

	_mm_lfence();
	cycles = __rdtsc();
	_mm_lfence();
	return cycles;
#elif defined(__aarch64__)
	uint64_t cycles;

	__asm__ volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(cycles) : : "memory");
	return cycles;
#else
	return 0;
#endif
}

static bool system_knows_tai(struct rtc_host *h)
{
	/* Leap seconds are whole; between the two readings there is less than half of one. */
	return clock_now(CLOCK_TAI) > clock_now(CLOCK_REALTIME) + RTC_NS / 2;
}

/* Reads UTC with what the kernel says of a leap second at that very time. */
static void read_utc(struct rtc_reading *r)
{
	struct timex t = {0};
	int state = adjtimex(&t);

	/* A container may forbid it. */
	if (state < 0) {
		*r = (struct rtc_reading){.ns = clock_now(CLOCK_REALTIME)};
		return;
	}
	const uint64_t fraction = (uint64_t)t.time.tv_usec * (t.status & STA_NANO ? 1 : 1000);

	*r = (struct rtc_reading){
		.ns = t.time.tv_sec < 0 ? 0 : (uint64_t)t.time.tv_sec * RTC_NS + fraction,
		.sign = t.status & STA_DEL ? -1 : t.status & STA_INS ? 1 : 0,
	};
	/* An unsynchronised clock (TIME_ERROR) says nothing of leap seconds. */
	if (state == TIME_INS || state == TIME_DEL) {
		r->leap = RTC_LEAP_AHEAD;
		r->sign = state == TIME_INS ? 1 : -1;
	} else if (state == TIME_OOP) {
		r->leap = RTC_LEAP_NOW;
	} else if (state == TIME_WAIT) {
		r->leap = RTC_LEAP_DONE;
	}
}

static int system_read(struct rtc_host *h, enum rtc_base base, struct rtc_reading *r)
{
	if (base == RTC_BASE_UTC)
		read_utc(r);
	else
		*r = (struct rtc_reading){.ns = clock_now(clocks[base])};
	return 0;
}

/* The counter is read before and after the clock; of several the pair is taken that lies closest together. */
static int system_read_cross(struct rtc_host *h, enum rtc_base base, enum rtc_counter counter, struct rtc_reading *r,
			     uint64_t *cycles)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < PAIRS; i++) {
		struct rtc_reading one;
		uint64_t before = counter_now(), after;

		system_read(h, base, &one);
		after = counter_now();
		if (after - before >= best)
			continue;
		best = after - before;
		*cycles = before + best / 2;
		*r = one;
	}
	return 0;
}

static void wake_due(struct alarm *a)
{
	struct rtc_wake *w = container_of(a, struct rtc_wake, alarm);

	w->look(w);
}

static int system_wake_open(struct rtc_host *h, struct rtc_wake *w)
{
	w->h = h;
	w->alarm.due = wake_due;
	w->alarm.clock_set = wake_due;
	return alarm_open(&w->alarm, h->loop, clocks[w->base]);
}

static void system_wake_close(struct rtc_host *h, struct rtc_wake *w)
{
	alarm_close(&w->alarm);
}

static void system_wake_at(struct rtc_wake *w, uint64_t ns)
{
	alarm_at(&w->alarm, ns);
}

static void system_wake_off(struct rtc_wake *w)
{
	alarm_off(&w->alarm);
}

const struct rtc_host_ops rtc_host_system = {
	.start = system_start,
	.stop = system_stop,
	.needs = system_needs,
	.counts = system_counts,
	.knows_tai = system_knows_tai,
	.read = system_read,
	.read_cross = system_read_cross,
	.wake_open = system_wake_open,
	.wake_close = system_wake_close,
	.wake_at = system_wake_at,
	.wake_off = system_wake_off,
};
