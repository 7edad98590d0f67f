/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_gmem_xen.c - guest memory of another Xen domain, over a hypervisor that is made up (test/lib/fake_xen.h): what
 * the kernel is asked, and what comes of each of its answers.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/gmem_xen.h"
#include "mem/xen_abi.h"
#include "test/lib/fake_xen.h"
#include "test/unit/suites.h"

#define PAGE      FAKE_XEN_PAGE
#define FRAMES    FAKE_XEN_FRAMES
#define FIRST     FAKE_XEN_FIRST
#define DOMID     7
#define PRIVCMD   FAKE_XEN_PRIVCMD
#define GNTDEV    FAKE_XEN_GNTDEV
#define PASSED    FAKE_XEN_PASSED
#define DUP       FAKE_XEN_DUP
#define READ_ONLY FAKE_XEN_READ_ONLY
#define GRANT(ref) (XEN_GRANT_ADDR | (uint64_t)(ref) * PAGE)

static struct fake_xen *const k = &fake_xen;
static struct gmem_xen xen;
static struct gmem *gm;

static void start(unsigned int cache_pages)
{
	gmem_xen_init(&xen, &fake_xen_sys, cache_pages);
	ck_assert_int_eq(gmem_new(&xen.any, &gm), 0);
}

/* All that was taken is given back. */
static void teardown(void)
{
	gmem_free(gm);
	gm = NULL;
	gmem_xen_close(&xen);
	fake_xen_fini();
}

static int add_region(uint32_t flags, uint64_t guest, uint64_t size, int fd)
{
	const struct gmem_desc d = {
		.guest_addr = guest, .size = size, .user_addr = 0x70000000, .fd = fd, .xen_flags = flags, .xen_domid = DOMID};

	return gmem_add(gm, &d);
}

static int drop_region(uint64_t guest, uint64_t size)
{
	const struct gmem_desc d = {.guest_addr = guest, .size = size, .user_addr = 0x70000000, .fd = -1};

	return gmem_remove(gm, &d);
}

/* Pins in one piece. */
static struct gmem_seg pin(uint64_t guest, size_t len, enum gmem_access access)
{
	struct gmem_seg seg;

	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, guest, len, access, &seg, 1), 1);
	ck_assert_uint_eq(seg.len, len);
	return seg;
}

static int pin_fails(uint64_t guest, size_t len, enum gmem_access access)
{
	struct gmem_seg seg;

	return gmem_pin(gm, GMEM_GUEST, guest, len, access, &seg, 1);
}

/* A pin and its end. */
static void touch(uint64_t guest, size_t len, enum gmem_access access)
{
	struct gmem_seg seg = pin(guest, len, access);

	gmem_unpin(&seg);
}

#define DEMAND (GMEM_XEN_GRANT | 0x8u)

/*
 * Foreign.
 */

START_TEST(test_foreign)
{
	struct gmem_seg seg;

	start(0);
	ck_assert_uint_eq(k->opens, 2);
	ck_assert_int_eq(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE + 0x10, 3 * PAGE, -1), 0);
	ck_assert_int_eq(k->fd, PRIVCMD);
	ck_assert_uint_eq(k->domid, DOMID);
	ck_assert_uint_eq(k->count, 4); /* the first and the last only in part */
	ck_assert_uint_eq(k->ioctls, 1);
	seg = pin(FIRST * PAGE + 0x10 + PAGE, 8, GMEM_WRITE);
	ck_assert_uint_eq((uintptr_t)seg.va % PAGE, 0x10);
	ck_assert_uint_eq(*(uint8_t *)seg.va, 1);
	memcpy(seg.va, "written!", 8);
	gmem_unpin(&seg);
	ck_assert_mem_eq(k->view + PAGE + 0x10, "written!", 8);
	ck_assert_uint_eq(k->ioctls, 1);
	teardown();
}
END_TEST

START_TEST(test_foreign_with_their_fd)
{
	start(0);
	ck_assert_int_eq(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE, PAGE, PASSED), 0);
	ck_assert_int_eq(k->fd, PASSED);
	ck_assert_uint_eq(k->dups, 0); /* a mapping outlives its descriptor */
	teardown();
}
END_TEST

static int add_region_of(uint32_t domid, uint32_t flags, uint64_t guest, int fd)
{
	const struct gmem_desc d = {.guest_addr = guest,
				    .size = PAGE,
				    .user_addr = 0x70000000,
				    .fd = fd,
				    .xen_flags = flags,
				    .xen_domid = domid};

	return gmem_add(gm, &d);
}

/* One domain alone: the kernel is told, and regions of another are refused, whoever opened the device. */
START_TEST(test_one_domain)
{
	static const uint32_t flags[] = {GMEM_XEN_FOREIGN, GMEM_XEN_GRANT, DEMAND};
	unsigned int ioctls;

	start(0);
	ck_assert_int_eq(gmem_xen_restrict(&xen, XEN_DOMID_RESERVED), -EINVAL);
	ck_assert(!k->restricted);
	ck_assert_int_eq(gmem_xen_restrict(&xen, DOMID), 0);
	ck_assert(k->restricted);
	ck_assert_uint_eq(k->only, DOMID);
	ck_assert_int_eq(k->fd, PRIVCMD);
	ioctls = k->ioctls;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const uint64_t guest = flags[i] & GMEM_XEN_GRANT ? GRANT(FIRST) : FIRST * PAGE;

		ck_assert_int_eq(add_region_of(DOMID + 1, flags[i], guest, -1), -EPERM);
		ck_assert_int_eq(add_region_of(DOMID + 1, flags[i], guest, PASSED), -EPERM);
		ck_assert_uint_eq(k->ioctls, ioctls);
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const uint64_t guest = flags[i] & GMEM_XEN_GRANT ? GRANT(FIRST) : FIRST * PAGE;

		ck_assert_int_eq(add_region_of(DOMID, flags[i], guest, -1), 0);
		touch(guest, 8, GMEM_WRITE);
		ck_assert_uint_eq(k->domid, DOMID);
		ck_assert_int_eq(drop_region(guest, PAGE), 0);
	}
	teardown();
}
END_TEST

/* What our own privcmd does where the kernel is not asked to look at regions. */
START_TEST(test_one_domain_by_kernel)
{
	start(0);
	ck_assert_int_eq(gmem_xen_restrict(&xen, DOMID), 0);
	xen.one_domain = false;
	ck_assert_int_eq(add_region_of(DOMID + 1, GMEM_XEN_FOREIGN, FIRST * PAGE, -1), -EINVAL);
	ck_assert_int_eq(add_region_of(DOMID, GMEM_XEN_FOREIGN, FIRST * PAGE, -1), 0);
	teardown();
}
END_TEST

/* A kernel that cannot: privcmd is not kept.  A machine without privcmd has grants. */
START_TEST(test_one_domain_fails)
{
	start(0);
	k->ioctl_err = -ENOTTY;
	ck_assert_int_eq(gmem_xen_restrict(&xen, DOMID), -ENOTTY);
	ck_assert_uint_eq(k->closes, 1);
	ck_assert_int_eq(xen.privcmd, -ENOTTY);
	k->ioctl_err = 0;
	ck_assert_int_eq(add_region_of(DOMID, GMEM_XEN_FOREIGN, FIRST * PAGE, -1), -ENOTTY);
	teardown();

	fake_xen_init();
	k->open_err = -ENOENT;
	start(0);
	ck_assert_int_eq(gmem_xen_restrict(&xen, DOMID), 0);
	ck_assert_int_eq(add_region_of(DOMID + 1, GMEM_XEN_GRANT, GRANT(FIRST), PASSED), -EPERM);
	ck_assert_int_eq(add_region_of(DOMID, GMEM_XEN_GRANT, GRANT(FIRST), PASSED), 0);
	teardown();
}
END_TEST

/* The ioctl says that all is well. */
START_TEST(test_foreign_hole)
{
	const int errors[] = {-EINVAL, -ENOENT, -EFAULT, 1};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		fake_xen_init();
		k->hole = FIRST + 5;
		k->hole_err = errors[i];
		start(0);
		ck_assert_int_eq(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE + 0x800, 8 * PAGE, -1),
				 errors[i] < 0 ? errors[i] : -EIO);
		ck_assert_uint_eq(gmem_fault(gm), (FIRST + 5) * PAGE);
		ck_assert_uint_eq(gmem_count(gm), 0);
		/* The first page's name is that of the region. */
		k->hole = FIRST;
		ck_assert_int_lt(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE + 0x800, 8 * PAGE, -1), 0);
		ck_assert_uint_eq(gmem_fault(gm), FIRST * PAGE + 0x800);
		teardown();
	}
}
END_TEST

START_TEST(test_foreign_errors)
{
	k->open_err = -EACCES;
	start(0);
	ck_assert_int_eq(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE, PAGE, -1), -EACCES);
	ck_assert_int_eq(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE, PAGE, PASSED), 0);
	teardown();

	fake_xen_init();
	k->mmap_err = -ENOMEM;
	start(0);
	ck_assert_int_eq(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE, PAGE, -1), -ENOMEM);
	teardown();

	fake_xen_init();
	k->ioctl_err = -EPERM;
	start(0);
	ck_assert_int_eq(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE, PAGE, -1), -EPERM);
	teardown();
}
END_TEST

START_TEST(test_refused)
{
	const struct gmem_desc bad[] = {
		{.guest_addr = FIRST * PAGE, .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_FOREIGN, .offset = PAGE},
		{.guest_addr = FIRST * PAGE, .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_FOREIGN, .xen_domid = 65536},
		{.guest_addr = FIRST * PAGE, .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_GRANT},
		{.guest_addr = GRANT(FIRST), .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_GRANT, .offset = 1},
		{.guest_addr = FIRST * PAGE, .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_FOREIGN, .xen_domid = 0x7ff0},
		{.guest_addr = GRANT(FIRST), .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_GRANT, .xen_domid = 65536},
		{.guest_addr = GRANT(FIRST), .size = PAGE, .fd = -1, .xen_flags = DEMAND, .xen_domid = 0x7ff0},
		{.guest_addr = GRANT(1ull << 32), .size = PAGE, .fd = -1, .xen_flags = DEMAND},
		{.guest_addr = GRANT(UINT32_MAX), .size = 2 * PAGE, .fd = -1, .xen_flags = GMEM_XEN_GRANT},
		{.guest_addr = FIRST * PAGE, .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_FOREIGN | GMEM_XEN_GRANT},
		{.guest_addr = FIRST * PAGE, .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_FOREIGN | 0x8},
		{.guest_addr = FIRST * PAGE, .size = PAGE, .fd = -1, .xen_flags = 0x8},
		{.guest_addr = GRANT(FIRST), .size = PAGE, .fd = -1, .xen_flags = GMEM_XEN_GRANT | 0x10},
	};

	start(0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(gmem_add(gm, &bad[i]) == -EINVAL, "%zu was not refused", i);
	ck_assert_uint_eq(k->ioctls, 0);
	teardown();
}
END_TEST

/* No flag: a file, as from other hypervisors; both in one table. */
START_TEST(test_unix_beside_foreign)
{
	const struct gmem_desc d = {
		.guest_addr = 0x1000, .size = PAGE, .user_addr = 0x1000, .fd = k->file, .offset = 2 * PAGE};
	struct gmem_seg seg;

	start(0);
	ck_assert_int_eq(gmem_add(gm, &d), 0);
	ck_assert_uint_eq(k->ioctls, 0);
	ck_assert_int_eq(add_region(GMEM_XEN_FOREIGN, FIRST * PAGE, PAGE, -1), 0);
	seg = pin(0x1000, 1, GMEM_READ);
	ck_assert_uint_eq(*(uint8_t *)seg.va, 2);
	gmem_unpin(&seg);
	teardown();
}
END_TEST

/*
 * Grants in advance.
 */

START_TEST(test_advance)
{
	struct gmem_seg seg;

	start(0);
	ck_assert_int_eq(add_region(GMEM_XEN_GRANT, GRANT(FIRST) + 0x800, 2 * PAGE, PASSED), 0);
	ck_assert_uint_eq(k->dups, 1);
	ck_assert_int_eq(k->fd, DUP);
	ck_assert_uint_eq(k->domid, DOMID);
	ck_assert_uint_eq(k->count, 3);
	ck_assert_int_eq(k->prot, PROT_READ | PROT_WRITE);
	ck_assert_uint_eq(k->unmaps, 1); /* forgotten, but mapped */
	seg = pin(GRANT(FIRST) + 2 * PAGE, 4, GMEM_WRITE);
	ck_assert_uint_eq(*(uint8_t *)seg.va, 2);
	gmem_unpin(&seg);
	ck_assert_uint_eq(k->ioctls, 2);
	/* Removed while it is pinned: it stays. */
	seg = pin(GRANT(FIRST) + PAGE, 4, GMEM_WRITE);
	ck_assert_int_eq(drop_region(GRANT(FIRST) + 0x800, 2 * PAGE), 0);
	ck_assert_uint_eq(k->munmaps, 0);
	memcpy(seg.va, "late", 4);
	ck_assert_mem_eq(k->view + PAGE, "late", 4);
	gmem_unpin(&seg);
	ck_assert_uint_eq(k->munmaps, 1);
	teardown();
}
END_TEST

START_TEST(test_advance_errors)
{
	start(0);
	ck_assert_int_eq(add_region(GMEM_XEN_GRANT, GRANT(FIRST + FRAMES), PAGE, -1), -EINVAL);
	ck_assert_int_eq(k->fd, GNTDEV);
	/* A grant that is read-only cannot be part of a region that is not. */
	ck_assert_int_eq(add_region(GMEM_XEN_GRANT, GRANT(READ_ONLY), PAGE, -1), -EINVAL);
	ck_assert_uint_eq(k->unmaps, 2);
	k->ioctl_err = -ENOMEM;
	ck_assert_int_eq(add_region(GMEM_XEN_GRANT, GRANT(FIRST), PAGE, -1), -ENOMEM);
	k->ioctl_err = 0;
	k->dup_err = -EMFILE;
	ck_assert_int_eq(add_region(GMEM_XEN_GRANT, GRANT(FIRST), PAGE, PASSED), -EMFILE);
	teardown();

	fake_xen_init();
	k->open_err = -ENOENT;
	start(0);
	ck_assert_int_eq(add_region(GMEM_XEN_GRANT, GRANT(FIRST), PAGE, -1), -ENOENT);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), PAGE, -1), -ENOENT);
	teardown();
}
END_TEST

/* More pages than one request takes, side by side; the page that fails is in the second. */
START_TEST(test_split)
{
	const uint64_t pages = 2 * XEN_REQUEST_PAGES + 5;
	const uint32_t flags[] = {GMEM_XEN_FOREIGN, GMEM_XEN_GRANT};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		uint64_t guest = flags[i] == GMEM_XEN_GRANT ? GRANT(FIRST) : FIRST * PAGE;

		fake_xen_init();
		k->sparse = true;
		k->hole_err = -EINVAL;
		start(0);
		ck_assert_int_eq(add_region(flags[i], guest, pages * PAGE, -1), 0);
		ck_assert_uint_eq(k->most, XEN_REQUEST_PAGES);
		ck_assert_uint_eq(k->count, 5);
		ck_assert_uint_eq(k->ioctls, flags[i] == GMEM_XEN_GRANT ? 6 : 3);
		ck_assert_uint_eq(k->mapped, pages * PAGE);
		ck_assert_int_eq(drop_region(guest, pages * PAGE), 0);
		ck_assert_uint_eq(k->mapped, 0);
		k->hole = FIRST + XEN_REQUEST_PAGES + 1;
		ck_assert_int_eq(add_region(flags[i], guest, pages * PAGE, -1), -EINVAL);
		/* gntdev does not say which of a request's it was. */
		ck_assert_uint_eq(gmem_fault(gm), guest + (XEN_REQUEST_PAGES + (flags[i] == GMEM_XEN_FOREIGN)) * PAGE);
		ck_assert_uint_eq(k->mapped, 0);
		teardown();
	}
}
END_TEST

/*
 * Grants on demand.
 */

START_TEST(test_demand)
{
	const uint32_t spellings[] = {0x8, 0x100, 0x108};

	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		struct gmem_seg seg;

		fake_xen_init();
		start(0);
		ck_assert_int_eq(add_region(GMEM_XEN_GRANT | spellings[i], GRANT(FIRST) + 0x400, 8 * PAGE, PASSED), 0);
		ck_assert_uint_eq(k->ioctls, 0);
		ck_assert_uint_eq(k->mapped, 0);
		/* Over a page's end; only to read. */
		seg = pin(GRANT(FIRST) + 3 * PAGE - 2, 4, GMEM_READ);
		ck_assert_uint_eq(k->ref, FIRST + 2);
		ck_assert_uint_eq(k->count, 2);
		ck_assert_int_eq(k->prot, PROT_READ);
		ck_assert_mem_eq(seg.va, "\2\2\3\3", 4);
		ck_assert_uint_eq(k->mapped, 2 * PAGE);
		gmem_unpin(&seg);
		ck_assert_uint_eq(k->mapped, 0);
		/* To write, up to the page's last byte. */
		seg = pin(GRANT(FIRST) + 4 * PAGE - 4, 4, GMEM_WRITE);
		ck_assert_uint_eq(k->count, 1);
		ck_assert_int_eq(k->prot, PROT_READ | PROT_WRITE);
		memcpy(seg.va, "done", 4);
		gmem_unpin(&seg);
		ck_assert_mem_eq(k->view + 4 * PAGE - 4, "done", 4);
		teardown();
	}
}
END_TEST

START_TEST(test_demand_read_only)
{
	start(16);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), 16 * PAGE, -1), 0);
	ck_assert_int_eq(pin_fails(GRANT(READ_ONLY), 4, GMEM_WRITE), -EINVAL);
	touch(GRANT(READ_ONLY), 4, GMEM_READ);
	/* What is kept to be read serves no writer. */
	ck_assert_int_eq(pin_fails(GRANT(READ_ONLY), 4, GMEM_WRITE), -EINVAL);
	ck_assert_uint_eq(k->mapped, PAGE);
	teardown();
}
END_TEST

START_TEST(test_demand_errors)
{
	struct gmem_seg segs[2];

	start(0);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), (FRAMES + 8) * PAGE, -1), 0);
	ck_assert_int_eq(pin_fails(GRANT(FIRST + FRAMES), 4, GMEM_READ), -EINVAL);
	ck_assert_int_eq(pin_fails(GRANT(FIRST + FRAMES) - 2, 4, GMEM_READ), -EINVAL);
	k->ioctl_err = -ENOMEM;
	ck_assert_int_eq(pin_fails(GRANT(FIRST), 4, GMEM_READ), -ENOMEM);
	k->ioctl_err = 0;
	k->mmap_err = -EAGAIN;
	ck_assert_int_eq(pin_fails(GRANT(FIRST), 4, GMEM_READ), -EAGAIN);
	k->mmap_err = 0;
	ck_assert(!k->registered);
	touch(GRANT(FIRST), 4, GMEM_READ);
	/* Over the end of the region, into none. */
	ck_assert_int_eq(gmem_pin(gm, GMEM_GUEST, GRANT(FIRST + FRAMES + 8) - 4, 8, GMEM_READ, segs, 2), -EFAULT);
	ck_assert_uint_eq(k->mapped, 0);
	teardown();
}
END_TEST

/* All grants of a guest at once: wider than references reach. */
START_TEST(test_demand_wide)
{
	start(0);
	ck_assert_int_eq(add_region(DEMAND, XEN_GRANT_ADDR, (1ull << 33) * PAGE, -1), 0);
	touch(GRANT(FIRST), PAGE, GMEM_READ);
	ck_assert_int_eq(pin_fails(GRANT(1ull << 32), 4, GMEM_READ), -EINVAL);
	ck_assert_int_eq(pin_fails(GRANT(1ull << 32) - 2, 4, GMEM_READ), -EINVAL);
	teardown();
}
END_TEST

/* A buffer longer than one request takes. */
START_TEST(test_demand_split)
{
	struct gmem_seg seg;

	k->sparse = true;
	start(0);
	ck_assert_int_eq(add_region(DEMAND, XEN_GRANT_ADDR, (1ull << 30), -1), 0);
	seg = pin(GRANT(3) + 0x123, XEN_REQUEST_PAGES * PAGE, GMEM_WRITE);
	ck_assert_uint_eq(k->most, XEN_REQUEST_PAGES);
	ck_assert_uint_eq(k->count, 1);
	ck_assert_uint_eq(k->mapped, (XEN_REQUEST_PAGES + 1) * PAGE);
	ck_assert_uint_eq((uintptr_t)seg.va % PAGE, 0x123);
	gmem_unpin(&seg);
	ck_assert_uint_eq(k->mapped, 0);
	k->hole = 3 + XEN_REQUEST_PAGES;
	ck_assert_int_eq(pin_fails(GRANT(3) + 0x123, XEN_REQUEST_PAGES * PAGE, GMEM_WRITE), -EINVAL);
	ck_assert_uint_eq(k->mapped, 0);
	teardown();
}
END_TEST

/* Without a cache what one pin has does not outlive it in another. */
START_TEST(test_pins_apart)
{
	struct gmem_seg a, b;

	start(0);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), 8 * PAGE, -1), 0);
	a = pin(GRANT(FIRST), 2 * PAGE, GMEM_WRITE);
	b = pin(GRANT(FIRST) + 16, 16, GMEM_READ);
	ck_assert_uint_eq(k->mapped, 3 * PAGE);
	gmem_unpin(&a);
	ck_assert_uint_eq(k->mapped, PAGE);
	ck_assert_mem_eq(b.va, k->view + 16, 16);
	gmem_unpin(&b);
	ck_assert_uint_eq(k->mapped, 0);
	teardown();
}
END_TEST

/* The pieces of a chain, pinned as a chain is built: one request for those to read, one for those to write. */
START_TEST(test_together)
{
	static const struct {
		uint32_t at;
		size_t len;
		enum gmem_access access;
	} pieces[] = {
		{0x10, 8, GMEM_READ},                 /* page 0 */
		{5 * PAGE - 3, 6, GMEM_READ},         /* pages 4 and 5 */
		{0x20, 8, GMEM_READ},                 /* page 0 again */
		{9 * PAGE, 4, GMEM_READ},             /* page 9, which cannot be written */
		{20 * PAGE + 7, 2 * PAGE, GMEM_WRITE}, /* pages 20 to 22 */
		{0x30, 1, GMEM_WRITE},                /* page 0, to write */
	};
	struct gmem_seg segs[ARRAY_SIZE(pieces)];

	start(0);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), FRAMES * PAGE, -1), 0);
	for (unsigned int turn = 0; turn < 3; turn++) {
		k->ioctls = 0;
		for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
			ck_assert_int_eq(gmem_pin_later(gm, GMEM_GUEST, GRANT(FIRST) + pieces[i].at, pieces[i].len,
							pieces[i].access, &segs[i], 1), 1);
			ck_assert_ptr_null(segs[i].va);
		}
		ck_assert_uint_eq(k->ioctls, 0);
		for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
			ck_assert_int_eq(gmem_settle(&segs[i]), 0);
			ck_assert_mem_eq(segs[i].va, k->view + pieces[i].at, pieces[i].len);
		}
		ck_assert_uint_eq(k->ioctls, 4); /* map and forget, twice */
		ck_assert_uint_eq(k->mapped, (4 + 4) * PAGE);
		/* Those who wait for nothing need nothing. */
		ck_assert_int_eq(gmem_settle(&segs[0]), 0);
		ck_assert_uint_eq(k->ioctls, 4);
		for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
			gmem_unpin(&segs[turn == 1 ? ARRAY_SIZE(pieces) - 1 - i : i]);
		ck_assert_uint_eq(k->mapped, 0);
	}
	teardown();
}
END_TEST

/* One bad grant among several: none is mapped, and all can be given back; also what never got its address. */
START_TEST(test_together_fails)
{
	struct gmem_seg segs[3];

	start(0);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), FRAMES * PAGE, -1), 0);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(gmem_pin_later(gm, GMEM_GUEST, GRANT(READ_ONLY - 1 + i), 8, GMEM_WRITE, &segs[i], 1), 1);
	ck_assert_int_eq(gmem_settle(&segs[2]), -EINVAL);
	ck_assert_int_eq(gmem_settle(&segs[0]), -EINVAL);
	gmem_unpin(&segs[1]);
	ck_assert_int_eq(gmem_settle(&segs[0]), 0); /* it was that one */
	gmem_unpin(&segs[0]);
	gmem_unpin(&segs[2]);
	ck_assert_uint_eq(k->mapped, 0);
	ck_assert_int_eq(gmem_pin_later(gm, GMEM_GUEST, GRANT(FIRST), 8, GMEM_WRITE, &segs[0], 1), 1);
	gmem_unpin(&segs[0]);
	touch(GRANT(FIRST), 8, GMEM_READ);
	teardown();
}
END_TEST

/* More pages together than one request takes. */
START_TEST(test_together_split)
{
	const size_t len = XEN_REQUEST_PAGES * PAGE - PAGE;
	struct gmem_seg segs[3];

	k->sparse = true;
	start(0);
	ck_assert_int_eq(add_region(DEMAND, XEN_GRANT_ADDR, 1ull << 31, -1), 0);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(gmem_pin_later(gm, GMEM_GUEST, GRANT(8) + i * len, len, GMEM_READ, &segs[i], 1), 1);
	ck_assert_int_eq(gmem_settle(&segs[0]), 0);
	ck_assert_uint_eq(k->mapped, 3 * len);
	ck_assert_uint_eq(k->ioctls, 6);
	ck_assert_uint_eq(k->count, XEN_REQUEST_PAGES - 3);
	for (unsigned int i = 0; i < 3; i++)
		gmem_unpin(&segs[i]);
	ck_assert_uint_eq(k->mapped, 0);
	teardown();
}
END_TEST

/* With a cache, pins of the same pages at once share a mapping. */
START_TEST(test_pins_share)
{
	struct gmem_seg a, b, c;

	start(1);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), 8 * PAGE, -1), 0);
	a = pin(GRANT(FIRST), 2 * PAGE, GMEM_WRITE);
	b = pin(GRANT(FIRST) + 16, 16, GMEM_READ);
	c = pin(GRANT(FIRST) + PAGE, 16, GMEM_READ); /* begins elsewhere */
	ck_assert_uint_eq(k->mapped, 3 * PAGE);
	ck_assert_ptr_eq((char *)b.va, (char *)a.va + 16);
	gmem_unpin(&a);
	ck_assert_uint_eq(k->mapped, 3 * PAGE);
	gmem_unpin(&b);
	ck_assert_uint_eq(k->mapped, PAGE); /* two are more than are kept */
	gmem_unpin(&c);
	ck_assert_uint_eq(k->mapped, PAGE);
	teardown();
}
END_TEST

START_TEST(test_cache)
{
	start(3);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), FRAMES * PAGE, -1), 0);
	touch(GRANT(FIRST), 8, GMEM_WRITE);
	ck_assert_uint_eq(k->ioctls, 2);
	ck_assert_uint_eq(k->mapped, PAGE);
	/* Again, elsewhere in it, and only to read: no system call. */
	unsigned int calls = k->ioctls + k->mmaps + k->munmaps;

	touch(GRANT(FIRST), 8, GMEM_WRITE);
	touch(GRANT(FIRST) + 100, 8, GMEM_READ);
	ck_assert_uint_eq(k->ioctls + k->mmaps + k->munmaps, calls);
	touch(GRANT(FIRST + 1), 8, GMEM_WRITE);
	touch(GRANT(FIRST + 2), 8, GMEM_WRITE);
	ck_assert_uint_eq(k->mapped, 3 * PAGE);
	/* The first is used once more, so the second is the oldest. */
	touch(GRANT(FIRST), 8, GMEM_WRITE);
	touch(GRANT(FIRST + 3), 8, GMEM_WRITE);
	ck_assert_uint_eq(k->mapped, 3 * PAGE);
	calls = k->ioctls;
	touch(GRANT(FIRST), 8, GMEM_WRITE);
	ck_assert_uint_eq(k->ioctls, calls);
	touch(GRANT(FIRST + 1), 8, GMEM_WRITE);
	ck_assert_uint_eq(k->ioctls, calls + 2);
	/* One of two pages drives two out; one of four is not kept at all. */
	touch(GRANT(FIRST + 8), 2 * PAGE, GMEM_READ);
	ck_assert_uint_eq(k->mapped, 3 * PAGE);
	touch(GRANT(FIRST + 12), 4 * PAGE, GMEM_READ);
	ck_assert_uint_eq(k->mapped, 3 * PAGE);
	teardown();
}
END_TEST

START_TEST(test_cache_flush)
{
	struct gmem_seg seg;

	start(8);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), FRAMES * PAGE, -1), 0);
	touch(GRANT(FIRST), 8, GMEM_WRITE);
	touch(GRANT(FIRST + 1), 8, GMEM_WRITE);
	seg = pin(GRANT(FIRST + 2), 8, GMEM_WRITE);
	gmem_flush(gm);
	ck_assert_uint_eq(k->mapped, PAGE); /* the pin's */
	memcpy(seg.va, "in use", 6);
	ck_assert_mem_eq(k->view + 2 * PAGE, "in use", 6);
	gmem_unpin(&seg);
	ck_assert_uint_eq(k->mapped, PAGE); /* kept: the cache goes on */
	/* The region goes while a pin is held, and what is kept with it at once. */
	seg = pin(GRANT(FIRST + 5), 8, GMEM_WRITE);
	ck_assert_int_eq(drop_region(GRANT(FIRST), FRAMES * PAGE), 0);
	ck_assert_uint_eq(k->mapped, PAGE);
	memcpy(seg.va, "late", 4);
	gmem_unpin(&seg);
	ck_assert_uint_eq(k->mapped, 0);
	ck_assert_mem_eq(k->view + 5 * PAGE, "late", 4);
	teardown();
}
END_TEST

/* The table goes while a pin is held. */
START_TEST(test_pin_outlives_table)
{
	struct gmem_seg seg;

	start(8);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), FRAMES * PAGE, PASSED), 0);
	touch(GRANT(FIRST), 8, GMEM_WRITE);
	seg = pin(GRANT(FIRST + 1), 8, GMEM_WRITE);
	gmem_free(gm);
	gm = NULL;
	ck_assert_uint_eq(k->mapped, PAGE);
	memcpy(seg.va, "late", 4);
	ck_assert_uint_eq(k->closes, 0);
	gmem_unpin(&seg);
	ck_assert_uint_eq(k->closes, 1);
	ck_assert_mem_eq(k->view + PAGE, "late", 4);
	teardown();
}
END_TEST

/* Random pins against what the bytes must be. */
START_TEST(test_against_a_model)
{
	struct gmem_seg held[16] = {{0}};
	uint32_t random = 12345;
	unsigned int turns = test_on_valgrind() ? 2000 : 20000;

	start(6 * (unsigned int)_i);
	ck_assert_int_eq(add_region(DEMAND, GRANT(FIRST), FRAMES * PAGE, -1), 0);
	for (unsigned int turn = 0; turn < turns; turn++) {
		random = random * 1664525u + 1013904223u;
		struct gmem_seg *seg = &held[random >> 28];
		uint32_t off = (random >> 4) % (FRAMES * (uint32_t)PAGE), len = 1 + (random >> 8) % 9000;

		if (seg->va) {
			gmem_unpin(seg);
			continue;
		}
		if (off + len > FRAMES * PAGE)
			continue;
		*seg = pin(GRANT(FIRST) + off, len, GMEM_READ);
		ck_assert_mem_eq(seg->va, k->view + off, len);
	}
	for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
		if (held[i].va)
			gmem_unpin(&held[i]);
	}
	ck_assert_uint_le(k->mapped, 6 * PAGE * (unsigned int)_i);
	gmem_flush(gm);
	ck_assert_uint_eq(k->mapped, 0);
	teardown();
}
END_TEST

/* The kernel's own calls, as far as any machine has them. */
START_TEST(test_kernel_calls)
{
	const struct xen_sys *s = &xen_sys_kernel;
	struct privcmd_mmapbatch_v2 none = {.num = 0};
	void *va;
	int fd, copy;

	ck_assert_int_eq(s->open("/nonexistent"), -ENOENT);
	fd = s->open("/dev/zero");
	ck_assert_int_ge(fd, 0);
	copy = s->dup(fd);
	ck_assert_int_ge(copy, 0);
	ck_assert_int_eq(s->ioctl(fd, IOCTL_PRIVCMD_MMAPBATCH_V2, &none), -ENOTTY);
	ck_assert_int_eq(s->mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0, &va), -EINVAL);
	ck_assert_int_eq(s->mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0, &va), 0);
	ck_assert_uint_eq(*(uint8_t *)va, 0);
	ck_assert_int_eq(s->munmap(va, PAGE), 0);
	ck_assert_int_eq(s->munmap((char *)va + 1, PAGE), -EINVAL);
	ck_assert_int_eq(s->close(fd), 0);
	ck_assert_int_eq(s->close(copy), 0);
	ck_assert_int_eq(s->dup(-1), -EBADF);
	ck_assert_int_eq(s->close(-1), -EBADF);
	ck_assert_int_eq(gmem_xen_present(), access("/dev/xen/privcmd", F_OK) == 0 || access("/dev/xen/gntdev", F_OK) == 0);
}
END_TEST

Suite *suite_gmem_xen(void)
{
	Suite *s = suite_create("gmem_xen");
	TCase *tc = tcase_create("fake"), *kernel = tcase_create("kernel");

	/* Each test ends with teardown, which asserts: a fixture's assertions are not a test's. */
	tcase_add_checked_fixture(tc, fake_xen_init, NULL);
	tcase_add_test(tc, test_foreign);
	tcase_add_test(tc, test_foreign_with_their_fd);
	tcase_add_test(tc, test_one_domain);
	tcase_add_test(tc, test_one_domain_by_kernel);
	tcase_add_test(tc, test_one_domain_fails);
	tcase_add_test(tc, test_foreign_hole);
	tcase_add_test(tc, test_foreign_errors);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_unix_beside_foreign);
	tcase_add_test(tc, test_advance);
	tcase_add_test(tc, test_advance_errors);
	tcase_add_test(tc, test_split);
	tcase_add_test(tc, test_demand);
	tcase_add_test(tc, test_demand_read_only);
	tcase_add_test(tc, test_demand_errors);
	tcase_add_test(tc, test_demand_wide);
	tcase_add_test(tc, test_demand_split);
	tcase_add_test(tc, test_pins_apart);
	tcase_add_test(tc, test_together);
	tcase_add_test(tc, test_together_fails);
	tcase_add_test(tc, test_together_split);
	tcase_add_test(tc, test_pins_share);
	tcase_add_test(tc, test_cache);
	tcase_add_test(tc, test_cache_flush);
	tcase_add_test(tc, test_pin_outlives_table);
	tcase_add_loop_test(tc, test_against_a_model, 0, 2);
	suite_add_tcase(s, tc);
	tcase_add_test(kernel, test_kernel_calls);
	suite_add_tcase(s, kernel);
	return s;
}
