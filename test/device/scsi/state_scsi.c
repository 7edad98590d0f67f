/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_scsi.c - what is tried with the state of a SCSI host: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--lun=0:sim=64K"}, {"--lun=0:sim=64K", "--lun=1:sim=64K"}, NULL},
	{{"--lun=0:sim=64K"}, {"--lun=0:sim=128K"}, "has unit 0, of 65536 bytes in blocks of 512"},
	{{"--lun=0:sim=64K", "--lun=1:sim=64K"}, {"--lun=0:sim=64K"}, "has unit 1"},
};

#define UNIT "\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0"

static const struct state_wrong wrong[] = {
	{"sizes", "\x60\0\0\0\x41\0\0\0", 8}, {"sizes", "\xfd\0\0\0\x20\0\0\0", 8}, {"sizes", "\x60\0\0\0\x20\0\0", 7},
	{"unit", UNIT "\x40\0\0\0", 32},      {"unit", UNIT "\0\x40\0\0", 32},	    {"unit", UNIT "\0\0\x09\0", 32},
	{"unit", UNIT "\0\x20\0\0", 32},      {"unit", UNIT "\0\0\0\1", 32},	    {"unit", UNIT "\0\0\0", 31},
	{"units", UNIT "\0\0\0\0", 32},
};

const struct state_rows state_rows_scsi = {
	.device = "scsi",
	.set_ups = {{"--lun=0:sim=64K"}, {"--lun=0:sim=64K", "--lun=5:sim=64K,removable"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
