/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * inherit.h - what a process has of its parent and cannot use as it is: descriptors, signals, limits.
 */
#ifndef VDEVD_CMD_INHERIT_H
#define VDEVD_CMD_INHERIT_H

#include <ev.h>

#include "core/log.h"

/*
 * First of all in main: where descriptor 0, 1 or 2 is closed, something takes its place that cannot be read (0) or
 * written (1, 2), so that nothing opened later does; no signal is blocked; SIGCHLD is not ignored.  SIGHUP that is
 * ignored stays so: nohup(1). Ends the process with status 1 where descriptors cannot be had at all.
 */
void inherit_mend(void);

/*
 * The loop of a process that serves.  Looks first whether enough descriptors can be opened for one (RLIMIT_NOFILE), and
 * raises the soft limit where the hard one allows: libev would abort. Returns NULL after a line that says why; free
 * with ev_loop_destroy.
 */
struct ev_loop *inherit_loop(struct log *l);

#endif
