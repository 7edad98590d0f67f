/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_state.c - what devices take along when their guest moves, between instances that are set up alike or not: core/state.h.
 */
#include <errno.h>
#include <ev.h>
#include <string.h>

#include "test/lib/open_device.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"

#define ARGS 8

/* A device is saved with its first options and loaded with the second. */
static const struct move {
	const char *device;
	const char *const from[ARGS], *const to[ARGS];
	const char *why; /* part of the line, where it is refused */
} moves[] = {
	{"rng", {"--max-bytes=5"}, {NULL}, NULL},
	{"i2c", {"--sim=lm75@0x48", "--sim=regs@0x20:9"}, {"--sim=lm75@0x48", "--sim=regs@0x20:9"}, NULL},
	{"i2c", {"--sim=lm75@0x48:1"}, {"--sim=lm75@0x48:2"}, NULL},
	{"i2c", {"--sim=lm75@0x48"}, {"--sim=lm75@0x49"}, "the first that differs is 0x48 there, on bus 0, and 0x49 here"},
	{"i2c", {"--sim=lm75@0x48"}, {"--sim=lm75@0x48", "--sim=lm75@0x50"}, "it has 1 addresses, here are 2"},
	{"i2c", {"--sim=lm75@0x48", "--addr=0x48"}, {"--sim=lm75@0x48", "--addr=0x48:ro"}, "of another set-up"},
	{"i2c", {"--bus=a", "--sim=lm75@0x48"}, {"--bus=b", "--sim=lm75@0x48"}, NULL},
	{"i2c", {"--bus=a", "--bus=b", "--sim=lm75@0x48"}, {"--bus=b", "--sim=lm75@0x48"}, "of another set-up"},
	{"i2c", {"--sim=regs@0x48:9"}, {"--sim=lm75@0x48"}, "of regs@0x48 with 9 bytes, and here is no such --sim"},
	{"i2c", {"--sim=regs@0x48:9"}, {"--sim=regs@0x48:8"}, "and here is no such --sim"},
	{"vsock", {"--backend=sim"}, {"--backend=sim"}, NULL},
	{"vsock", {"--backend=sim"}, {"--backend=sim", "--guest-cid=4"}, "--guest-cid=3, and here is --guest-cid=4"},
	{"gpio", {"--backend=sim"}, {"--backend=sim"}, NULL},
	{"gpio", {"--backend=sim", "--sim-lines=4"}, {"--backend=sim", "--sim-lines=5"}, "is of 4 lines, and here are 5"},
	{"gpio", {"--backend=sim", "--sim-lines=4"}, {"--backend=sim", "--sim-lines=3"}, "is of 4 lines, and here are 3"},
};

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

START_TEST(test_moves)
{
	const struct move *m = &moves[_i];
	struct vdev *from, *to;
	struct state s;
	struct capture caught;
	const char *text;
	int err = open_device(m->device, loop, m->from, &from);

	if (err == -ENOENT)
		test_skip("no %s in this build", m->device);
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(open_device(m->device, loop, m->to, &to), 0);
	vdev_save(from, &s);
	ck_assert_int_eq(s.err, 0);
	capture_start(&caught);
	err = vdev_load(to, &s);
	text = capture_end(&caught);
	ck_assert_int_eq(err, m->why ? -EINVAL : 0);
	ck_assert_msg(m->why ? strstr(text, m->why) != NULL : !*text, "%s", text);
	state_free(&s);
	vdev_free(from);
	vdev_free(to);
}
END_TEST

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

	if (take_period(more, "\x64\0\0\0\0\0\0\0\x20\xa1\x07\0", 12) == -ENOENT)
		test_skip("no rng in this build");
	ck_assert_int_eq(take_period(less, "\x63\0\0\0\0\0\0\0\x80\x1a\x06\0", 12), 0);
	ck_assert_int_eq(take_period(NULL, NULL, 0), 0);
}
END_TEST

/* Records that no device writes. */
static const struct wrong {
	const char *device, *name, *bytes;
	size_t len;
} wrong[] = {
	{"rng", "period", "\0\0\0\0\0\0\0\0\x01\x02\xe8\x03", 12}, /* more than 65536 ms */
	{"rng", "period", "\0\0\0\0\0\0\0\0\0\0\0", 11},
	{"rng", "moment", "\0\0\0\0\0\0\0\0\0\0\0\0", 12},
	{"i2c", "failing", "\2", 1},
	{"i2c", "failing", "", 0},
	{"i2c", "target", "lm75", 4},
	{"i2c", "target", "lm75\0\0\0\0\x48\0\0\0\4\0\0\0abcdefgh", 24}, /* has four registers */
	{"i2c", "target", "lm75\0\0\0\0\x48\0\1\0\0\0\0\0abcdefgh", 24}, /* on another bus */
	{"i2c", "backend", "simulated", 9},
	{"i2c", "addresses", "\x48\0", 2},
	{"gpio", "lines", "\1", 1},
	{"gpio", "line", "\3\0\0\0\0\0\0\0", 8}, /* no such direction */
	{"vsock", "met", "\2", 1},
	{"vsock", "guest-cid", "\3\0\0\0", 4},
};

START_TEST(test_wrong)
{
	static const char *const sim[] = {"--backend=sim", NULL};
	const struct wrong *w = &wrong[_i];
	struct state s = one_record(w->device, w->name, w->bytes, w->len);
	struct vdev *d;
	struct capture caught;
	const char *text;
	int err = open_device(w->device, loop, strcmp(w->device, "rng") == 0 ? NULL : sim, &d);

	if (err == -ENOENT)
		test_skip("no %s in this build", w->device);
	ck_assert_int_eq(err, 0);
	capture_start(&caught);
	err = vdev_load(d, &s);
	text = capture_end(&caught);
	ck_assert_msg(err == -EINVAL, "%d, %s", err, text);
	state_free(&s);
	vdev_free(d);
}
END_TEST

Suite *suite_state(void)
{
	Suite *s = suite_create("state");
	TCase *tc = tcase_create("state");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_moves, 0, ARRAY_SIZE(moves));
	tcase_add_test(tc, test_period);
	tcase_add_loop_test(tc, test_wrong, 0, ARRAY_SIZE(wrong));
	suite_add_tcase(s, tc);
	return s;
}
