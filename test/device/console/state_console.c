/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_console.c - what is tried with the state of a console: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--backend=sim"}, {"--console=null"}, NULL},
	{{"--backend=sim"}, {"--console=sim", "--port=sim"}, "1 ports, and there are 2 here"},
};

static const struct state_wrong wrong[] = {
	{"console", "\1\0\0\0\0\0\0\0\2\0\0\0", 12}, /* ready is 0 or 1 */
	{"console", "\2\0\0\0\0\0\0\0\1\0\0\0", 12}, /* another number of ports */
	{"console", "\1\0\0\0", 4},
	{"port", "\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0", 16}, /* no such port */
	{"port", "\0\0\0\0\2\0\0\0\1\0\0\0\1\0\0\0", 16}, /* more taken than there is */
	{"port", "\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0", 16},
	{"port", "\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0", 16}, /* ready, but unplugged */
	{"port", "\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0", 16}, /* open, but not ready */
	{"port", "\0\0\0\0\0\0\0\0\0\0\0\0\1\1\1\2", 16},
	{"port", "\0\0\0\0\0\0\0\0\0\0\0\0\1\1\1", 15},
	{"messages", "", 0},
	{"ports", "\0\0\0\0", 4},
};

const struct state_rows state_rows_console = {
	.device = "console",
	.set_ups = {{"--backend=sim"}, {"--console=null"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
