/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_none.c - no adapters of the machine's, in a build without libi2c; see i2c_host.h.
 */
#include "devices/i2c/i2c_host.h"

const struct i2c_host_ops i2c_dev_ops = {.name = "i2c-dev"};
