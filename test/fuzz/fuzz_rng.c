/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_rng.c - the entropy device; see device_harness.h.
 */
#include "test/fuzz/device_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Zeros, so that an input always does the same; so much of them that requests wait, too. */
	static const char *const args[] = {"--source=/dev/zero", "--max-bytes=100000", "--period=1", NULL};

	return fuzz_device("rng", args, data, size);
}
