/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_mem_xen.c - a front-end's memory in another Xen domain: QEMU docs/interop/vhost-user.rst, "Memory region
 * description", the XEN_MMAP layout.
 *
 * The front-end's own view is a foreign mapping in any case; a grant may be read-only, and that is the back end's to
 * respect.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem/gmem_xen.h"
#include "transport/frontend/frontend_mem.h"

struct xen_view {
	struct gmem_xen xen;
	void *priv; /* of the foreign mapping */
};

static int xen_map(struct frontend_region *r)
{
	struct xen_view *v = calloc(1, sizeof(*v));
	uint64_t fault;

	if (!v)
		return -ENOMEM;
	gmem_xen_init(&v->xen, &xen_sys_kernel, 0);
	struct gmem_desc desc = {
		.guest_addr = r->xen_frame * XEN_PAGE_SIZE + r->guest_addr % XEN_PAGE_SIZE,
		.size = r->size,
		.fd = -1,
		.xen_domid = r->xen_domid,
	};
	int err = v->xen.foreign.map(&v->xen.foreign, &desc, &r->va, &v->priv, &fault);

	if (err) {
		gmem_xen_close(&v->xen);
		free(v);
		return err;
	}
	memset(r->va, 0, (size_t)r->size); /* it is mapped, so it fits */
	r->fd = (r->xen_flags & GMEM_XEN_GRANT) ? v->xen.gntdev : v->xen.privcmd;
	r->priv = v;
	return 0;
}

static void xen_unmap(struct frontend_region *r)
{
	struct xen_view *v = r->priv;

	v->xen.foreign.unmap(v->priv);
	gmem_xen_close(&v->xen);
	free(v);
}

const struct frontend_mem_ops frontend_mem_xen = {
	.name = "Xen domain",
	.map = xen_map,
	.unmap = xen_unmap,
};
