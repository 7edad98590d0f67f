/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_scmi.c - what is tried with the state of an SCMI device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--device=board"}, {"--device=board", "--system-power=tell"}, NULL},
	{{"--device=fake,name=a"}, {"--device=fake,name=b"}, NULL},
};

#define ZEROS8	"\0\0\0\0\0\0\0\0"
#define ZEROS64 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8
#define NAME(n)                                                                                                        \
	n "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
	  "\0\0\0\0\0\0"
#define TAIL ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 ZEROS8 "\0\0\0\0" /* trips, requested */

static const struct state_wrong wrong[] = {
	{"agent", "\4\0\0\0\0\0\0\0", 8}, /* notices that there are not */
	{"agent", "\0\0\0\0\1\0\0\0", 8}, /* the base protocol cannot be denied */
	{"agent", "\0\0\0\0\0\0\0", 7},
	{"thing", "", 0},
	{"thing",
	 NAME("other") "\0\0\0\0"
		       "\4\0\0\0" ZEROS8 ZEROS8 TAIL "\0\0\0\0" ZEROS64 ZEROS64,
	 272},
	{"thing",
	 NAME("clock") "\1\0\0\0"
		       "\20\0\0\0" ZEROS8 ZEROS8 TAIL "\0\0\0\0" ZEROS64 ZEROS64,
	 272}, /* flags */
	{"thing",
	 NAME("clock") "\1\0\0\0"
		       "\4\0\0\0" ZEROS8 ZEROS8 TAIL "\2\0\0\0" ZEROS64 ZEROS64,
	 272}, /* a rate of 0 */
	{"thing",
	 NAME("clock") "\1\0\0\0"
		       "\4\0\0\0" ZEROS8 ZEROS8 TAIL "\1\0\0\0" ZEROS64 ZEROS64,
	 272}, /* a reading */
	{"thing",
	 NAME("clock") "\1\0\0\0"
		       "\4\0\0\0"
		       "\1\0\0\0\0\0\0\0" ZEROS8 TAIL "\0\0\0\0" ZEROS64 ZEROS64,
	 272}, /* updates each microsecond */
	{"seconds", "", 0},
};

const struct state_rows state_rows_scmi = {
	.device = "scmi",
	.set_ups = {{"--device=fake,kind=clock"}, {"--device=board"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
