/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_sigbus.c - a file that is cut short under its mapping costs its region and nothing else.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem/gmem.h"
#include "mem/sigbus.h"
#include "test/unit/suites.h"

#define PAGE  4096u
#define PAGES 4u

static struct gmem *gm;
static int fds[2];

/* Two files of memory, filled with ones. */
static void setup(void)
{
	ck_assert_int_eq(gmem_sigbus_install(), 0);
	ck_assert_int_eq(gmem_sigbus_install(), 0);
	ck_assert_int_eq(gmem_new(&gmem_shm, &gm), 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct gmem_desc d = {.guest_addr = i * PAGES * PAGE, .size = PAGES * PAGE, .user_addr = i << 20};
		char ones[PAGE];

		fds[i] = memfd_create("test", MFD_CLOEXEC);
		memset(ones, 1, sizeof(ones));
		for (unsigned int p = 0; p < PAGES; p++)
			ck_assert_int_eq(write(fds[i], ones, PAGE), PAGE);
		d.fd = fds[i];
		ck_assert_int_eq(gmem_add(gm, &d), 0);
	}
}

static void teardown(void)
{
	gmem_free(gm);
	close(fds[0]);
	close(fds[1]);
}

static struct gmem_seg pin(struct gmem *mem, unsigned int page)
{
	struct gmem_seg seg;

	ck_assert_int_eq(gmem_pin(mem, GMEM_GUEST, page * PAGE, PAGE, GMEM_WRITE, &seg, 1), 1);
	return seg;
}

START_TEST(test_truncated)
{
	struct gmem_seg kept = pin(gm, 0), cut = pin(gm, 2), other = pin(gm, PAGES);
	unsigned int losses = sigbus_losses();

	ck_assert(!gmem_lost(gm));
	ck_assert_int_eq(ftruncate(fds[0], 2 * PAGE), 0);
	ck_assert(!gmem_lost(gm)); /* nobody has touched it */
	ck_assert_uint_eq(*(volatile uint8_t *)kept.va, 1);
	ck_assert_uint_eq(*(volatile uint8_t *)other.va, 1);
	ck_assert(!gmem_lost(gm));
	ck_assert_uint_eq(*((volatile uint8_t *)cut.va + 5), 0);
	ck_assert_uint_eq(sigbus_losses(), losses + 1);
	ck_assert(gmem_lost(gm));
	/* What was lost takes writes, also those of memset, and reads as it was written. */
	memset(cut.va, 7, PAGE);
	ck_assert_uint_eq(*((volatile uint8_t *)cut.va + PAGE - 1), 7);
	ck_assert_uint_eq(sigbus_losses(), losses + 1);
	ck_assert_uint_eq(*(volatile uint8_t *)kept.va, 1);
	gmem_unpin(&kept);
	gmem_unpin(&cut);
	gmem_unpin(&other);
	ck_assert(gmem_lost(gm));
}
END_TEST

/* The loss is of one table; another over other files is whole, and so is a table made later. */
START_TEST(test_other_tables)
{
	struct gmem_desc d = {.size = PAGES * PAGE, .fd = fds[1]};
	struct gmem *other, *later;
	struct gmem_seg cut = pin(gm, 0);

	ck_assert_int_eq(gmem_new(&gmem_shm, &other), 0);
	ck_assert_int_eq(gmem_add(other, &d), 0);
	ck_assert_int_eq(ftruncate(fds[0], 0), 0);
	*(volatile uint8_t *)cut.va = 1;
	ck_assert(gmem_lost(gm));
	ck_assert(!gmem_lost(other));
	ck_assert_int_eq(gmem_new(&gmem_shm, &later), 0);
	ck_assert(!gmem_lost(later));
	gmem_unpin(&cut);
	gmem_free(later);
	gmem_free(other);
}
END_TEST

/* A region that begins inside a page: the page is found all the same. */
START_TEST(test_unaligned)
{
	struct gmem_desc d = {.guest_addr = 1 << 20, .size = 2 * PAGE, .user_addr = 1 << 28, .offset = PAGE + 77};
	struct gmem_seg seg;

	d.fd = fds[0];
	ck_assert_int_eq(gmem_add(gm, &d), 0);
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, d.guest_addr, d.size, GMEM_WRITE, &seg, 1), 1);
	ck_assert_int_eq(ftruncate(fds[0], PAGE), 0);
	memset(seg.va, 3, seg.len);
	ck_assert_uint_eq(((uint8_t *)seg.va)[0], 3);
	ck_assert_uint_eq(((uint8_t *)seg.va)[seg.len - 1], 3);
	ck_assert(gmem_lost(gm));
	gmem_unpin(&seg);
}
END_TEST

/* A mapping of somebody else's beyond its file's end. */
static volatile uint8_t *foreign(void)
{
	int fd = memfd_create("foreign", MFD_CLOEXEC);
	void *p;

	ck_assert_int_eq(ftruncate(fd, PAGE), 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	close(fd);
	return p;
}

/* How a child ends that does this after the handler is installed. */
static int fate(void (*before)(void), void (*after)(void))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL);
		before();
		if (gmem_sigbus_install() < 0)
			_exit(9);
		after();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void nothing(void)
{
}

static void touch_foreign(void)
{
	(void)*foreign();
}

static void send_sigbus(void)
{
	kill(getpid(), SIGBUS);
}

static void handler_of_others(int sig, siginfo_t *info, void *context)
{
	_exit(info->si_code > 0 ? 42 : 43);
}

static void install_other(void)
{
	struct sigaction a = {.sa_flags = SA_SIGINFO, .sa_sigaction = handler_of_others};

	sigaction(SIGBUS, &a, NULL);
}

/* What is not guest memory's is as it was without the handler: the end of the process, or another handler. */
START_TEST(test_not_ours)
{
	int status = fate(nothing, touch_foreign);

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = fate(nothing, send_sigbus);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = fate(install_other, touch_foreign);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	status = fate(install_other, send_sigbus);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 43);
	status = fate(install_other, nothing);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

Suite *suite_sigbus(void)
{
	Suite *s = suite_create("sigbus");
	TCase *tc = tcase_create("sigbus");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_other_tables);
	tcase_add_test(tc, test_unaligned);
	tcase_add_test(tc, test_not_ours);
	suite_add_tcase(s, tc);
	return s;
}
