/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * signals.h - SIGTERM, SIGINT and SIGHUP end the loop.
 */
#ifndef VDEVD_CMD_SIGNALS_H
#define VDEVD_CMD_SIGNALS_H

#include <ev.h>

struct signals {
	struct ev_loop *loop;
	struct ev_signal term, interrupt, hangup;
};

/*
 * From now on they end ev_run of this loop, also when they came before it; and they are blocked no longer.  Called
 * before there is anything that would stay behind.  SIGHUP that is ignored stays so: nohup(1).
 */
void signals_begin(struct signals *s, struct ev_loop *loop);

/* The process is about to end, with a status of its own: none of them can end it any more. */
void signals_end(struct signals *s);

#endif
