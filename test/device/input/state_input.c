/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_input.c - what is tried with the state of an input device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--sim=keyboard"}, {"--sim=keyboard", "--allow-keys=KEY_A"}, NULL},
	{{"--sim=mouse"}, {"--sim=tablet"}, NULL},
	{{"--sim=touch"}, {"--sim=mouse"}, "a device of 10 contacts, which are not the 0 here"},
	{{"--sim=mouse"}, {"--sim=touch"}, "a device of 0 contacts, which are not the 10 here"},
};

static const struct state_wrong wrong[] = {
	{"input", "\0\0\1\0", 4},
	{"eventq", "\1\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0abcd", 20}, /* half an event */
	{"eventq", "", 0},
	{"keys", "\0\0\0\0", 4},
};

const struct state_rows state_rows_input = {
	.device = "input",
	.set_ups = {{"--sim=keyboard"}, {"--sim=touch"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
