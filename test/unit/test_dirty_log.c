/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_dirty_log.c - the log of written pages: which bits are set, and that no other byte is.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/dirty_log.h"
#include "mem/gmem.h"
#include "test/unit/suites.h"

#define FILE_BYTES 16384u
#define PAGE       ((uint64_t)DIRTY_LOG_PAGE)

static int fd;
static uint8_t *file;
static struct dirty_log *bits;

static void setup(void)
{
	fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, FILE_BYTES), 0);
	file = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(file, MAP_FAILED);
}

static void teardown(void)
{
	dirty_log_free(bits);
	bits = NULL;
	munmap(file, FILE_BYTES);
	close(fd);
}

static void make(uint64_t size, uint64_t offset)
{
	ck_assert_int_eq(dirty_log_new(fd, size, offset, &bits), 0);
}

/* The bits from first to last are set in the log at offset, and nothing else in the file. */
static void assert_bits(uint64_t offset, uint64_t first, uint64_t last)
{
	for (uint64_t bit = 0; bit < FILE_BYTES * 8; bit++) {
		bool want = bit >= offset * 8 + first && bit <= offset * 8 + last;

		/* Too often for ck_assert, which writes each time. */
		if (!(file[bit / 8] & 1u << bit % 8) == want)
			ck_abort_msg("bit %llu", (unsigned long long)bit);
	}
}

/* What is written, and the first and last bit that stand for it. */
static const struct {
	uint64_t addr, len, first, last;
} marks[] = {
	{0, 1, 0, 0},
	{0, PAGE, 0, 0},
	{0, PAGE + 1, 0, 1},
	{PAGE - 1, 1, 0, 0},
	{PAGE - 1, 2, 0, 1},
	{PAGE, 1, 1, 1},
	{7 * PAGE, PAGE, 7, 7},
	{7 * PAGE + 4095, 2, 7, 8},
	{8 * PAGE, 1, 8, 8},
	{15 * PAGE + 5, 20 * PAGE, 15, 35},
	{64 * 8 * PAGE - 1, 1, 511, 511},
	{0, 512 * PAGE, 0, 511},
};

START_TEST(test_marks)
{
	static const uint64_t offsets[] = {0, 100, 4096, 8200};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		uint64_t addr;

		memset(file, 0, FILE_BYTES);
		make(64, offsets[i]);
		ck_assert(!dirty_log_marked(bits));
		dirty_log_mark(bits, marks[_i].addr, marks[_i].len);
		assert_bits(offsets[i], marks[_i].first, marks[_i].last);
		ck_assert(dirty_log_marked(bits));
		ck_assert(!dirty_log_marked(bits));
		ck_assert(!dirty_log_missed(bits, &addr));
		dirty_log_free(bits);
		bits = NULL;
	}
}
END_TEST

START_TEST(test_nothing_written)
{
	uint64_t addr;

	make(64, 0);
	dirty_log_mark(bits, 0, 0);
	dirty_log_mark(bits, UINT64_MAX, 0);
	ck_assert(!dirty_log_marked(bits));
	ck_assert(!dirty_log_missed(bits, &addr));
	assert_bits(0, 1, 0);
}
END_TEST

/* Pages that a log of 64 bytes has no bit for; what there are bits for is marked.  first > last: nothing is. */
static const struct {
	uint64_t addr, len, first, last, missed;
} beyond[] = {
	{512 * PAGE, 1, 1, 0, 512 * PAGE},
	{512 * PAGE - 1, 2, 511, 511, 512 * PAGE},
	{510 * PAGE, 1u << 30, 510, 511, 512 * PAGE},
	{1ull << 40, 1, 1, 0, 1ull << 40},
	{UINT64_MAX, 1, 1, 0, UINT64_MAX & ~(PAGE - 1)},
	{UINT64_MAX, 2, 1, 0, UINT64_MAX & ~(PAGE - 1)},
	{UINT64_MAX - 5000, UINT64_MAX, 1, 0, (UINT64_MAX - 5000) & ~(PAGE - 1)},
	{511 * PAGE, UINT64_MAX, 511, 511, 512 * PAGE},
};

START_TEST(test_beyond)
{
	uint64_t addr;

	make(64, 4032);
	dirty_log_mark(bits, beyond[_i].addr, beyond[_i].len);
	assert_bits(4032, beyond[_i].first, beyond[_i].last);
	ck_assert(dirty_log_marked(bits) == (beyond[_i].first <= beyond[_i].last));
	ck_assert(dirty_log_missed(bits, &addr));
	ck_assert_uint_eq(addr, beyond[_i].missed);
	ck_assert(!dirty_log_missed(bits, &addr));
}
END_TEST

/* Bits are added to those that are there, and set again after the other side has cleared them. */
START_TEST(test_again)
{
	make(64, 0);
	file[0] = 0x80;
	dirty_log_mark(bits, 0, 1);
	ck_assert_uint_eq(file[0], 0x81);
	file[0] = 0;
	dirty_log_mark(bits, 0, 1);
	ck_assert_uint_eq(file[0], 1);
}
END_TEST

START_TEST(test_refused)
{
	ck_assert_int_eq(dirty_log_new(fd, 0, 0, &bits), -EINVAL);
	ck_assert_int_eq(dirty_log_new(fd, FILE_BYTES + 1, 0, &bits), -EINVAL);
	ck_assert_int_eq(dirty_log_new(fd, 1, FILE_BYTES, &bits), -EINVAL);
	ck_assert_int_eq(dirty_log_new(fd, UINT64_MAX, 0, &bits), -EINVAL);
	ck_assert_int_eq(dirty_log_new(fd, UINT64_MAX / 8, 0, &bits), -EINVAL);
	ck_assert_int_eq(dirty_log_new(fd, 8, UINT64_MAX - 4, &bits), -EINVAL);
	ck_assert_int_eq(dirty_log_new(-1, 8, 0, &bits), -EBADF);
	ck_assert_ptr_null(bits);
}
END_TEST

/* The file is gone: nothing happens but that it is known. */
START_TEST(test_cut_short)
{
	ck_assert_int_eq(gmem_sigbus_install(), 0);
	make(FILE_BYTES, 0);
	dirty_log_mark(bits, 0, 1);
	ck_assert(!dirty_log_lost(bits));
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	dirty_log_mark(bits, 0, 1);
	ck_assert(!dirty_log_lost(bits));
	dirty_log_mark(bits, 4096 * 8 * PAGE, 1);
	ck_assert(dirty_log_lost(bits));
	dirty_log_mark(bits, 0, FILE_BYTES * 8 * PAGE);
	ck_assert_uint_eq(file[4095], 0xff);
}
END_TEST

Suite *suite_dirty_log(void)
{
	Suite *s = suite_create("dirty_log");
	TCase *tc = tcase_create("bits");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_marks, 0, ARRAY_SIZE(marks));
	tcase_add_test(tc, test_nothing_written);
	tcase_add_loop_test(tc, test_beyond, 0, ARRAY_SIZE(beyond));
	tcase_add_test(tc, test_again);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_cut_short);
	suite_add_tcase(s, tc);
	return s;
}
