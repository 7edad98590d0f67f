/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem_xen.h - guest memory of another Xen domain, by foreign mappings and by grants.
 * QEMU docs/interop/vhost-user.rst, "Memory region description", the XEN_MMAP layout.
 *
 * Only the kernel's interfaces are used: /dev/xen/privcmd and /dev/xen/gntdev.  They sit behind struct xen_sys, so that
 * argument building and error paths are tested on any machine.
 *
 *	UNIX      no Xen flag: the region is shared memory, as elsewhere
 *	FOREIGN   the region's guest frames are mapped when it is added
 *	GRANT     the region's addresses name grants; mapped when it is added, or, with NO_ADVANCE_MAP, at each pin
 *
 * What is pinned on demand can be kept mapped after its last pin, up to a number of pages, the least recently used
 * going first: a buffer that a driver uses again then costs no system call.  The price is isolation: the guest cannot
 * take a page back that is kept mapped, and Linux's own drivers, who want each back as soon as it is used, then give
 * the device up (drivers/xen/grant-dma-ops.c).  cache_pages 0 keeps nothing.
 */
#ifndef VDEVD_MEM_GMEM_XEN_H
#define VDEVD_MEM_GMEM_XEN_H

#include <sys/types.h>

#include "mem/gmem.h"

/* xen_flags of a region.  The standard says bit 8 for "not in advance"; the front-ends there are send 8. */
#define GMEM_XEN_FOREIGN        0x1u
#define GMEM_XEN_GRANT          0x2u
#define GMEM_XEN_NO_ADVANCE_MAP (0x8u | 0x100u)

/* Grant addresses have this bit; the frame number below it is the reference. */
#define XEN_GRANT_ADDR BIT(63)

#define XEN_PAGE_SIZE 4096u

/* The first domid that is no guest's: DOMID_SELF and others, by which the hypervisor would give our own memory. */
#define XEN_DOMID_RESERVED 0x7ff0u

/* Most pages in one request to gntdev, and in one of ours to privcmd. */
#define XEN_REQUEST_PAGES 65536u

/* The system calls used.  As the C library's, but -errno is returned (and mmap's result is in *out). */
struct xen_sys {
	int (*open)(const char *path);
	int (*dup)(int fd); /* close-on-exec */
	int (*close)(int fd);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	int (*mmap)(void *addr, size_t len, int prot, int flags, int fd, uint64_t off, void **out);
	int (*munmap)(void *addr, size_t len);
};

extern const struct xen_sys xen_sys_kernel;

/* The Xen back ends of one process; gmem_new(&x->any, ...) makes tables. */
struct gmem_xen {
	const struct xen_sys *sys;
	unsigned int cache_pages;   /* of a region */
	int privcmd, gntdev;        /* for regions that come without a descriptor; -errno: it could not be opened */
	struct gmem_backend any;    /* picks one of the others by the region's flags */
	struct gmem_backend foreign, grant, grant_on_demand;
};

/*
 * Fills in *x and opens the devices there are; one that is missing is told by the region that needs it.  x must
 * outlive the tables made with it.
 */
void gmem_xen_init(struct gmem_xen *x, const struct xen_sys *sys, unsigned int cache_pages);

/* Closes the devices. */
void gmem_xen_close(struct gmem_xen *x);

/* Whether this machine has /dev/xen/privcmd or /dev/xen/gntdev. */
bool gmem_xen_present(void);

/*
 * For the two files below: makes npages pages reachable at one range of addresses.  map does that for n of them from
 * page first on, at most XEN_REQUEST_PAGES: at a place (MAP_FIXED), or (NULL) anywhere, and says where; and which page
 * of all was *bad.  Returns 0 with *start (munmap takes it back), or -errno.
 */
int gmem_xen_map(const struct xen_sys *sys, uint64_t npages,
		 int (*map)(void *arg, void *at, uint64_t first, uint32_t n, void **va, uint64_t *bad), void *arg,
		 void **start, uint64_t *bad);

/* The pages that len bytes touch from off on, where off is their place in the first page or beyond. */
static inline uint64_t gmem_xen_pages(uint64_t off, uint64_t len)
{
	return (off % XEN_PAGE_SIZE + len - 1) / XEN_PAGE_SIZE + 1;
}

/* The three, in files of their own. */
void gmem_xen_foreign_init(struct gmem_backend *backend, const struct gmem_xen *x);
void gmem_xen_grant_init(struct gmem_backend *advance, struct gmem_backend *on_demand, const struct gmem_xen *x);

#endif
