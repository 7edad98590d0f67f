/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc_sim.c - clocks that are nowhere but here, for --backend=sim: a person or a test sets them, steps them and lets them
 * run fast through a control socket (core/control.h).
 *
 * The clocks are brought forward whenever somebody looks (sim_advance): by the host's monotonic time since then, times the
 * rate.  They are set and stepped as a host's are: UTC and TAI together, the monotonic clock never.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "core/opt.h"
#include "devices/rtc/rtc_host.h"

#define MILLION	 UINT64_C(1000000)
#define RATE_MAX (1000 * MILLION)
#define DAY	 (86400 * RTC_NS)

/* The latest time, s: the standard's nanoseconds end in 2554. */
#define TIME_MAX UINT64_C(18000000000)

/* How far the clocks are brought forward at once: so that no product overflows. */
#define ADVANCE_MAX (UINT64_C(10) * 86400 * RTC_NS)

/* Seconds that TAI is ahead of UTC since 2017. */
#define TAI_OFFSET 37

struct rtc_host {
	struct ev_loop *loop;
	uint64_t seen;      /* the host's monotonic time when the clocks were brought forward */
	uint64_t rate;      /* millionths: a million is the host's */
	uint64_t rest;      /* millionths of a nanosecond not yet counted */
	uint64_t utc, monotonic;
	int tai_offset;     /* s */
	int leap;           /* 1, -1: at the end of leap_day; 0: none */
	uint64_t leap_at;   /* the midnight then */
	bool leapt;         /* it is over, or UTC is in it */
	uint64_t failures;  /* so many readings fail */
	struct rtc_wake *wakes;
};

/* UTC makes its step when it comes to a leap second. */
static void leap_step(struct rtc_host *h)
{
	if (!h->leap || h->leapt || h->utc < h->leap_at - (h->leap < 0 ? RTC_NS : 0))
		return;
	h->leapt = true;
	h->utc += h->leap < 0 ? RTC_NS : -RTC_NS;
	h->tai_offset += h->leap;
}

static void sim_advance(struct rtc_host *h)
{
	uint64_t now = clock_now(CLOCK_MONOTONIC);

	while (h->seen < now) {
		uint64_t past = min_u64(now - h->seen, ADVANCE_MAX), ns;
		uint64_t parts = past % MILLION * h->rate + h->rest;

		ns = past / MILLION * h->rate + parts / MILLION;
		h->rest = parts % MILLION;
		h->seen += past;
		h->utc += ns;
		h->monotonic += ns;
		leap_step(h);
	}
}

static uint64_t base_now(struct rtc_host *h, enum rtc_base base)
{
	sim_advance(h);
	if (base == RTC_BASE_MONOTONIC)
		return h->monotonic;
	return base == RTC_BASE_UTC ? h->utc : rtc_shift(h->utc, h->tai_offset * (int64_t)RTC_NS);
}

/* Somebody has done something to the clocks. */
static void tell_all(struct rtc_host *h)
{
	for (struct rtc_wake *w = h->wakes; w; w = w->next)
		w->look(w);
}

/*
 * The operator's side.
 */

/* Seconds with up to nine decimals.  Returns 0 and *ns, or -EINVAL. */
static int seconds_parse(const char *text, uint64_t max, uint64_t *ns)
{
	size_t whole = strspn(text, "0123456789"), digits = 0;
	uint64_t s = 0, fraction = 0, unit = RTC_NS;

	if (!whole || whole > 11)
		return -EINVAL;
	for (size_t i = 0; i < whole; i++)
		s = s * 10 + (uint64_t)(text[i] - '0');
	text += whole;
	if (*text == '.') {
		digits = strspn(++text, "0123456789");
		if (!digits || digits > 9)
			return -EINVAL;
		for (size_t i = 0; i < digits; i++)
			fraction += (uint64_t)(text[i] - '0') * (unit /= 10);
		text += digits;
	}
	if (*text || s > max)
		return -EINVAL;
	*ns = s * RTC_NS + fraction;
	return 0;
}

static int run_clocks(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	static const char *const names[] = {[RTC_BASE_UTC] = "utc", [RTC_BASE_TAI] = "tai", [RTC_BASE_MONOTONIC] = "monotonic"};
	struct rtc_host *h = arg;

	for (unsigned int i = 0; i < RTC_BASES; i++) {
		uint64_t ns = base_now(h, i);

		control_say(c, "%s %llu.%09llu", names[i], (unsigned long long)(ns / RTC_NS),
			    (unsigned long long)(ns % RTC_NS));
	}
	control_say(c, "rate %llu.%06llu", (unsigned long long)(h->rate / MILLION), (unsigned long long)(h->rate % MILLION));
	return 0;
}

static int run_set(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct rtc_host *h = arg;
	uint64_t ns;

	if (seconds_parse(argv[0], TIME_MAX, &ns) < 0) {
		snprintf(why, why_size, "'%.40s': seconds since 1970, such as 946684800.5, are wanted", argv[0]);
		return -EINVAL;
	}
	sim_advance(h);
	h->utc = ns;
	h->leap = 0;
	tell_all(h);
	return 0;
}

static int run_step(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	bool back = argv[0][0] == '-';
	struct rtc_host *h = arg;
	uint64_t ns;

	sim_advance(h);
	if (seconds_parse(argv[0] + (back || argv[0][0] == '+'), TIME_MAX, &ns) < 0 ||
	    (back ? ns > h->utc : ns > TIME_MAX * RTC_NS - min_u64(h->utc, TIME_MAX * RTC_NS))) {
		snprintf(why, why_size, "'%.40s': seconds, such as 60 or -0.5, that lead into the years 1970 to 2540 are wanted",
			 argv[0]);
		return -EINVAL;
	}
	h->utc = back ? h->utc - ns : h->utc + ns;
	leap_step(h);
	tell_all(h);
	return 0;
}

static int run_rate(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct rtc_host *h = arg;
	uint64_t ns;

	if (seconds_parse(argv[0], RATE_MAX / MILLION, &ns) < 0 || ns > RATE_MAX * 1000) {
		snprintf(why, why_size, "'%.40s': a factor from 0 to 1000, such as 60 or 0.5, is wanted", argv[0]);
		return -EINVAL;
	}
	sim_advance(h);
	h->rate = ns / 1000;
	tell_all(h);
	return 0;
}

static int run_leap(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct rtc_host *h = arg;
	int leap;

	if (strcmp(argv[0], "insert") == 0)
		leap = 1;
	else if (strcmp(argv[0], "delete") == 0)
		leap = -1;
	else if (strcmp(argv[0], "none") == 0)
		leap = 0;
	else {
		snprintf(why, why_size, "'%.40s': insert, delete or none is wanted", argv[0]);
		return -EINVAL;
	}
	sim_advance(h);
	h->leap = leap;
	h->leapt = false;
	h->leap_at = h->utc - h->utc % DAY + DAY;
	return 0;
}

static int run_fail(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct rtc_host *h = arg;
	uint64_t n;

	if (opt_parse_number(argv[0], false, &n) < 0) {
		snprintf(why, why_size, "'%.40s': a number of readings is wanted", argv[0]);
		return -EINVAL;
	}
	h->failures = n;
	return 0;
}

static const struct control_command sim_commands[] = {
	{"clocks", "", "show the simulated clocks, and how fast they run", 0, 0, run_clocks},
	{"set", "SECONDS", "set UTC: seconds since 1970", 1, 1, run_set},
	{"step", "SECONDS", "step UTC forward, or back: -5", 1, 1, run_step},
	{"rate", "FACTOR", "let the clocks run faster or slower; 0: they stand", 1, 1, run_rate},
	{"leap", "insert|delete|none", "a leap second at the end of this day", 1, 1, run_leap},
	{"fail", "COUNT", "the next so many readings fail", 1, 1, run_fail},
	{0},
};

/*
 * The device's side.
 */

static void sim_needs(struct sandbox *s)
{
	sandbox_calls(s, alarm_calls);
}

static int sim_start(const struct rtc_host_args *args, struct rtc_host **out)
{
	struct rtc_host *h = calloc(1, sizeof(*h));

	if (!h) {
		log_error(args->log, "out of memory");
		return -ENOMEM;
	}
	h->loop = args->loop;
	h->rate = MILLION;
	h->seen = clock_now(CLOCK_MONOTONIC);
	h->utc = args->sim_time * RTC_NS;
	h->monotonic = RTC_NS;
	h->tai_offset = TAI_OFFSET;
	control_add(args->control, sim_commands, h);
	*out = h;
	return 0;
}

static void sim_stop(struct rtc_host *h)
{
	free(h);
}

static bool sim_counts(enum rtc_counter counter)
{
	return counter < RTC_COUNTERS;
}

static bool sim_knows_tai(struct rtc_host *h)
{
	return true;
}

static int sim_read(struct rtc_host *h, enum rtc_base base, struct rtc_reading *r)
{
	*r = (struct rtc_reading){.ns = base_now(h, base)};
	if (base == RTC_BASE_UTC && h->leap) {
		r->sign = h->leap;
		r->leap = !h->leapt			       ? RTC_LEAP_AHEAD
			  : h->leap > 0 && h->utc < h->leap_at ? RTC_LEAP_NOW
							       : RTC_LEAP_DONE;
	}
	if (!h->failures)
		return 0;
	h->failures--;
	return -EIO;
}

/* A counter counts nanoseconds here. */
static int sim_read_cross(struct rtc_host *h, enum rtc_base base, enum rtc_counter counter, struct rtc_reading *r,
			  uint64_t *cycles)
{
	int err = sim_read(h, base, r);

	*cycles = h->monotonic;
	return err;
}

static void wake_due(struct alarm *a)
{
	struct rtc_wake *w = container_of(a, struct rtc_wake, alarm);

	w->look(w);
}

static int sim_wake_open(struct rtc_host *h, struct rtc_wake *w)
{
	int err;

	w->alarm.due = wake_due;
	w->alarm.clock_set = NULL;
	err = alarm_open(&w->alarm, h->loop, CLOCK_MONOTONIC);
	if (err)
		return err;
	w->h = h;
	w->next = h->wakes;
	h->wakes = w;
	return 0;
}

static void sim_wake_close(struct rtc_host *h, struct rtc_wake *w)
{
	alarm_close(&w->alarm);
	for (struct rtc_wake **at = h ? &h->wakes : NULL; at && *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			return;
		}
	}
}

static void sim_wake_at(struct rtc_wake *w, uint64_t ns)
{
	struct rtc_host *h = w->h;
	uint64_t now = base_now(h, w->base), wait = ns > now ? ns - now : 0;

	if (!h->rate && wait) {
		alarm_off(&w->alarm);
		return;
	}
	/* Rounded up, and in steps where it is far: who is woken too early looks, and asks again. */
	if (wait)
		wait = min_u64(wait, UINT64_MAX / MILLION / 2) * MILLION / h->rate + 1;
	alarm_at(&w->alarm, h->seen + min_u64(wait, ADVANCE_MAX));
}

static void sim_wake_off(struct rtc_wake *w)
{
	alarm_off(&w->alarm);
}

const struct rtc_host_ops rtc_host_sim = {
	.start = sim_start,
	.stop = sim_stop,
	.needs = sim_needs,
	.counts = sim_counts,
	.knows_tai = sim_knows_tai,
	.read = sim_read,
	.read_cross = sim_read_cross,
	.wake_open = sim_wake_open,
	.wake_close = sim_wake_close,
	.wake_at = sim_wake_at,
	.wake_off = sim_wake_off,
};
