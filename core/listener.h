/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * listener.h - accepts connections at a listening socket, in the loop: accept(2).
 *
 * Who has no place for one more pauses the listener: connections then wait in the socket's backlog.  Where the host has
 * no descriptor or memory for one, a line says so, once until it works again, and the listener tries again a second
 * later.
 */
#ifndef VDEVD_CORE_LISTENER_H
#define VDEVD_CORE_LISTENER_H

#include <ev.h>

#include "core/log.h"

/* The most connections that are accepted before other watchers have their turn. */
#define LISTENER_BURST 16

/* Embedded in who is called, by container_of.  Its owner sets the first three before listener_start. */
struct listener {
	/* A connection has come: fd, non-blocking and close-on-exec, is the callee's.  It may pause or stop the listener. */
	void (*accepted)(struct listener *l, int fd);
	struct log *log;  /* lines are limited as a guest's */
	const char *name; /* of the socket, in lines; not copied */
	struct ev_loop *loop;
	struct ev_io io;
	struct ev_timer retry;
	bool paused, complained;
};

/*
 * Accepts at fd from now on.  fd stays the caller's, and becomes non-blocking and close-on-exec: one that was inherited
 * may be neither.
 * Returns 0, or -errno: fd is none.
 */
int listener_start(struct listener *l, struct ev_loop *loop, int fd);

/* Accepts none until listener_resume.  One that is not started, or paused already, is left alone; so with resume. */
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);

/* The end; a zeroed struct is allowed, and one that has ended. */
void listener_stop(struct listener *l);

#endif
