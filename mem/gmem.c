/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem.c - guest memory: the table of regions, address translation, pins; see gmem.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem/gmem.h"
#include "mem/iotlb.h"
#include "mem/sigbus.h"

struct gmem_region {
	struct gmem_desc desc;
	const struct gmem_backend *backend;
	void *base;        /* NULL: each pin maps its own */
	void *priv;
	unsigned int refs; /* the table's and one for each pin */
};

#define SPACES 2

struct gmem {
	const struct gmem_backend *backend;
	unsigned int count;
	uint64_t fault;                                      /* of the last gmem_add */
	struct iotlb *tlb;                                   /* NULL: there is none */
	enum gmem_space tlb_space;                           /* of the addresses in it */
	unsigned int losses_seen;                            /* sigbus_losses when lost was last found out */
	bool lost;
	struct gmem_region *sorted[SPACES][GMEM_MAX_REGIONS]; /* by the start in each space */
	struct gmem_region *hint[SPACES];                    /* the last one found */
};

static uint64_t desc_start(const struct gmem_desc *d, enum gmem_space space)
{
	return space == GMEM_USER ? d->user_addr : d->guest_addr;
}

static uint64_t region_start(const struct gmem_region *r, enum gmem_space space)
{
	return desc_start(&r->desc, space);
}

static void region_put(struct gmem_region *r)
{
	if (--r->refs)
		return;
	r->backend->unmap(r->priv);
	free(r);
}

/* The table's own reference goes: what is pinned stays, nothing else does. */
static void region_retire(struct gmem_region *r)
{
	if (r->backend->flush)
		r->backend->flush(r->priv, true);
	region_put(r);
}

int gmem_new(const struct gmem_backend *backend, struct gmem **out)
{
	struct gmem *gm = calloc(1, sizeof(*gm));

	*out = NULL;
	if (!gm)
		return -ENOMEM;
	gm->backend = backend;
	gm->losses_seen = sigbus_losses();
	*out = gm;
	return 0;
}

void gmem_clear(struct gmem *gm)
{
	for (unsigned int i = 0; i < gm->count; i++)
		region_retire(gm->sorted[GMEM_GUEST][i]);
	gm->count = 0;
	memset(gm->hint, 0, sizeof(gm->hint));
}

void gmem_free(struct gmem *gm)
{
	if (!gm)
		return;
	gmem_clear(gm);
	free(gm);
}

unsigned int gmem_count(const struct gmem *gm)
{
	return gm->count;
}

/* The number of regions that start at or before addr. */
static unsigned int upper_bound(const struct gmem *gm, enum gmem_space space, uint64_t addr)
{
	unsigned int low = 0, high = gm->count;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (region_start(gm->sorted[space][mid], space) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool region_has(const struct gmem_region *r, enum gmem_space space, uint64_t addr)
{
	/* An address below the start wraps to a large number: one comparison serves both ends. */
	return addr - region_start(r, space) < r->desc.size;
}

static struct gmem_region *gmem_find(struct gmem *gm, enum gmem_space space, uint64_t addr)
{
	struct gmem_region *r = gm->hint[space];

	if (r && region_has(r, space, addr))
		return r;
	unsigned int i = upper_bound(gm, space, addr);

	if (!i || !region_has(gm->sorted[space][i - 1], space, addr))
		return NULL;
	r = gm->sorted[space][i - 1];
	gm->hint[space] = r;
	return r;
}

/* Where the region goes in the order of a space.  Returns the place or -EEXIST where it overlaps another. */
static int place_for(const struct gmem *gm, enum gmem_space space, const struct gmem_desc *desc)
{
	uint64_t start = desc_start(desc, space);
	unsigned int i = upper_bound(gm, space, start);

	if (i && region_has(gm->sorted[space][i - 1], space, start))
		return -EEXIST;
	if (i < gm->count && region_start(gm->sorted[space][i], space) - start < desc->size)
		return -EEXIST;
	return (int)i;
}

/* The last byte's address must exist in both spaces; the address after it need not. */
static int check_desc(const struct gmem_desc *desc)
{
	uint64_t last;

	if (!desc->size)
		return -EINVAL;
	if (__builtin_add_overflow(desc->guest_addr, desc->size - 1, &last) ||
	    __builtin_add_overflow(desc->user_addr, desc->size - 1, &last))
		return -EINVAL;
	return 0;
}

static int region_new(const struct gmem_backend *backend, const struct gmem_desc *desc, uint64_t *fault,
		      struct gmem_region **out)
{
	struct gmem_region *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->desc = *desc;
	r->desc.fd = -1; /* the caller's, and soon closed */
	r->backend = backend->choose ? backend->choose(backend, desc) : backend;
	r->refs = 1;
	int err = r->backend->map(r->backend, desc, &r->base, &r->priv, fault);

	if (err) {
		free(r);
		return err;
	}
	*out = r;
	return 0;
}

int gmem_add(struct gmem *gm, const struct gmem_desc *desc)
{
	int place[SPACES], err = check_desc(desc);
	struct gmem_region *r;
	uint64_t fault = 0;

	gm->fault = desc->guest_addr;
	if (err)
		return err;
	if (gm->count == GMEM_MAX_REGIONS)
		return -ENOSPC;
	for (unsigned int s = 0; s < SPACES; s++) {
		place[s] = place_for(gm, s, desc);
		if (place[s] < 0)
			return place[s];
	}
	err = region_new(gm->backend, desc, &fault, &r);
	gm->fault = desc->guest_addr + fault;
	if (err)
		return err;
	for (unsigned int s = 0; s < SPACES; s++) {
		struct gmem_region **at = gm->sorted[s] + place[s];

		memmove(at + 1, at, (gm->count - (unsigned int)place[s]) * sizeof(struct gmem_region *));
		*at = r;
	}
	gm->count++;
	return 0;
}

/* Whether a region with a byte of the guest's addresses from first to last has so many references. */
static bool region_between(const struct gmem *gm, uint64_t first, uint64_t last, unsigned int refs)
{
	for (unsigned int i = 0; i < gm->count; i++) {
		const struct gmem_region *r = gm->sorted[GMEM_GUEST][i];

		if (r->refs >= refs && r->desc.guest_addr <= last && r->desc.guest_addr + (r->desc.size - 1) >= first)
			return true;
	}
	return false;
}

bool gmem_overlaps(const struct gmem *gm, uint64_t first, uint64_t last)
{
	return region_between(gm, first, last, 1);
}

bool gmem_in_use(const struct gmem *gm, uint64_t first, uint64_t last)
{
	return region_between(gm, first, last, 2);
}

uint64_t gmem_fault(const struct gmem *gm)
{
	return gm->fault;
}

void gmem_flush(struct gmem *gm)
{
	for (unsigned int i = 0; i < gm->count; i++) {
		struct gmem_region *r = gm->sorted[GMEM_GUEST][i];

		if (r->backend->flush)
			r->backend->flush(r->priv, false);
	}
}

int gmem_remove(struct gmem *gm, const struct gmem_desc *desc)
{
	struct gmem_region *r = gmem_find(gm, GMEM_GUEST, desc->guest_addr);

	if (!r || r->desc.guest_addr != desc->guest_addr || r->desc.user_addr != desc->user_addr ||
	    r->desc.size != desc->size)
		return -ENOENT;
	for (unsigned int s = 0; s < SPACES; s++) {
		unsigned int after = upper_bound(gm, s, region_start(r, s));
		struct gmem_region **at = gm->sorted[s] + after;

		memmove(at - 1, at, (gm->count - after) * sizeof(struct gmem_region *));
		gm->hint[s] = NULL;
	}
	gm->count--;
	region_retire(r);
	return 0;
}

/* Pins len bytes at off, which lie inside the region. */
static int region_pin(struct gmem_region *r, uint64_t off, size_t len, enum gmem_access access, struct gmem_seg *seg)
{
	if (r->base) {
		seg->va = (char *)r->base + off;
	} else {
		seg->va = NULL;
		int err = r->backend->pin(r->priv, off, len, access, seg);

		if (err < 0)
			return err;
	}
	seg->len = len;
	seg->region = r;
	r->refs++;
	return 0;
}

void gmem_set_iotlb(struct gmem *gm, struct iotlb *tlb, enum gmem_space space)
{
	gm->tlb = tlb;
	gm->tlb_space = space;
}

bool gmem_has(struct gmem *gm, enum gmem_space space, uint64_t addr, uint64_t len)
{
	uint64_t last;

	if (!len || __builtin_add_overflow(addr, len - 1, &last))
		return !len;
	for (;;) {
		const struct gmem_region *r = gmem_find(gm, space, addr);
		uint64_t left;

		if (!r)
			return false;
		left = r->desc.size - (addr - region_start(r, space));
		if (last - addr < left)
			return true;
		addr += left;
	}
}

/* gmem_pin_later in a space that regions have. */
static int regions_pin(struct gmem *gm, enum gmem_space space, uint64_t addr, uint64_t len, enum gmem_access access,
		       struct gmem_seg *segs, unsigned int max)
{
	unsigned int n = 0;
	int err = -EFAULT;

	if (access == GMEM_UPDATE)
		access = GMEM_WRITE;
	while (len) {
		struct gmem_region *r = gmem_find(gm, space, addr);

		if (!r)
			goto undo;
		if (n == max) {
			err = -ENOSPC;
			goto undo;
		}
		uint64_t off = addr - region_start(r, space);
		size_t part = (size_t)min_u64(len, r->desc.size - off);

		err = region_pin(r, off, part, access, &segs[n]);
		if (err < 0)
			goto undo;
		n++;
		addr += part;
		len -= part;
		err = -EFAULT;
	}
	return (int)n;
undo:
	while (n)
		gmem_unpin(&segs[--n]);
	return err;
}

/* A segment that goes on where the one before ends becomes part of it: pages side by side are one piece.  Returns whether it did. */
static bool seg_join(struct gmem_seg *before, struct gmem_seg *seg)
{
	const struct gmem_region *r = seg->region;

	if (!r || !r->base || before->region != r || (char *)before->va + before->len != (char *)seg->va)
		return false;
	before->len += seg->len;
	gmem_unpin(seg); /* the region is held by the other */
	return true;
}

/* Pins piece by piece, as there are translations. */
static int iova_pin(struct gmem *gm, uint64_t addr, uint64_t len, enum gmem_access access, struct gmem_seg *segs,
		    unsigned int max)
{
	static const unsigned int perms[] = {
		[GMEM_READ] = IOTLB_READ, [GMEM_WRITE] = IOTLB_WRITE, [GMEM_UPDATE] = IOTLB_READ | IOTLB_WRITE};
	unsigned int n = 0;

	while (len) {
		struct gmem_seg spare = {.region = NULL}, *to = n < max ? segs + n : &spare;
		uint64_t at, run;
		int got = gm->tlb ? iotlb_find(gm->tlb, addr, len, perms[access], &at, &run) : -EFAULT;

		if (!got)
			got = regions_pin(gm, gm->tlb_space, at, run, access, to, n < max ? max - n : 1);
		if (got > 0 && n && seg_join(&segs[n - 1], to))
			memmove(to, to + 1, (size_t)--got * sizeof(*to));
		if (spare.region) {
			gmem_unpin(&spare);
			got = -ENOSPC;
		}
		if (got < 0) {
			while (n)
				gmem_unpin(&segs[--n]);
			return got;
		}
		n += (unsigned int)got;
		addr += run;
		len -= run;
	}
	return (int)n;
}

bool gmem_pin_plain(struct gmem *gm, enum gmem_space space, uint64_t addr, uint32_t len, struct gmem_seg *seg)
{
	struct gmem_region *r = gm->hint[space];

	if (!r || !r->base)
		return false;
	const uint64_t off = addr - region_start(r, space);

	/* An address before the region's is a huge offset. */
	if (off >= r->desc.size || len > r->desc.size - off)
		return false;
	r->refs++;
	seg->va = (char *)r->base + off;
	seg->len = len;
	seg->region = r;
	return true;
}

int gmem_pin_later(struct gmem *gm, enum gmem_space space, uint64_t addr, uint64_t len, enum gmem_access access,
		   struct gmem_seg *segs, unsigned int max)
{
	uint64_t last;

	if (!len)
		return 0;
	if (__builtin_add_overflow(addr, len - 1, &last))
		return -EFAULT;
	return space == GMEM_IOVA ? iova_pin(gm, addr, len, access, segs, max) :
				    regions_pin(gm, space, addr, len, access, segs, max);
}

int gmem_settle(struct gmem_seg *seg)
{
	return seg->va ? 0 : seg->region->backend->settle(seg->region->priv, seg);
}

int gmem_pin(struct gmem *gm, enum gmem_space space, uint64_t addr, uint64_t len, enum gmem_access access,
	     struct gmem_seg *segs, unsigned int max)
{
	int n = gmem_pin_later(gm, space, addr, len, access, segs, max);

	for (int i = 0; i < n; i++) {
		int err = gmem_settle(&segs[i]);

		if (!err)
			continue;
		while (n)
			gmem_unpin(&segs[--n]);
		return err;
	}
	return n;
}

void gmem_unpin(struct gmem_seg *seg)
{
	struct gmem_region *r = seg->region;

	if (!r->base)
		r->backend->unpin(r->priv, seg);
	seg->va = NULL;
	seg->region = NULL;
	region_put(r);
}

bool gmem_guest_addr(const struct gmem_seg *seg, uint64_t *addr)
{
	const struct gmem_region *r = seg->region;

	if (!r->base)
		return false;
	*addr = r->desc.guest_addr + (uint64_t)((char *)seg->va - (char *)r->base);
	return true;
}

bool gmem_lost(struct gmem *gm)
{
	unsigned int losses = sigbus_losses();

	if (gm->lost || losses == gm->losses_seen)
		return gm->lost;
	gm->losses_seen = losses;
	for (unsigned int i = 0; i < gm->count && !gm->lost; i++) {
		const struct gmem_region *r = gm->sorted[GMEM_GUEST][i];

		gm->lost = r->backend->lost && r->backend->lost(r->priv);
	}
	return gm->lost;
}

int gmem_each_range(struct gmem *gm, int (*each)(void *arg, void *start, size_t len), void *arg)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < gm->count; i++) {
		const struct gmem_region *r = gm->sorted[GMEM_GUEST][i];
		void *start;
		size_t len;

		if (!r->backend->range)
			return -EOPNOTSUPP;
		r->backend->range(r->priv, &start, &len);
		err = each(arg, start, len);
	}
	return err;
}
