/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_i2c.c - what is tried with the state of an I2C adapter: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--sim=lm75@0x48", "--sim=regs@0x20:9"}, {"--sim=lm75@0x48", "--sim=regs@0x20:9"}, NULL},
	{{"--sim=lm75@0x48:1"}, {"--sim=lm75@0x48:2"}, NULL},
	{{"--sim=lm75@0x48"}, {"--sim=lm75@0x49"}, "the first that differs is 0x48 there, on bus 0, and 0x49 here"},
	{{"--sim=lm75@0x48"}, {"--sim=lm75@0x48", "--sim=lm75@0x50"}, "it has 1 addresses, here are 2"},
	{{"--sim=lm75@0x48", "--addr=0x48"}, {"--sim=lm75@0x48", "--addr=0x48:ro"}, "of another set-up"},
	{{"--bus=a", "--sim=lm75@0x48"}, {"--bus=b", "--sim=lm75@0x48"}, NULL},
	{{"--bus=a", "--bus=b", "--sim=lm75@0x48"}, {"--bus=b", "--sim=lm75@0x48"}, "of another set-up"},
	{{"--sim=regs@0x48:9"}, {"--sim=lm75@0x48"}, "of regs@0x48 with 9 bytes, and here is no such --sim"},
	{{"--sim=regs@0x48:9"}, {"--sim=regs@0x48:8"}, "and here is no such --sim"},
};

static const struct state_wrong wrong[] = {
	{"failing", "\2", 1},
	{"failing", "", 0},
	{"target", "lm75", 4},
	{"target", "lm75\0\0\0\0\x48\0\0\0\4\0\0\0abcdefgh", 24}, /* has four registers */
	{"target", "lm75\0\0\0\0\x48\0\1\0\0\0\0\0abcdefgh", 24}, /* on another bus */
	{"backend", "simulated", 9},
	{"addresses", "\x48\0", 2},
};

const struct state_rows state_rows_i2c = {
	.device = "i2c",
	.set_ups = {
		{"--sim=lm75@0x48", "--sim=eeprom@0x50:128", "--sim=regs@0x20:8"},
		{"--bus=a", "--sim=regs@0x20:8", "--bus=b", "--sim=regs@0x21:8", "--addr=0x21-0x22:ro"},
	},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
