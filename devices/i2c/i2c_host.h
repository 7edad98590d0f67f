/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_host.h - what the I2C adapter device (i2c.c) wants of its host side: i2c_dev.c, real adapters; i2c_sim.c,
 * simulated ones.
 */
#ifndef VDEVD_DEVICES_I2C_I2C_HOST_H
#define VDEVD_DEVICES_I2C_I2C_HOST_H

#include "core/base.h"
#include "core/log.h"
#include "core/state.h"

/* Segments of one transfer: what Linux's I2C_RDWR takes (I2C_RDWR_IOCTL_MAX_MSGS). */
#define I2C_SEGMENTS_MAX 42

/* Bytes of one segment: what I2C_RDWR takes. */
#define I2C_SEGMENT_MAX 8192

#define I2C_BUSES_MAX   16
#define I2C_TARGETS_MAX 64  /* simulated ones */
#define I2C_SPEC_MAX    128 /* bytes of a bus's name, its end included */

/*
 * An address on a bus: 0 to 0x7f, or 0xa000 plus a 10-bit address.  Linux writes 10-bit addresses in this way in
 * /sys/bus/i2c/devices, so people may know it.
 */
#define I2C_TEN_BIT      0xa000
#define I2C_ADDR_7BIT    0x80
#define I2C_ADDR_10BIT   0x400
#define I2C_ADDR_INDICES (I2C_ADDR_7BIT + I2C_ADDR_10BIT)

/* A message of a transfer, from its (repeated) START condition on: so many bytes to or from an address. */
struct i2c_segment {
	uint16_t addr;
	uint16_t len; /* bytes, at most I2C_SEGMENT_MAX */
	bool read;
	uint8_t *buf;
};

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
	struct i2c_rule rules[I2C_ADDR_INDICES]; /* --addr, by i2c_addr_index */
	struct i2c_sim_spec targets[I2C_TARGETS_MAX]; /* --sim */
	unsigned int ntargets;
	uint64_t timeout;        /* --timeout-ms; 0: the adapter's own */
	uint64_t retries;        /* --retries; 0: likewise */
	struct control *control; /* where a simulator's commands are added; NULL: there is no socket */
	uint64_t sim_delay;      /* --sim-delay, ms for each transfer */
};

struct ev_loop;

/* A host side. */
struct i2c_host_ops {
	const char *name; /* of --backend */
	/* NULL: this build has no such host side.  Opens the buses; completes the setup where it may.  Returns 0 and *host, or -errno after it has logged why. */
	int (*open)(struct i2c_setup *setup, struct log *log, struct ev_loop *loop, void **host);
	/*
	 * Makes one transfer on one bus: START, the segments with repeated START between them, STOP.  Runs on the worker
	 * thread.  Returns how many segments, from the first on, were done, or -errno.
	 */
	int (*transfer)(void *host, unsigned int bus, struct i2c_segment *segs, unsigned int n);
	/* On the loop, when the transfer has ended with this result.  May be NULL. */
	void (*ended)(void *host, unsigned int bus, const struct i2c_segment *segs, unsigned int n, int result);
	/*
	 * What a guest that moves to another host takes along of the targets; NULL: nothing, for they stay where they are.  As
	 * class->save and load, with no transfer under way.
	 */
	void (*save)(void *host, struct state *s);
	int (*load)(void *host, const struct state_record *r, struct log *log);
	/* Closes the buses.  busy: a transfer hangs; what it uses must stay. */
	void (*close)(void *host, bool busy);
};

extern const struct i2c_host_ops i2c_dev_ops, i2c_sim_ops;

static inline bool i2c_addr_is_ten_bit(uint16_t addr)
{
	return addr >= I2C_TEN_BIT;
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
 * Adds a simulated target as --sim says it, on the bus with this index.  Returns 0 or -EINVAL with a reason in why.
 */
int i2c_sim_add(struct i2c_setup *setup, unsigned int bus, const char *value, char *why, size_t why_size);

#endif
