/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_runs.h - pictures packed by runs, as PackBits (TIFF 6.0, section 9) has it: the coded format of the codec that is made up.
 *
 * A byte n from 0 to 127 is followed by n + 1 bytes as they are; one from 129 to 255 by one that stands 257 - n times; 128 is nothing.
 */
#ifndef VDEVD_DEVICES_MEDIA_MEDIA_RUNS_H
#define VDEVD_DEVICES_MEDIA_MEDIA_RUNS_H

#include "core/base.h"

/* What n bytes become at most. */
static inline size_t media_runs_most(size_t n)
{
	return n + n / 128 + 1;
}

/* Packs n bytes into out, of media_runs_most(n).  in may change meanwhile.  Returns how many bytes were written. */
size_t media_runs_pack(const uint8_t *in, size_t n, uint8_t *out);

/* Unpacks n bytes into out of size bytes.  in may change meanwhile.  Returns whether that is exactly what there is. */
bool media_runs_unpack(const uint8_t *in, size_t n, uint8_t *out, size_t size);

#endif
