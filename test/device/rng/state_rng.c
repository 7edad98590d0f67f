/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_rng.c - what is tried with the state of an entropy device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--max-bytes=5"}, {NULL}, NULL},
};

static const struct state_wrong wrong[] = {
	{"period", "\0\0\0\0\0\0\0\0\x01\x02\xe8\x03", 12}, /* more than 65536 ms */
	{"period", "\0\0\0\0\0\0\0\0\0\0\0", 11},
	{"moment", "\0\0\0\0\0\0\0\0\0\0\0\0", 12},
};

const struct state_rows state_rows_rng = {
	.device = "rng",
	.set_ups = {{"--source=/dev/zero", "--max-bytes=1000", "--period=500"}},
	.nset_ups = 1,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
