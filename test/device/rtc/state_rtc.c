/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_rtc.c - what is tried with the state of an RTC device: test/lib/state_rows.h.
 */
#include "test/lib/state_rows.h"

static const struct state_move moves[] = {
	{{"--backend=sim"}, {"--backend=sim", "--sim-time=5", "--offset=1d"}, NULL},
	{{"--backend=sim"}, {"--backend=sim", "--clock=utc"}, "of 3 clocks, which are not the 1 here"},
	{{"--clock=utc"}, {"--clock=utc-smeared"}, "of 1 clocks, which are not the 1 here"},
	{{"--clock=utc-noon"}, {"--clock=utc-sls"}, "of 1 clocks, which are not the 1 here"},
};

static const struct state_wrong wrong[] = {
	{"clocks", "\3\0\1\0\2", 5},
	{"monotonic", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15},
	{"monotonic", "\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0", 16}, /* after some centuries */
	{"leap", "\0\0\0\0\0\0\0\0\1\1\0\0\0\0\0\0", 16},	   /* in 1970 */
	{"leap", "\0\0\x60\xd8\x98\x8c\x95\x14\1\1\0\0\0\0\0\0", 16}, /* at no midnight */
	{"leap", "\0\0\0\0\0\0\0\0\1\1\0\0\0\0\0", 15},
	{"alarm", "\1\0\0\0\0\0\0\0\3\0\1\0\0\0\0\0", 16}, /* of a fourth clock */
	{"alarm", "\1\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0", 16}, /* it has passed, and is off */
	{"alarm", "\1\0\0\0\0\0\0\0\0\0\1\0\0\0\0", 15},
	{"alarmq", "\1\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 32}, /* of a fourth clock */
	{"alarmq", "\1\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\1\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32}, /* no such notification */
	{"seconds", "", 0},
};

const struct state_rows state_rows_rtc = {
	.device = "rtc",
	.set_ups = {{"--backend=sim"}, {"--clock=utc,utc-sls,monotonic"}},
	.nset_ups = 2,
	.moves = moves,
	.nmoves = ARRAY_SIZE(moves),
	.wrong = wrong,
	.nwrong = ARRAY_SIZE(wrong),
	.ticks = true,
};
