/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_ids.h - users and groups: whose the guest's numbers are on the host, and the other way round.
 */
#ifndef VDEVD_DEVICES_FS_FS_IDS_H
#define VDEVD_DEVICES_FS_FS_IDS_H

#include "core/base.h"

#define FS_ID_RANGES 64

enum fs_id_kind {
	FS_ID_GUEST,	    /* one by one, from guest to host */
	FS_ID_HOST,	    /* one by one, from host to guest */
	FS_ID_SQUASH_GUEST, /* many of the guest's are one of the host's */
	FS_ID_SQUASH_HOST,  /* the other way round */
	FS_ID_FORBID_GUEST, /* the guest's cannot be used */
	FS_ID_MAP,	    /* one by one, both ways */
};

struct fs_id_range {
	enum fs_id_kind kind;
	uint32_t from, to, count;
};

/* Zeroed, it leaves every number as it is. */
struct fs_idmap {
	struct fs_id_range at[FS_ID_RANGES];
	unsigned int n;
};

/*
 * Adds a range: "TYPE:SOURCE:TARGET:COUNT", where forbid-guest has no TARGET; numbers of users or groups.
 * Returns 0; -EINVAL with a reason in why.
 */
int fs_idmap_add(struct fs_idmap *m, const char *value, char *why, size_t why_size);

/* The host's number.  Returns false: it cannot be used. */
bool fs_id_to_host(const struct fs_idmap *m, uint32_t id, uint32_t *out);
/* The guest's number. */
uint32_t fs_id_to_guest(const struct fs_idmap *m, uint32_t id);

#endif
