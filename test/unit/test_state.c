/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_state.c - what devices take along when their guest moves, between instances that are set up alike or not: core/state.h.
 */
#include <errno.h>
#include <ev.h>
#include <string.h>

#include "test/lib/open_device.h"
#include "test/lib/state_rows.h"
#include "test/unit/capture.h"
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

static struct vdev *device(const char *name, const char *const *args)
{
	struct vdev *d;

	ck_assert_int_eq(open_device(name, loop, args, &d), 0);
	return d;
}

/* Loads a state that is refused for this reason, NULL: for any; or taken, without a word. */
static void load(struct vdev *d, const struct state *s, bool taken, const char *why, size_t row)
{
	struct capture caught;
	const char *text;
	int err;

	capture_start(&caught);
	err = vdev_load(d, s);
	text = capture_end(&caught);
	ck_assert_msg(err == (taken ? 0 : -EINVAL), "row %zu of %s: %d, %s", row, d->class->name, err, text);
	ck_assert_msg(taken ? !*text : !why || strstr(text, why), "row %zu of %s: %s", row, d->class->name, text);
}

START_TEST(test_moves)
{
	const struct state_rows *rows = state_rows[_i];

	for (size_t i = 0; i < rows->nmoves; i++) {
		const struct state_move *m = &rows->moves[i];
		struct vdev *from = device(rows->device, m->from), *to = device(rows->device, m->to);
		struct state s;

		vdev_save(from, &s);
		ck_assert_int_eq(s.err, 0);
		load(to, &s, !m->why, m->why, i);
		state_free(&s);
		vdev_free(from);
		vdev_free(to);
	}
}
END_TEST

START_TEST(test_wrong)
{
	const struct state_rows *rows = state_rows[_i];

	for (size_t i = 0; i < rows->nwrong; i++) {
		const struct state_wrong *w = &rows->wrong[i];
		struct vdev *d = device(rows->device, rows->set_ups[0]);
		struct state s;

		state_begin(&s);
		state_put(&s, "device", rows->device, strlen(rows->device));
		state_put(&s, w->name, w->bytes, w->len);
		ck_assert_int_eq(s.err, 0);
		load(d, &s, false, NULL, i);
		state_free(&s);
		vdev_free(d);
	}
}
END_TEST

Suite *suite_state(void)
{
	Suite *s = suite_create("state");
	TCase *tc = tcase_create("state");
	int devices = 0;

	while (state_rows[devices])
		devices++;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_moves, 0, devices);
	tcase_add_loop_test(tc, test_wrong, 0, devices);
	suite_add_tcase(s, tc);
	return s;
}
