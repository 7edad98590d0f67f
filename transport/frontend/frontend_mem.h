/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_mem.h - the memory a front-end shares with a back end, and an allocator over it:
 * QEMU docs/interop/vhost-user.rst, "Memory region description".
 */
#ifndef VDEVD_TRANSPORT_FRONTEND_FRONTEND_MEM_H
#define VDEVD_TRANSPORT_FRONTEND_FRONTEND_MEM_H

#include "core/base.h"

struct frontend_mem;

/* A region as a back end is told of it. */
struct frontend_region {
	uint64_t guest_addr;
	uint64_t size;      /* bytes */
	uint64_t user_addr; /* 0 when made: where it is mapped here */
	uint64_t offset;    /* of the region in the file; need not be page aligned */
	int fd;             /* the region's */
	void *va;           /* where it is mapped here */
	void *priv;         /* the back end's */
	/* In another domain of Xen; with XEN_MMAP only. */
	uint32_t xen_flags; /* GMEM_XEN_* */
	uint32_t xen_domid;
	uint64_t xen_frame; /* the guest frame of the region's first page, wherever guest_addr has a grant */
	bool no_fd;         /* the back end is to open its own device */
};

/* How regions come into being: files in memory; foreign or granted pages of another domain. */
struct frontend_mem_ops {
	const char *name;
	/* Makes r->size zeroed bytes: sets fd, va and priv, and may set offset.  Returns 0 or -errno. */
	int (*map)(struct frontend_region *r);
	void (*unmap)(struct frontend_region *r);
};

extern const struct frontend_mem_ops frontend_mem_memfd;

/*
 * Pages of another domain, by foreign mapping here, and for the back end as xen_flags say.  Its frames from xen_frame
 * on must be there, and the grants that guest_addr names be made for them.  Absent where Xen is not built in.
 */
extern const struct frontend_mem_ops frontend_mem_xen;

/* A piece of shared memory by its three addresses. */
struct frontend_buf {
	void *va;
	uint64_t guest;
	uint64_t user;
	size_t len;
};

/*
 * Makes count regions from their guest_addr, size, user_addr and offset; the other members are set here.
 * Returns 0 and *out (free with frontend_mem_free), or -errno.
 */
int frontend_mem_new(const struct frontend_mem_ops *ops, const struct frontend_region *regions, unsigned int count,
		     struct frontend_mem **out);

/* Unmaps and closes all; NULL is allowed. */
void frontend_mem_free(struct frontend_mem *m);

/* Adds a region; nothing is told to the back end.  Returns its index or -errno. */
int frontend_mem_add(struct frontend_mem *m, const struct frontend_region *region);

/* Removes the last region, in which nothing may be allocated; its fd is closed. */
void frontend_mem_drop(struct frontend_mem *m);

/*
 * Puts another file, as long as the present one, in its place: the region is there from now on, at the same addresses, here and for
 * whoever is told of it.  For memory made of files alone.  fd becomes the memory's.  Returns the file there was, the caller's, or -errno.
 */
int frontend_mem_replace(struct frontend_mem *m, unsigned int i, int fd);

unsigned int frontend_mem_count(const struct frontend_mem *m);
const struct frontend_region *frontend_mem_region(const struct frontend_mem *m, unsigned int i);

#define FRONTEND_MEM_ANY (-1)

/*
 * Takes len bytes, zeroed, whose guest address is a multiple of align (a power of two), from the region with this
 * index or from any.  Returns 0, or -ENOMEM.
 */
int frontend_mem_alloc(struct frontend_mem *m, int region, size_t len, size_t align, struct frontend_buf *buf);

/* Gives back what frontend_mem_alloc gave; a zeroed buf is allowed, and buf is zeroed. */
void frontend_mem_release(struct frontend_mem *m, struct frontend_buf *buf);

/*
 * Copies between shared memory by guest address and host memory, across regions that adjoin.
 * Return 0, or -EFAULT: some byte is in no region.
 */
int frontend_mem_write(struct frontend_mem *m, uint64_t guest, const void *from, size_t len);
int frontend_mem_read(const struct frontend_mem *m, uint64_t guest, void *to, size_t len);

#endif
