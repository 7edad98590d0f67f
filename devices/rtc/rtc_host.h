/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc_host.h - what the RTC device wants of a host: three clocks, moments of them, and counters.  Two implementations:
 * the kernel's (rtc_system.c) and a simulator (rtc_sim.c).
 *
 * Times are nanoseconds since the clock's beginning.
 */
#ifndef VDEVD_DEVICES_RTC_RTC_HOST_H
#define VDEVD_DEVICES_RTC_RTC_HOST_H

#include "core/base.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/sandbox.h"

#define RTC_NS UINT64_C(1000000000)

/* The clocks of a host. */
enum rtc_base {
	RTC_BASE_UTC,       /* can be set, and steps at a leap second */
	RTC_BASE_TAI,       /* can be set */
	RTC_BASE_MONOTONIC, /* counts also while the host is suspended */
	RTC_BASES,
};

/* Counters of the processor; the numbers are those of VIRTIO_RTC_COUNTER_*. */
enum rtc_counter {
	RTC_COUNTER_ARM_VCT,
	RTC_COUNTER_X86_TSC,
	RTC_COUNTERS,
	RTC_COUNTER_INVALID = 0xff,
};

/* What the host knows of a leap second. */
enum rtc_leap_news {
	RTC_LEAP_NONE,
	RTC_LEAP_AHEAD, /* one is at the end of this day */
	RTC_LEAP_NOW,   /* UTC is in one that is inserted */
	RTC_LEAP_DONE,  /* one was at the end of the day before, or earlier */
};

struct rtc_reading {
	uint64_t ns;
	enum rtc_leap_news leap; /* of RTC_BASE_UTC; of others it is not known */
	int sign;                /* 1: a second is inserted; -1: one is left out; 0: it is not known */
};

struct rtc_host;

/*
 * A moment to be woken at.  Embedded; its owner sets the first two.  The rest is the implementation's.
 */
struct rtc_wake {
	/* The moment may have come, or somebody has set the clock: to be looked at, and set again. */
	void (*look)(struct rtc_wake *w);
	enum rtc_base base;
	struct rtc_host *h;
	struct alarm alarm;
	struct rtc_wake *next;
};

struct rtc_host_args {
	struct ev_loop *loop;
	struct log *log;
	struct control *control; /* where a simulator's commands are added; NULL: there is no socket */
	uint64_t sim_time;       /* UTC at the start, seconds */
};

struct rtc_host_ops {
	/* Makes the host.  Returns 0 and *out (end with stop), or -errno after it has logged why. */
	int (*start)(const struct rtc_host_args *args, struct rtc_host **out);
	void (*stop)(struct rtc_host *h);
	/* What it does with the host once it serves. */
	void (*needs)(struct sandbox *s);
	/* Whether it can read this counter. */
	bool (*counts)(enum rtc_counter counter);
	/* Whether it knows how far TAI is from UTC. */
	bool (*knows_tai)(struct rtc_host *h);
	/* Reads a clock.  Returns 0, or -EIO: the clock says that it has failed; *r is filled in all the same. */
	int (*read)(struct rtc_host *h, enum rtc_base base, struct rtc_reading *r);
	/* The same, and the counter's cycles at that time. */
	int (*read_cross)(struct rtc_host *h, enum rtc_base base, enum rtc_counter counter, struct rtc_reading *r,
			  uint64_t *cycles);
	/* Prepares w, which is off then.  Returns 0 (end with wake_close), or -errno. */
	int (*wake_open)(struct rtc_host *h, struct rtc_wake *w);
	/* Ends it; one that was not opened, but zeroed, is allowed. */
	void (*wake_close)(struct rtc_host *h, struct rtc_wake *w);
	/* w->look is called when the clock shows ns; and whenever the clock was set, also while it is off. */
	void (*wake_at)(struct rtc_wake *w, uint64_t ns);
	void (*wake_off)(struct rtc_wake *w);
};

/* A time of a clock, ns, by so many nanoseconds later or earlier; what cannot be said is the first or the last time. */
static inline uint64_t rtc_shift(uint64_t ns, int64_t by)
{
	uint64_t to;

	if (by < 0)
		return ns > (uint64_t)0 - (uint64_t)by ? ns + (uint64_t)by : 0;
	return __builtin_add_overflow(ns, (uint64_t)by, &to) ? UINT64_MAX : to;
}

extern const struct rtc_host_ops rtc_host_system;
extern const struct rtc_host_ops rtc_host_sim;

#endif
