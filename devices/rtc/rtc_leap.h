/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc_leap.h - leap seconds, and time that is smeared around them: VIRTIO 1.4, section 5.23.6.1.2 "Smearing Variants".
 * No clock is read here.
 *
 * Smeared time is reckoned on a scale without the step: before a leap second that is UTC, and after it UTC with the second
 * added that was inserted (or taken off that was left out).  Around the leap second, smeared time runs slower (faster) so that
 * it is UTC again at the end.
 *
 * NOON_LINEAR: from noon before the leap second until noon after it.  These are 86401 (86399) seconds, in which 86400 are
 * counted.  The standard also wants the frequency changed by 1/86400; that would end one second off noon.
 * UTC_SLS: the last 1000 seconds of the day, in which 999 (1001) are counted.
 */
#ifndef VDEVD_DEVICES_RTC_RTC_LEAP_H
#define VDEVD_DEVICES_RTC_RTC_LEAP_H

#include "devices/rtc/rtc_host.h"

/* The numbers are those of VIRTIO_RTC_SMEAR_*.  What is not specified is smeared as NOON_LINEAR. */
enum rtc_smear {
	RTC_SMEAR_UNSPECIFIED,
	RTC_SMEAR_NOON_LINEAR,
	RTC_SMEAR_UTC_SLS,
};

/* The leap second that is near, as far as readings of UTC have told.  Zeroed, none is. */
struct rtc_leap {
	bool known;
	bool done;   /* UTC has made its step */
	int sign;    /* 1: a second is inserted; -1: one is left out */
	uint64_t at; /* the midnight that ends its day, ns of UTC */
};

/* Takes what a reading of UTC says. */
void rtc_leap_learn(struct rtc_leap *l, const struct rtc_reading *r);

/* Whether a leap second that is known can be one: it came from another machine. */
bool rtc_leap_check(const struct rtc_leap *l);

/* Smeared time, ns, when UTC is ns; the reading was learnt. */
uint64_t rtc_leap_smear(const struct rtc_leap *l, uint64_t ns, enum rtc_smear smear);

#endif
