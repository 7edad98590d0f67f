/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc_leap.c - leap seconds, and time that is smeared around them; see rtc_leap.h.
 */
#include "devices/rtc/rtc_leap.h"

#define DAY  (86400 * RTC_NS)
#define NOON (43200 * RTC_NS)

/* UTC on the scale without the step. */
static uint64_t stepless(const struct rtc_leap *l, uint64_t ns)
{
	if (!l->known || !l->done)
		return ns;
	return l->sign > 0 ? ns + RTC_NS : ns - RTC_NS;
}

/* Whether a leap second is out of sight: smearing has ended, or the clock was set back to before it. */
static bool is_over(const struct rtc_leap *l, uint64_t ns)
{
	return l->done && (ns > l->at + NOON + RTC_NS || ns + RTC_NS < l->at);
}

/*
 * Whether a month begins at this midnight: only there leap seconds are.  Reckoned here: gmtime_r looks for the host's
 * time zone first, and opens files.  Years begin with March, so that a leap day is the last of them.
 */
static bool month_begins(uint64_t midnight)
{
	/* Days before each month, from March on. */
	static const uint16_t months[] = {0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337};
	/* Since 1 March of the year 0, and since the beginning of 400, 100, 4 years and one. */
	uint64_t day = (midnight / DAY + 719468) % 146097;

	day -= min_u64(day / 36524, 3) * 36524;
	day = day % 1461;
	day -= min_u64(day / 365, 3) * 365;
	for (size_t i = 0; i < ARRAY_SIZE(months); i++) {
		if (months[i] == day)
			return true;
	}
	return false;
}

void rtc_leap_learn(struct rtc_leap *l, const struct rtc_reading *r)
{
	const uint64_t midnight = r->ns - r->ns % DAY;

	switch (r->leap) {
	case RTC_LEAP_AHEAD:
		*l = (struct rtc_leap){.known = true, .sign = r->sign, .at = midnight + DAY};
		break;
	case RTC_LEAP_NOW:
		*l = (struct rtc_leap){.known = true, .done = true, .sign = 1, .at = midnight + DAY};
		break;
	case RTC_LEAP_DONE:
		/* Who has seen it coming knows when it was.  A kernel may say this for days. */
		if (l->known)
			l->done = true;
		else if (r->sign && month_begins(midnight))
			*l = (struct rtc_leap){.known = true, .done = true, .sign = r->sign, .at = midnight};
		break;
	case RTC_LEAP_NONE:
		/* It happened while nobody looked, or will not happen. */
		if (l->known && !l->done && r->ns < l->at)
			l->known = false;
		else
			l->done = l->known;
		break;
	}
	if (l->known && is_over(l, r->ns))
		l->known = false;
}

bool rtc_leap_check(const struct rtc_leap *l)
{
	return l->known && (l->sign == 1 || l->sign == -1) && l->at % DAY == 0 && l->at && l->at < INT64_MAX;
}

uint64_t rtc_leap_smear(const struct rtc_leap *l, uint64_t ns, enum rtc_smear smear)
{
	uint64_t now = stepless(l, ns), seconds, begin, into, part;

	if (!l->known)
		return ns;
	if (smear == RTC_SMEAR_UTC_SLS) {
		seconds = 1000;
		begin = l->at + (l->sign > 0 ? RTC_NS : -RTC_NS) - seconds * RTC_NS;
	} else {
		seconds = l->sign > 0 ? 86401 : 86399;
		begin = l->at - NOON;
	}
	if (now <= begin)
		return now;
	into = now - begin;
	/* So much of the one second. */
	part = into >= seconds * RTC_NS ? RTC_NS : into / seconds;
	return l->sign > 0 ? now - part : now + part;
}
