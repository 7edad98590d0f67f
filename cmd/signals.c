/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * signals.c - SIGTERM and SIGINT end the loop; see signals.h.
 */
#include "cmd/signals.h"

#include <signal.h>

static void on_signal(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	ev_break(loop, EVBREAK_ALL);
}

void signals_begin(struct signals *s, struct ev_loop *loop)
{
	s->loop = loop;
	ev_signal_init(&s->term, on_signal, SIGTERM);
	ev_signal_start(loop, &s->term);
	ev_signal_init(&s->interrupt, on_signal, SIGINT);
	ev_signal_start(loop, &s->interrupt);
}

void signals_end(struct signals *s)
{
	ev_signal_stop(s->loop, &s->interrupt);
	ev_signal_stop(s->loop, &s->term);
}
