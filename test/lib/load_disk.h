/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load_disk.h - what the loads of devices with disks have in common (guest_load.h): a file, and places on it of which
 * every word says which place it is and which writing.
 */
#ifndef VDEVD_TEST_LIB_LOAD_DISK_H
#define VDEVD_TEST_LIB_LOAD_DISK_H

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOAD_PLACES	 12u
#define LOAD_PLACE_BYTES 2048u

/* The file of all places, dir/disk. */
static inline void load_disk_prepare(const char *dir)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/disk", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, LOAD_PLACES * LOAD_PLACE_BYTES), 0);
	close(fd);
}

/* Each word of a place, written so often. */
static inline uint32_t load_disk_word(uint32_t place, uint32_t written)
{
	return written ? place << 24 | (written & 0xffffff) : 0;
}

static inline void load_disk_put(void *data, uint32_t word)
{
	for (unsigned int i = 0; i < LOAD_PLACE_BYTES; i += 4)
		memcpy((char *)data + i, &word, 4);
}

/* Fails where a place that was read has another word. */
static inline void load_disk_check(const void *data, uint32_t place, uint32_t want)
{
	uint32_t got;

	/* Too often for ck_assert, which writes each time. */
	for (unsigned int i = 0; i < LOAD_PLACE_BYTES; i += 4) {
		memcpy(&got, (const char *)data + i, 4);
		if (got != want)
			ck_abort_msg("place %u has 0x%08x at %u, and was told 0x%08x", place, got, i, want);
	}
}

#endif
