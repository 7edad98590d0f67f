/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_policy.c - sets of numbers and rates, as operators write them, and what they then let through.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/policy.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

static char why[200];

static const struct {
	const char *value;
	uint64_t max;
	uint64_t in[5], out[5]; /* UINT64_MAX - 1 ends a row */
} sets[] = {
#define END (UINT64_MAX - 1)
	{"3", 7, {3, END}, {0, 2, 4, END}},
	{"0-3,7", 7, {0, 1, 3, 7, END}, {4, 6, 8, END}},
	{"5-5", 7, {5, END}, {4, 6, END}},
	{"0x50/0x7f", 0x7ff, {0x50, 0x150, 0x7d0, END}, {0x51, 0x10, 0x40, END}},
	{"0x10/0xf0,3", 0x7ff, {0x10, 0x1f, 0x110, 3, END}, {0x20, 4, 0, END}},
	{"all", 127, {0, 127, END}, {128, UINT64_MAX, END}},
	{"0x10-0x1f", 0x1f, {0x10, 0x1f, END}, {0xf, END}},
	{"18446744073709551615", UINT64_MAX, {UINT64_MAX, END}, {0, END}},
	{"0-18446744073709551615", UINT64_MAX, {0, UINT64_MAX, 5, END}, {END}},
};

START_TEST(test_sets)
{
	struct policy_set s = {0};

	ck_assert(!policy_set_has(&s, 0));
	ck_assert_msg(policy_set_parse(&s, sets[_i].value, sets[_i].max, why, sizeof(why)) == 0, "%s", why);
	for (const uint64_t *n = sets[_i].in; *n != END; n++)
		ck_assert_msg(policy_set_has(&s, *n), "%s has %llu", sets[_i].value, (unsigned long long)*n);
	for (const uint64_t *n = sets[_i].out; *n != END; n++)
		ck_assert_msg(!policy_set_has(&s, *n), "%s has not %llu", sets[_i].value, (unsigned long long)*n);
}
END_TEST

#define WANTED ": a number up to 127, FIRST-LAST, NUMBER/MASK or all is wanted"

static const struct {
	const char *value, *why;
} bad_sets[] = {
	{"", "''" WANTED},
	{"1,,2", "''" WANTED},
	{"x", "'x'" WANTED},
	{"128", "'128'" WANTED},
	{"1-", "'1-'" WANTED},
	{"-1", "'-1'" WANTED},
	{"1-2-3", "'1-2-3'" WANTED},
	{"1-200", "'1-200'" WANTED},
	{"1/2/3", "'1/2/3'" WANTED},
	{"1/0x100", "'1/0x100'" WANTED},
	{"3,1 2", "'1 2'" WANTED},
	{"99999999999999999999", "'99999999999999999999'" WANTED},
	{"0-3,5-4", "'5-4': the last number is below the first"},
	{"1/0", "'1/0': a mask of 0 would be all"},
};

START_TEST(test_bad_sets)
{
	struct policy_set s = {0};

	ck_assert_int_eq(policy_set_parse(&s, bad_sets[_i].value, 127, why, sizeof(why)), -EINVAL);
	ck_assert_str_eq(why, bad_sets[_i].why);
}
END_TEST

/* Given several times, up to the most there is room for. */
START_TEST(test_full_set)
{
	struct policy_set s = {0};
	char value[16];

	for (unsigned int i = 0; i < POLICY_ITEMS; i++) {
		snprintf(value, sizeof(value), "%u", 2 * i);
		ck_assert_int_eq(policy_set_parse(&s, value, 127, why, sizeof(why)), 0);
	}
	ck_assert_int_eq(policy_set_parse(&s, "1", 127, why, sizeof(why)), -EINVAL);
	ck_assert_str_eq(why, "'1' is one too many (32 at most)");
	for (unsigned int i = 0; i < 128; i++)
		ck_assert(policy_set_has(&s, i) == (i % 2 == 0 && i < 2 * POLICY_ITEMS));
}
END_TEST

#define S UINT64_C(1000000000)

static const struct {
	const char *value;
	uint64_t count, per_ns, burst;
} rates[] = {
	{"100/s", 100, S, 100},     {"6000/min", 6000, 60 * S, 6000}, {"1/h", 1, 3600 * S, 1},
	{"1M/s", 1 << 20, S, 1 << 20}, {"100/s:500", 100, S, 500},	      {"2K/s:1", 2048, S, 1},
};

START_TEST(test_rates)
{
	struct policy_rate r;

	ck_assert_msg(policy_rate_parse(&r, rates[_i].value, why, sizeof(why)) == 0, "%s", why);
	ck_assert_uint_eq(r.count, rates[_i].count);
	ck_assert_uint_eq(r.per_ns, rates[_i].per_ns);
	ck_assert_uint_eq(r.burst, rates[_i].burst);
}
END_TEST

static const char *const bad_rates[] = {"", "100", "/s", "0/s", "100/d", "100/", "x/s", "100/s:", "100/s:0", "100/s:x", "-1/s",
					"100:5/s", "99999999999999999999/s"};

START_TEST(test_bad_rates)
{
	char want[200];
	struct policy_rate r;

	snprintf(want, sizeof(want), "'%s': a rate such as 100/s, 6000/min or 1M/h:2M is wanted", bad_rates[_i]);
	ck_assert_int_eq(policy_rate_parse(&r, bad_rates[_i], why, sizeof(why)), -EINVAL);
	ck_assert_str_eq(why, want);
}
END_TEST

START_TEST(test_too_much)
{
	struct policy_rate r;

	ck_assert_int_eq(policy_rate_parse(&r, "8G/s", why, sizeof(why)), 0);
	ck_assert_int_eq(policy_rate_parse(&r, "9G/s", why, sizeof(why)), -EINVAL);
	ck_assert_str_eq(why, "'9G/s': no more than 9223372036 can be saved up in this time");
	ck_assert_int_eq(policy_rate_parse(&r, "1/h:2562048", why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(policy_rate_parse(&r, "1/h:2562047", why, sizeof(why)), 0);
	/* The largest bucket, the longest idling, and requests as large as numbers are. */
	ck_assert(policy_rate_take(&r, UINT64_MAX, UINT64_MAX / 2));
	ck_assert(!policy_rate_take(&r, 1, UINT64_MAX / 2));
	ck_assert_uint_gt(policy_rate_wait(&r, 1, UINT64_MAX / 2), 3600 * S);
	ck_assert(policy_rate_take(&r, 1, UINT64_MAX));
	/* Time never goes back; where it does, nothing comes of it. */
	ck_assert(policy_rate_take(&r, 2562046, 0));
	ck_assert(!policy_rate_take(&r, 1, 0));
}
END_TEST

/* The burst at once, then one each hundredth of a second, not a nanosecond early; idling saves up the burst, no more. */
START_TEST(test_bucket)
{
	struct policy_rate r, none = {0};
	uint64_t now = 5000 * S;

	ck_assert(policy_rate_take(&none, UINT64_MAX, 0));
	ck_assert_uint_eq(policy_rate_wait(&none, UINT64_MAX, 0), 0);
	ck_assert_int_eq(policy_rate_parse(&r, "100/s:5", why, sizeof(why)), 0);
	for (unsigned int round = 0; round < 3; round++) {
		ck_assert(policy_rate_take(&r, 2, now));
		ck_assert(policy_rate_take(&r, 3, now));
		ck_assert(policy_rate_take(&r, 0, now));
		for (unsigned int i = 0; i < 10; i++) {
			ck_assert(!policy_rate_take(&r, 1, now));
			ck_assert_uint_eq(policy_rate_wait(&r, 1, now), S / 100);
			ck_assert(!policy_rate_take(&r, 1, now + S / 100 - 1));
			ck_assert_uint_eq(policy_rate_wait(&r, 1, now + S / 100 - 1), 1);
			now += S / 100;
			ck_assert_uint_eq(policy_rate_wait(&r, 1, now), 0);
			ck_assert(policy_rate_take(&r, 1, now));
		}
		now += round ? 3600 * S : S / 20;
	}
}
END_TEST

/* More than the bucket holds: when it is full, and then nothing until that is paid. */
START_TEST(test_debt)
{
	struct policy_rate r;

	ck_assert_int_eq(policy_rate_parse(&r, "100/s:10", why, sizeof(why)), 0);
	ck_assert(policy_rate_take(&r, 1, S));
	ck_assert(!policy_rate_take(&r, 50, S));
	ck_assert_uint_eq(policy_rate_wait(&r, 50, S), S / 100);
	ck_assert(policy_rate_take(&r, 50, S + S / 100));
	/* 40 are owed. */
	ck_assert_uint_eq(policy_rate_wait(&r, 1, S + S / 100), 41 * S / 100);
	ck_assert(!policy_rate_take(&r, 1, S + 42 * S / 100 - 1));
	ck_assert(policy_rate_take(&r, 1, S + 42 * S / 100));
}
END_TEST

/* Whatever is asked for and when: no more than the burst and what the time gives, and a wait as told is enough. */
START_TEST(test_average)
{
	static const char *const values[] = {"7/s", "1000/min:3", "3K/s:100", "1/h:1"};
	uint32_t state = 1234567u + (uint32_t)_i;
	struct policy_rate r;
	uint64_t now = 77 * S, taken = 0;

	ck_assert_int_eq(policy_rate_parse(&r, values[_i], why, sizeof(why)), 0);
	const uint64_t start = now;

	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t n = 1 + random_next(&state) % r.burst, wait = policy_rate_wait(&r, n, now);

		if (wait && random_next(&state) % 4 == 0) {
			ck_assert(!policy_rate_take(&r, n, now + wait - 1));
			now += wait;
			wait = 0;
		}
		ck_assert(policy_rate_take(&r, n, now) == !wait);
		taken += wait ? 0 : n;
		ck_assert_uint_le((taken - min_u64(taken, r.burst)) * r.per_ns / r.count, now - start);
		now += random_next(&state) % 1000003;
	}
	ck_assert_uint_gt(taken, r.burst);
}
END_TEST

Suite *suite_policy(void)
{
	Suite *s = suite_create("policy");
	TCase *tc = tcase_create("policy");

	tcase_add_loop_test(tc, test_sets, 0, ARRAY_SIZE(sets));
	tcase_add_loop_test(tc, test_bad_sets, 0, ARRAY_SIZE(bad_sets));
	tcase_add_test(tc, test_full_set);
	tcase_add_loop_test(tc, test_rates, 0, ARRAY_SIZE(rates));
	tcase_add_loop_test(tc, test_bad_rates, 0, ARRAY_SIZE(bad_rates));
	tcase_add_test(tc, test_too_much);
	tcase_add_test(tc, test_bucket);
	tcase_add_test(tc, test_debt);
	tcase_add_loop_test(tc, test_average, 0, 4);
	suite_add_tcase(s, tc);
	return s;
}
