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
 *
 *     guest (domain 5)                         dom0
 *   +------------------+     frames     +----------------------------------------------+
 *   | guest-physical   |<---------------| privcmd   FOREIGN: all frames, when added    |
 *   | memory           |                |                                              |  gmem_xen_foreign.c
 *   |   ring  buffers  |                |                                              |
 *   |     |      |     |   references   |                                              |
 *   | grant table      |<---------------| gntdev    GRANT: all references, when added  |
 *   |  8: frame 0x100  |<---------------|           GRANT|NO_ADVANCE_MAP: at each pin  |  gmem_xen_grant.c
 *   +------------------+                +----------------------------------------------+
 *           |                                     |
 *           | address of a buffer:                | gmem: region -> pin -> pointer, from pop to push
 *           | FOREIGN  frame << 12 | offset       |
 *           | GRANT    1 << 63 | reference << 12 | offset
 *
 * The region's flags choose, not the build: gmem_xen.c picks the back end of each region. A connection that did not
 * accept XEN_MMAP never comes near it. The descriptor of the message is used, opened by the front-end; where none
 * comes, ours are, which were opened before the socket exists.
 *
 * privcmd's ioctl succeeds when pages failed. Its array of errors decides: to touch such a page is SIGBUS on x86 and
 * the end of the process on arm64. A region with one bad page is refused, and the log names the page. gntdev's mmap
 * fails as a whole: the log names the first reference of the request. Domain ids from 0x7ff0 on are refused: by those
 * Xen would give our own memory.
 *
 * A pin is a grant's life. Rings are pinned from start to stop. What chain.c pins for a chain waits for its addresses
 * until the chain is known (gmem_pin_later, gmem_settle): all it reads is one request, all it writes another, since a
 * driver grants what is only read read-only. A request costs much, its pages little (make bench-xen). Buffers are
 * unpinned before they are pushed: when the driver sees the used buffer, it can take the grant back.
 *
 * The cache is off unless --xen-grant-cache says otherwise. With a cache each run of pages is a mapping of its own,
 * found by its first reference; ring stop and region removal empty it. Ring addresses are the front-end's user
 * addresses or guest-physical ones; which, is tried (virtq_addrs.or_guest).
 *
 * A page that is mapped stays: a domain that dies, or revokes its grants, keeps what is mapped. So a guest's death ends
 * nothing but what has to be mapped anew: the next pin fails and the ring is broken. make check-xen shows this on amd64
 * and arm64. dom0 with pages other than 4 KiB is not supported.
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
	bool one_domain;	    /* regions of others than domid are refused */
	uint16_t domid;
	int privcmd, gntdev;        /* for regions that come without a descriptor; -errno: it could not be opened */
	struct gmem_backend any;    /* picks one of the others by the region's flags */
	struct gmem_backend foreign, grant, grant_on_demand;
};

/*
 * Fills in *x and opens the devices there are; one that is missing is told by the region that needs it.  x must
 * outlive the tables made with it.
 */
void gmem_xen_init(struct gmem_xen *x, const struct xen_sys *sys, unsigned int cache_pages);

/*
 * Only this domain's memory is to be had from now on; before tables are made.  The kernel sees to it for our own
 * privcmd (IOCTL_PRIVCMD_RESTRICT), the only device that would give us more than memory that was granted; for
 * descriptors that come with regions, which are the front-end's, and for grants a look at the region does. Returns 0;
 * -EINVAL: no guest has this id; or -errno of the ioctl, after which privcmd is closed.
 */
int gmem_xen_restrict(struct gmem_xen *x, unsigned int domid);

/* What the devices take. */
extern const struct sandbox_call gmem_xen_calls[];

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
