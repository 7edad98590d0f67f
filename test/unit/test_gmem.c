/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_gmem.c - the table of guest memory: what it refuses, how it translates, how long a pin lives.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem/gmem.h"
#include "test/lib/gmem_strict.h"
#include "test/lib/random.h"
#include "test/unit/suites.h"

#define PAGE  4096u
#define PAGES 64u

static struct gmem *gm;
static int fd;
static uint8_t *file;

/* A file whose every page holds its own number; an empty table. */
static void setup(const struct gmem_backend *backend)
{
	fd = memfd_create("test", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, PAGES * PAGE), 0);
	file = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(file, MAP_FAILED);
	for (unsigned int i = 0; i < PAGES; i++)
		memset(file + i * PAGE, (int)i, PAGE);
	ck_assert_int_eq(gmem_new(backend, &gm), 0);
}

static void setup_shm(void)
{
	setup(&gmem_shm);
}

static void setup_strict(void)
{
	setup(&gmem_strict);
}

static void teardown(void)
{
	gmem_free(gm);
	munmap(file, PAGES * PAGE);
	close(fd);
}

static int add(uint64_t guest, uint64_t user, uint64_t size, uint64_t offset)
{
	struct gmem_desc d = {.guest_addr = guest, .size = size, .user_addr = user, .offset = offset, .fd = fd};

	return gmem_add(gm, &d);
}

static int del(uint64_t guest, uint64_t user, uint64_t size)
{
	struct gmem_desc d = {.guest_addr = guest, .size = size, .user_addr = user, .fd = -1};

	return gmem_remove(gm, &d);
}

/* The byte at an address, or -errno. */
static int byte_at(enum gmem_space space, uint64_t addr)
{
	struct gmem_seg seg;
	int n = gmem_pin(gm, space, addr, 1, GMEM_READ, &seg, 1);
	int byte;

	if (n < 0)
		return n;
	ck_assert_int_eq(n, 1);
	ck_assert_uint_eq(seg.len, 1);
	byte = *(const uint8_t *)seg.va;
	gmem_unpin(&seg);
	ck_assert_ptr_null(seg.va);
	return byte;
}

START_TEST(test_translates)
{
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0), -EFAULT);
	ck_assert_int_eq(add(0x100000, 0x7000000, 2 * PAGE, 3 * PAGE), 0);
	ck_assert_uint_eq(gmem_count(gm), 1);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x100000), 3);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x100000 + 2 * PAGE - 1), 4);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x100000 + 2 * PAGE), -EFAULT);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0xfffff), -EFAULT);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x7000000), -EFAULT);
	ck_assert_int_eq(byte_at(GMEM_USER, 0x7000000), 3);
	ck_assert_int_eq(byte_at(GMEM_USER, 0x7000000 + PAGE), 4);
	ck_assert_int_eq(byte_at(GMEM_USER, 0x100000), -EFAULT);
}
END_TEST

START_TEST(test_writes_reach_the_file)
{
	struct gmem_seg seg;

	ck_assert_int_eq(add(0, 0, PAGE, PAGE), 0);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 100, 5, GMEM_WRITE, &seg, 1), 1);
	memcpy(seg.va, "hello", 5);
	gmem_unpin(&seg);
	ck_assert_mem_eq(file + PAGE + 100, "hello", 5);
	ck_assert_uint_eq(file[PAGE + 99], 1);
	ck_assert_uint_eq(file[PAGE + 105], 1);
}
END_TEST

/* Regions that cannot be; [0] is the table with one region at guest 0x10000, user 0x20000, 16 pages. */
static const struct {
	const char *what;
	uint64_t guest, user, size, offset;
	int err;
} refused[] = {
	{"no size", 0, 0, 0, 0, -EINVAL},
	{"beyond the file's end", 0, 0, PAGE, PAGES *PAGE, -EINVAL},
	{"a byte beyond the file's end", 0, 0, PAGE + 1, (PAGES - 1) * PAGE, -EINVAL},
	{"offset and size overflow", 0, 0, PAGE, UINT64_MAX - PAGE + 1, -EINVAL},
	{"largest offset", 0, 0, 1, UINT64_MAX, -EINVAL},
	{"largest size", 0, 0, UINT64_MAX, 0, -EEXIST},
	{"guest addresses overflow", UINT64_MAX - PAGE + 2, 0, PAGE, 0, -EINVAL},
	{"user addresses overflow", 0, UINT64_MAX, 2, 0, -EINVAL},
	{"the same again", 0x10000, 0x20000, 0x10000, 0, -EEXIST},
	{"the same guest addresses", 0x10000, 0x80000, 0x10000, 0, -EEXIST},
	{"the same user addresses", 0x80000, 0x20000, 0x10000, 0, -EEXIST},
	{"begins inside", 0x1ffff, 0x80000, PAGE, 0, -EEXIST},
	{"ends inside", 0x10000 - PAGE + 1, 0x80000, PAGE, 0, -EEXIST},
	{"lies inside", 0x12000, 0x80000, PAGE, 0, -EEXIST},
	{"encloses", 0xf000, 0x80000, 0x12000, 0, -EEXIST},
	{"begins inside the user range", 0x80000, 0x2ffff, PAGE, 0, -EEXIST},
	{"ends inside the user range", 0x80000, 0x1f001, PAGE, 0, -EEXIST},
	{"encloses the user range", 0x80000, 0x1f000, 0x12000, 0, -EEXIST},
};

START_TEST(test_refused)
{
	ck_assert_int_eq(add(0x10000, 0x20000, 0x10000, 0), 0);
	int err = add(refused[_i].guest, refused[_i].user, refused[_i].size, refused[_i].offset);

	ck_assert_msg(err == refused[_i].err, "%s: %d", refused[_i].what, err);
	ck_assert_uint_eq(gmem_count(gm), 1);
	/* The table is as good as before. */
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x10000 + 5 * PAGE), 5);
	ck_assert_int_eq(add(0x20000, 0x30000, PAGE, 7 * PAGE), 0);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x20000), 7);
}
END_TEST

/* What is no file of memory. */
START_TEST(test_bad_fds)
{
	struct gmem_desc d = {.size = PAGE, .fd = -1};

	ck_assert_int_eq(gmem_add(gm, &d), -EBADF);
	d.fd = 12345;
	ck_assert_int_eq(gmem_add(gm, &d), -EBADF);
	d.fd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_lt(gmem_add(gm, &d), 0);
	close(d.fd);
	ck_assert_int_eq(add(0, 0, UINT64_MAX, 0), -EINVAL);
	ck_assert_uint_eq(gmem_count(gm), 0);
}
END_TEST

/* The last byte of an address space may be memory; the address behind it does not exist. */
START_TEST(test_top_of_the_space)
{
	struct gmem_seg seg[2];

	ck_assert_int_eq(add(UINT64_MAX - PAGE + 1, UINT64_MAX - 2 * PAGE + 1, PAGE, 2 * PAGE), 0);
	ck_assert_int_eq(byte_at(GMEM_GUEST, UINT64_MAX), 2);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, UINT64_MAX - PAGE + 1, PAGE, GMEM_READ, seg, 1), 1);
	gmem_unpin(&seg[0]);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, UINT64_MAX, 2, GMEM_READ, seg, 2), -EFAULT);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, UINT64_MAX, UINT64_MAX, GMEM_READ, seg, 2), -EFAULT);
	/* And it does not go on at zero. */
	ck_assert_int_eq(add(0, 0, PAGE, 0), 0);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, UINT64_MAX, 2, GMEM_READ, seg, 2), -EFAULT);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, UINT64_MAX - 1, UINT64_MAX, GMEM_READ, seg, 2), -EFAULT);
}
END_TEST

START_TEST(test_unaligned_offset)
{
	struct gmem_seg seg;

	file[3 * PAGE + 123] = 0xaa;
	ck_assert_int_eq(add(0x5003, 0x9007, PAGE, 3 * PAGE + 123), 0);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x5003), 0xaa);
	ck_assert_int_eq(byte_at(GMEM_USER, 0x9007), 0xaa);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x5003 + PAGE - 1), 4);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x5003 + PAGE - 3, 3, GMEM_WRITE, &seg, 1), 1);
	memcpy(seg.va, "end", 3);
	gmem_unpin(&seg);
	ck_assert_mem_eq(file + 4 * PAGE + 120, "end", 3);
	/* Less than a page, at a page's end. */
	ck_assert_int_eq(add(0x20000, 0x20000, 5, 6 * PAGE + PAGE - 5), 0);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x20004), 6);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x20005), -EFAULT);
}
END_TEST

/* Three regions in a row for the guest, which are apart and in another order for the front-end. */
static void add_three(void)
{
	ck_assert_int_eq(add(0x10000 + PAGE, 0x30000, PAGE, 2 * PAGE), 0);
	ck_assert_int_eq(add(0x10000, 0x50000, PAGE, 1 * PAGE), 0);
	ck_assert_int_eq(add(0x10000 + 2 * PAGE, 0x10000, PAGE, 3 * PAGE), 0);
}

START_TEST(test_adjoining_regions)
{
	struct gmem_seg seg[3];

	add_three();
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10000 + PAGE - 2, 4, GMEM_READ, seg, 3), 2);
	ck_assert_uint_eq(seg[0].len, 2);
	ck_assert_uint_eq(seg[1].len, 2);
	ck_assert_mem_eq(seg[0].va, "\1\1", 2);
	ck_assert_mem_eq(seg[1].va, "\2\2", 2);
	gmem_unpin(&seg[0]);
	gmem_unpin(&seg[1]);

	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10000, 3 * PAGE, GMEM_WRITE, seg, 3), 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(seg[i].len, PAGE);
		ck_assert_int_eq(*(uint8_t *)seg[i].va, i + 1);
		gmem_unpin(&seg[i]);
	}
	/* Too few segments, a byte too many, regions that do not adjoin in this space. */
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10000, 3 * PAGE, GMEM_READ, seg, 2), -ENOSPC);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10000, 3 * PAGE + 1, GMEM_READ, seg, 3), -EFAULT);
	ck_assert_int_eq(gmem_pin(gm, GMEM_USER, 0x10000, PAGE + 1, GMEM_READ, seg, 3), -EFAULT);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10000, 0, GMEM_READ, seg, 3), 0);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0xdead0000, 0, GMEM_READ, seg, 3), 0);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10000, UINT64_MAX, GMEM_READ, seg, 3), -EFAULT);
}
END_TEST

START_TEST(test_remove)
{
	add_three();
	ck_assert_int_eq(del(0x10000, 0x30000, PAGE), -ENOENT);
	ck_assert_int_eq(del(0x10000, 0x50000, PAGE - 1), -ENOENT);
	ck_assert_int_eq(del(0x10001, 0x50000, PAGE), -ENOENT);
	ck_assert_int_eq(del(0x90000, 0x90000, PAGE), -ENOENT);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x10000 + PAGE), 2);
	ck_assert_int_eq(del(0x10000 + PAGE, 0x30000, PAGE), 0);
	ck_assert_int_eq(del(0x10000 + PAGE, 0x30000, PAGE), -ENOENT);
	ck_assert_uint_eq(gmem_count(gm), 2);
	/* The region that was found last is not found by memory of it. */
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x10000 + PAGE), -EFAULT);
	ck_assert_int_eq(byte_at(GMEM_USER, 0x30000), -EFAULT);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x10000), 1);
	ck_assert_int_eq(byte_at(GMEM_USER, 0x10000), 3);
	ck_assert_int_eq(add(0x10000 + PAGE, 0x30000, PAGE, 9 * PAGE), 0);
	ck_assert_int_eq(byte_at(GMEM_USER, 0x30000), 9);
}
END_TEST

/* A region that is gone, then a table that is gone: the pin still holds its bytes. */
START_TEST(test_pins_outlive)
{
	struct gmem_seg seg[2];

	add_three();
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10000 + PAGE - 1, 2, GMEM_WRITE, seg, 2), 2);
	ck_assert_int_eq(del(0x10000, 0x50000, PAGE), 0);
	ck_assert_int_eq(byte_at(GMEM_GUEST, 0x10000), -EFAULT);
	*(uint8_t *)seg[0].va = 0x77;
	ck_assert_uint_eq(file[2 * PAGE - 1], 0x77);
	gmem_unpin(&seg[0]);
	gmem_free(gm);
	gm = NULL;
	*(uint8_t *)seg[1].va = 0x78;
	ck_assert_uint_eq(file[2 * PAGE], 0x78);
	gmem_unpin(&seg[1]);
}
END_TEST

/* As many regions as slots are promised, added in no order; the two spaces are sorted the opposite way. */
START_TEST(test_full_table)
{
	unsigned int at;

	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		at = i * 137 % GMEM_MAX_REGIONS;
		ck_assert_int_eq(add(at * 16, 0x10000 - at * 16, 16, at * 16), 0);
	}
	ck_assert_int_eq(add(0x100000, 0x100000, 16, 0), -ENOSPC);
	ck_assert_uint_eq(gmem_count(gm), GMEM_MAX_REGIONS);
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS * 16; i++)
		file[i] = (uint8_t)(i / 16 * 5 + i);
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS * 16; i++) {
		uint64_t user = 0x10000 - i / 16 * 16 + i % 16;

		if (byte_at(GMEM_GUEST, i) != file[i] || byte_at(GMEM_USER, user) != file[i])
			ck_abort_msg("byte %u", i);
	}
	for (unsigned int i = 0; i < GMEM_MAX_REGIONS; i++) {
		at = i * 211 % GMEM_MAX_REGIONS;
		ck_assert_int_eq(del(at * 16, 0x10000 - at * 16, 16), 0);
	}
	ck_assert_uint_eq(gmem_count(gm), 0);
	ck_assert_int_eq(add(0x100000, 0x100000, 16, 0), 0);
}
END_TEST

/* Many regions at random places against the plainest model there is: an owner for each address. */
START_TEST(test_against_a_model)
{
	enum { SPACE = 512, ROUNDS = 4000 };
	static uint8_t owner[2][SPACE]; /* region's number + 1 */
	static struct gmem_desc regions[255];
	unsigned int n = 0;
	uint32_t state = 1;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct gmem_desc d = {
			.guest_addr = random_next(&state) % (SPACE - 20),
			.user_addr = random_next(&state) % (SPACE - 20),
			.size = 1 + random_next(&state) % 19,
			.offset = random_next(&state) % 1000,
			.fd = fd,
		};
		bool free_place = true;

		for (uint64_t i = 0; i < d.size; i++)
			free_place &= !owner[0][d.user_addr + i] && !owner[1][d.guest_addr + i];
		if (n < ARRAY_SIZE(regions) && random_next(&state) % 2) {
			ck_assert_int_eq(gmem_add(gm, &d), free_place ? 0 : -EEXIST);
			if (!free_place)
				continue;
			regions[n++] = d;
			memset(&owner[0][d.user_addr], (int)n, d.size);
			memset(&owner[1][d.guest_addr], (int)n, d.size);
		} else if (n && random_next(&state) % 2) {
			d = regions[--n];
			ck_assert_int_eq(gmem_remove(gm, &d), 0);
			memset(&owner[0][d.user_addr], 0, d.size);
			memset(&owner[1][d.guest_addr], 0, d.size);
		}
		unsigned int space = random_next(&state) % 2, at = random_next(&state) % SPACE;
		int want = -EFAULT;

		if (owner[space][at]) {
			const struct gmem_desc *r = &regions[owner[space][at] - 1];

			want = file[r->offset + at - (space == GMEM_USER ? r->user_addr : r->guest_addr)];
		}
		ck_assert_int_eq(byte_at(space, at), want);
	}
}
END_TEST

/*
 * The strict back end: what it is for.
 */

static int crash_pipe[2];

static void on_crash(int sig)
{
	const uint8_t byte = (uint8_t)sig;

	(void)!write(crash_pipe[1], &byte, 1);
	_exit(1);
}

/* Whether touching the byte ends the process. */
static bool crashes(volatile uint8_t *p, bool write_it)
{
	uint8_t sig = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(crash_pipe), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		signal(SIGSEGV, on_crash);
		if (write_it)
			*p = 1;
		else
			sig = *p;
		_exit(0);
	}
	close(crash_pipe[1]);
	ssize_t n = read(crash_pipe[0], &sig, 1);

	close(crash_pipe[0]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(n == 0 || sig == SIGSEGV);
	return n == 1;
}

START_TEST(test_strict_crashes)
{
	struct gmem_seg r, w;
	uint8_t *p;

	add_three();
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10010, 8, GMEM_READ, &r, 1), 1);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10010, 8, GMEM_WRITE, &w, 1), 1);
	ck_assert_uint_eq(gmem_strict_pins(), 2);
	ck_assert_ptr_ne(r.va, w.va);
	ck_assert(!crashes(r.va, false));
	ck_assert(crashes(r.va, true));
	ck_assert(!crashes(w.va, true));
	ck_assert_uint_eq(file[PAGE + 0x10], 1);

	p = w.va;
	gmem_unpin(&w);
	ck_assert(crashes(p, false));
	ck_assert(!crashes(r.va, false));
	p = r.va;
	gmem_unpin(&r);
	ck_assert_uint_eq(gmem_strict_pins(), 0);
	/* For quite a while. */
	for (unsigned int i = 1; i < GMEM_STRICT_QUARANTINE; i++) {
		ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10010, 8, GMEM_READ, &r, 1), 1);
		ck_assert_ptr_ne(r.va, p);
		gmem_unpin(&r);
	}
	ck_assert(crashes(p, false));
}
END_TEST

/* The kernel's side of the same: nothing left to be unmapped, in many rounds. */
START_TEST(test_strict_gives_back)
{
	struct gmem_seg seg[3];

	add_three();
	for (unsigned int i = 0; i < 20000; i++) {
		ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, 0x10000, 3 * PAGE, GMEM_READ, seg, 3), 3);
		for (int s = 0; s < 3; s++)
			gmem_unpin(&seg[s]);
	}
	ck_assert_uint_eq(gmem_strict_pins(), 0);
}
END_TEST

static void add_common(TCase *tc)
{
	tcase_add_test(tc, test_translates);
	tcase_add_test(tc, test_writes_reach_the_file);
	tcase_add_test(tc, test_unaligned_offset);
	tcase_add_test(tc, test_adjoining_regions);
	tcase_add_test(tc, test_remove);
	tcase_add_test(tc, test_pins_outlive);
	tcase_add_test(tc, test_full_table);
	tcase_add_test(tc, test_against_a_model);
}

Suite *suite_gmem(void)
{
	Suite *s = suite_create("gmem");
	TCase *shm = tcase_create("shm"), *strict = tcase_create("strict");

	tcase_add_checked_fixture(shm, setup_shm, teardown);
	add_common(shm);
	tcase_add_loop_test(shm, test_refused, 0, ARRAY_SIZE(refused));
	tcase_add_test(shm, test_bad_fds);
	tcase_add_test(shm, test_top_of_the_space);
	suite_add_tcase(s, shm);

	tcase_add_checked_fixture(strict, setup_strict, teardown);
	tcase_set_timeout(strict, 20);
	add_common(strict);
	tcase_add_test(strict, test_strict_crashes);
	tcase_add_test(strict, test_strict_gives_back);
	suite_add_tcase(s, strict);
	return s;
}
