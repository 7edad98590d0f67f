/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_foreign.c - sample requests of devices that others serve and for which there is no class here: VIRTIO 1.4, section 5.
 */
#include <string.h>

#include "cmd/probe/probe.h"

/* Section 5.11.6, and FUSE_INIT of the Linux FUSE interface, version 7.31: a client may begin anew at any time. */
static const uint8_t fuse_init[56] = {
	[0] = 56, /* bytes in all; le32 */
	[4] = 26, /* INIT; le32 */
	[8] = 1,  /* which the answer repeats; le64 */
	[40] = 7, /* version; le32, twice */
	[44] = 31,
};

static const char *fuse_check(const uint8_t *in, uint32_t used)
{
	static const uint8_t head[16] = {80, [8] = 1};

	if (used != sizeof(head) + 64)
		return "not the 80 bytes of an answer to INIT";
	return memcmp(in, head, sizeof(head)) == 0 ? NULL : "its head is not that of a success";
}

static const struct vdev_sample fs_samples[] = {
	{.what = "INIT", .queue = 1, .out = fuse_init, .out_len = sizeof(fuse_init), .in_len = 80, .check = fuse_check},
	{0},
};

static const struct {
	uint32_t id;
	const struct vdev_sample *samples;
} foreign[] = {{26, fs_samples}};

const struct vdev_sample *probe_foreign_samples(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		if (foreign[i].id == id)
			return foreign[i].samples;
	}
	return NULL;
}
