/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_names.h - the names of keys, buttons and axes.
 */
#ifndef VDEVD_DEVICES_INPUT_INPUT_NAMES_H
#define VDEVD_DEVICES_INPUT_INPUT_NAMES_H

#include "core/words.h"
#include "devices/input/input_host.h"

/* Room for a name. */
#define INPUT_NAME 32

/*
 * The code of a key or button: "KEY_VOLUMEUP", "btn_left", "volumeup", or a number: "0x73".  A single digit is the key
 * with that digit.  Returns it, or -1.
 */
int input_key_find(const struct word *w);

/* The code of an axis: "ABS_X", "x", "0x0".  Returns it, or -1. */
int input_axis_find(const struct word *w);

/* Writes a key's name, or its number where it has none, into buf of size bytes, and returns buf. */
const char *input_key_name(unsigned int code, char *buf, size_t size);

#endif
