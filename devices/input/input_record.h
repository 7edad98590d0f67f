/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_record.h - writes what the guest is told into a file, in the form that input_replay.h reads and evemu-play(1)
 * plays.
 *
 * Nothing waits for the disk: while it is slow, packets are kept in bounded room, and beyond that lost and counted.
 */
#ifndef VDEVD_DEVICES_INPUT_INPUT_RECORD_H
#define VDEVD_DEVICES_INPUT_INPUT_RECORD_H

#include "core/uring.h"
#include "devices/input/input_host.h"

/* Bytes of each of the two buffers: one is filled while the other is written. */
#define INPUT_RECORD_BUFFER 65536u

/* Zeroed it records nothing. */
struct input_record {
	struct log *log;
	struct uring *ring;
	int fd;
	uint64_t at;   /* bytes written */
	uint64_t lost; /* packets */
	char *buffers[2];
	unsigned int filling; /* the one that is filled */
	size_t len;	      /* of that */
	struct iovec iov;     /* what is being written */
	bool writing;
	struct uring_op op;
};

/* Makes the file and writes what the device is.  Returns 0, or -errno after a line. */
int input_record_open(struct input_record *r, struct ev_loop *loop, const char *path, const struct input_caps *caps,
		      struct log *log);

/* What it does after that. */
void input_record_needs(struct sandbox *s);

/* Appends a packet of n events, and its SYN_REPORT. */
void input_record_packet(struct input_record *r, const struct input_ev *evs, unsigned int n);

/* Writes what is left, and closes the file. */
void input_record_close(struct input_record *r);

#endif
