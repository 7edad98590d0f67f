/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_iotlb_table.c - the table of translations by itself, and pins through it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/gmem.h"
#include "mem/iotlb.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

#define RW (IOTLB_READ | IOTLB_WRITE)

static struct iotlb *t;

static void setup(void)
{
	ck_assert_int_eq(iotlb_new(&t), 0);
}

static void teardown(void)
{
	iotlb_free(t);
}

/* [iova, iova + len) lies at addr, the first run bytes of it together; 0: there is no translation. */
static void assert_at(uint64_t iova, uint64_t len, uint64_t addr, uint64_t run)
{
	uint64_t got = 0, n = 0;

	ck_assert_int_eq(iotlb_find(t, iova, len, IOTLB_READ, &got, &n), run ? 0 : -EAGAIN);
	if (run) {
		ck_assert_uint_eq(got, addr);
		ck_assert_uint_eq(n, run);
	} else {
		ck_assert_uint_eq(iotlb_missed(t).iova, iova);
		ck_assert_uint_eq(iotlb_missed(t).perm, IOTLB_READ);
	}
}

START_TEST(test_lookup)
{
	assert_at(0, 1, 0, 0);
	ck_assert_int_eq(iotlb_update(t, 0x2000, 0x1000, 0x70000, RW), 0);
	ck_assert_int_eq(iotlb_update(t, 0x1000, 0x1000, 0x90000, RW), 0);
	assert_at(0xfff, 1, 0, 0);
	assert_at(0x1000, 1, 0x90000, 1);
	assert_at(0x1800, 0x1000, 0x90800, 0x800);
	assert_at(0x2fff, UINT32_MAX, 0x70fff, 1);
	assert_at(0x3000, 1, 0, 0);
	/* Up to the last address there is. */
	ck_assert_int_eq(iotlb_update(t, UINT64_MAX - 9, 10, 0, RW), 0);
	assert_at(UINT64_MAX, 1, 9, 1);
	assert_at(UINT64_MAX - 10, 1, 0, 0);
	ck_assert_int_eq(iotlb_update(t, UINT64_MAX - 9, 11, 0, RW), -EINVAL);
	ck_assert_int_eq(iotlb_update(t, 0, 11, UINT64_MAX - 9, RW), -EINVAL);
	ck_assert_int_eq(iotlb_update(t, 0, 0, 0, RW), -EINVAL);
	ck_assert_int_eq(iotlb_update(t, 0, 1, 0, 0), -EINVAL);
	ck_assert_int_eq(iotlb_update(t, 0, 1, 0, 4), -EINVAL);
}
END_TEST

START_TEST(test_permissions)
{
	uint64_t addr, run;

	for (unsigned int have = 1; have <= RW; have++) {
		ck_assert_int_eq(iotlb_update(t, 0x1000, 0x1000, 0, have), 0);
		for (unsigned int want = 1; want <= RW; want++)
			ck_assert_int_eq(iotlb_find(t, 0x1000, 8, want, &addr, &run), (have & want) == want ? 0 : -EAGAIN);
	}
}
END_TEST

/* What overlaps goes, whole: it will be asked for again. */
START_TEST(test_overlaps)
{
	for (uint64_t i = 0; i < 8; i++)
		ck_assert_int_eq(iotlb_update(t, i * 0x1000, 0x1000, i << 32, RW), 0);
	ck_assert_int_eq(iotlb_update(t, 0x1800, 0x1000, 0x55 << 20, RW), 0);
	assert_at(0x1000, 1, 0, 0);
	assert_at(0x1800, 0x1000, 0x55 << 20, 0x1000);
	assert_at(0x2800, 1, 0, 0);
	assert_at(0x3000, 1, UINT64_C(3) << 32, 1);
	iotlb_invalidate(t, 0x3fff, 0x4000);
	assert_at(0x3000, 1, 0, 0);
	assert_at(0x4fff, 1, 0, 0);
	assert_at(0x5000, 1, UINT64_C(5) << 32, 1);
	iotlb_invalidate(t, 0, UINT64_MAX);
	for (uint64_t i = 0; i < 8; i++)
		assert_at(i * 0x1000, 1, 0, 0);
}
END_TEST

/* A full table forgets what was not used for long. */
START_TEST(test_full)
{
	uint32_t state = 1;

	for (unsigned int i = 0; i < 3 * IOTLB_MAX; i++) {
		uint64_t iova = (uint64_t)(random_next(&state) % (8 * IOTLB_MAX)) * 0x1000;

		ck_assert_int_eq(iotlb_update(t, iova, 0x1000, iova + 5, RW), 0);
		assert_at(iova, 1, iova + 5, 1);
	}
	iotlb_invalidate(t, 0, UINT64_MAX);
	for (unsigned int i = 0; i < 2 * IOTLB_MAX; i++) {
		ck_assert_int_eq(iotlb_update(t, (uint64_t)i << 12, 0x1000, i, RW), 0);
		assert_at(0, 1, 0, 1); /* used all the time: it stays */
	}
	assert_at(0x1000, 1, 0, 0);
}
END_TEST

/* Pins: pieces that lie together are one, others are not; and what is missing is said. */
START_TEST(test_pins)
{
	struct gmem_desc desc = {.guest_addr = 0x100000, .user_addr = 0x7000000, .size = 0x10000};
	struct gmem_seg segs[4];
	struct gmem *mem;
	uint64_t guest;

	desc.fd = memfd_create("iotlb", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(desc.fd, 0x10000), 0);
	ck_assert_int_eq(gmem_new(&gmem_shm, &mem), 0);
	ck_assert_int_eq(gmem_add(mem, &desc), 0);
	ck_assert(gmem_has(mem, GMEM_USER, 0x7000000, 0x10000));
	ck_assert(!gmem_has(mem, GMEM_USER, 0x7000000, 0x10001));
	ck_assert(!gmem_has(mem, GMEM_USER, UINT64_MAX, 2));
	ck_assert_int_eq(gmem_pin(mem, GMEM_IOVA, 0, 1, GMEM_READ, segs, 4), -EFAULT);
	gmem_set_iotlb(mem, t, GMEM_USER);
	ck_assert_int_eq(gmem_pin(mem, GMEM_IOVA, 0, 1, GMEM_READ, segs, 4), -EAGAIN);
	ck_assert_int_eq(iotlb_update(t, 0x1000, 0x1000, 0x7004000, RW), 0);
	ck_assert_int_eq(iotlb_update(t, 0x2000, 0x1000, 0x7005000, RW), 0);
	ck_assert_int_eq(iotlb_update(t, 0x3000, 0x1000, 0x7001000, IOTLB_READ), 0);
	ck_assert_int_eq(iotlb_update(t, 0x4000, 0x1000, 0x8000000, RW), 0);
	ck_assert_int_eq(gmem_pin(mem, GMEM_IOVA, 0x1008, 0x1800, GMEM_WRITE, segs, 1), 1);
	ck_assert_uint_eq(segs[0].len, 0x1800);
	ck_assert(gmem_guest_addr(&segs[0], &guest));
	ck_assert_uint_eq(guest, 0x104008);
	gmem_unpin(&segs[0]);
	ck_assert_int_eq(gmem_pin(mem, GMEM_IOVA, 0x1008, 0x2000, GMEM_READ, segs, 1), -ENOSPC);
	ck_assert_int_eq(gmem_pin(mem, GMEM_IOVA, 0x1008, 0x2000, GMEM_READ, segs, 2), 2);
	ck_assert(gmem_guest_addr(&segs[1], &guest));
	ck_assert_uint_eq(guest, 0x101000);
	gmem_unpin(&segs[1]);
	gmem_unpin(&segs[0]);
	ck_assert_int_eq(gmem_pin(mem, GMEM_IOVA, 0x1008, 0x2000, GMEM_WRITE, segs, 2), -EAGAIN);
	ck_assert_uint_eq(iotlb_missed(t).iova, 0x3000);
	ck_assert_uint_eq(iotlb_missed(t).perm, IOTLB_WRITE);
	ck_assert_int_eq(gmem_pin(mem, GMEM_IOVA, 0x3ff8, 16, GMEM_READ, segs, 2), -EFAULT);
	ck_assert_int_eq(gmem_pin(mem, GMEM_IOVA, UINT64_MAX, 2, GMEM_READ, segs, 2), -EFAULT);
	gmem_free(mem);
	close(desc.fd);
}
END_TEST

Suite *suite_iotlb_table(void)
{
	Suite *s = suite_create("iotlb_table");
	TCase *tc = tcase_create("iotlb");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_lookup);
	tcase_add_test(tc, test_permissions);
	tcase_add_test(tc, test_overlaps);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_pins);
	suite_add_tcase(s, tc);
	return s;
}
