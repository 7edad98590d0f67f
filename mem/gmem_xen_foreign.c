/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem_xen_foreign.c - a region of another domain's guest frames, mapped by /dev/xen/privcmd:
 * IOCTL_PRIVCMD_MMAPBATCH_V2.
 *
 * The ioctl succeeds when pages failed; only its array of errors tells, and to touch such a page is death.  So a
 * region with a single failed page is refused.  A page that is mapped stays: the hypervisor counts the mapping, and
 * keeps the page also when its domain dies.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "mem/gmem_xen.h"
#include "mem/xen_abi.h"

struct foreign_region {
	const struct xen_sys *sys;
	void *start; /* whole pages */
	size_t len;
};

/* What is to be mapped. */
struct frames {
	const struct xen_sys *sys;
	int fd;
	uint16_t domid;
	uint64_t first;
};

/* Maps n frames over the whole mapping at va; *bad: the first that failed, counted from the mapping's. */
static int map_frames(const struct frames *f, void *va, uint64_t first, uint32_t n, uint64_t *bad)
{
	xen_frame *frames = calloc(n, sizeof(*frames));
	int *errors = calloc(n, sizeof(*errors));
	int err = -ENOMEM;

	if (!frames || !errors)
		goto out;
	for (uint32_t i = 0; i < n; i++)
		frames[i] = (xen_frame)(f->first + first + i);
	struct privcmd_mmapbatch_v2 batch = {
		.num = n,
		.dom = f->domid,
		.addr = (uintptr_t)va,
		.arr = frames,
		.err = errors,
	};

	err = f->sys->ioctl(f->fd, IOCTL_PRIVCMD_MMAPBATCH_V2, &batch);
	for (uint32_t i = 0; i < n; i++) {
		if (!errors[i])
			continue;
		*bad = first + i;
		err = errors[i] < 0 ? errors[i] : -EIO;
		break;
	}
out:
	free(frames);
	free(errors);
	return err;
}

static int map_request(void *arg, void *at, uint64_t first, uint32_t n, void **va, uint64_t *bad)
{
	const struct frames *f = arg;
	size_t len = (size_t)n * XEN_PAGE_SIZE;
	int err = f->sys->mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), f->fd, 0, va);

	if (err)
		return err;
	err = map_frames(f, *va, first, n, bad);
	if (err && !at)
		f->sys->munmap(*va, len);
	return err;
}

static int foreign_map(const struct gmem_backend *self, const struct gmem_desc *desc, void **base, void **priv,
		       uint64_t *fault)
{
	const struct gmem_xen *x = self->context;
	uint64_t lead = desc->guest_addr % XEN_PAGE_SIZE, npages = gmem_xen_pages(lead, desc->size), bad = 0;
	struct frames f = {
		.sys = x->sys,
		.fd = desc->fd >= 0 ? desc->fd : x->privcmd, /* the mapping outlives it */
		.domid = (uint16_t)desc->xen_domid,
		.first = desc->guest_addr / XEN_PAGE_SIZE,
	};

	if (desc->offset || desc->xen_domid >= XEN_DOMID_RESERVED || f.first + npages - 1 > (xen_frame)-1)
		return -EINVAL;
	if (f.fd < 0)
		return f.fd;
	struct foreign_region *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->sys = x->sys;
	r->len = (size_t)npages * XEN_PAGE_SIZE;
	int err = gmem_xen_map(x->sys, npages, map_request, &f, &r->start, &bad);

	if (err) {
		*fault = bad ? bad * XEN_PAGE_SIZE - lead : 0;
		free(r);
		return err;
	}
	*base = (char *)r->start + lead;
	*priv = r;
	return 0;
}

static void foreign_unmap(void *priv)
{
	struct foreign_region *r = priv;

	r->sys->munmap(r->start, r->len);
	free(r);
}

void gmem_xen_foreign_init(struct gmem_backend *backend, const struct gmem_xen *x)
{
	*backend = (struct gmem_backend){
		.name = "Xen foreign mapping",
		.context = x,
		.map = foreign_map,
		.unmap = foreign_unmap,
	};
}
