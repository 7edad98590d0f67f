/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * signals.h - SIGTERM and SIGINT end the loop, and so does SIGHUP where nothing else is to be done.
 */
#ifndef VDEVD_CMD_SIGNALS_H
#define VDEVD_CMD_SIGNALS_H

#include <ev.h>

struct signals {
	struct ev_loop *loop;
	void (*on_hangup)(void *arg);
	void *arg;
	struct ev_signal term, interrupt, hangup;
};

/*
 * From now on they end ev_run of this loop, also when they came before it; and they are blocked no longer.  Called
 * before there is anything that would stay behind.  SIGHUP that is ignored stays so: nohup(1).
 * hangup: what SIGHUP does, with arg, on the loop; NULL: it ends ev_run as well.
 */
void signals_begin(struct signals *s, struct ev_loop *loop, void (*hangup)(void *arg), void *arg);

/* The process is about to end, with a status of its own: none of them can end it any more. */
void signals_end(struct signals *s);

#endif
