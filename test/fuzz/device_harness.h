/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * device_harness.h - requests made of a fuzzer's bytes, for any device that has a test/device/NAME/fuzz.args.
 *
 * The input is a row of records, each of four or five bytes and what they announce:
 *
 *	0  queue in the low 4 bits; in the next three what to do (enum fuzz_do); in the last one whether there is a fifth byte
 *	1  bytes the device reads (FUZZ_REQUEST, FUZZ_RAW), that follow; offset in the configuration space
 *	2  bytes it may write, in units of 1 when below 128, else of 64; bytes of configuration space
 *	3  how: bytes in each descriptor; 0: one descriptor for each part
 *	4  sectors of 512 bytes more: that the device reads in the high 4 bits, that it may write in the low 4
 *
 * Rings are well-formed: fuzz_ring is the target for those that are not.  What must hold is checked with abort.
 */
#ifndef VDEVD_TEST_FUZZ_DEVICE_HARNESS_H
#define VDEVD_TEST_FUZZ_DEVICE_HARNESS_H

#include "core/device.h"

enum fuzz_do {
	FUZZ_REQUEST, /* made available, the device kicked */
	FUZZ_QUIET,   /* made available, no kick yet */
	FUZZ_CONFIG_READ,
	FUZZ_CONFIG_WRITE, /* the bytes that follow */
	FUZZ_RESTART,	   /* the ring stops and goes on */
	FUZZ_RESET,	   /* the driver resets the device */
	FUZZ_WAIT,	   /* timers and descriptors of the device get their turn */
	FUZZ_FEATURES,	   /* a reset; then bytes 1 and 2 are feature bits 0 to 15 */
};

/* The device of this target and its options, written by make; "%T" in one of them is a fresh folder. */
extern const char *const fuzz_device_name, *const fuzz_device_args[];

/* Runs one input.  args: options of the device, ends with NULL; NULL: none.  Returns 0. */
int fuzz_device(const char *device, const char *const *args, const uint8_t *data, size_t size);

#endif
