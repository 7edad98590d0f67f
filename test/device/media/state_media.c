/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_media.c - what is tried with the state of a media device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--backend=pattern"}, {"--max-size=640x480"}, NULL},
};

static const struct state_wrong wrong[] = {
	{"sessions", "", 0},
	{"sessions", "\1\0\0", 3},
	{"sessions", "\0\0\0\0", 4},
	{"sessions", "\1\0\0\0\1\0\0\0", 8}, /* the same twice */
	{"session", "\1\0\0\0", 4},
};

const struct state_rows state_rows_media = {
	.device = "media",
	.set_ups = {{"--backend=pattern"}, {"--max-sessions=1"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
