/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_relay.c - a front-end that never reconnects, and behind `vdevd relay` back ends that end at any moment: every request
 * is used, and none twice.  QEMU docs/interop/vhost-user.rst, "Inflight I/O tracking".
 */
#include <errno.h>
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

static const struct load_kind *rng; /* NULL: not built */
static const char *const to_back[] = {"--to=%T/back", NULL};

static struct load load;
static struct frontend *fe;
static struct vdevd_process relay = {.pid = -1}, back = {.pid = -1};
static char dir[64];

static void ok(int err, const char *what)
{
	ck_assert_msg(err >= 0, "%s: %s (%s)", what, fe ? frontend_why(fe) : "", strerror(-err));
}

static void setup(void)
{
	rng = load_find("rng");
	process_dir_make(dir);
	process_start(&relay, dir, "front", "relay", to_back);
}

static void teardown(void)
{
	if (back.pid > 0)
		process_kill(&back);
	load_end(&load);
	frontend_free(fe);
	process_kill(&relay);
	process_dir_remove(dir);
}

static void back_start(const struct load_kind *kind, const char *const *args)
{
	load_prepare(kind, dir);
	process_start(&back, dir, "back", kind->device, args ? args : kind->args);
}

/* Negotiates and starts the rings, without a record of the front-end's own. */
static void introduce(const struct load_kind *kind, bool packed)
{
	const struct frontend_region r = {.guest_addr = 1 << 20, .size = 1 << 20};
	const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |
				  BIT(VHOST_USER_F_PROTOCOL_FEATURES) | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0) | kind->features;
	const struct frontend_queue_opts opts = frontend_queue_defaults(LOAD_RING);

	process_connect(&relay, &fe);
	ok(frontend_negotiate(fe, features, BIT(VU_PF_REPLY_ACK)), "negotiation");
	ck_assert_int_eq(!!(frontend_features(fe) & BIT(VIRTIO_F_RING_PACKED)), packed);
	ok(frontend_make_mem(fe, &frontend_mem_memfd, &r, 1), "memory");
	for (unsigned int q = 0; q < kind->nqueues; q++)
		ok(frontend_queue_make(fe, q, &opts), "ring");
	load_begin(&load, kind, fe, dir, 0, 0, false);
	ok(frontend_set_mem_table(fe), "memory table");
	for (unsigned int q = 0; q < kind->nqueues; q++)
		ok(frontend_queue_restart(fe, q, driver_ring_next_used(frontend_ring(fe, q))), "ring started");
}

static void replace(const struct load_kind *kind, const char *const *args)
{
	process_kill(&back);
	load_taken_over(&load);
	back_start(kind, args);
}

static unsigned int rounds(void)
{
	return test_by_depth(3, 20, 200);
}

/* Each one has done something, and another takes its place; the last one does what is left. */
START_TEST(test_killed)
{
	const struct load_kind *kind = load_kinds[_i / 2];
	uint32_t state = (uint32_t)getpid();

	back_start(kind, NULL);
	introduce(kind, _i % 2);
	for (unsigned int round = 0; round < rounds(); round++) {
		const uint64_t before = load.completed, patience = process_now_us() + PROCESS_PATIENCE * 1000;
		const uint64_t pause = random_next(&state) % LONGEST;

		while (load.completed == before) {
			if (process_now_us() > patience)
				ck_abort_msg("the back end does nothing");
			load_submit(&load);
			load_reap(&load);
		}
		for (uint64_t end = process_now_us() + pause; process_now_us() < end;) {
			load_submit(&load);
			load_reap(&load);
		}
		replace(kind, NULL);
	}
	load_drain(&load);
	ck_assert_uint_gt(load.submitted, rounds());
}
END_TEST

/* A question waits until somebody is there who can answer. */
START_TEST(test_back_end_comes_later)
{
	struct vu_msg ask = frontend_msg(VU_GET_FEATURES, 0), answer;

	if (!rng)
		test_skip("no rng in this build");
	process_connect(&relay, &fe);
	ok(frontend_send(fe, &ask), "question");
	frontend_set_timeout(fe, 50);
	ck_assert_int_eq(frontend_recv(fe, &answer), -ETIMEDOUT);
	frontend_set_timeout(fe, PROCESS_PATIENCE);
	back_start(rng, NULL);
	ok(frontend_recv(fe, &answer), "answer");
	ck_assert_uint_eq(answer.h.request, VU_GET_FEATURES);
	ck_assert_uint_ne(answer.p.u64 & BIT(VIRTIO_F_VERSION_1), 0);
}
END_TEST

/* Rings that are stopped when the back end ends go on where they stopped, or at the beginning, as the driver has it. */
START_TEST(test_killed_between)
{
	const bool anew = _i;
	uint32_t base;

	if (!rng)
		test_skip("no rng in this build");
	back_start(rng, NULL);
	introduce(rng, false);
	while (!load.submitted)
		load_submit(&load);
	load_drain(&load);
	ok(frontend_queue_stop(fe, 0, &base), "ring stopped");
	ck_assert_uint_gt(base, 0);
	replace(rng, NULL);
	if (anew) {
		const struct frontend_queue_opts opts = frontend_queue_defaults(LOAD_RING);

		ok(frontend_queue_make(fe, 0, &opts), "ring");
		base = 0;
	}
	ok(frontend_queue_restart(fe, 0, (uint16_t)base), "ring started");
	for (unsigned int round = 0; round < 3; round++) {
		load_submit(&load);
		load_drain(&load);
		replace(rng, NULL);
	}
}
END_TEST

/* Where another back end cannot do what was promised, the front-end is told. */
START_TEST(test_another_back_end)
{
	static const char *const others[][3] = {
		{"--features=-inflight_shmfd", NULL}, /* the first one keeps no record */
		{"--features=-indirect_desc", NULL},
		{"--features=-reply_ack", NULL},
	};

	if (!rng)
		test_skip("no rng in this build");
	back_start(rng, _i == 0 ? others[0] : NULL);
	introduce(rng, false);
	load_submit(&load);
	load_drain(&load);
	process_kill(&back);
	back_start(rng, others[_i]);
	ok(frontend_wait_closed(fe), "end");
	/* The next front-end is a new one. */
	frontend_free(fe);
	fe = NULL;
	process_connect(&relay, &fe);
	ok(frontend_sync(fe), "another front-end");
}
END_TEST

/* A message that ends each back end does not do so for ever. */
START_TEST(test_fatal_message)
{
	struct vu_msg m = frontend_msg(VU_SET_PROTOCOL_FEATURES, sizeof(uint64_t));
	uint64_t features;

	if (!rng)
		test_skip("no rng in this build");
	back_start(rng, NULL);
	process_connect(&relay, &fe);
	ok(frontend_ask_u64(fe, VU_GET_FEATURES, &features), "features");
	ok(frontend_set_features(fe, features), "features");
	ok(frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &features), "protocol features");
	/* Which wants a back channel, too. */
	m.p.u64 = BIT(VU_PF_INBAND_NOTIFICATIONS);
	ok(frontend_send(fe, &m), "message");
	ok(frontend_wait_closed(fe), "end");
}
END_TEST

/* What a back end refuses and lives on with, as a guest's write of configuration, does not end the connection here either. */
START_TEST(test_refused)
{
	struct vu_msg unknown = frontend_msg(4000, sizeof(uint64_t)), write = frontend_msg(VU_SET_CONFIG, VU_CONFIG_HEAD + 8);

	const struct load_kind *vsock = load_find("vsock");

	if (!vsock)
		test_skip("no vsock in this build");
	back_start(vsock, NULL);
	process_connect(&relay, &fe);
	ok(frontend_negotiate(fe, BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
			      BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_CONFIG)),
	   "negotiation");
	ok(frontend_send(fe, &unknown), "an unknown message");
	ok(frontend_sync(fe), "life after it");
	write.p.config.size = 8;
	memset(write.p.config.data, 0x55, 8);
	ok(frontend_send(fe, &write), "a write of configuration");
	ok(frontend_sync(fe), "life after it");
	/* Who asks is told. */
	ck_assert_int_eq(frontend_tell(fe, &write), -EREMOTEIO);
	ok(frontend_sync(fe), "life after it");
}
END_TEST

/* A front-end that leaves while there is no back end makes room for the next. */
START_TEST(test_front_end_leaves)
{
	struct vu_msg ask = frontend_msg(VU_GET_FEATURES, 0);

	if (!rng)
		test_skip("no rng in this build");
	process_connect(&relay, &fe);
	ok(frontend_send(fe, &ask), "question");
	frontend_free(fe);
	fe = NULL;
	process_connect(&relay, &fe);
	back_start(rng, NULL);
	ok(frontend_sync(fe), "another front-end");
}
END_TEST

Suite *suite_relay(void)
{
	Suite *s = suite_create("relay");
	TCase *tc = tcase_create("relay");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_killed, 0, 2 * (int)load_nkinds());
	tcase_add_test(tc, test_back_end_comes_later);
	tcase_add_loop_test(tc, test_killed_between, 0, 2);
	tcase_add_loop_test(tc, test_another_back_end, 0, 3);
	tcase_add_test(tc, test_fatal_message);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_front_end_leaves);
	suite_add_tcase(s, tc);
	return s;
}
