/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * realtime.h - a process that others do not delay: --realtime.
 */
#ifndef VDEVD_CMD_REALTIME_H
#define VDEVD_CMD_REALTIME_H

#include "core/log.h"

/*
 * Runs this thread, and those it starts from now on, under SCHED_FIFO with this priority, 1 (the least) to 99, and
 * locks the process's memory: what there is now, and what comes, guest memory included, once it is touched.  For a
 * process that may do so still: before privileges are dropped.  The rights are not needed afterwards.
 * Returns 0, or -errno after a line that says which right is missing.
 */
int realtime_begin(struct log *l, unsigned int priority);

#endif
