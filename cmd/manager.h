/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * manager.h - what a process that serves tells who has started it: the service manager (sd_notify(3)), or the parent of
 * several instances, which tells it for all of them.
 */
#ifndef VDEVD_CMD_MANAGER_H
#define VDEVD_CMD_MANAGER_H

#include <ev.h>

#include "cmd/instances.h"

struct manager {
	struct ev_loop *loop;
	const struct instance *self; /* NULL: there is no such parent */
	struct ev_timer beat;
	struct ev_prepare look; /* whether lines of the log were lost; then */
	struct ev_timer retell; /* they are told as soon as somebody reads again */
};

/*
 * What there is to be served can be called: says so, and from now on, where it is wanted (WATCHDOG_USEC), that the loop
 * of this process still turns.  self: of several, not copied; NULL: alone, and this is its status ("STATUS=...").
 */
void manager_ready(struct manager *m, struct ev_loop *loop, struct log *l, const struct instance *self,
		   const char *status);

/* The process ends. */
void manager_end(struct manager *m);

#endif
