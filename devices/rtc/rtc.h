/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc.h - the parts of the RTC device: VIRTIO 1.4, section 5.23.
 *
 *	rtc.c         requests, the life of the device
 *	rtc_clocks.c  what the guest's clocks show
 *	rtc_alarms.c  alarms, and the alarmq
 *	rtc_opts.c    options
 *	rtc_leap.c    smeared time
 *	rtc_system.c, rtc_sim.c  the host's clocks
 */
#ifndef VDEVD_DEVICES_RTC_RTC_H
#define VDEVD_DEVICES_RTC_RTC_H

#include "core/device.h"
#include "devices/lib/events.h"
#include "devices/rtc/rtc_host.h"
#include "devices/rtc/rtc_leap.h"

#define RTC_REQUESTQ 0
#define RTC_ALARMQ   1

#define RTC_F_ALARM 0

/* The most clocks of a device. */
#define RTC_CLOCKS_MAX 16

/* VIRTIO_RTC_CLOCK_* */
enum rtc_type {
	RTC_UTC,
	RTC_TAI,
	RTC_MONOTONIC,
	RTC_UTC_SMEARED,
	RTC_UTC_MAYBE_SMEARED,
};

/* A kind of clock, as --clock names it. */
struct rtc_kind {
	const char *name;
	enum rtc_type type;
	enum rtc_smear smear;
	enum rtc_base base;
};

/* Ends with a NULL name. */
extern const struct rtc_kind rtc_kinds[];

/* A clock that the guest has, with its alarm. */
struct rtc_clock {
	struct rtc *r;
	const struct rtc_kind *kind;
	enum rtc_base base; /* the host's clock it is made of */
	int64_t shift;      /* ns; from that */
	uint64_t cycles;    /* the last it was read with */
	/* alarm */
	bool enabled;
	bool passed;        /* the clock has come to the time; it is told once, until the clock was before it again */
	uint64_t time;      /* ns */
	struct rtc_wake wake;
};

enum rtc_backend {
	RTC_BACKEND_SYSTEM,
	RTC_BACKEND_SIM,
};

enum rtc_cross {
	RTC_CROSS_NO,
	RTC_CROSS_TSC,
	RTC_CROSS_VCT,
};

struct rtc {
	struct vdev d;
	/* options */
	unsigned int backend, cross;
	bool no_utc, no_tai, no_monotonic, no_alarm;
	int64_t offset;          /* ns */
	uint64_t tai_offset;     /* s; 0: the host's */
	int64_t counter_offset;  /* cycles */
	bool has_counter_offset;
	uint64_t sim_time;       /* s; 0: not given */
	/* host */
	const struct rtc_host_ops *ops;
	struct rtc_host *h;
	/* guest */
	struct rtc_clock clocks[RTC_CLOCKS_MAX];
	unsigned int nclocks;
	struct rtc_leap leap;
	struct events alarmq;
	unsigned int owner;      /* the front-end whose guest has set the alarms (d.front_ends) */
	bool loading;            /* what was loaded is not yet used */
};

static inline struct rtc *to_rtc(struct vdev *d)
{
	return container_of(d, struct rtc, d);
}

/* The host that the options name. */
static inline const struct rtc_host_ops *rtc_ops(const struct rtc *r)
{
	return r->backend == RTC_BACKEND_SIM ? &rtc_host_sim : &rtc_host_system;
}

/* rtc_clocks.c */

/* Adds a clock of this kind.  Returns false where there are too many. */
bool rtc_clock_add(struct rtc *r, const struct rtc_kind *kind);

/* Makes the clocks of the options, when the host is there.  Returns 0, or -errno after a line that says why. */
int rtc_clocks_open(struct rtc *r);

/*
 * Reads a clock, ns.  on: what the host's clock shows at that time, or NULL.
 * Returns 0, or -EIO: it has failed; *ns is there all the same.
 */
int rtc_clock_read(struct rtc_clock *c, uint64_t *ns, uint64_t *on);

/* Whether the clocks can be read with this counter. */
bool rtc_counts(const struct rtc *r, unsigned int counter);

/* The same with a counter that rtc_counts, as the guest sees it. */
int rtc_clock_read_cross(struct rtc_clock *c, unsigned int counter, uint64_t *ns, uint64_t *cycles);

/* Moves the clocks that are monotonic: so that they go on where they were on another host. */
void rtc_clocks_save(struct rtc *r, struct state *s);
/* Returns 0, -ENOENT: not their record; -EINVAL. */
int rtc_clocks_load(struct rtc *r, const struct state_record *record);

/* rtc_alarms.c */

/* Prepares the alarms and the alarmq, when there are clocks.  Returns 0, or -errno after a line that says why. */
int rtc_alarms_open(struct rtc *r);
void rtc_alarms_close(struct rtc *r);

/* VIRTIO_RTC_REQ_SET_ALARM_ENABLED; SET_ALARM sets the time before. */
void rtc_alarm_enable(struct rtc_clock *c, bool enabled);

/* The device is reset: alarms stay, and expire again where their time has passed. */
void rtc_alarms_reset(struct rtc *r);

/* All are off, at time 0, and nothing waits to be told. */
void rtc_alarms_forget(struct rtc *r);

void rtc_alarms_save(struct rtc *r, struct state *s);
/* Returns 0, -ENOENT: not their record; -EINVAL. */
int rtc_alarms_load(struct rtc *r, const struct state_record *record);

/* rtc_opts.c */

extern const struct opt rtc_opts[];
int rtc_check(struct vdev *d);

#endif
