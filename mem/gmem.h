/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem.h - guest memory: the table of regions, address translation, pins.
 *
 * Theory of operation.  A front-end describes guest memory as regions: a range of guest-physical
 * addresses, the same range in the front-end's own address space, and a file that holds it (vhost-user
 * specification, "Memory region description").  A back end (struct gmem_backend) makes the bytes of a
 * region reachable; shared-memory files are one, Xen foreign and grant mappings are others.
 *
 * Nobody outside this folder holds a pointer into guest memory without a pin.  gmem_pin() turns an address
 * range into segments, one for each region it touches, and each segment keeps its region alive; gmem_unpin()
 * gives it back, and the pointer is dead from then on.  That is the life of a Xen grant.  A region that is
 * removed while pinned disappears from translation at once and is unmapped with its last pin.
 *
 * A file that was cut short under its mapping raises SIGBUS on access.  gmem_sigbus_install() puts a page of
 * zeros there instead and marks the region lost, so that its owner can end the connection and not the process.
 */
#ifndef VDEVD_MEM_GMEM_H
#define VDEVD_MEM_GMEM_H

#include "core/base.h"
#include "core/sandbox.h"

struct gmem;
struct gmem_region;
struct iotlb;

/* The most regions in a table; what GET_MAX_MEM_SLOTS answers. */
#define GMEM_MAX_REGIONS 509

/* Which of a region's two address ranges an address belongs to. */
enum gmem_space {
	GMEM_USER,  /* the front-end's address space: ring addresses */
	GMEM_GUEST, /* guest-physical: descriptors */
	GMEM_IOVA,  /* behind an IOMMU, where both are neither: translated (gmem_set_iotlb) */
};

enum gmem_access {
	GMEM_READ,   /* the bytes are only read */
	GMEM_WRITE,  /* they are written, and an IOMMU need not let us read them */
	GMEM_UPDATE, /* both; to back ends as GMEM_WRITE */
};

/* A region as a front-end describes it. */
struct gmem_desc {
	uint64_t guest_addr;
	uint64_t size;       /* bytes */
	uint64_t user_addr;
	uint64_t offset;     /* of the region in fd, bytes; need not be page aligned */
	int fd;              /* -1: none came */
	uint32_t xen_flags;  /* GMEM_XEN_*; 0 but on connections that accepted XEN_MMAP */
	uint32_t xen_domid;  /* the guest's domain */
};

/* A pinned piece of guest memory.  Valid until gmem_unpin. */
struct gmem_seg {
	void *va;
	size_t len;
	struct gmem_region *region;
	void *cookie;  /* the back end's own */
	uint32_t lead; /* its own, too, while va is not known */
};

/* What makes the bytes of a region reachable.  An int is 0 or -errno; priv is the back end's own, one a region. */
struct gmem_backend {
	const char *name;
	const void *context; /* the back end's own, the same for all regions */
	/* The back end that serves this region.  NULL: this one does. */
	const struct gmem_backend *(*choose)(const struct gmem_backend *self, const struct gmem_desc *desc);
	/*
	 * Prepares the region; sets *base when all of it is reachable for its whole life.  To keep fd it must dup it.
	 * *fault: the offset in the region of the first page that failed, where it is known.
	 */
	int (*map)(const struct gmem_backend *self, const struct gmem_desc *desc, void **base, void **priv,
		   uint64_t *fault);
	void (*unmap)(void *priv);
	/*
	 * Makes len bytes at off reachable where base does not: sets seg->cookie, and seg->va or, where several pins are
	 * cheaper at once, leaves that to settle.  NULL: base does.
	 */
	int (*pin)(void *priv, uint64_t off, size_t len, enum gmem_access access, struct gmem_seg *seg);
	/* Sets seg->va that pin left NULL; best for all there are at once.  On an error the pin is still to be unpinned. */
	int (*settle)(void *priv, struct gmem_seg *seg);
	void (*unpin)(void *priv, struct gmem_seg *seg);
	/* Gives up what is kept reachable without a pin; last: and keeps nothing from now on.  NULL: nothing is kept. */
	void (*flush)(void *priv, bool last);
	/* Whether bytes of the region have gone since it was mapped.  NULL: they cannot. */
	bool (*lost)(const void *priv);
	/* All that is mapped for a region, in whole pages.  NULL: it is no shared memory. */
	void (*range)(const void *priv, void **start, size_t *len);
};

/* Shared memory: memfd, POSIX shm, hugetlbfs, a file. */
extern const struct gmem_backend gmem_shm;

/* Makes an empty table over a back end.  Returns 0 and *out (free with gmem_free), or -ENOMEM. */
int gmem_new(const struct gmem_backend *backend, struct gmem **out);

/* Removes all regions and frees the table; NULL is allowed.  Pinned regions live on until unpinned. */
void gmem_free(struct gmem *gm);

/*
 * Adds a region.  The fd stays the caller's.  Returns 0; -EINVAL: zero size, a sum that overflows, or beyond the
 * end of the file; -EEXIST: overlaps a region in either address space; -ENOSPC: the table is full; or the
 * back end's error.
 */
int gmem_add(struct gmem *gm, const struct gmem_desc *desc);

/* The guest address at which the last gmem_add of this table failed: the region's first, or that of a page in it. */
uint64_t gmem_fault(const struct gmem *gm);

/*
 * From now on addresses of GMEM_IOVA are translated by this table, which stays the caller's, into the given space; NULL: they
 * cannot be.
 */
void gmem_set_iotlb(struct gmem *gm, struct iotlb *tlb, enum gmem_space space);

/* Whether all of [addr, addr + len) is in regions. */
bool gmem_has(struct gmem *gm, enum gmem_space space, uint64_t addr, uint64_t len);

/* Gives up what the back end keeps reachable without a pin (a cache of grants). */
void gmem_flush(struct gmem *gm);

/* Removes the region with the same guest address, user address and size.  Returns 0 or -ENOENT. */
int gmem_remove(struct gmem *gm, const struct gmem_desc *desc);

/* Removes them all, as gmem_remove. */
void gmem_clear(struct gmem *gm);

/* Whether a region has a byte of the guest's addresses from first to last; and whether one that has is pinned somewhere. */
bool gmem_overlaps(const struct gmem *gm, uint64_t first, uint64_t last);
bool gmem_in_use(const struct gmem *gm, uint64_t first, uint64_t last);

/* The number of regions in the table. */
unsigned int gmem_count(const struct gmem *gm);

/*
 * Pins [addr, addr + len) as at most max segments in address order.  A range may go over from one region
 * into the next when they adjoin in the given space.
 * Returns the number of segments (0 when len is 0); -EFAULT: some byte is in no region; -ENOSPC: more than max
 * segments; -EAGAIN: an IOVA has no translation now (iotlb_missed); or the back end's error.  Nothing stays pinned on an error.
 */
int gmem_pin(struct gmem *gm, enum gmem_space space, uint64_t addr, uint64_t len, enum gmem_access access,
	     struct gmem_seg *segs, unsigned int max);

/*
 * The short way for what nearly every buffer is: all of [addr, addr + len), len at least 1, in one region that is reachable
 * for its whole life, and that the last lookup found.  space: not GMEM_IOVA.
 * Returns whether it is so, and *seg; otherwise nothing is said of the range: gmem_pin_later is to be asked.
 */
bool gmem_pin_plain(struct gmem *gm, enum gmem_space space, uint64_t addr, uint32_t len, struct gmem_seg *seg);

/*
 * As gmem_pin, but a segment's va may be NULL until gmem_settle.  What is pinned so before the first gmem_settle is made
 * reachable at once, which for grants is one system call in the place of many.
 */
int gmem_pin_later(struct gmem *gm, enum gmem_space space, uint64_t addr, uint64_t len, enum gmem_access access,
		   struct gmem_seg *segs, unsigned int max);

/* Sets the segment's va.  Returns 0 or the back end's error; the segment is still to be unpinned then. */
int gmem_settle(struct gmem_seg *seg);

/* Gives one segment back.  Its table may be gone. */
void gmem_unpin(struct gmem_seg *seg);

/*
 * The guest-physical address of a segment's first byte.  Returns false where the region is made reachable pin by pin (grants on
 * demand): what it has are no addresses of memory.
 */
bool gmem_guest_addr(const struct gmem_seg *seg, uint64_t *addr);

/* Whether bytes of a region of this table were lost (SIGBUS) since it was added. */
bool gmem_lost(struct gmem *gm);

/*
 * Calls each with the pages of every region, as far as it returns 0.  Returns 0; what each returned; -EOPNOTSUPP: a region is no shared memory.
 */
int gmem_each_range(struct gmem *gm, int (*each)(void *arg, void *start, size_t len), void *arg);

/*
 * Installs the SIGBUS handler for the process; what hits no region goes to the handler that was there.
 * Returns 0 or -errno.
 */
int gmem_sigbus_install(void);

/* What shared memory takes. */
extern const struct sandbox_call gmem_shm_calls[];

#endif
