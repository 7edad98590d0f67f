/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fs_xattrmap.h - the rules of --xattrmap: by which names the host keeps the guest's extended attributes.
 */
#ifndef VDEVD_DEVICES_FS_FS_XATTRMAP_H
#define VDEVD_DEVICES_FS_FS_XATTRMAP_H

#include "core/base.h"

#define FS_XATTR_RULES	  64
#define FS_XATTR_NAME_MAX 255

enum fs_xattr_type { FS_XATTR_PREFIX, FS_XATTR_OK, FS_XATTR_BAD, FS_XATTR_UNSUPPORTED };

struct fs_xattr_rule {
	enum fs_xattr_type type;
	bool client, server;	   /* scope */
	const char *key, *prepend; /* parts of the option's value */
	uint8_t nkey, nprepend;
};

/* Zeroed, it leaves every name as it is. */
struct fs_xattrmap {
	struct fs_xattr_rule at[FS_XATTR_RULES];
	unsigned int n;
};

/*
 * Reads a set of rules; value stays.  Returns 0; -EINVAL with a reason in why.
 */
int fs_xattrmap_parse(struct fs_xattrmap *m, const char *value, char *why, size_t why_size);

/* The host's name of one of the guest's, in buf of FS_XATTR_NAME_MAX + 1 bytes.  Returns 0, or -EPERM, -EOPNOTSUPP,
 * -ERANGE. */
int fs_xattr_to_host(const struct fs_xattrmap *m, const char *name, char *buf);

/* The guest's name of one of the host's: a part of it, or NULL: it is not seen. */
const char *fs_xattr_to_guest(const struct fs_xattrmap *m, const char *name);

#endif
