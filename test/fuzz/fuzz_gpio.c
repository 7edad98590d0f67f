/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_gpio.c - the GPIO device on its simulated chip, whose lines are wired so that outputs make edges; see
 * device_harness.h.
 */
#include "test/fuzz/device_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const args[] = {"--backend=sim",    "--sim-names=A,B,C",    "--sim-wire=0-1,2-3,3-4,5-5",
					   "--input-only=6",   "--output-only=7",      "--active-low=4",
					   "--bias=6:pull-up", "--drive=5:open-drain", NULL};

	return fuzz_device("gpio", args, data, size);
}
