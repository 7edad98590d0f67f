/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_crash.c - vdevd is killed at any moment under load, again and again, and another takes its place: every
 * request is used, and none twice.  QEMU docs/interop/vhost-user.rst, "Inflight I/O tracking".
 *
 * The rings and the record outlive the back end; the ring checks each used element against what is in flight.  Connections of the
 * socket device do not: the guest is told, and what has come of them before has no gap.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/carrier.h"
#include "test/lib/guest_load.h"
#include "test/lib/random.h"
#include "test/lib/vdevd_process.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"

#define LONGEST 3000u /* us until a back end is killed */

static struct load load;
static struct frontend *fe;
static struct vdevd_process process = {.pid = -1};
static struct vu_inflight about;
static char dir[64];
static int record = -1;

static void setup(void)
{
	process_dir_make(dir);
}

static void teardown(void)
{
	if (process.pid > 0)
		process_kill(&process);
	load_end(&load);
	frontend_free(fe);
	if (record >= 0)
		close(record);
	process_dir_remove(dir);
}

static void ok(int err, const char *what)
{
	ck_assert_msg(err >= 0, "%s: %s (%s)", what, fe ? frontend_why(fe) : "", strerror(-err));
}

/* What a front-end says to a back end that is new; the first one makes the record. */
static void introduce(const struct load_kind *kind, bool packed, bool first)
{
	const struct frontend_region r = {.guest_addr = 1 << 20, .size = 1 << 20};
	const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |
				  BIT(VHOST_USER_F_PROTOCOL_FEATURES) | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0) | kind->features;
	const struct frontend_queue_opts opts = frontend_queue_defaults(LOAD_RING);

	ok(frontend_negotiate(fe, features, BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_INFLIGHT_SHMFD)), "negotiation");
	ck_assert(frontend_has_protocol(fe, VU_PF_INFLIGHT_SHMFD));
	ck_assert_int_eq(!!(frontend_features(fe) & BIT(VIRTIO_F_RING_PACKED)), packed);
	if (first) {
		about = (struct vu_inflight){.nqueues = (uint16_t)kind->nqueues, .queue_size = LOAD_RING};
		ok(frontend_make_mem(fe, &frontend_mem_memfd, &r, 1), "memory");
		ok(frontend_get_inflight(fe, &about, &record), "record");
		for (unsigned int q = 0; q < kind->nqueues; q++)
			ok(frontend_queue_make(fe, q, &opts), "ring");
		load_begin(&load, kind, fe, dir, 0, 0, false);
	}
	ok(frontend_set_mem_table(fe), "memory table");
	ok(frontend_set_inflight(fe, &about, record), "record given back");
	/* A front-end knows no better than where the used ring is, and the record knows better. */
	for (unsigned int q = 0; q < kind->nqueues; q++)
		ok(frontend_queue_restart(fe, q, driver_ring_next_used(frontend_ring(fe, q))), "ring started");
}

static void replace(const struct load_kind *kind, bool packed, bool first)
{
	load_prepare(kind, dir);
	process_start(&process, dir, "socket", kind->device, kind->args);
	process_connect(&process, &fe);
	if (!first)
		load_taken_over(&load);
	introduce(kind, packed, first);
}

static unsigned int rounds(void)
{
	return test_by_depth(5, 40, 300);
}

START_TEST(test_killed)
{
	const struct load_kind *kind = load_kinds[_i / 2];
	bool packed = _i % 2;
	uint32_t state = (uint32_t)getpid();
	uint64_t most = 0;

	/* A device that must be started first, on a busy machine, has not begun in the time of a few rounds: then longer ones. */
	for (unsigned int round = 0; round < rounds() || load.submitted <= rounds() / 4; round++) {
		const uint64_t longest = LONGEST * (1 + round / rounds());

		ck_assert_msg(round < 50 * rounds(), "%s: nothing is ever asked for", kind->name);
		replace(kind, packed, round == 0);
		for (uint64_t end = process_now_us() + random_next(&state) % longest; process_now_us() < end;) {
			load_submit(&load);
			load_reap(&load);
		}
		process_kill(&process);
		most = load.submitted - load.completed > most ? load.submitted - load.completed : most;
	}
	replace(kind, packed, false);
	load_drain(&load);
	/* There was something to be lost, unless there were few rounds. */
	ck_assert(most > 0 || rounds() < 40);
}
END_TEST

Suite *suite_crash(void)
{
	Suite *s = suite_create("crash");
	TCase *tc = tcase_create("crash");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_killed, 0, 2 * (int)load_nkinds());
	suite_add_tcase(s, tc);
	return s;
}
