/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_side.h - the other side of a console's port: who reads what the guest writes, and writes what it reads.  One
 * table for each kind: a terminal, a pseudo-terminal, a socket, a serial line, a file, nothing, a simulator.
 *
 * A side tells its user of what happens from the loop, never from inside a call of the user's.
 */
#ifndef VDEVD_DEVICES_CONSOLE_CONSOLE_SIDE_H
#define VDEVD_DEVICES_CONSOLE_CONSOLE_SIDE_H

#include <sys/types.h>

#include "core/device.h"

struct console_side;

/* What a side tells. */
struct console_user_ops {
	/* What was waited for (want) may be there: bytes to read, room to write.  It is told once, then no more. */
	void (*readable)(void *user);
	void (*writable)(void *user);
	/* Somebody is there from now on, or nobody. */
	void (*opened)(void *user, bool open);
	/* The terminal has this size, in characters. */
	void (*resized)(void *user, uint16_t cols, uint16_t rows);
};

struct console_side_args {
	struct vdev *d;    /* its loop, log and control socket */
	const char *value; /* of the option, behind "KIND:"; "" without */
	unsigned int port; /* its number */
	bool no_escape;    /* stdio: ctrl-a is a byte as any other */
	const struct console_user_ops *ops;
	void *user;
};

struct console_side_ops {
	const char *kind; /* as the option has it: "pty" */
	/* What is wrong with the value; NULL: nothing.  Touches nothing of the host. */
	const char *(*check)(const char *value);
	/* What it does with the host after start, by the arguments alone. */
	void (*needs)(const struct console_side_args *args, struct sandbox *s);
	/* Makes the side; args must stay.  Returns 0 and *out (end with stop), or -errno after it has logged why. */
	int (*start)(const struct console_side_args *args, struct console_side **out);
	void (*stop)(struct console_side *side);
	/* What has come.  Returns bytes, at least one; -EAGAIN: nothing now; -EPIPE: nobody is there. */
	ssize_t (*read)(struct console_side *side, void *buf, size_t len);
	/* Takes bytes, as many as it can.  Returns how many, at least one; -EAGAIN; -EPIPE. */
	ssize_t (*write)(struct console_side *side, const void *buf, size_t len);
	/* Asks to be told, once.  Where nobody is there it is told when somebody has come. */
	void (*want_read)(struct console_side *side);
	void (*want_write)(struct console_side *side);
	/* The last bytes, before stop: all of them are written, and may be waited for, a moment.  NULL: write serves. */
	void (*last)(struct console_side *side, const void *buf, size_t len);
};

/* Ends with NULL. */
extern const struct console_side_ops *const console_sides[];

extern const struct console_side_ops console_null, console_sim, console_file, console_pty, console_stdio, console_tty,
	console_unix, console_unix_connect, console_tcp;

/* The operator of a simulator types; returns how many bytes there was room for. */
size_t console_sim_type(struct console_side *side, const void *bytes, size_t len);
/* Takes what the guest has written, at most len bytes.  Returns how many. */
size_t console_sim_take(struct console_side *side, void *buf, size_t len);

#endif
