/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_rtc_leap.c - smeared time: VIRTIO 1.4, section 5.23.6.1.2, by hand-reckoned values.
 */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "devices/rtc/rtc_leap.h"
#include "test/unit/suites.h"

/* 2017-01-01 00:00 UTC: the midnight after the last leap second there was. */
#define MIDNIGHT UINT64_C(1483228800)

/* A moment near it: seconds, and nanoseconds. */
static uint64_t at(int64_t s, int64_t ns)
{
	return (uint64_t)((int64_t)MIDNIGHT + s) * RTC_NS + (uint64_t)ns;
}

static uint64_t smeared(struct rtc_leap *l, uint64_t utc, enum rtc_leap_news news, int sign, enum rtc_smear smear)
{
	const struct rtc_reading r = {.ns = utc, .leap = news, .sign = sign};

	rtc_leap_learn(l, &r);
	return rtc_leap_smear(l, utc, smear);
}

/* What UTC shows, what the kernel says then, and what is smeared. */
struct row {
	int64_t s, ns;
	enum rtc_leap_news news;
	int64_t smeared_s, smeared_ns;
};

static void rows_hold(const struct row *rows, size_t n, int sign, enum rtc_smear smear)
{
	struct rtc_leap l = {0};

	for (size_t i = 0; i < n; i++) {
		uint64_t got = smeared(&l, at(rows[i].s, rows[i].ns), rows[i].news, sign, smear);

		ck_assert_msg(got == at(rows[i].smeared_s, rows[i].smeared_ns), "row %zu: %lld ns off", i,
			      (long long)(got - at(rows[i].smeared_s, rows[i].smeared_ns)));
	}
}

START_TEST(test_sls_insert)
{
	static const struct row rows[] = {
		{-80000, 0, RTC_LEAP_AHEAD, -80000, 0},
		{-999, 0, RTC_LEAP_AHEAD, -999, 0},
		{-499, 0, RTC_LEAP_AHEAD, -500, 500000000},
		{-1, 0, RTC_LEAP_AHEAD, -2, 2000000},       /* 998 of 1000 seconds are over */
		{-1, 0, RTC_LEAP_NOW, -1, 1000000},         /* the second that is inserted: 999 */
		{-1, 500000000, RTC_LEAP_NOW, -1, 500500000},
		{0, 0, RTC_LEAP_DONE, 0, 0},
		{5, 7, RTC_LEAP_DONE, 5, 7},
		{9, 0, RTC_LEAP_NONE, 9, 0},
	};

	rows_hold(rows, ARRAY_SIZE(rows), 1, RTC_SMEAR_UTC_SLS);
}
END_TEST

START_TEST(test_sls_delete)
{
	static const struct row rows[] = {
		{-1001, 0, RTC_LEAP_AHEAD, -1001, 0},
		{-501, 0, RTC_LEAP_AHEAD, -501, 500000000},
		{-2, 0, RTC_LEAP_AHEAD, -2, 999000000},     /* 999 of 1000 seconds are over */
		{0, 0, RTC_LEAP_DONE, 0, 0},                /* -1 is left out */
		{1, 0, RTC_LEAP_DONE, 1, 0},
	};

	rows_hold(rows, ARRAY_SIZE(rows), -1, RTC_SMEAR_UTC_SLS);
}
END_TEST

START_TEST(test_noon_insert)
{
	static const struct row rows[] = {
		{-43200, 0, RTC_LEAP_AHEAD, -43200, 0},
		{-43200, 86401000, RTC_LEAP_AHEAD, -43200, 86400000},   /* 1000 ns less */
		{-1, 0, RTC_LEAP_NOW, -1, 500005787},                   /* 43200 of 86401 seconds are over */
		{100, 0, RTC_LEAP_DONE, 101, -501163180},               /* 43301 */
		{43200, 0, RTC_LEAP_NONE, 43200, 0},
		{80000, 0, RTC_LEAP_NONE, 80000, 0},
	};

	rows_hold(rows, ARRAY_SIZE(rows), 1, RTC_SMEAR_NOON_LINEAR);
	rows_hold(rows, ARRAY_SIZE(rows), 1, RTC_SMEAR_UNSPECIFIED);
}
END_TEST

/* Over the whole time: never back, never faster or slower than it should be, and UTC at both ends. */
static void is_smooth(int sign, enum rtc_smear smear, uint64_t slope_ns)
{
	uint64_t begin = at(-50000, 0), end = at(50000, 0), last = begin - RTC_NS;
	struct rtc_leap l = {0};

	/* stepless is the time that goes by. */
	for (uint64_t stepless = begin; stepless <= end; stepless += RTC_NS) {
		bool over = stepless >= at(sign > 0 ? 0 : -1, 0), now = over && sign > 0 && stepless < at(1, 0);
		uint64_t utc = over ? stepless - (uint64_t)sign * RTC_NS : stepless;
		uint64_t got = smeared(&l, utc, !over ? RTC_LEAP_AHEAD : now ? RTC_LEAP_NOW : RTC_LEAP_DONE, sign, smear);
		int64_t off = (int64_t)(got - last) - (int64_t)RTC_NS;

		/* Not ck_assert_msg, which takes a system call each time. */
		if (off * -sign < 0 || off * -sign > (int64_t)slope_ns + 1)
			ck_abort_msg("%lld ns too long a second at %lld", (long long)off, (long long)(stepless / RTC_NS - MIDNIGHT));
		last = got;
	}
	ck_assert_uint_eq(last, end - (uint64_t)sign * RTC_NS);
}

START_TEST(test_smooth)
{
	for (int sign = -1; sign <= 1; sign += 2) {
		is_smooth(sign, RTC_SMEAR_UTC_SLS, 1000000);
		is_smooth(sign, RTC_SMEAR_NOON_LINEAR, 11575);
	}
}
END_TEST

/* One that is announced, and is not to be after all; a kernel that says for days that there was one. */
START_TEST(test_news)
{
	struct rtc_leap l = {0};
	uint64_t noon = at(-20000, 0);

	ck_assert_uint_lt(smeared(&l, noon, RTC_LEAP_AHEAD, 1, RTC_SMEAR_NOON_LINEAR), noon);
	ck_assert_uint_eq(smeared(&l, noon + 1, RTC_LEAP_NONE, 0, RTC_SMEAR_NOON_LINEAR), noon + 1);
	ck_assert(!l.known);
	/* Nobody looked at midnight. */
	smeared(&l, noon, RTC_LEAP_AHEAD, 1, RTC_SMEAR_NOON_LINEAR);
	ck_assert_uint_gt(smeared(&l, at(100, 0), RTC_LEAP_NONE, 0, RTC_SMEAR_NOON_LINEAR), at(100, 0));
	ck_assert_uint_eq(smeared(&l, at(50000, 0), RTC_LEAP_NONE, 0, RTC_SMEAR_NOON_LINEAR), at(50000, 0));
	ck_assert(!l.known);
	/* Who comes after it learns of it on its day, and not later. */
	ck_assert_uint_gt(smeared(&l, at(100, 0), RTC_LEAP_DONE, 1, RTC_SMEAR_NOON_LINEAR), at(100, 0));
	ck_assert_uint_eq(smeared(&l, at(86400 + 100, 0), RTC_LEAP_DONE, 1, RTC_SMEAR_NOON_LINEAR), at(86400 + 100, 0));
	ck_assert_uint_eq(smeared(&l, at(86400 + 101, 0), RTC_LEAP_DONE, 1, RTC_SMEAR_NOON_LINEAR), at(86400 + 101, 0));
	ck_assert(!l.known);
	/* The clock is set back to before it. */
	smeared(&l, at(100, 0), RTC_LEAP_DONE, 1, RTC_SMEAR_NOON_LINEAR);
	ck_assert_uint_eq(smeared(&l, at(-5000, 0), RTC_LEAP_NONE, 1, RTC_SMEAR_NOON_LINEAR), at(-5000, 0));
}
END_TEST

/* Who comes after it believes in one only where a month has begun: each midnight of five centuries. */
START_TEST(test_months)
{
	for (uint64_t s = 0; s < UINT64_C(18000000000); s += 86400) {
		const struct rtc_reading r = {.ns = s * RTC_NS, .leap = RTC_LEAP_DONE, .sign = 1};
		const time_t t = (time_t)s;
		struct rtc_leap l = {0};
		struct tm tm;

		rtc_leap_learn(&l, &r);
		if (!gmtime_r(&t, &tm) || l.known != (tm.tm_mday == 1))
			ck_abort_msg("%d-%d-%d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	}
}
END_TEST

Suite *suite_rtc_leap(void)
{
	Suite *s = suite_create("rtc_leap");
	TCase *tc = tcase_create("leap seconds");

	tcase_add_test(tc, test_sls_insert);
	tcase_add_test(tc, test_sls_delete);
	tcase_add_test(tc, test_noon_insert);
	tcase_add_test(tc, test_smooth);
	tcase_add_test(tc, test_news);
	tcase_add_test(tc, test_months);
	suite_add_tcase(s, tc);
	return s;
}
