/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * random.h - numbers for tests that look arbitrary and are the same on every machine.
 */
#ifndef VDEVD_TEST_LIB_RANDOM_H
#define VDEVD_TEST_LIB_RANDOM_H

#include <stdint.h>

/* The next number; the state is any but 0 (xorshift32). */
static inline uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
