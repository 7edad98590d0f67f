/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * xen_abi.h - Linux's /dev/xen/privcmd and /dev/xen/gntdev: include/uapi/xen/privcmd.h and gntdev.h of the kernel, the
 * first of which cannot be included by programs (it wants headers of the kernel's inside).
 */
#ifndef VDEVD_MEM_XEN_ABI_H
#define VDEVD_MEM_XEN_ABI_H

#include <linux/ioctl.h>

#include "core/base.h"

/* A frame number of a guest: 64 bits wide on every ARM, a long elsewhere. */
#ifdef __arm__
typedef uint64_t xen_frame;
#else
typedef unsigned long xen_frame;
#endif

/* Maps frames of another domain over a whole mapping of privcmd; err has 0 or -errno for each. */
struct privcmd_mmapbatch_v2 {
	unsigned int num;
	uint16_t dom;
	uint64_t addr;
	const xen_frame *arr;
	int *err;
};

#define IOCTL_PRIVCMD_MMAPBATCH_V2 _IOC(_IOC_NONE, 'P', 4, sizeof(struct privcmd_mmapbatch_v2))

/* From now on the open file is good for this domain alone, a uint16_t; for no hypercalls of the caller's choice.
 * Linux 4.11. */
#define IOCTL_PRIVCMD_RESTRICT _IOC(_IOC_NONE, 'P', 6, sizeof(uint16_t))

struct gntdev_grant_ref {
	uint32_t domid, ref;
};

/* Registers references; index is the offset for mmap. */
struct gntdev_map_grant_ref {
	uint32_t count, pad;
	uint64_t index;
	struct gntdev_grant_ref refs[1]; /* count of them */
};

#define IOCTL_GNTDEV_MAP_GRANT_REF _IOC(_IOC_NONE, 'G', 0, sizeof(struct gntdev_map_grant_ref))

struct gntdev_unmap_grant_ref {
	uint64_t index;
	uint32_t count, pad;
};

#define IOCTL_GNTDEV_UNMAP_GRANT_REF _IOC(_IOC_NONE, 'G', 1, sizeof(struct gntdev_unmap_grant_ref))

#endif
