/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_can.c - what is tried with the state of a CAN controller: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--backend=sim"}, {"--backend=sim", "--loopback"}, NULL},
};

static const struct state_wrong wrong[] = {
	{"controller", "\1\0\1\0", 4}, /* started and bus-off */
	{"controller", "\2\0\0\0", 4},
	{"controller", "\0\0\2\0", 4},
	{"controller", "\0\0\1", 3},
	{"frames", "", 0},
	{"frame", "\0\0\0\0", 4},
};

const struct state_rows state_rows_can = {
	.device = "can",
	.set_ups = {{"--backend=sim"}, {"--sim-echo"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
