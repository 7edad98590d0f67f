/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_vsock.c - what is tried with the state of a socket device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--backend=sim"}, {"--backend=sim"}, NULL},
	{{"--backend=sim"}, {"--backend=sim", "--guest-cid=4"}, "--guest-cid=3, and here is --guest-cid=4"},
};

static const struct state_wrong wrong[] = {
	{"met", "\2", 1},
	{"guest-cid", "\3\0\0\0", 4},
};

const struct state_rows state_rows_vsock = {
	.device = "vsock",
	.set_ups = {{"--backend=sim", "--guest-cid=5", "--max-connections=2", "--buffer-size=4096"}},
	.nset_ups = 1,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
