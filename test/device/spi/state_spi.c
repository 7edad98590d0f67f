/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_spi.c - what is tried with the state of an SPI controller: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--sim=regs:size=9", "--sim=adc"}, {"--sim=regs:size=9", "--sim=adc"}, NULL},
	{{"--sim=flash:size=64K"}, {"--sim=flash:size=64K,cs=0"}, NULL},
	{{"--sim=regs"}, {"--sim=regs:cs=1"}, "of another set-up: chips at 1 chip selects there, at 2 here"},
	{{"--sim=regs"}, {"--sim=regs:speed=1000000"}, "of another set-up"},
	{{"--sim=regs:modes=0"}, {"--sim=regs"}, "of another set-up"},
	{{"--sim=regs:size=9"},
	 {"--sim=regs:size=8"},
	 "of regs at chip select 0 with 9 bytes, and here is no such --sim"},
};

static const struct state_wrong wrong[] = {
	{"chips", "", 0},
	{"chip", "regs", 4},
	{"chip", "regs\0\0\0\0\x04\0\0\0abcdefgh", 20}, /* where there is none */
	{"chip", "regs\0\0\0\0\xff\0\0\0abcdefgh", 20},
	{"chip", "regs\0\0\0\0\1\1\0\0abcdefgh", 20},	       /* has no write enable */
	{"chip", "adc\0\0\0\0\0\2\0\0\0abcdefghijklmnop", 28}, /* values of more than 10 bits */
	{"backend", "simulated", 9},
	{"held", "", 0},
};

const struct state_rows state_rows_spi = {
	.device = "spi",
	.set_ups = {{"--sim=loopback", "--sim=regs:size=8", "--sim=adc"}},
	.nset_ups = 1,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
