/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * instances.h - several instances under one parent, as the daemons called vhost-device-NAME have them.
 */
#ifndef VDEVD_CMD_INSTANCES_H
#define VDEVD_CMD_INSTANCES_H

#include "core/log.h"

/*
 * Runs serve(arg, i, ready) for each i below count, each in a process of its own that exits with what it returns; a
 * byte written to the descriptor ready says that it is serving.  The parent passes SIGTERM and SIGINT on, tells the
 * service manager when all are ready, and waits for all. Returns the worst exit status among them.
 */
int instances_run(struct log *l, unsigned int count, int (*serve)(void *arg, unsigned int i, int ready), void *arg);

#endif
