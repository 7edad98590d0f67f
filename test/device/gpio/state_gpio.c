/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_gpio.c - what is tried with the state of a GPIO device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--backend=sim"}, {"--backend=sim"}, NULL},
	{{"--backend=sim", "--sim-lines=4"}, {"--backend=sim", "--sim-lines=5"}, "is of 4 lines, and here are 5"},
	{{"--backend=sim", "--sim-lines=4"}, {"--backend=sim", "--sim-lines=3"}, "is of 4 lines, and here are 3"},
};

static const struct state_wrong wrong[] = {
	{"lines", "\1", 1},
	{"line", "\3\0\0\0\0\0\0\0", 8}, /* no such direction */
	{"line", "\0\0\0\4\0\0\0\0", 8}, /* nor is there such a mark */
	{"line", "\2\4\0\1\0\0\0\0", 8}, /* an edge was told, of a level */
};

const struct state_rows state_rows_gpio = {
	.device = "gpio",
	.set_ups = {{"--backend=sim"}},
	.nset_ups = 1,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
};
