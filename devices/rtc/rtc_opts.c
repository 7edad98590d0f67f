/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc_opts.c - options of the RTC device.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/words.h"
#include "devices/rtc/rtc.h"

/* The longest way into another time, s: 200 years. */
#define OFFSET_MAX UINT64_C(6307200000)

static const char *const backend_words[] = {[RTC_BACKEND_SYSTEM] = "system", [RTC_BACKEND_SIM] = "sim", NULL};

static const char *const cross_words[] = {
	[RTC_CROSS_NO] = "no", [RTC_CROSS_TSC] = "tsc", [RTC_CROSS_VCT] = "vct", NULL};

static const struct rtc_kind *kind_find(const struct word *w)
{
	for (const struct rtc_kind *k = rtc_kinds; k->name; k++) {
		if (word_is(w, k->name))
			return k;
	}
	return NULL;
}

static int add_clock(void *obj, struct word w, char *why, size_t why_size)
{
	const struct rtc_kind *kind = kind_find(&w);

	if (!kind) {
		snprintf(why, why_size, "'%.*s': utc, tai, monotonic, utc-smeared, utc-noon, utc-sls or "
					"utc-maybe-smeared is wanted",
			 WORD_SHOWN(w));
		return -EINVAL;
	}
	if (!rtc_clock_add(obj, kind)) {
		snprintf(why, why_size, "at most %u clocks can be had", RTC_CLOCKS_MAX);
		return -EINVAL;
	}
	return 0;
}

static int set_clock(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return words_each(value, ',', add_clock, obj, why, why_size);
}

/* Seconds in the unit that a letter names; 0: there is none. */
static uint64_t unit_seconds(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(units[i].name, unit) == 0)
			return units[i].seconds;
	}
	return 0;
}

static int set_offset(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	bool back = value[0] == '-';
	const char *number = value + (back || value[0] == '+');
	size_t digits = strspn(number, "0123456789");
	uint64_t n = 0, unit = unit_seconds(number + digits);
	struct rtc *r = obj;

	for (size_t i = 0; i < digits && n <= OFFSET_MAX; i++)
		n = n * 10 + (uint64_t)(number[i] - '0');
	if (!digits || !unit || n > OFFSET_MAX / unit) {
		snprintf(why, why_size, "seconds, or a number with m, h or d, of at most 200 years, such as -3600 or +30d, are wanted");
		return -EINVAL;
	}
	r->offset = (int64_t)(n * unit * RTC_NS) * (back ? -1 : 1);
	return 0;
}

static int set_counter_offset(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct rtc *r = obj;
	char *end;

	errno = 0;
	r->counter_offset = strtoll(value, &end, 10);
	r->has_counter_offset = true;
	if (!errno && end != value && !*end)
		return 0;
	snprintf(why, why_size, "a number of cycles, such as -123456789, is wanted");
	return -EINVAL;
}

int rtc_check(struct vdev *d)
{
	const enum rtc_counter counters[] = {[RTC_CROSS_TSC] = RTC_COUNTER_X86_TSC, [RTC_CROSS_VCT] = RTC_COUNTER_ARM_VCT};
	struct rtc *r = to_rtc(d);

	if (r->no_alarm)
		d->face.features &= ~BIT(RTC_F_ALARM);
	if (r->nclocks && (r->no_utc || r->no_tai || r->no_monotonic)) {
		log_usage(&d->log, "--clock and --no-%s: name the clocks that are wanted, with --clock alone",
			  r->no_utc ? "utc" : r->no_tai ? "tai" : "monotonic");
		return -EINVAL;
	}
	if (r->cross != RTC_CROSS_NO && !rtc_ops(r)->counts(counters[r->cross])) {
		log_usage(&d->log, "--cross=%s: this machine has no such counter", cross_words[r->cross]);
		return -EINVAL;
	}
	if (r->has_counter_offset && r->cross == RTC_CROSS_NO) {
		log_usage(&d->log, "--counter-offset: goes with --cross=tsc or --cross=vct");
		return -EINVAL;
	}
	if (r->sim_time && r->backend != RTC_BACKEND_SIM) {
		log_usage(&d->log, "--sim-time: goes with --backend=sim");
		return -EINVAL;
	}
	return 0;
}

const struct opt rtc_opts[] = {
	{
		.name = "clock",
		.type = OPT_CALL,
		.arg = "LIST",
		.help = "clocks in order: utc-smeared,tai,monotonic",
		.man = MAN("The clocks that the guest has, by their numbers from 0 on; repeatable, at most 16.\n"
			   "\n"
			   "utc steps at leap seconds as the host's clock does.  utc-noon and utc-sls do not step: "
			   "they run slower or "
			   "faster from noon to noon, or in the last 1000 seconds of the day.  utc-smeared is "
			   "utc-noon, but does not "
			   "promise it.  utc-maybe-smeared is the host's clock, whatever a time service does to it.  "
			   "tai has no leap "
			   "seconds.  monotonic cannot be set, and counts while the host is suspended.\n"
			   "\n"
			   "The default is utc-smeared,tai,monotonic; without tai where the host does not know how far "
			   "that is from "
			   "UTC.  Linux makes a /dev/rtc of the first clock that is utc-smeared, utc-noon or utc-sls "
			   "alone, and a "
			   "/dev/ptp of each."),
		.set = set_clock,
	},
	{
		.name = "offset",
		.type = OPT_CALL,
		.once = true,
		.arg = "TIME",
		.help = "the guest lives in another time: -3600, +30d",
		.man = MAN("Add so many seconds, or with m, h or d minutes, hours or days, to all clocks but "
			   "monotonic; at most 200 "
			   "years.  Leap seconds stay where the host has them."),
		.set = set_offset,
	},
	{
		.name = "tai-offset",
		.type = OPT_UINT,
		.off = offsetof(struct rtc, tai_offset),
		.arg = "SECONDS",
		.min = 1,
		.max = 1000,
		.help = "what TAI is ahead of UTC if the host knows not",
		.man = MAN("How far TAI is ahead of UTC, in seconds (37 since 2017), where the host does not know when "
			   "vdevd starts "
			   "(its offset is 0).  Then the clock tai steps when UTC does."),
	},
	{
		.name = "cross",
		.type = OPT_WORD,
		.off = offsetof(struct rtc, cross),
		.words = cross_words,
		.arg = "COUNTER",
		.def = "no",
		.help = "read clocks with a counter: tsc (x86), vct (Arm)",
		.man = MAN("Offer cross time stamps with the processor's counter: tsc (x86) or vct (CNTVCT of Arm).  "
			   "The device reads "
			   "this machine's counter.  Say so only where the guest's is the same, or differs by "
			   "--counter-offset: "
			   "vdevd cannot know, and wrong cross time stamps make a wrong clock.  A User-Mode Linux "
			   "guest has the "
			   "host's.  Linux asks for them on Arm alone (7.2).  KVM gives each guest a counter that begins at 0; the file tsc-offset of the "
			   "virtual CPU below "
			   "/sys/kernel/debug/kvm says where, unless it is scaled, too."),
	},
	{
		.name = "counter-offset",
		.rare = true,
		.type = OPT_CALL,
		.once = true,
		.arg = "CYCLES",
		.help = "the guest's counter less the host's",
		.man = MAN("What is added to the host's counter to get the guest's, in cycles; may be negative.  The "
			   "default is 0."),
		.set = set_counter_offset,
	},
	{
		.name = "no-alarm",
		.type = OPT_FLAG,
		.off = offsetof(struct rtc, no_alarm),
		.help = "alarms are not offered",
		.compat = "no-offer-alarm",
	},
	{
		.name = "no-utc",
		.rare = true,
		.type = OPT_FLAG,
		.off = offsetof(struct rtc, no_utc),
		.help = "the default clocks without utc-smeared",
		.compat = "no-utc",
	},
	{
		.name = "no-tai",
		.rare = true,
		.type = OPT_FLAG,
		.off = offsetof(struct rtc, no_tai),
		.help = "the default clocks without tai",
		.compat = "no-tai",
	},
	{
		.name = "no-monotonic",
		.rare = true,
		.type = OPT_FLAG,
		.off = offsetof(struct rtc, no_monotonic),
		.help = "the default clocks without monotonic",
		.compat = "no-monotonic",
	},
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct rtc, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "system",
		.help = "system (the host's clocks) or sim (simulated)",
		.man = MAN("Whose clocks they are: system, the kernel's; sim, clocks in this process that are set, "
			   "stepped and run fast "
			   "by the socket of --control."),
	},
	{
		.name = "sim-time",
		.type = OPT_UINT,
		.off = offsetof(struct rtc, sim_time),
		.arg = "SECONDS",
		.min = 1,
		.max = 18000000000,
		.help = "UTC at the start of sim (946684800: year 2000)",
		.man = MAN("UTC when --backend=sim starts, in seconds since 1970; $(date +%s) is now.  The default is "
			   "the begin of the "
			   "year 2000."),
	},
	{0},
};
