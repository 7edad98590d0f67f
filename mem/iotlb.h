/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * iotlb.h - translations of I/O virtual addresses, as a front-end with an IOMMU tells them: QEMU docs/interop/vhost-user.rst,
 * "IOMMU support".
 *
 * A cache: what is not in it is asked for, and what does not fit, or overlaps what is told later, is forgotten.  An entry that was
 * not used for long goes first.  A translation that was used lives on in what was pinned by it (gmem.h), not here.
 */
#ifndef VDEVD_MEM_IOTLB_H
#define VDEVD_MEM_IOTLB_H

#include "core/base.h"

/* The most translations that are kept: 16 MiB in pages of 4 KiB. */
#define IOTLB_MAX 4096u

/* What is allowed, or wanted. */
#define IOTLB_READ  1u
#define IOTLB_WRITE 2u

struct iotlb;

/* An address that was looked up in vain, and what for. */
struct iotlb_miss {
	uint64_t iova;
	unsigned int perm;
};

/* Makes an empty one.  Returns 0 and *out (free with iotlb_free), or -ENOMEM. */
int iotlb_new(struct iotlb **out);

/* NULL is allowed. */
void iotlb_free(struct iotlb *t);

/*
 * The range [iova, iova + size) is at addr, in the space that the user of the table knows, from now on.
 * Returns 0; -EINVAL: zero size, a sum that overflows, or no permission.
 */
int iotlb_update(struct iotlb *t, uint64_t iova, uint64_t size, uint64_t addr, unsigned int perm);

/* Forgets all entries that have bytes from first to last. */
void iotlb_invalidate(struct iotlb *t, uint64_t first, uint64_t last);

/*
 * Translates the beginning of the len bytes at iova: *run of them, at least one, lie at *addr.
 * Returns 0, or -EAGAIN: no entry, or not with this permission; then iotlb_missed tells it.
 */
int iotlb_find(struct iotlb *t, uint64_t iova, uint64_t len, unsigned int perm, uint64_t *addr, uint64_t *run);

/* What was last looked up in vain. */
struct iotlb_miss iotlb_missed(const struct iotlb *t);

#endif
