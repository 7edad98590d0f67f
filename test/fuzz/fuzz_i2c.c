/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_i2c.c - the I2C adapter with simulated targets; see device_harness.h.
 */
#include "test/fuzz/device_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const args[] = {"--sim=lm75@0x48:21.5", "--sim=eeprom@0x50:256", "--sim=eeprom@0x51:4096",
					   "--sim=regs@0x20:64", NULL};

	return fuzz_device("i2c", args, data, size);
}
