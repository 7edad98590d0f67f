/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_stream.h - a side of a port that is a descriptor, or two: what they have in common.
 */
#ifndef VDEVD_DEVICES_CONSOLE_CONSOLE_STREAM_H
#define VDEVD_DEVICES_CONSOLE_CONSOLE_STREAM_H

#include <ev.h>

#include "devices/console/console_side.h"

/* First member of the sides that are one. */
struct console_side {
	const struct console_side_args *args;
	int in, out; /* may be the same; -1: nobody is there.  Closing them is the owner's */
	struct ev_io readable, writable;
	bool wants_read, wants_write; /* to be waited for, also when somebody has come */
	/* The descriptors have ended: the owner closes them.  From the loop. */
	void (*ended)(struct console_side *s);
	/* Nothing more comes, but bytes may be written: in is -1 then.  NULL: that is the end, too. */
	void (*half_ended)(struct console_side *s);
	struct ev_timer end; /* due at once: ended is called */
};

/* Without descriptors. */
void console_stream_init(struct console_side *s, const struct console_side_args *args, void (*ended)(struct console_side *s));

/* Somebody has come, or has gone: the user is told where tell is set. */
void console_stream_begin(struct console_side *s, int in, int out, bool tell);
void console_stream_end(struct console_side *s, bool tell);

/* Of struct console_side_ops. */
ssize_t console_stream_read(struct console_side *s, void *buf, size_t len);
ssize_t console_stream_write(struct console_side *s, const void *buf, size_t len);
void console_stream_want_read(struct console_side *s);
void console_stream_want_write(struct console_side *s);

/* read(2), write(2) as fd_read_now and fd_write_now make them. */
extern const struct sandbox_call console_stream_calls[];
/* A terminal is set back. */
extern const struct sandbox_call console_restore_calls[];

#endif
