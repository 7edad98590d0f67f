/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc_clocks.c - what the guest's clocks show: VIRTIO 1.4, section 5.23.6.1.1 "Clock Types".
 */
#include <errno.h>
#include <string.h>

#include "devices/rtc/rtc.h"

const struct rtc_kind rtc_kinds[] = {
	{"utc", RTC_UTC, RTC_SMEAR_UNSPECIFIED, RTC_BASE_UTC},
	{"tai", RTC_TAI, RTC_SMEAR_UNSPECIFIED, RTC_BASE_TAI},
	{"monotonic", RTC_MONOTONIC, RTC_SMEAR_UNSPECIFIED, RTC_BASE_MONOTONIC},
	{"utc-smeared", RTC_UTC_SMEARED, RTC_SMEAR_UNSPECIFIED, RTC_BASE_UTC},
	{"utc-noon", RTC_UTC_SMEARED, RTC_SMEAR_NOON_LINEAR, RTC_BASE_UTC},
	{"utc-sls", RTC_UTC_SMEARED, RTC_SMEAR_UTC_SLS, RTC_BASE_UTC},
	{"utc-maybe-smeared", RTC_UTC_MAYBE_SMEARED, RTC_SMEAR_UNSPECIFIED, RTC_BASE_UTC},
	{0},
};

/* The longest time that a guest that moves is taken to have been under way. */
#define MOVE_MAX (3600 * RTC_NS)

bool rtc_clock_add(struct rtc *r, const struct rtc_kind *kind)
{
	if (r->nclocks == RTC_CLOCKS_MAX)
		return false;
	r->clocks[r->nclocks++].kind = kind;
	return true;
}

static void add_named(struct rtc *r, const char *name)
{
	for (const struct rtc_kind *k = rtc_kinds; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			rtc_clock_add(r, k);
	}
}

/* What is there without --clock.  The order is that of vhost-device-rtc. */
static void add_defaults(struct rtc *r, bool tai)
{
	if (!r->no_utc)
		add_named(r, "utc-smeared");
	if (!r->no_tai && tai)
		add_named(r, "tai");
	if (!r->no_monotonic)
		add_named(r, "monotonic");
}

int rtc_clocks_open(struct rtc *r)
{
	bool known = r->ops->knows_tai(r->h), tai = known || r->tai_offset;

	if (!r->nclocks)
		add_defaults(r, tai);
	for (unsigned int i = 0; i < r->nclocks; i++) {
		struct rtc_clock *c = &r->clocks[i];

		c->r = r;
		c->base = c->kind->base;
		c->shift = c->base == RTC_BASE_MONOTONIC ? 0 : r->offset;
		if (c->kind->type != RTC_TAI || known)
			continue;
		if (!tai) {
			log_error(&r->d.log, "--clock=tai: this host does not know how far TAI is from UTC (a time "
					     "service that knows leap seconds, or --tai-offset=37, is wanted)");
			return -ENODEV;
		}
		c->base = RTC_BASE_UTC;
		c->shift += (int64_t)(r->tai_offset * RTC_NS);
	}
	return 0;
}

/* The clock's time by a reading of the host's. */
static uint64_t clock_time(struct rtc_clock *c, const struct rtc_reading *on)
{
	uint64_t ns = on->ns;

	if (c->kind->type == RTC_UTC_SMEARED) {
		rtc_leap_learn(&c->r->leap, on);
		ns = rtc_leap_smear(&c->r->leap, ns, c->kind->smear);
	}
	return rtc_shift(ns, c->shift);
}

int rtc_clock_read(struct rtc_clock *c, uint64_t *ns, uint64_t *on)
{
	struct rtc_reading reading;
	int err = c->r->ops->read(c->r->h, c->base, &reading);

	*ns = clock_time(c, &reading);
	if (on)
		*on = reading.ns;
	return err;
}

bool rtc_counts(const struct rtc *r, unsigned int counter)
{
	return (r->cross == RTC_CROSS_TSC && counter == RTC_COUNTER_X86_TSC) ||
	       (r->cross == RTC_CROSS_VCT && counter == RTC_COUNTER_ARM_VCT);
}

int rtc_clock_read_cross(struct rtc_clock *c, unsigned int counter, uint64_t *ns, uint64_t *cycles)
{
	struct rtc_reading reading;
	uint64_t host = 0;
	int err = c->r->ops->read_cross(c->r->h, c->base, counter, &reading, &host);

	*ns = clock_time(c, &reading);
	/* "a value that the hardware counter shows after the earlier request's", or the same. */
	if (c->cycles < host)
		c->cycles = host;
	*cycles = c->cycles + (uint64_t)c->r->counter_offset;
	return err;
}

/* The record "monotonic": where these clocks are, and when that is.  No clock is behind where a guest that moves has seen it. */
struct saved_monotonic {
	le64 ns;
	le64 utc;
} __attribute__((packed));

_Static_assert(sizeof(struct saved_monotonic) == 16, "monotonic clocks in a state");

/*
 * The record "leap": around a leap second, which the host there may know nothing of any more, smeared clocks go on as
 * they were.
 */
struct saved_leap {
	le64 at;
	int8_t sign;
	uint8_t done;
	uint8_t reserved[6];
} __attribute__((packed));

_Static_assert(sizeof(struct saved_leap) == 16, "a leap second in a state");

static void save_leap(const struct rtc *r, struct state *s)
{
	const struct saved_leap saved = {
		.at = htole64(r->leap.at),
		.sign = (int8_t)r->leap.sign,
		.done = r->leap.done,
	};

	if (r->leap.known)
		state_put(s, "leap", &saved, sizeof(saved));
}

static int load_leap(struct rtc *r, const struct state_record *record)
{
	struct saved_leap saved;
	struct rtc_leap leap;

	if (record->len != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, record->bytes, sizeof(saved));
	leap = (struct rtc_leap){.known = true, .done = saved.done, .sign = saved.sign, .at = le64toh(saved.at)};
	if (saved.done > 1 || !rtc_leap_check(&leap))
		return -EINVAL;
	/* What this host has told is news. */
	if (!r->leap.known)
		r->leap = leap;
	return 0;
}

static uint64_t host_now(struct rtc *r, enum rtc_base base)
{
	struct rtc_reading reading;

	r->ops->read(r->h, base, &reading);
	return reading.ns;
}

static struct rtc_clock *first_monotonic(struct rtc *r)
{
	for (unsigned int i = 0; i < r->nclocks; i++) {
		if (r->clocks[i].kind->type == RTC_MONOTONIC)
			return &r->clocks[i];
	}
	return NULL;
}

void rtc_clocks_save(struct rtc *r, struct state *s)
{
	struct rtc_clock *c = first_monotonic(r);
	uint8_t kinds[RTC_CLOCKS_MAX][2] = {0};

	for (unsigned int i = 0; i < r->nclocks; i++) {
		kinds[i][0] = (uint8_t)r->clocks[i].kind->type;
		kinds[i][1] = (uint8_t)r->clocks[i].kind->smear;
	}
	state_put(s, "clocks", kinds, r->nclocks * sizeof(kinds[0]));
	save_leap(r, s);
	if (!c)
		return;
	const struct saved_monotonic saved = {
		.ns = htole64(rtc_shift(host_now(r, RTC_BASE_MONOTONIC), c->shift)),
		.utc = htole64(host_now(r, RTC_BASE_UTC)),
	};

	state_put(s, "monotonic", &saved, sizeof(saved));
}

/* The clocks there must be those here: "The set of clocks does not change". */
static int load_kinds(struct rtc *r, const struct state_record *record)
{
	const uint8_t *kinds = record->bytes;
	bool same = record->len == 2 * (size_t)r->nclocks;

	for (size_t i = 0; same && i < r->nclocks; i++)
		same = kinds[2 * i] == r->clocks[i].kind->type && kinds[2 * i + 1] == r->clocks[i].kind->smear;
	if (same)
		return 0;
	log_guest(&r->d.log, "state: of %zu clocks, which are not the %u here (--clock)", record->len / 2, r->nclocks);
	return -EINVAL;
}

int rtc_clocks_load(struct rtc *r, const struct state_record *record)
{
	struct saved_monotonic saved;
	uint64_t ns, utc, now;

	if (strcmp(record->name, "clocks") == 0)
		return load_kinds(r, record);
	if (strcmp(record->name, "leap") == 0)
		return load_leap(r, record);
	if (strcmp(record->name, "monotonic") != 0)
		return -ENOENT;
	if (record->len != sizeof(saved) || !first_monotonic(r))
		return -EINVAL;
	memcpy(&saved, record->bytes, sizeof(saved));
	ns = le64toh(saved.ns);
	utc = host_now(r, RTC_BASE_UTC);
	now = host_now(r, RTC_BASE_MONOTONIC);
	/* Some centuries are time enough, and leave room to reckon in. */
	if (ns > INT64_MAX / 2 || now > INT64_MAX / 2)
		return -EINVAL;
	if (utc > le64toh(saved.utc))
		ns += min_u64(utc - le64toh(saved.utc), MOVE_MAX);
	for (unsigned int i = 0; i < r->nclocks; i++) {
		if (r->clocks[i].kind->type == RTC_MONOTONIC)
			r->clocks[i].shift = (int64_t)ns - (int64_t)now;
	}
	return 0;
}
