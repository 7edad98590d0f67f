/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_vsock_packets.c - the socket device with its simulated host, packet by packet; see device_harness.h.
 */
#include "test/fuzz/device_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Few connections with little room: both limits are reached by short inputs. */
	static const char *const args[] = {"--backend=sim", "--max-connections=3", "--buffer-size=4K",
					   "--connect-timeout=10", NULL};

	return fuzz_device("vsock", args, data, size);
}
