/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_setup.h - which buses there are and which addresses on them the guest may use: the options --bus, --addr and
 * their like.
 */
#ifndef VDEVD_DEVICES_I2C_I2C_SETUP_H
#define VDEVD_DEVICES_I2C_I2C_SETUP_H

#include "core/base.h"

struct control;

#define I2C_BUSES_MAX	16
#define I2C_TARGETS_MAX 64  /* simulated ones */
#define I2C_SPEC_MAX	128 /* bytes of a bus's name, its end included */

/*
 * An address on a bus: 0 to 0x7f, or 0xa000 plus a 10-bit address.  Linux writes 10-bit addresses in this way in
 * /sys/bus/i2c/devices, so people may know it.
 */
#define I2C_TEN_BIT	 0xa000
#define I2C_ADDR_7BIT	 0x80
#define I2C_ADDR_10BIT	 0x400
#define I2C_ADDR_MAX	 (I2C_TEN_BIT + I2C_ADDR_10BIT - 1)
#define I2C_ADDR_INDICES (I2C_ADDR_7BIT + I2C_ADDR_10BIT)

/* What the guest may do with an address. */
enum i2c_access {
	I2C_ACCESS_NONE,
	I2C_ACCESS_FULL,
	I2C_ACCESS_READ,   /* reads, and one byte of register address before one */
	I2C_ACCESS_READ16, /* likewise, two bytes */
};

struct i2c_rule {
	uint8_t access; /* enum i2c_access */
	uint8_t bus;
};

/* A simulated target as --sim says: kind@addr[:param]. */
struct i2c_sim_spec {
	const struct sim_kind *kind;
	uint16_t addr;
	uint8_t bus;
	uint32_t param; /* the kind's own */
};

/* All that was asked for. */
struct i2c_setup {
	char buses[I2C_BUSES_MAX][I2C_SPEC_MAX]; /* --bus */
	unsigned int nbuses;
	struct i2c_rule rules[I2C_ADDR_INDICES];      /* --addr, by i2c_addr_index */
	struct i2c_sim_spec targets[I2C_TARGETS_MAX]; /* --sim */
	unsigned int ntargets;
	uint64_t timeout;	 /* --timeout-ms; 0: the adapter's own */
	uint64_t retries;	 /* --retries; 0: likewise */
	struct control *control; /* where a simulator's commands are added; NULL: there is no socket */
	uint64_t sim_delay;	 /* --sim-delay, ms for each transfer */
};

static inline bool i2c_addr_is_ten_bit(uint16_t addr)
{
	return addr >= I2C_TEN_BIT;
}

/* Whether a number is an address, of 7 or of 10 bits. */
static inline bool i2c_addr_sound(uint64_t n)
{
	return n < I2C_ADDR_7BIT || (n >= I2C_TEN_BIT && n <= I2C_ADDR_MAX);
}

/* Where an address stands in a table of I2C_ADDR_INDICES, and back. */
static inline unsigned int i2c_addr_index(uint16_t addr)
{
	return i2c_addr_is_ten_bit(addr) ? I2C_ADDR_7BIT + (addr & (I2C_ADDR_10BIT - 1)) : addr;
}

static inline uint16_t i2c_index_addr(unsigned int index)
{
	return (uint16_t)(index < I2C_ADDR_7BIT ? index : I2C_TEN_BIT + (index - I2C_ADDR_7BIT));
}

/* Reads an address as people write it: 0x48, 72, 0xa150.  Returns 0 or -EINVAL. */
int i2c_addr_parse(const char *text, uint16_t *addr);

/*
 * The options, one function each: --bus, --addr, --device-list (vhost-device-i2c: BUS:ADDR[:ADDR...][,BUS:...]).
 * The value is copied.  Each returns 0, or -EINVAL with a reason in why.
 */
int i2c_setup_bus(struct i2c_setup *setup, const char *value, char *why, size_t why_size);
int i2c_setup_addr(struct i2c_setup *setup, const char *value, char *why, size_t why_size);
int i2c_setup_device_list(struct i2c_setup *setup, const char *value, char *why, size_t why_size);

/* The index of the bus that --addr and --sim speak of: the last, or the one that need not be named. */
unsigned int i2c_setup_last_bus(const struct i2c_setup *setup);

/* Finds the buses, by index, for which there is an --addr. */
void i2c_setup_ruled(const struct i2c_setup *setup, bool ruled[static I2C_BUSES_MAX]);

#endif
