/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fake_xen.c - a kernel with another Xen domain behind it, made up; see fake_xen.h.
 */
#include "test/lib/fake_xen.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem/xen_abi.h"

struct fake_xen fake_xen;

static int fake_open(const char *path)
{
	fake_xen.opens++;
	if (fake_xen.open_err)
		return fake_xen.open_err;
	if (strcmp(path, "/dev/xen/privcmd") == 0)
		return FAKE_XEN_PRIVCMD;
	ck_assert_str_eq(path, "/dev/xen/gntdev");
	return FAKE_XEN_GNTDEV;
}

/* A descriptor that is none of its own. */
static void note_passed(int fd)
{
	struct stat st;

	fake_xen.passed = fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static int fake_dup(int fd)
{
	ck_assert_int_ne(fd, FAKE_XEN_PRIVCMD);
	ck_assert_int_ne(fd, FAKE_XEN_GNTDEV);
	note_passed(fd);
	fake_xen.dups++;
	return fake_xen.dup_err ? fake_xen.dup_err : FAKE_XEN_DUP;
}

static int fake_close(int fd)
{
	ck_assert(fd == FAKE_XEN_PRIVCMD || fd == FAKE_XEN_GNTDEV || fd == FAKE_XEN_DUP);
	fake_xen.closes++;
	return 0;
}

/* The page of a frame or reference, over the page at va. */
static void put_page(void *va, uint64_t frame, int prot)
{
	if (!fake_xen.sparse)
		ck_assert_ptr_ne(mmap(va, FAKE_XEN_PAGE, prot, MAP_SHARED | MAP_FIXED, fake_xen.file,
				      (off_t)((frame - FAKE_XEN_FIRST) * FAKE_XEN_PAGE)),
				 MAP_FAILED);
}

static bool is_there(uint64_t frame)
{
	return fake_xen.sparse || (frame >= FAKE_XEN_FIRST && frame < FAKE_XEN_FIRST + FAKE_XEN_FRAMES);
}

static int privcmd_map(const struct privcmd_mmapbatch_v2 *b)
{
	ck_assert_uint_eq(b->addr, (uintptr_t)fake_xen.blank);
	ck_assert_uint_eq(b->num * FAKE_XEN_PAGE, fake_xen.blank_len); /* all of it, as the kernel wants */
	fake_xen.blank = NULL;
	fake_xen.domid = b->dom;
	fake_xen.count = b->num;
	if (b->num > fake_xen.most)
		fake_xen.most = b->num;
	if (fake_xen.ioctl_err)
		return fake_xen.ioctl_err;
	if (fake_xen.restricted && fake_xen.fd == FAKE_XEN_PRIVCMD && b->dom != fake_xen.only)
		return -EINVAL;
	for (uint32_t i = 0; i < b->num; i++) {
		b->err[i] = b->arr[i] == fake_xen.hole ? fake_xen.hole_err : is_there(b->arr[i]) ? 0 : -EINVAL;
		if (!b->err[i])
			put_page((char *)(uintptr_t)b->addr + i * FAKE_XEN_PAGE, b->arr[i], PROT_READ | PROT_WRITE);
	}
	return 0; /* whatever is in err, but for ENOENT in some kernels */
}

static int gntdev_map(struct gntdev_map_grant_ref *m)
{
	const struct gntdev_grant_ref *refs = m->refs;

	ck_assert(!fake_xen.registered);
	if (fake_xen.ioctl_err)
		return fake_xen.ioctl_err;
	ck_assert_uint_ge(m->count, 1);
	ck_assert_uint_le(m->count, XEN_REQUEST_PAGES);
	fake_xen.domid = refs[0].domid;
	fake_xen.ref = refs[0].ref;
	fake_xen.refs = fake_xen.count = m->count;
	if (m->count > fake_xen.most)
		fake_xen.most = m->count;
	for (uint32_t i = 0; i < m->count; i++) {
		ck_assert_uint_eq(refs[i].domid, fake_xen.domid);
		fake_xen.list[i] = refs[i].ref;
	}
	fake_xen.registered = true;
	m->index = 0x5000;
	return 0;
}

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	fake_xen.ioctls++;
	fake_xen.fd = fd;
	if (request == IOCTL_PRIVCMD_RESTRICT) {
		ck_assert_int_eq(fd, FAKE_XEN_PRIVCMD);
		if (fake_xen.ioctl_err)
			return fake_xen.ioctl_err;
		fake_xen.only = *(const uint16_t *)arg;
		fake_xen.restricted = true;
		return 0;
	}
	if (request == IOCTL_PRIVCMD_MMAPBATCH_V2) {
		if (fd != FAKE_XEN_PRIVCMD)
			note_passed(fd);
		return privcmd_map(arg);
	}
	if (request == IOCTL_GNTDEV_MAP_GRANT_REF)
		return gntdev_map(arg);
	ck_assert_uint_eq(request, IOCTL_GNTDEV_UNMAP_GRANT_REF);
	const struct gntdev_unmap_grant_ref *u = arg;

	ck_assert(fake_xen.registered);
	ck_assert_uint_eq(u->index, 0x5000);
	ck_assert_uint_eq(u->count, fake_xen.refs);
	fake_xen.registered = false;
	fake_xen.unmaps++;
	return 0;
}

/* Puts the pages of the registered references; a bad one fails here, not before. */
static int gntdev_mmap(void *va, size_t len, int prot, uint64_t off)
{
	ck_assert(fake_xen.registered);
	ck_assert_uint_eq(off, 0x5000);
	ck_assert_uint_eq(len, fake_xen.refs * FAKE_XEN_PAGE);
	fake_xen.prot = prot;
	for (uint32_t i = 0; i < fake_xen.refs; i++) {
		uint32_t ref = fake_xen.list[i];

		if (!is_there(ref) || ref == fake_xen.hole ||
		    (!fake_xen.sparse && ref == FAKE_XEN_READ_ONLY && (prot & PROT_WRITE)))
			return -EINVAL;
		put_page((char *)va + i * FAKE_XEN_PAGE, ref, prot);
	}
	return 0;
}

static int fake_mmap(void *addr, size_t len, int prot, int flags, int fd, uint64_t off, void **out)
{
	int err = 0;

	fake_xen.mmaps++;
	if (fake_xen.mmap_err)
		return fake_xen.mmap_err;
	void *va =
		mmap(addr, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (addr ? MAP_FIXED : 0), -1, 0);

	ck_assert_ptr_ne(va, MAP_FAILED);
	if (!addr)
		fake_xen.mapped += len;
	ck_assert_int_eq(fd >= 0, (flags & MAP_SHARED) != 0);
	if (fd == FAKE_XEN_GNTDEV || fd == FAKE_XEN_DUP) {
		err = gntdev_mmap(va, len, prot, off);
	} else if (fd >= 0) {
		ck_assert_uint_eq(off, 0);
		fake_xen.blank = va;
		fake_xen.blank_len = len;
		fake_xen.fd = fd;
	}
	if (err && !addr) {
		munmap(va, len);
		fake_xen.mapped -= len;
	}
	*out = va;
	return err;
}

static int fake_munmap(void *addr, size_t len)
{
	fake_xen.munmaps++;
	fake_xen.mapped -= len;
	return munmap(addr, len) < 0 ? -errno : 0;
}

const struct xen_sys fake_xen_sys = {
	.open = fake_open,
	.dup = fake_dup,
	.close = fake_close,
	.ioctl = fake_ioctl,
	.mmap = fake_mmap,
	.munmap = fake_munmap,
};

void fake_xen_init(void)
{
	memset(&fake_xen, 0, sizeof(fake_xen));
	fake_xen.file = memfd_create("domain", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(fake_xen.file, FAKE_XEN_FRAMES * FAKE_XEN_PAGE), 0);
	fake_xen.view =
		mmap(NULL, FAKE_XEN_FRAMES * FAKE_XEN_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fake_xen.file, 0);
	ck_assert_ptr_ne(fake_xen.view, MAP_FAILED);
	for (unsigned int i = 0; i < FAKE_XEN_FRAMES; i++)
		memset(fake_xen.view + i * FAKE_XEN_PAGE, (int)i, FAKE_XEN_PAGE);
}

void fake_xen_fini(void)
{
	ck_assert_uint_eq(fake_xen.mapped, 0);
	ck_assert_uint_eq(fake_xen.closes,
			  (fake_xen.open_err ? 0 : fake_xen.opens) + (fake_xen.dup_err ? 0 : fake_xen.dups));
	ck_assert(!fake_xen.registered);
	munmap(fake_xen.view, FAKE_XEN_FRAMES * FAKE_XEN_PAGE);
	close(fake_xen.file);
}
