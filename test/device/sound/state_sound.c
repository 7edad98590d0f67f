/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_sound.c - what is tried with the state of a sound device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--backend=sim"}, {"--backend=sim"}, NULL},
	{{"--backend=null"}, {"--backend=null", "--pace=free"}, NULL},
};

/* id, state, buffer, period, features, skip; channels, format, rate, direction */
#define STREAM(id, state, buffer, period, features, skip, tail)                                                        \
	id "\0\0\0" state "\0\0\0" buffer "\0\0\0" period "\0\0\0" features "\0\0\0" skip "\0\0\0" tail

static const struct state_wrong wrong[] = {
	{"stream", "", 0},
	{"stream", STREAM("\2", "\3", "\100", "\20", "\0", "\0", "\2\5\7\0"), 28},   /* a third stream */
	{"stream", STREAM("\0", "\3", "\100", "\20", "\0", "\0", "\2\5\7\1"), 28},   /* of the other direction */
	{"stream", STREAM("\0", "\6", "\100", "\20", "\0", "\0", "\2\5\7\0"), 28},   /* no such state */
	{"stream", STREAM("\0", "\0", "\100", "\20", "\0", "\0", "\2\5\7\0"), 28},   /* a state that is not saved */
	{"stream", STREAM("\0", "\3", "\100", "\21", "\0", "\0", "\2\5\7\0"), 28},   /* periods that do not fit */
	{"stream", STREAM("\0", "\3", "\100", "\20", "\4", "\0", "\2\5\7\0"), 28},   /* MSG_POLLING is not offered */
	{"stream", STREAM("\0", "\3", "\100", "\20", "\0", "\1", "\2\5\7\0"), 28},   /* within a frame */
	{"stream", STREAM("\0", "\3", "\100", "\20", "\0", "\104", "\2\5\7\0"), 28}, /* behind the buffer */
	{"jack", "\2\0\0\0", 4},
	{"jack", "\0\20\0\0", 4},
	{"jack", "\0\0\0", 3},
	{"card", "", 0},
};

const struct state_rows state_rows_sound = {
	.device = "sound",
	.set_ups = {{"--backend=sim"}, {"--backend=null"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
