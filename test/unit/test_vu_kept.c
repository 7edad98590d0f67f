/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vu_kept.c - what a front-end has said and what still holds (transport/relay/vu_kept.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/suites.h"
#include "transport/relay/vu_kept.h"

static struct vu_said said;

static void teardown(void)
{
	vu_said_clear(&said);
	ck_assert_uint_eq(said.count, 0);
}

/* A message with a payload of two words, or of one of 64 bits. */
static struct vu_msg ring_msg(uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_msg m = {.h = {request, VU_VERSION | VU_FLAG_NEED_REPLY, sizeof(struct vu_vring_state)}};

	if (request == VU_SET_FEATURES || (request >= VU_SET_VRING_KICK && request <= VU_SET_VRING_ERR))
		m.p.u64 = index;
	else
		m.p.state = (struct vu_vring_state){index, num};
	return m;
}

static void say(struct vu_msg m)
{
	ck_assert_int_eq(vu_said_add(&said, &m), 0);
}

/* The requests that are kept, in their order, begin with these. */
static void ck_order(const uint32_t *requests, unsigned int n)
{
	const struct vu_kept *k = said.first;

	ck_assert_uint_eq(said.count, n);
	for (unsigned int i = 0; i < n; i++, k = k->next)
		ck_assert_uint_eq(k->h.request, requests[i]);
	ck_assert_ptr_null(k);
}

START_TEST(test_later_ones_replace)
{
	const uint32_t order[] = {VU_SET_OWNER, VU_SET_FEATURES, VU_SET_VRING_NUM, VU_SET_VRING_NUM, VU_SET_VRING_KICK};
	struct vu_msg m;

	say((struct vu_msg){.h = {.request = VU_SET_OWNER}});
	say(ring_msg(VU_SET_FEATURES, 1, 0));
	say(ring_msg(VU_SET_VRING_NUM, 0, 64));
	say(ring_msg(VU_SET_VRING_NUM, 1, 256));
	say(ring_msg(VU_SET_VRING_KICK, 0, 0));
	say(ring_msg(VU_SET_VRING_NUM, 0, 128));
	say(ring_msg(VU_SET_FEATURES, 3, 0));
	say(ring_msg(VU_GET_FEATURES, 0, 0));
	ck_order(order, 5);
	vu_kept_msg(vu_said_find(&said, VU_SET_FEATURES, 0), &m);
	ck_assert_uint_eq(m.p.u64, 3);
	/* Nobody has asked for an acknowledgement yet. */
	ck_assert_uint_eq(m.h.flags, VU_VERSION);
	vu_kept_msg(vu_said_find(&said, VU_SET_VRING_NUM, 0), &m);
	ck_assert_uint_eq(m.p.state.num, 128);
	ck_assert_uint_eq(vu_said_largest_ring(&said), 256);
	ck_assert_ptr_null(vu_said_find(&said, VU_SET_VRING_NUM, 2));
}
END_TEST

/* What stops a ring takes its start along; a start comes after what was said since. */
START_TEST(test_rings)
{
	const uint32_t order[] = {VU_SET_VRING_KICK, VU_SET_VRING_ADDR, VU_SET_VRING_KICK};

	say(ring_msg(VU_SET_VRING_BASE, 0, 7));
	say(ring_msg(VU_SET_VRING_KICK, 0, 0));
	say(ring_msg(VU_SET_VRING_KICK, 1, 0));
	ck_assert(vu_said_running(&said));
	say(ring_msg(VU_GET_VRING_BASE, 0, 0));
	ck_assert_ptr_null(vu_said_find(&said, VU_SET_VRING_BASE, 0));
	ck_assert_ptr_null(vu_said_find(&said, VU_SET_VRING_KICK, 0));
	say(ring_msg(VU_SET_VRING_ADDR, 0, 0));
	say(ring_msg(VU_SET_VRING_KICK, 0, 0));
	ck_order(order, 3);
	say(ring_msg(VU_SET_STATUS, 0, 0));
	ck_assert(!vu_said_running(&said));
	say(ring_msg(VU_SET_VRING_KICK, 0, 0));
	say(ring_msg(VU_SET_VRING_ENABLE, 0, 1));
	say(ring_msg(VU_RESET_DEVICE, 0, 0));
	ck_assert(!vu_said_running(&said));
	ck_assert_ptr_null(vu_said_find(&said, VU_SET_VRING_ENABLE, 0));
	say(ring_msg(VU_RESET_OWNER, 0, 0));
	ck_order(NULL, 0);
}
END_TEST

static struct vu_msg region_msg(uint32_t request, uint64_t at)
{
	struct vu_msg m = {.h = {request, VU_VERSION, sizeof(struct vu_mem_reg)}, .nfds = request == VU_ADD_MEM_REG};

	m.p.reg.region = (struct vu_region){.guest_addr = at, .size = 4096, .user_addr = at};
	m.fds[0] = m.nfds ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	return m;
}

START_TEST(test_memory)
{
	struct vu_msg first = region_msg(VU_ADD_MEM_REG, 0x1000);
	const int fd = first.fds[0];

	ck_assert_int_eq(vu_said_add(&said, &first), 0);
	ck_assert_int_eq(first.fds[0], -1);
	say(region_msg(VU_ADD_MEM_REG, 0x2000));
	ck_assert_uint_eq(said.count, 2);
	say(region_msg(VU_REM_MEM_REG, 0x1000));
	ck_assert_uint_eq(said.count, 1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert_int_eq(errno, EBADF);
	/* A whole table takes the place of what was added. */
	say((struct vu_msg){.h = {VU_SET_MEM_TABLE, VU_VERSION, offsetof(struct vu_mem_table, regions)}});
	ck_order((const uint32_t[]){VU_SET_MEM_TABLE}, 1);
}
END_TEST

START_TEST(test_refused)
{
	struct vu_msg m = ring_msg(VU_SET_VRING_NUM, 0, 64);

	m.h.size = 4;
	ck_assert_int_eq(vu_said_add(&said, &m), -EINVAL);
	m = region_msg(VU_REM_MEM_REG, 0);
	m.h.size = sizeof(m.p.reg) - 1;
	ck_assert_int_eq(vu_said_add(&said, &m), -EINVAL);
	/* Regions that are nowhere are as many as they like to be; not here. */
	for (unsigned int i = 0; i < 4096; i++) {
		m = region_msg(VU_ADD_MEM_REG, i);
		close(m.fds[0]);
		m.nfds = 0;
		if (vu_said_add(&said, &m) == -ENOSPC)
			return;
	}
	ck_abort_msg("there is no end");
}
END_TEST

Suite *suite_vu_kept(void)
{
	Suite *s = suite_create("vu_kept");
	TCase *tc = tcase_create("vu_kept");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, test_later_ones_replace);
	tcase_add_test(tc, test_rings);
	tcase_add_test(tc, test_memory);
	tcase_add_test(tc, test_refused);
	suite_add_tcase(s, tc);
	return s;
}
