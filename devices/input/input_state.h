/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_state.h - how a device stands: keys that are down, switches, axes, contacts; and the packets that lead from one
 * such state to another.
 *
 * By it packets are put together where there is no room for them, and a driver is told where a device stands that it
 * has not seen move.
 */
#ifndef VDEVD_DEVICES_INPUT_INPUT_STATE_H
#define VDEVD_DEVICES_INPUT_INPUT_STATE_H

#include "devices/input/input_host.h"

/* Codes of a contact: from ABS_MT_TOUCH_MAJOR to ABS_MT_TOOL_Y. */
#define INPUT_MT_FIRST 0x30u
#define INPUT_MT_CODES 14u

#define INPUT_SWITCHES 32u

/* Events of the packets that input_state_lead makes, at most, with each one's SYN_REPORT. */
#define INPUT_LEAD_PACKET 62u

struct input_state {
	uint8_t keys[INPUT_KEYS / 8];
	uint8_t switches[INPUT_SWITCHES / 8];
	int32_t abs[INPUT_AXES];
	unsigned int slots; /* of contacts; 0: the device has none, and its ABS_MT_... are no state */
	unsigned int slot;  /* the one that the next ABS_MT_... is of */
	int32_t mt[INPUT_SLOTS][INPUT_MT_CODES];
};

/* As a fresh device is.  caps: which says whether it has slots. */
void input_state_init(struct input_state *s, const struct input_caps *caps);

/* Goes on by an event.  What is no state (motion, time stamps) changes nothing; numbers that there are not neither. */
void input_state_apply(struct input_state *s, const struct input_ev *ev);

/* No key is down, nothing touches. */
void input_state_release(struct input_state *s);

/* Another state in every code that the device has: one that a driver may be in is led from it to whatever is true. */
void input_state_opposite(struct input_state *s, const struct input_caps *caps);

/*
 * Leads from one state to another with the same slots: packets of at most INPUT_LEAD_PACKET events, each of which is
 * handed to put.  Contacts that have ended come first, in a packet of their own, as a driver expects it.
 */
void input_state_lead(const struct input_state *from, const struct input_state *to,
		      void (*put)(void *arg, const struct input_ev *evs, unsigned int n), void *arg);

#endif
