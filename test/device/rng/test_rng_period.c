/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_rng_period.c - what is left of an entropy device's period when its guest moves.
 */
#include <ev.h>
#include <string.h>

#include "test/lib/open_device.h"
#include "test/unit/suites.h"

static struct ev_loop *loop;

static void setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_ptr_nonnull(loop);
}

static void teardown(void)
{
	ev_loop_destroy(loop);
}

/* A state of one record. */
static struct state one_record(const char *device, const char *name, const void *bytes, size_t len)
{
	struct state s;

	state_begin(&s);
	state_put(&s, "device", device, strlen(device));
	state_put(&s, name, bytes, len);
	ck_assert_int_eq(s.err, 0);
	return s;
}

/* What the entropy device with these options makes of a period: le64 bytes, le32 us. */
static int take_period(const char *const *args, const char *expected, size_t len)
{
	static const uint8_t period[] = {100, 0, 0, 0, 0, 0, 0, 0, 0x20, 0xa1, 7, 0}; /* 500 ms */
	struct state s = one_record("rng", "period", period, sizeof(period)), now;
	struct state_record r;
	struct vdev *d;
	size_t at = 0;
	int err = open_device("rng", loop, args, &d);

	if (err)
		return err;
	ck_assert_int_eq(vdev_load(d, &s), 0);
	state_free(&s);
	vdev_save(d, &now);
	ck_assert_int_eq(state_next(&now, &at, &r), 1);
	ck_assert_int_eq(state_next(&now, &at, &r), expected != NULL);
	if (expected) {
		ck_assert_uint_eq(r.len, len);
		ck_assert_mem_eq(r.bytes, expected, len);
	}
	state_free(&now);
	vdev_free(d);
	return 0;
}

/* The limit of the host the guest comes to holds, and what is left of the other one's. */
START_TEST(test_period)
{
	static const char *const more[] = {"--max-bytes=1000", NULL}, *const less[] = {"--max-bytes=99", "--period=400", NULL};

	ck_assert_int_eq(take_period(more, "\x64\0\0\0\0\0\0\0\x20\xa1\x07\0", 12), 0);
	ck_assert_int_eq(take_period(less, "\x63\0\0\0\0\0\0\0\x80\x1a\x06\0", 12), 0);
	ck_assert_int_eq(take_period(NULL, NULL, 0), 0);
}
END_TEST

Suite *suite_rng_period(void)
{
	Suite *s = suite_create("rng_period");
	TCase *tc = tcase_create("moves");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_period);
	suite_add_tcase(s, tc);
	return s;
}
