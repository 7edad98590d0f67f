/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_replay.h - a device and its events in a file, as evemu-record(1) writes it: played again, and recorded.
 */
#ifndef VDEVD_DEVICES_INPUT_INPUT_REPLAY_H
#define VDEVD_DEVICES_INPUT_INPUT_REPLAY_H

#include <stdio.h>

#include <ev.h>

#include "devices/input/input_host.h"

struct input_replay_event {
	uint64_t at; /* us */
	struct input_ev ev;
};

/* Zeroed it is empty. */
struct input_replay {
	struct ev_loop *loop;
	void (*packet)(void *arg, const struct input_ev *evs, unsigned int n);
	void *arg;
	struct input_replay_event *events;
	unsigned int n;
	unsigned int next; /* the one that is due */
	struct ev_timer timer;
	double begun; /* s, of the loop */
};

/* packet: is called with each packet, at most INPUT_PACKET events without their SYN_REPORT, when its time comes. */
void input_replay_init(struct input_replay *r, struct ev_loop *loop,
		       void (*packet)(void *arg, const struct input_ev *evs, unsigned int n), void *arg);

/*
 * Reads a file: what the device is and can into *caps, and its events.
 * Returns 0, or -errno after a line that says what is wrong with which line of the file.
 */
int input_replay_read(struct input_replay *r, const char *path, struct input_caps *caps, struct log *log);

/* Plays from the beginning. */
void input_replay_start(struct input_replay *r);

void input_replay_close(struct input_replay *r);

/* Writes what a device is and can, in the same form, for a record's beginning. */
void input_record_head(FILE *out, const struct input_caps *caps);

#endif
