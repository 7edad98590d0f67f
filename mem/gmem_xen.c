/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem_xen.c - picks the way a Xen region is mapped, and the kernel's side of it; see gmem_xen.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/gmem_xen.h"
#include "mem/xen_abi.h"

const struct sandbox_call gmem_xen_calls[] = {
	{.name = "ioctl", .why = "frames of a Xen guest", .checks = {{1, SANDBOX_IS, IOCTL_PRIVCMD_MMAPBATCH_V2}}},
	{.name = "ioctl", .why = "grants of a Xen guest", .checks = {{1, SANDBOX_IS, IOCTL_GNTDEV_MAP_GRANT_REF}}},
	{.name = "ioctl", .why = "grants of a Xen guest", .checks = {{1, SANDBOX_IS, IOCTL_GNTDEV_UNMAP_GRANT_REF}}},
	{.name = "fcntl", .why = "the front-end's own privcmd or gntdev", .checks = {{1, SANDBOX_IS, F_DUPFD_CLOEXEC}}},
	{0},
};

static int sys_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int sys_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

static int sys_close(int fd)
{
	return close(fd) < 0 ? -errno : 0;
}

static int sys_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

static int sys_mmap(void *addr, size_t len, int prot, int flags, int fd, uint64_t off, void **out)
{
	*out = mmap(addr, len, prot, flags, fd, (off_t)off);
	return *out == MAP_FAILED ? -errno : 0;
}

static int sys_munmap(void *addr, size_t len)
{
	return munmap(addr, len) < 0 ? -errno : 0;
}

const struct xen_sys xen_sys_kernel = {
	.open = sys_open,
	.dup = sys_dup,
	.close = sys_close,
	.ioctl = sys_ioctl,
	.mmap = sys_mmap,
	.munmap = sys_munmap,
};

static int refuse_map(const struct gmem_backend *self, const struct gmem_desc *desc, void **base, void **priv,
		      uint64_t *fault)
{
	return -EINVAL;
}

/* Flags that contradict each other. */
static const struct gmem_backend refuse = {
	.name = "unknown Xen mapping",
	.map = refuse_map,
};

static int refuse_domain(const struct gmem_backend *self, const struct gmem_desc *desc, void **base, void **priv,
			 uint64_t *fault)
{
	return -EPERM;
}

/* Not the domain that is served. */
static const struct gmem_backend other_domain = {
	.name = "another Xen domain",
	.map = refuse_domain,
};

static const struct gmem_backend *xen_choose(const struct gmem_backend *self, const struct gmem_desc *desc)
{
	const struct gmem_xen *x = self->context;

	if (!desc->xen_flags)
		return &gmem_shm;
	if (x->one_domain && desc->xen_domid != x->domid)
		return &other_domain;
	if (desc->xen_flags == GMEM_XEN_FOREIGN)
		return &x->foreign;
	if (desc->xen_flags == GMEM_XEN_GRANT)
		return &x->grant;
	if ((desc->xen_flags & ~GMEM_XEN_NO_ADVANCE_MAP) == GMEM_XEN_GRANT)
		return &x->grant_on_demand;
	return &refuse;
}

void gmem_xen_init(struct gmem_xen *x, const struct xen_sys *sys, unsigned int cache_pages)
{
	x->sys = sys;
	x->cache_pages = cache_pages;
	x->one_domain = false;
	x->privcmd = sys->open("/dev/xen/privcmd");
	x->gntdev = sys->open("/dev/xen/gntdev");
	x->any = (struct gmem_backend){.name = "Xen", .context = x, .choose = xen_choose};
	gmem_xen_foreign_init(&x->foreign, x);
	gmem_xen_grant_init(&x->grant, &x->grant_on_demand, x);
}

int gmem_xen_restrict(struct gmem_xen *x, unsigned int domid)
{
	int err;

	if (domid >= XEN_DOMID_RESERVED)
		return -EINVAL;
	x->one_domain = true;
	x->domid = (uint16_t)domid;
	if (x->privcmd < 0)
		return 0;
	err = x->sys->ioctl(x->privcmd, IOCTL_PRIVCMD_RESTRICT, &x->domid);
	if (err >= 0)
		return 0;
	x->sys->close(x->privcmd);
	x->privcmd = err;
	return err;
}

void gmem_xen_close(struct gmem_xen *x)
{
	if (x->privcmd >= 0)
		x->sys->close(x->privcmd);
	if (x->gntdev >= 0)
		x->sys->close(x->gntdev);
	x->privcmd = x->gntdev = -EBADF;
}

bool gmem_xen_present(void)
{
	return access("/dev/xen/privcmd", F_OK) == 0 || access("/dev/xen/gntdev", F_OK) == 0;
}

int gmem_xen_map(const struct xen_sys *sys, uint64_t npages,
		 int (*map)(void *arg, void *at, uint64_t first, uint32_t n, void **va, uint64_t *bad), void *arg,
		 void **start, uint64_t *bad)
{
	size_t len;
	void *va;

	if (__builtin_mul_overflow(npages, (uint64_t)XEN_PAGE_SIZE, &len))
		return -ENOMEM;
	if (npages <= XEN_REQUEST_PAGES)
		return map(arg, NULL, 0, (uint32_t)npages, start, bad);

	/* More than one request: side by side, in a range that is reserved first. */
	int err = sys->mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, start);

	if (err)
		return err;
	for (uint64_t first = 0; !err && first < npages; first += XEN_REQUEST_PAGES) {
		uint32_t n = (uint32_t)min_u64(npages - first, XEN_REQUEST_PAGES);

		err = map(arg, (char *)*start + first * XEN_PAGE_SIZE, first, n, &va, bad);
	}
	if (err)
		sys->munmap(*start, len);
	return err;
}
