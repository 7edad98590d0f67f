/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_jpeg.h - where the pictures of a Motion-JPEG file are: ITU-T T.81, annex B.  They are not decoded.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_JPEG_H
#define VDEVD_DEVICES_MEDIA_MEDIA_JPEG_H

#include "core/base.h"

#define MEDIA_JPEGS_MAX	   1000000u    /* of a file */
#define MEDIA_JPEG_LONGEST (64u << 20) /* bytes of one */

struct media_jpegs {
	struct media_jpeg {
		uint64_t offset;
		uint32_t len; /* bytes */
	} * at;
	uint32_t n, longest;	/* longest: bytes */
	uint32_t width, height; /* of all */
};

/*
 * Looks through a file from its beginning; bytes between two pictures are passed over.
 * Returns 0, or -EINVAL or -ENOMEM with a reason in why; free with media_jpegs_free in any case.
 */
int media_jpegs_find(struct media_jpegs *j, int fd, char *why, size_t why_size);
void media_jpegs_free(struct media_jpegs *j);

#endif
