/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_blk.c - what is tried with the state of a block device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--backend=sim", "--sim-size=64K"}, {"--backend=sim", "--sim-size=64K", "--num-queues=1"}, NULL},
	{{"--backend=sim", "--sim-size=64K"},
	 {"--backend=sim", "--sim-size=128K"},
	 "of a disk of 65536 bytes, and here is one of 131072"},
	{{"--backend=sim", "--read-only"}, {"--backend=sim"}, "read-only, and here is one of"},
};

static const struct state_wrong wrong[] = {
	{"disk", "\0\0\1\0\0\0\0\0\2\0", 10},
	{"disk", "\0\0\1\0\0\0\0\0\1\2", 10},
	{"disk", "\0\0\1\0\0\0\0\0\1", 9},
	{"disks", "\0\0\1\0\0\0\0\0\1\0", 10},
};

const struct state_rows state_rows_blk = {
	.device = "blk",
	.set_ups = {{"--backend=sim", "--sim-size=64K"}, {"--backend=sim", "--sim-size=64K", "--read-only"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
