/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * instances.h - several instances under one parent, as the daemons called vhost-device-NAME have them.
 *
 * Each is a process of its own: so what one guest does to its own cannot touch another's.
 */
#ifndef VDEVD_CMD_INSTANCES_H
#define VDEVD_CMD_INSTANCES_H

#include "core/log.h"
#include "core/sandbox.h"

/* One of several, in its own process. */
struct instance {
	unsigned int i;
	int fd;	     /* to the parent */
	double beat; /* seconds between signs of life that the parent wants; 0: none */
};

/* Tells the parent that the instance is serving, and later that it still is.  Never waits.  Returns 0 or -errno. */
int instance_tell(const struct instance *self);

/*
 * Runs serve(arg, self) for each i below count, each in a process of its own that exits with what it returns.  SIGTERM,
 * SIGINT and SIGHUP are blocked there until serve unblocks them, so that an end which is its own is never hidden by
 * theirs.  The parent passes them on, tells the service manager when all are ready and as long as all are alive, and
 * waits for all.  Returns the worst exit status among them.
 */
int instances_run(struct log *l, unsigned int count, const struct sandbox_opts *opts,
		  int (*serve)(void *arg, const struct instance *self), void *arg);

#endif
