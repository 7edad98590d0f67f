/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * control.h - commands to a running device: a Unix stream socket that takes lines of text.
 *
 *	$ socat - UNIX-CONNECT:/run/i2c.ctl
 *	set 0x48 25.5
 *	ok
 *	set 0x48 hot
 *	error: 'hot': a temperature in degrees Celsius is wanted
 *
 * A command is a line of words.  It is answered by lines, of which the last is "ok" or begins with "error: ".  These
 * are built in: "help" lists the commands; "watch" subscribes to what the device tells (lines that begin with "! "),
 * "watch off" ends that; "log-level" shows or sets the level of the log; "quit" ends the loop.  The connection ends when
 * the client stops sending.
 *
 * A command may come with descriptors (SCM_RIGHTS): they belong to the line whose bytes they were sent with.  Those
 * that the command does not take are closed when it has run.
 *
 * Everything is bounded: clients, the length of a line, what waits to be sent, descriptors.  A client that does not
 * read is not read from either; of what a device tells meanwhile it is sent what there is room for, and then "! lost N".
 */
#ifndef VDEVD_CORE_CONTROL_H
#define VDEVD_CORE_CONTROL_H

#include <ev.h>

#include "core/base.h"
#include "core/log.h"
#include "core/sandbox.h"

#define CONTROL_CLIENTS	 8	/* connections at a time; others wait in the backlog */
#define CONTROL_LINE_MAX 1024	/* bytes of a command, newline included */
#define CONTROL_WORDS	 64	/* of a command */
#define CONTROL_OUT_MAX	 262144 /* bytes waiting to be sent to a client, so also of one answer */
#define CONTROL_TELL_MAX 16384	/* of them, where a line is added that nobody has asked for */
#define CONTROL_WHY_MAX	 160	/* bytes of a reason */
#define CONTROL_FDS	 8	/* descriptors of a client that wait for their command */
#define CONTROL_TABLES	 4	/* of commands, the built-in ones not counted */

struct control;
struct control_client;

/* A command of a device.  A table of them ends with a NULL name. */
struct control_command {
	const char *name;      /* "set" */
	const char *args;      /* as help shows them: "ADDR DEGREES"; "" for none */
	const char *help;      /* one line */
	unsigned int min, max; /* words after the name */
	/*
	 * Runs it.  argv: the words after the name, argc of them.  Returns 0, or -errno with a reason in why
	 * ("what would be right").
	 */
	int (*run)(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size);
};

/*
 * Opens the socket at path (not copied) and serves it on the loop.  A stale file is replaced, a live one refused; its
 * permissions are as the umask leaves them.  log: where its own lines go.
 * Returns 0 and *out (free with control_close), or -errno without a word, as unix_listen.
 */
int control_open(const char *path, struct log *log, struct ev_loop *loop, struct control **out);

/*
 * Adds a table of commands, before the built-in ones; the first of a name is meant.  commands: outlive ctl; arg is
 * handed to them.  At most CONTROL_TABLES can be added.  NULL for ctl or commands is allowed: there is no socket, or
 * nothing to add.
 */
void control_add(struct control *ctl, const struct control_command *commands, void *arg);

/* Ends the connections, closes the socket, unlinks its file; NULL is allowed. */
void control_close(struct control *ctl);

/* Adds a line to the answer of the command that runs for c; the newline is added. */
void control_say(struct control_client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Takes the first descriptor that came with the command that runs for c, and is not yet taken.  It is the caller's from
 * then on, close-on-exec, and as hostile as the client.  Returns -1 where there is none (left).
 */
int control_take_fd(struct control_client *c);

/* Sends a line, preceded by "! ", to every client that watches; the newline is added.  NULL: there is no socket. */
void control_tell(struct control *ctl, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Whether anybody watches: what nobody reads need not be written.  NULL: there is no socket. */
bool control_watched(const struct control *ctl);

/* What a control socket at path needs. */
void control_needs(const char *path, struct sandbox *s);

#endif
