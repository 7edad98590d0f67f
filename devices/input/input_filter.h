/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_filter.h - what of a host's device the guest sees, and how: keys that are allowed (--allow-keys), keys and axes
 * that are others (--map), axes of another range (--abs-range).
 *
 * The axes of contacts go with those of the pointer: what is said of ABS_X holds for ABS_MT_POSITION_X, too.
 */
#ifndef VDEVD_DEVICES_INPUT_INPUT_FILTER_H
#define VDEVD_DEVICES_INPUT_INPUT_FILTER_H

#include "devices/input/input_host.h"

struct input_filter {
	/* options; zeroed there are none */
	bool allow;
	uint8_t allowed[INPUT_KEYS / 8]; /* the guest's keys */
	uint16_t keys[INPUT_KEYS];	 /* the guest's key, plus 1; 0: the same */
	uint8_t axes[INPUT_AXES];	 /* the guest's axis, plus 1; 0: the same */
	bool turned[INPUT_AXES];	 /* the axis runs the other way */
	bool ranged[INPUT_AXES];	 /* of the guest's axes: */
	int32_t min[INPUT_AXES], max[INPUT_AXES];
	/* by input_filter_caps */
	struct input_caps host, guest;
	bool beyond; /* the host's events are of a contact beyond INPUT_SLOTS */
};

/* Reads a value of --allow-keys, --map, --abs-range.  Returns 0, or -EINVAL with a reason in why. */
int input_filter_allow(struct input_filter *f, const char *value, char *why, size_t why_size);
int input_filter_map(struct input_filter *f, const char *value, char *why, size_t why_size);
int input_filter_range(struct input_filter *f, const char *value, char *why, size_t why_size);

/* Takes what the host's device is and can, and makes of it what the guest is told (f->guest). */
void input_filter_caps(struct input_filter *f, const struct input_caps *host);

/*
 * Makes a packet of the host's one for the guest, of which there may be nothing left.
 * out: room for n.  Returns the number of its events.
 */
unsigned int input_filter_packet(struct input_filter *f, const struct input_ev *evs, unsigned int n,
				 struct input_ev *out);

#endif
