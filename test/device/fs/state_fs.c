/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_fs.c - what is tried with the state of a shared folder: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

#define SESSION "\0\0\0\0\0\0\0\0\x2d\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"

static const struct state_move moves[] = {
	{{"--shared-dir=/usr"}, {"--shared-dir=/usr", "--readonly"}, NULL},
};

static const struct state_wrong wrong[] = {
	{"session", SESSION, 23},
	{"session", "\0\0\0\0\0\0\0\0\x2e\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 24},	 /* a later version */
	{"session", "\0\0\0\0\0\0\0\x80\x2d\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 24}, /* a flag that there is not */
	{"session", "\0\0\0\0\0\0\0\0\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24},
	{"files", "", 0}, /* of no session */
	{"opens", "", 0},
	{"file", "", 0},
};

const struct state_rows state_rows_fs = {
	.device = "fs",
	.set_ups = {{"--shared-dir=/usr", "--readonly", "--max-inodes=100", "--max-open=20", "--fd-cache=64"}},
	.nset_ups = 1,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
