/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc_alarms.c - alarms of the guest's clocks: VIRTIO 1.4, section 5.23.6.4 "Alarm Operation".
 *
 * An alarm has expired when its clock comes to its time from before it, or when it is enabled with the time behind it.  It
 * expires again when the clock was set back and comes to it once more.  An expiration waits for a buffer; a newer one of
 * the same clock takes its place, so at most one for each clock waits.
 *
 * The host wakes us at a moment of its clock.  That is a reason to look at the guest's, no more (alarm_look): a smeared clock
 * may not have come so far, and somebody may have set the host's.
 */
#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "devices/rtc/rtc.h"

#define NOTIF_ALARM 0x2000

struct notif_alarm {
	le16 msg_type;
	uint8_t reserved[6];
	le16 clock_id;
	uint8_t reserved_tail[6];
} __attribute__((packed));

_Static_assert(sizeof(struct notif_alarm) == 16, "struct virtio_rtc_notif_alarm");

static unsigned int clock_id(const struct rtc_clock *c)
{
	return (unsigned int)(c - c->r->clocks);
}

static bool is_of_clock(const void *record, size_t len, const void *arg)
{
	struct notif_alarm n;

	memcpy(&n, record, min_size(len, sizeof(n)));
	return len == sizeof(n) && le16toh(n.clock_id) == clock_id(arg);
}

static void alarm_expire(struct rtc_clock *c)
{
	const struct notif_alarm n = {.msg_type = htole16(NOTIF_ALARM), .clock_id = htole16((uint16_t)clock_id(c))};

	events_forget(&c->r->alarmq, is_of_clock, c);
	events_put(&c->r->alarmq, &n, sizeof(n));
	/* Who runs the guest's machine may want to wake it. */
	control_tell(c->r->d.control, "alarm %u %llu", clock_id(c), (unsigned long long)c->time);
}

/* Looks whether the clock has come to the time, and sees to it that somebody looks again. */
static void alarm_look(struct rtc_clock *c)
{
	const struct rtc_host_ops *ops = c->r->ops;
	uint64_t now, on, at;

	if (!c->enabled) {
		ops->wake_off(&c->wake);
		return;
	}
	rtc_clock_read(c, &now, &on);
	if (now < c->time) {
		c->passed = false;
		ops->wake_at(&c->wake, __builtin_add_overflow(on, c->time - now, &at) ? UINT64_MAX : at);
		return;
	}
	ops->wake_off(&c->wake);
	if (!c->passed) {
		c->passed = true;
		alarm_expire(c);
	}
}

static void wake_look(struct rtc_wake *w)
{
	alarm_look(container_of(w, struct rtc_clock, wake));
}

void rtc_alarm_enable(struct rtc_clock *c, bool enabled)
{
	/* "the device MUST stop serving any previous alarm expiration event" before it answers. */
	events_forget(&c->r->alarmq, is_of_clock, c);
	c->r->owner = c->r->d.front_ends;
	c->enabled = enabled;
	c->passed = false;
	alarm_look(c);
}

void rtc_alarms_reset(struct rtc *r)
{
	events_reset(&r->alarmq);
	for (unsigned int i = 0; i < r->nclocks; i++) {
		r->clocks[i].passed = false;
		alarm_look(&r->clocks[i]);
	}
}

void rtc_alarms_forget(struct rtc *r)
{
	for (unsigned int i = 0; i < r->nclocks; i++) {
		r->clocks[i].enabled = r->clocks[i].passed = false;
		r->clocks[i].time = 0;
		r->ops->wake_off(&r->clocks[i].wake);
	}
	events_reset(&r->alarmq);
}

int rtc_alarms_open(struct rtc *r)
{
	const struct events_opts o = {
		.queue = RTC_ALARMQ,
		.record = sizeof(struct notif_alarm),
		.room = RTC_CLOCKS_MAX,
		.name = "alarmq",
	};
	int err = events_open(&r->alarmq, &r->d, &o);

	for (unsigned int i = 0; !err && i < r->nclocks; i++) {
		struct rtc_clock *c = &r->clocks[i];

		c->wake.look = wake_look;
		c->wake.base = c->base;
		err = r->ops->wake_open(r->h, &c->wake);
	}
	if (err)
		log_error(&r->d.log, "alarms of %u clocks: %s", r->nclocks, strerror(-err));
	return err;
}

void rtc_alarms_close(struct rtc *r)
{
	for (unsigned int i = 0; i < r->nclocks; i++)
		r->ops->wake_close(r->h, &r->clocks[i].wake);
	events_close(&r->alarmq);
}

/* The record "alarm", one for each clock whose alarm was set. */
struct saved_alarm {
	le64 time;
	le16 clock_id;
	uint8_t enabled;
	uint8_t passed;
	uint8_t reserved[4];
} __attribute__((packed));

_Static_assert(sizeof(struct saved_alarm) == 16, "an alarm in a state");

void rtc_alarms_save(struct rtc *r, struct state *s)
{
	events_save(&r->alarmq, s);
	for (unsigned int i = 0; i < r->nclocks; i++) {
		const struct rtc_clock *c = &r->clocks[i];
		const struct saved_alarm saved = {
			.time = htole64(c->time),
			.clock_id = htole16((uint16_t)i),
			.enabled = c->enabled,
			.passed = c->passed,
		};

		if (c->enabled || c->time)
			state_put(s, "alarm", &saved, sizeof(saved));
	}
}

/* What waits for the driver is checked as what it will read. */
static bool notif_is_wrong(const void *record, size_t len, const void *arg)
{
	const struct rtc *r = arg;
	struct notif_alarm n, good = {.msg_type = htole16(NOTIF_ALARM)};

	if (len != sizeof(n))
		return true;
	memcpy(&n, record, sizeof(n));
	good.clock_id = n.clock_id;
	return memcmp(&n, &good, sizeof(n)) != 0 || le16toh(n.clock_id) >= r->nclocks;
}

static int alarmq_load(struct rtc *r, const struct state_record *record)
{
	unsigned int n;
	int err = events_load(&r->alarmq, record);

	if (err)
		return err;
	n = events_waiting(&r->alarmq);
	events_forget(&r->alarmq, notif_is_wrong, r);
	return events_waiting(&r->alarmq) == n ? 0 : -EINVAL;
}

int rtc_alarms_load(struct rtc *r, const struct state_record *record)
{
	struct saved_alarm saved;
	struct rtc_clock *c;

	if (strcmp(record->name, "alarm") != 0)
		return alarmq_load(r, record);
	if (record->len != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, record->bytes, sizeof(saved));
	if (le16toh(saved.clock_id) >= r->nclocks || saved.enabled > 1 || saved.passed > saved.enabled)
		return -EINVAL;
	c = &r->clocks[le16toh(saved.clock_id)];
	r->owner = r->d.front_ends;
	c->time = le64toh(saved.time);
	c->enabled = saved.enabled;
	c->passed = saved.passed;
	alarm_look(c);
	return 0;
}
