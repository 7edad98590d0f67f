/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_host.h - what the I2C adapter device (i2c.c) wants of its host side: i2c_dev.c, real adapters; i2c_sim.c,
 * simulated ones.
 */
#ifndef VDEVD_DEVICES_I2C_I2C_HOST_H
#define VDEVD_DEVICES_I2C_I2C_HOST_H

#include "core/base.h"
#include "core/log.h"
#include "core/sandbox.h"
#include "core/state.h"
#include "devices/i2c/i2c_setup.h"

/* Segments of one transfer: what Linux's I2C_RDWR takes (I2C_RDWR_IOCTL_MAX_MSGS). */
#define I2C_SEGMENTS_MAX 42

/* Bytes of one segment: what I2C_RDWR takes. */
#define I2C_SEGMENT_MAX 8192

/* A message of a transfer, from its (repeated) START condition on: so many bytes to or from an address. */
struct i2c_segment {
	uint16_t addr;
	uint16_t len; /* bytes, at most I2C_SEGMENT_MAX */
	bool read;
	uint8_t *buf;
};

struct ev_loop;

/* A host side. */
struct i2c_host_ops {
	const char *name; /* of --backend */
	/* What it does with the host after open, by the setup alone.  May be NULL. */
	void (*needs)(const struct i2c_setup *setup, struct sandbox *s);
	/* NULL: this build has no such host side.  Opens the buses; completes the setup where it may.  Returns 0 and *host, or -errno after it has logged why. */
	int (*open)(struct i2c_setup *setup, struct log *log, struct ev_loop *loop, void **host);
	/* Whether transfers cannot block now: then they are made on the loop.  NULL: they can. */
	bool (*prompt)(void *host);
	/*
	 * Makes one transfer on one bus: START, the segments with repeated START between them, STOP.  Runs on the
	 * worker thread, or on the loop when prompt says so.  Returns how many segments, from the first on, were done,
	 * or -errno.
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

/*
 * Adds a simulated target as --sim says it, on the bus with this index.  Returns 0 or -EINVAL with a reason in why.
 */
int i2c_sim_add(struct i2c_setup *setup, unsigned int bus, const char *value, char *why, size_t why_size);

#endif
