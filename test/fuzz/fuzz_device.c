/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_device.c - a device, with the options of test/device/NAME/fuzz.args, one a line; see device_harness.h.
 */
#include "test/fuzz/device_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_device(fuzz_device_name, fuzz_device_args, data, size);
}
