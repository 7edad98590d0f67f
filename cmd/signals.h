/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * signals.h - SIGTERM and SIGINT end the loop.
 */
#ifndef VDEVD_CMD_SIGNALS_H
#define VDEVD_CMD_SIGNALS_H

#include <ev.h>

struct signals {
	struct ev_loop *loop;
	struct ev_signal term, interrupt;
};

/* From now on they end ev_run of this loop; before a socket exists, so that none leaves it behind. */
void signals_begin(struct signals *s, struct ev_loop *loop);
void signals_end(struct signals *s);

#endif
