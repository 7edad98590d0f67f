/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dead_domain.c - a Xen domain that never runs; see dead_domain.h.
 */
#include "test/xen/dead_domain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xen/grant_table.h>
#include <xen/memory.h>

/* Of the grant table, 512 entries each. */
#define TABLE_FRAMES 4

struct dead_domain {
	xc_interface *xc;
	xenforeignmemory_handle *memory;
	xenforeignmemory_resource_handle *table;
	grant_entry_v1_t *grants;
	uint32_t domid;
	bool created;
};

static int fail(struct dead_domain *d, const char *what)
{
	int err = errno ? -errno : -EIO;

	fprintf(stderr, "dead domain: %s: %s\n", what, strerror(-err));
	if (d->created)
		dead_domain_destroy(d);
	dead_domain_free(d);
	return err;
}

static int create(struct dead_domain *d)
{
	struct xen_domctl_createdomain config = {
		.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
		.max_vcpus = 1,
		.max_evtchn_port = -1,
		.max_grant_frames = TABLE_FRAMES,
		.max_maptrack_frames = 1,
		.grant_opts = XEN_DOMCTL_GRANT_version(1),
	};

#ifdef __aarch64__
	config.arch.gic_version = XEN_DOMCTL_CONFIG_GIC_NATIVE;
	config.arch.tee_type = XEN_DOMCTL_CONFIG_TEE_NONE;
#else
	config.arch.emulation_flags = XEN_X86_EMU_LAPIC;
#endif
	if (xc_domain_create(d->xc, &d->domid, &config))
		return -1;
	d->created = true;
	return 0;
}

/* Gives it its pages. */
static int populate(struct dead_domain *d, unsigned int pages)
{
	xen_pfn_t *frames = calloc(pages, sizeof(*frames));
	int ret;

	if (!frames)
		return -1;
	for (unsigned int i = 0; i < pages; i++)
		frames[i] = DEAD_FIRST_FRAME + i;
	ret = xc_domain_populate_physmap_exact(d->xc, d->domid, pages, 0, 0, frames);
	free(frames);
	return ret;
}

int dead_domain_new(unsigned int pages, struct dead_domain **out)
{
	struct dead_domain *d = calloc(1, sizeof(*d));
	void *table = NULL;

	if (!d)
		return -ENOMEM;
	errno = 0;
	d->xc = xc_interface_open(NULL, NULL, 0);
	d->memory = xenforeignmemory_open(NULL, 0);
	if (!d->xc || !d->memory)
		return fail(d, "open");
	if (create(d))
		return fail(d, "create");
	if (xc_domain_setmaxmem(d->xc, d->domid, pages * 4u + 4096))
		return fail(d, "maximum of memory");
	if (xc_set_paging_mempool_size(d->xc, d->domid, 2u << 20) < 0)
		return fail(d, "memory for page tables");
	if (populate(d, pages))
		return fail(d, "memory");
	d->table = xenforeignmemory_map_resource(d->memory, d->domid, XENMEM_resource_grant_table,
						 XENMEM_resource_grant_table_id_shared, 0, TABLE_FRAMES, &table,
						 PROT_READ | PROT_WRITE, 0);
	if (!d->table)
		return fail(d, "grant table");
	d->grants = table;
	*out = d;
	return 0;
}

void dead_domain_destroy(struct dead_domain *d)
{
	xc_domain_destroy(d->xc, d->domid);
}

int dead_domain_destroy_other(uint32_t domid)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	int ret = xc ? xc_domain_destroy(xc, domid) : -1;

	if (xc)
		xc_interface_close(xc);
	return ret;
}

void dead_domain_free(struct dead_domain *d)
{
	if (!d)
		return;
	if (d->table)
		xenforeignmemory_unmap_resource(d->memory, d->table);
	if (d->memory)
		xenforeignmemory_close(d->memory);
	if (d->xc)
		xc_interface_close(d->xc);
	free(d);
}

uint32_t dead_domain_id(const struct dead_domain *d)
{
	return d->domid;
}

/* The hypervisor looks at the other members when it sees the flags. */
void dead_domain_grant(struct dead_domain *d, uint32_t ref, uint64_t frame, unsigned int n, bool read_only)
{
	for (unsigned int i = 0; i < n; i++) {
		grant_entry_v1_t *g = &d->grants[ref + i];

		g->domid = 0;
		g->frame = (uint32_t)(frame + i);
		__atomic_store_n(&g->flags, (uint16_t)(GTF_permit_access | (read_only ? GTF_readonly : 0)),
				 __ATOMIC_RELEASE);
	}
}

void dead_domain_revoke(struct dead_domain *d, uint32_t ref, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		__atomic_and_fetch(&d->grants[ref + i].flags, (uint16_t)~GTF_type_mask, __ATOMIC_SEQ_CST);
}

bool dead_domain_in_use(const struct dead_domain *d, uint32_t ref, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (__atomic_load_n(&d->grants[ref + i].flags, __ATOMIC_SEQ_CST) & (GTF_reading | GTF_writing))
			return true;
	}
	return false;
}
