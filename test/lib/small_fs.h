/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * small_fs.h - a file system with little room, seen by the process of the test alone and gone with it.
 */
#ifndef VDEVD_TEST_LIB_SMALL_FS_H
#define VDEVD_TEST_LIB_SMALL_FS_H

#include <check.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SMALL_FS_BYTES 65536

/* Makes the folder and mounts it.  Returns false, with the folder there, where that is not allowed: it takes root. */
static inline bool small_fs_new(const char *path)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", path, "tmpfs", 0, "size=65536") == 0;
}

static inline void small_fs_end(const char *path)
{
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
}

#endif
