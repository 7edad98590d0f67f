/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_devices.c - for each kind of device a request that does no harm, and how its answer must look:
 * VIRTIO 1.4, section 5 "Device Types".
 */
#include "cmd/probe/probe.h"

#include <string.h>

/* Section 5: the kinds of device that are served over vhost-user. */
static const struct {
	uint32_t id;
	const char *name;
} ids[] = {
	{1, "net"},	 {2, "block"},	{3, "console"}, {4, "rng"},    {5, "balloon"}, {8, "scsi"}, {16, "gpu"},
	{17, "rtc"},	 {18, "input"}, {19, "vsock"},	{20, "crypto"}, {25, "sound"}, {26, "fs"},  {28, "rpmb"},
	{31, "video"}, {32, "scmi"},	{34, "i2c"},	{36, "can"},	{41, "gpio"},  {45, "spi"}, {48, "media"},
};

const char *probe_id_name(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (ids[i].id == id)
			return ids[i].name;
	}
	return NULL;
}

uint32_t probe_id_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (strcmp(ids[i].name, name) == 0)
			return ids[i].id;
	}
	return 0;
}

/* Section 5.4: "The device MUST place one or more random bytes into the buffer". */
static const char *rng_check(const uint8_t *answer, uint32_t used)
{
	return used ? NULL : "no byte was written";
}

/* Section 5.18.6.2 GET_DIRECTION of line 0: it reads the state and changes none. */
static void gpio_build(uint8_t *readable)
{
	readable[0] = 2;
}

static const char *gpio_check(const uint8_t *answer, uint32_t used)
{
	if (used != 2)
		return "not the two bytes of a response";
	if (answer[0] != 0)
		return "line 0 has no direction";
	return answer[1] <= 2 ? NULL : "a direction that there is not";
}

/* Section 5.18.6: line 0 is made an input, which drives nothing, and read. */
static void gpio_input_build(uint8_t *readable)
{
	readable[0] = 3; /* SET_DIRECTION */
	readable[4] = 2;
}

static void gpio_value_build(uint8_t *readable)
{
	readable[0] = 4; /* GET_VALUE */
}

static const char *gpio_value_check(const uint8_t *answer, uint32_t used)
{
	if (used != 2)
		return "not the two bytes of a response";
	if (answer[0] != 0)
		return "line 0 cannot be read";
	return answer[1] <= 1 ? NULL : "a value that there is not";
}

static const struct probe_device gpio_bench = {
	.what = "GET_VALUE of line 0, an input",
	.readable = 8,
	.writable = 2,
	.build = gpio_value_build,
	.check = gpio_value_check,
	.prepare = gpio_input_build,
};

/* Section 5.16.6: a read of one byte at address 0x7c, which is reserved, so that no device does anything. */
static void i2c_build(uint8_t *readable)
{
	readable[0] = 0x7c << 1;
	readable[4] = 2;
}

static const char *i2c_check(const uint8_t *answer, uint32_t used)
{
	if (used != 2)
		return "not the byte and the status";
	return answer[1] <= 1 ? NULL : "a status that there is not";
}

/* Section 5.10.6: a reset of a connection that does not exist, which nobody answers. */
static void vsock_build(uint8_t *readable)
{
	readable[0] = 3;  /* source CID; le64 */
	readable[8] = 2;  /* destination CID, the host; le64 */
	readable[16] = 1; /* source and destination port; le32 */
	readable[20] = 1;
	readable[28] = 1; /* stream */
	readable[30] = 3; /* RST */
}

static const char *vsock_check(const uint8_t *answer, uint32_t used)
{
	return used ? "bytes in a buffer without room" : NULL;
}

/* Section 5.11.6, and FUSE_INIT of the Linux FUSE interface, version 7.31: a client may begin anew at any time. */
static void fs_build(uint8_t *readable)
{
	readable[0] = 56; /* bytes in all; le32 */
	readable[4] = 26; /* INIT; le32 */
	readable[8] = 1;  /* which the answer repeats; le64 */
	readable[40] = 7; /* version; le32, twice */
	readable[44] = 31;
}

static const char *fs_check(const uint8_t *answer, uint32_t used)
{
	static const uint8_t head[16] = {80, [8] = 1};

	if (used != sizeof(head) + 64)
		return "not the 80 bytes of an answer to INIT";
	return memcmp(answer, head, sizeof(head)) == 0 ? NULL : "its head is not that of a success";
}

static const struct probe_device devices[] = {
	{.id = 4, .what = "entropy", .writable = 64, .check = rng_check},
	{.id = 19, .what = "RST", .queue = 1, .readable = 44, .build = vsock_build, .check = vsock_check},
	{.id = 26, .what = "INIT", .queue = 1, .readable = 56, .writable = 80, .build = fs_build, .check = fs_check},
	{.id = 34,
	 .what = "read of a reserved address",
	 .features = BIT(0),
	 .readable = 8,
	 .writable = 2,
	 .build = i2c_build,
	 .check = i2c_check},
	{.id = 41,
	 .what = "GET_DIRECTION",
	 .readable = 8,
	 .writable = 2,
	 .build = gpio_build,
	 .check = gpio_check,
	 .bench = &gpio_bench},
};

const struct probe_device *probe_device_find(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		if (devices[i].id == id)
			return &devices[i];
	}
	return NULL;
}
