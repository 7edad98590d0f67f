/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_smbus.h - transfers on adapters that know SMBus commands only.
 */
#ifndef VDEVD_DEVICES_I2C_I2C_SMBUS_H
#define VDEVD_DEVICES_I2C_I2C_SMBUS_H

#include <linux/i2c.h>

#include "devices/i2c/i2c_host.h"

/* A command, as i2c_smbus_access of libi2c takes it. */
struct smbus_call {
	char dir; /* I2C_SMBUS_READ or I2C_SMBUS_WRITE */
	uint8_t command;
	int size; /* the kind of command, I2C_SMBUS_... */
	union i2c_smbus_data data;
};

/*
 * Finds the command that is the transfer, among those that an adapter has (funcs: I2C_FUNCS).
 * Returns 0, or -EOPNOTSUPP: it is none, or the adapter does not have it.
 */
int smbus_plan(unsigned long funcs, const struct i2c_segment *segs, unsigned int n, struct smbus_call *call);

/*
 * Hands what the command has read to the segment that reads.
 * Returns 0, or -EPROTO when it was less than that wants.
 */
int smbus_take(const struct smbus_call *call, struct i2c_segment *r);

#endif
