/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * signals.c - what SIGTERM, SIGINT and SIGHUP do; see signals.h.
 */
#include "cmd/signals.h"

#include <signal.h>

#include "core/base.h"

static void on_signal(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	ev_break(loop, EVBREAK_ALL);
}

static void on_hangup(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	const struct signals *s = container_of(w, struct signals, hangup);

	s->on_hangup(s->arg);
}

/* Blocks or unblocks them. */
static void mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

static bool is_ignored(int sig)
{
	struct sigaction act;

	return sigaction(sig, NULL, &act) == 0 && !(act.sa_flags & SA_SIGINFO) && act.sa_handler == SIG_IGN;
}

void signals_begin(struct signals *s, struct ev_loop *loop, void (*hangup)(void *arg), void *arg)
{
	s->loop = loop;
	s->on_hangup = hangup;
	s->arg = arg;
	ev_signal_init(&s->term, on_signal, SIGTERM);
	ev_signal_start(loop, &s->term);
	ev_signal_init(&s->interrupt, on_signal, SIGINT);
	ev_signal_start(loop, &s->interrupt);
	ev_signal_init(&s->hangup, hangup ? on_hangup : on_signal, SIGHUP);
	if (!is_ignored(SIGHUP))
		ev_signal_start(loop, &s->hangup);
	mask(SIG_UNBLOCK);
}

void signals_end(struct signals *s)
{
	/* libev gives them back their default, which is to end the process with a status that is not its own. */
	mask(SIG_BLOCK);
	ev_signal_stop(s->loop, &s->hangup);
	ev_signal_stop(s->loop, &s->interrupt);
	ev_signal_stop(s->loop, &s->term);
}
