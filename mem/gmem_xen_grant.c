/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem_xen_grant.c - regions whose addresses name grants, mapped by /dev/xen/gntdev: IOCTL_GNTDEV_MAP_GRANT_REF.
 *
 * Theory of operation.  A mapping is a run of pages with consecutive references: one ioctl registers the references,
 * one mmap of exactly that many pages maps them, and fails if one of them is bad.  The references are forgotten at
 * once: gntdev unmaps them when the mapping goes.  In advance, a region is one run; on demand, each pin is one.
 *
 * Nearly all that a mapping costs is in the request, little in its pages.  So pins wait for their addresses until the first
 * is asked for, and then all that wait and have the same access become one mapping, a block, which goes with its last run: the
 * pieces of a chain are pinned and unpinned together.  A run is writable only if it was pinned so: a grant that
 * the guest made read-only cannot be mapped otherwise.
 *
 * Runs that no pin holds can be kept in a cache, found by first reference, length and access, up to a number of pages,
 * and given up least recently used first.  Each is a block of its own then.  Without a cache, pins share a run only
 * while they wait together: what one chain has must not outlive it in another.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "mem/gmem_xen.h"
#include "mem/xen_abi.h"

#define HASH_BITS 8 /* of a region's runs */

/* A mapped run. */
struct run {
	void *va;
	uint32_t ref;         /* the first */
	uint64_t npages;
	enum gmem_access access;
	unsigned int pins;
	struct run *next_hash;
	struct run *next;          /* of those that wait */
	struct run *newer, *older; /* in the list of those without a pin */
	struct run *block;         /* the run whose mapping it is in */
	/* of that one: */
	unsigned int members;
	void *block_va;
	uint64_t block_pages;
};

struct grant_region {
	const struct xen_sys *sys;
	int fd;
	bool own_fd;              /* closed with the region */
	uint32_t domid;
	uint64_t first_ref;
	size_t lead;              /* of the region's first byte in its first page */
	struct gntdev_map_grant_ref *request; /* kept, so that a pin allocates nothing when one as long came before */
	uint32_t request_refs;
	struct run whole;         /* in advance */
	unsigned int cache_pages; /* kept at most */
	uint64_t kept_pages;
	struct run *waiting[2];   /* for a mapping, by access */
	struct run *hash[1 << HASH_BITS];
	struct run *newest, *oldest;
	struct run *spare;        /* structs without a mapping, for the next runs: by next_hash */
};

/* Room for a request of n references. */
static int request_reserve(struct grant_region *r, uint32_t n)
{
	struct gntdev_map_grant_ref *request;

	if (n <= r->request_refs)
		return 0;
	request = realloc(r->request, sizeof(*request) + (n - 1) * sizeof(request->refs[0]));
	if (!request)
		return -ENOMEM;
	r->request = request;
	r->request_refs = n;
	return 0;
}

/* Runs that are being mapped as one: from one on, up to another. */
struct mapping {
	struct grant_region *r;
	const struct run *runs, *end;
};

/* Puts n references of theirs, from page first on, into the request. */
static void request_fill(const struct mapping *m, uint64_t first, uint32_t n)
{
	struct gntdev_grant_ref *refs = m->r->request->refs;
	uint32_t i = 0;

	for (const struct run *run = m->runs; run != m->end; run = run->next) {
		for (uint64_t page = first; page < run->npages && i < n; page++)
			refs[i++] = (struct gntdev_grant_ref){.domid = m->r->domid, .ref = run->ref + (uint32_t)page};
		first -= min_u64(first, run->npages);
	}
}

static int map_request(void *arg, void *at, uint64_t first, uint32_t n, void **va, uint64_t *bad)
{
	const struct mapping *m = arg;
	struct grant_region *r = m->r;
	int prot = m->runs->access == GMEM_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	int err = request_reserve(r, n);

	*bad = first; /* gntdev does not say which of them it was */
	if (err)
		return err;
	*r->request = (struct gntdev_map_grant_ref){.count = n};
	request_fill(m, first, n);
	err = r->sys->ioctl(r->fd, IOCTL_GNTDEV_MAP_GRANT_REF, r->request);
	if (err)
		return err;
	struct gntdev_unmap_grant_ref forget = {.index = r->request->index, .count = n};

	err = r->sys->mmap(at, (size_t)n * XEN_PAGE_SIZE, prot, MAP_SHARED | (at ? MAP_FIXED : 0), r->fd,
			   r->request->index, va);
	r->sys->ioctl(r->fd, IOCTL_GNTDEV_UNMAP_GRANT_REF, &forget);
	return err;
}

/* Maps the runs from block on up to end as one; their ref, npages and access are set. */
static int block_map(struct grant_region *r, struct run *block, const struct run *end, uint64_t *bad)
{
	struct mapping m = {r, block, end};
	uint64_t npages = 0;

	for (const struct run *run = block; run != end; run = run->next)
		npages += run->npages;
	int err = gmem_xen_map(r->sys, npages, map_request, &m, &block->block_va, bad);

	if (err)
		return err;
	block->members = 0;
	block->block_pages = 0;
	for (struct run *run = block; run != end; run = run->next) {
		run->va = (char *)block->block_va + block->block_pages * XEN_PAGE_SIZE;
		run->block = block;
		block->block_pages += run->npages;
		block->members++;
	}
	return 0;
}

static void block_unmap(const struct grant_region *r, const struct run *block)
{
	r->sys->munmap(block->block_va, (size_t)block->block_pages * XEN_PAGE_SIZE);
}

/* What both ways need.  Returns 0 and *out; -EINVAL: the addresses cannot name grants; or why there is no gntdev. */
static int grant_new(const struct gmem_backend *self, const struct gmem_desc *desc, struct grant_region **out)
{
	const struct gmem_xen *x = self->context;
	uint64_t addr = desc->guest_addr & ~XEN_GRANT_ADDR;

	if (!(desc->guest_addr & XEN_GRANT_ADDR) || desc->offset || desc->xen_domid >= XEN_DOMID_RESERVED ||
	    addr / XEN_PAGE_SIZE > UINT32_MAX)
		return -EINVAL;
	/* References are registered with an open file: that which came, or our own. */
	int fd = desc->fd >= 0 ? x->sys->dup(desc->fd) : x->gntdev;

	if (fd < 0)
		return fd;
	struct grant_region *r = calloc(1, sizeof(*r));

	if (!r) {
		if (fd != x->gntdev)
			x->sys->close(fd);
		return -ENOMEM;
	}
	r->sys = x->sys;
	r->fd = fd;
	r->own_fd = desc->fd >= 0;
	r->domid = desc->xen_domid;
	r->first_ref = addr / XEN_PAGE_SIZE;
	r->lead = (size_t)(addr % XEN_PAGE_SIZE);
	r->cache_pages = x->cache_pages;
	*out = r;
	return 0;
}

static void grant_free(struct grant_region *r)
{
	if (r->own_fd)
		r->sys->close(r->fd);
	free(r->request);
	free(r);
}

/* Sets the run to the references behind len bytes at off.  Returns 0, or -EINVAL: there are not so many. */
static int run_set(struct run *run, const struct grant_region *r, uint64_t off, uint64_t len, enum gmem_access access)
{
	uint64_t ref = r->first_ref + (r->lead + off) / XEN_PAGE_SIZE;
	uint64_t npages = gmem_xen_pages(r->lead + off, len);

	if (ref > UINT32_MAX || npages - 1 > UINT32_MAX - ref)
		return -EINVAL;
	*run = (struct run){.ref = (uint32_t)ref, .npages = npages, .access = access};
	return 0;
}

static int advance_map(const struct gmem_backend *self, const struct gmem_desc *desc, void **base, void **priv,
		       uint64_t *fault)
{
	struct grant_region *r;
	uint64_t bad = 0;
	int err = grant_new(self, desc, &r);

	if (err)
		return err;
	err = run_set(&r->whole, r, 0, desc->size, GMEM_WRITE);
	if (!err)
		err = block_map(r, &r->whole, NULL, &bad);
	if (err) {
		*fault = bad ? bad * XEN_PAGE_SIZE - r->lead : 0;
		grant_free(r);
		return err;
	}
	*base = (char *)r->whole.va + r->lead;
	*priv = r;
	return 0;
}

static void advance_unmap(void *priv)
{
	struct grant_region *r = priv;

	block_unmap(r, &r->whole);
	grant_free(r);
}

/* A region may be wider than there are references: a front-end can give all grants of a guest at once. */
static int demand_map(const struct gmem_backend *self, const struct gmem_desc *desc, void **base, void **priv,
		      uint64_t *fault)
{
	struct grant_region *r;
	int err = grant_new(self, desc, &r);

	if (err)
		return err;
	*base = NULL;
	*priv = r;
	return 0;
}

static struct run **hash_slot(struct grant_region *r, uint32_t ref)
{
	return &r->hash[(ref * 2654435761u) >> (32 - HASH_BITS)];
}

/* Takes a run that gets a pin off the list of those that have none. */
static void unkeep(struct grant_region *r, struct run *run)
{
	*(run->newer ? &run->newer->older : &r->newest) = run->older;
	*(run->older ? &run->older->newer : &r->oldest) = run->newer;
	run->newer = run->older = NULL;
	r->kept_pages -= run->npages;
}

static void keep(struct grant_region *r, struct run *run)
{
	run->older = r->newest;
	run->newer = NULL;
	*(r->newest ? &r->newest->newer : &r->oldest) = run;
	r->newest = run;
	r->kept_pages += run->npages;
}

static void spare_put(struct grant_region *r, struct run *run)
{
	run->next_hash = r->spare;
	r->spare = run;
}

/* The run's part of its block is not needed any more. */
static void block_leave(struct grant_region *r, struct run *run)
{
	struct run *block = run->block;

	if (run != block)
		spare_put(r, run);
	if (--block->members)
		return;
	block_unmap(r, block);
	spare_put(r, block);
}

/* Gives up a run without a pin that is not on the list. */
static void drop(struct grant_region *r, struct run *run)
{
	struct run **p = hash_slot(r, run->ref);

	while (*p != run)
		p = &(*p)->next_hash;
	*p = run->next_hash;
	if (run->va) {
		block_leave(r, run);
		return;
	}
	for (p = &r->waiting[run->access]; *p != run;)
		p = &(*p)->next;
	*p = run->next;
	spare_put(r, run);
}

/* Gives runs up until at most max pages are kept. */
static void shrink(struct grant_region *r, unsigned int max)
{
	while (r->oldest && r->kept_pages > max) {
		struct run *run = r->oldest;

		unkeep(r, run);
		drop(r, run);
	}
}

/* Whether a pin that wants this can have that run. */
static bool run_serves(const struct grant_region *r, const struct run *run, const struct run *want)
{
	return run->ref == want->ref && run->npages >= want->npages &&
	       (want->access == GMEM_READ || run->access == GMEM_WRITE) && (r->cache_pages || !run->va);
}

/* Makes a run that waits for its mapping. */
static struct run *make(struct grant_region *r, const struct run *want)
{
	struct run *run = r->spare;

	if (run)
		r->spare = run->next_hash;
	else
		run = malloc(sizeof(*run));
	if (!run)
		return NULL;
	*run = *want;
	run->next_hash = *hash_slot(r, run->ref);
	*hash_slot(r, run->ref) = run;
	run->next = r->waiting[run->access];
	r->waiting[run->access] = run;
	return run;
}

static int demand_pin(void *priv, uint64_t off, size_t len, enum gmem_access access, struct gmem_seg *seg)
{
	struct grant_region *r = priv;
	struct run want;
	int err = run_set(&want, r, off, len, access);

	if (err)
		return err;
	struct run *run = *hash_slot(r, want.ref);

	while (run && !run_serves(r, run, &want))
		run = run->next_hash;
	if (!run)
		run = make(r, &want);
	else if (!run->pins)
		unkeep(r, run);
	if (!run)
		return -ENOMEM;
	run->pins++;
	seg->lead = (uint32_t)((r->lead + off) % XEN_PAGE_SIZE);
	if (run->va)
		seg->va = (char *)run->va + seg->lead;
	seg->cookie = run;
	return 0;
}

static int demand_settle(void *priv, struct gmem_seg *seg)
{
	struct grant_region *r = priv;
	const struct run *run = seg->cookie;
	struct run **waiting = &r->waiting[run->access];
	uint64_t bad;

	for (struct run *block = *waiting; block && !run->va; block = *waiting) {
		struct run *end = r->cache_pages ? block->next : NULL;
		int err = block_map(r, block, end, &bad);

		if (err)
			return err;
		*waiting = end;
	}
	seg->va = (char *)run->va + seg->lead;
	return 0;
}

static void demand_unpin(void *priv, struct gmem_seg *seg)
{
	struct grant_region *r = priv;
	struct run *run = seg->cookie;

	if (--run->pins)
		return;
	if (!run->va || run->npages > r->cache_pages) {
		drop(r, run);
		return;
	}
	keep(r, run);
	shrink(r, r->cache_pages);
}

static void demand_flush(void *priv, bool last)
{
	struct grant_region *r = priv;

	if (last)
		r->cache_pages = 0;
	shrink(r, 0);
}

static void demand_unmap(void *priv)
{
	struct grant_region *r = priv;

	demand_flush(r, true); /* no pin is left: the region lives as long as its last one */
	for (struct run *run = r->spare, *next; run; run = next) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it takes two spare runs for one */
		next = run->next_hash;
		free(run);
	}
	grant_free(r);
}

void gmem_xen_grant_init(struct gmem_backend *advance, struct gmem_backend *on_demand, const struct gmem_xen *x)
{
	*advance = (struct gmem_backend){
		.name = "Xen grants mapped in advance",
		.context = x,
		.map = advance_map,
		.unmap = advance_unmap,
	};
	*on_demand = (struct gmem_backend){
		.name = "Xen grants mapped on demand",
		.context = x,
		.map = demand_map,
		.unmap = demand_unmap,
		.pin = demand_pin,
		.settle = demand_settle,
		.unpin = demand_unpin,
		.flush = demand_flush,
	};
}
