/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_driver.h - an I2C driver's requests, for tests of that device: VIRTIO 1.4, section 5.16.
 */
#ifndef VDEVD_TEST_DEVICE_I2C_I2C_DRIVER_H
#define VDEVD_TEST_DEVICE_I2C_I2C_DRIVER_H

#include "test/lib/carrier.h"

#define REQUESTQ 0

#define FAIL_NEXT 1u
#define M_RD	  2u

#define OK  0
#define ERR 1

#define HEADER 8

#define SEGMENTS_MAX 42
#define SEGMENT_MAX  8192u

/* A request's readable part, of at most 64 bytes of data, in a buffer that the next call but seven uses again. */
const uint8_t *i2c_head(uint16_t field, uint32_t flags, const void *data, size_t len);

/* One request that is no group: writes or reads len bytes.  Returns the status. */
int i2c_put(struct carrier *c, uint8_t addr, const void *data, size_t len);
int i2c_take(struct carrier *c, uint8_t addr, void *data, size_t len);

/* One segment of several that are made available together, and how it must end. */
struct i2c_test_segment {
	uint8_t addr;
	uint8_t flags;
	const char *out; /* text, so without zeros, unless len says how long */
	size_t len;
	size_t in; /* at most 64 */
	int status;
	const char *want; /* what is read, when the status is OK */
};

/* Makes a request available, kicks only when told. */
struct frontend_request *i2c_offer(struct carrier *c, const struct i2c_test_segment *s, bool kick);

/* Waits for a request and compares. */
void i2c_check(struct carrier *c, const struct i2c_test_segment *s, struct frontend_request *req);

/*
 * Makes all available, then kicks once, waits for all.  A device that is not kicked but looks sees nothing meanwhile.  More
 * than the ring has room for in the setting's form stand in indirect tables.
 */
void i2c_together(struct carrier *c, const struct i2c_test_segment *s, unsigned int n);

#define TOGETHER(c, ...) \
	do { \
		const struct i2c_test_segment all_[] = {__VA_ARGS__}; \
		i2c_together((c), all_, ARRAY_SIZE(all_)); \
	} while (0)

#endif
