/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * base.h - what every file of the project may use: sizes, endianness, container_of.
 */
#ifndef VDEVD_CORE_BASE_H
#define VDEVD_CORE_BASE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Little-endian fields of the wire formats: VIRTIO 1.4, section 1.4 "Structure Specifications". */
typedef uint16_t le16;
typedef uint32_t le32;
typedef uint64_t le64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (UINT64_C(1) << (n))

/* The struct of the given type whose member is at p. */
#define container_of(p, type, member) ((type *)(void *)((char *)(p) - offsetof(type, member)))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
