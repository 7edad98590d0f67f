/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state_rows.h - what is tried with the state of a device, when its guest moves: test/device/NAME/state_NAME.c has the rows.
 */
#ifndef VDEVD_TEST_LIB_STATE_ROWS_H
#define VDEVD_TEST_LIB_STATE_ROWS_H

#include "core/base.h"

#define STATE_ARGS    8
#define STATE_SET_UPS 4

/* A device is saved with its first options and loaded with the second. */
struct state_move {
	const char *const from[STATE_ARGS], *const to[STATE_ARGS];
	const char *why; /* part of the line, where it is refused; NULL: it is taken */
};

/* A record that no device writes. */
struct state_wrong {
	const char *name, *bytes;
	size_t len;
};

struct state_rows {
	const char *device;
	/* Options a fuzzer tries states with, by the first byte of its input; wrong records are tried with the first. */
	const char *const set_ups[STATE_SET_UPS][STATE_ARGS];
	unsigned int nset_ups;
	const struct state_move *moves;
	size_t nmoves;
	const struct state_wrong *wrong;
	size_t nwrong;
	bool ticks; /* the state tells a time that goes on: saved again it has other bytes, as many */
};

/* Those of the devices that are built; written by make.  Ends with NULL. */
extern const struct state_rows *const state_rows[];

#endif
