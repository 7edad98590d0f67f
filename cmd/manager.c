/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * manager.c - what a process that serves tells who has started it; see manager.h.
 */
#include "cmd/manager.h"

#include <string.h>

#include "core/base.h"
#include "core/service.h"

/* How often it is tried to tell of lost lines, seconds. */
#define RETELL_INTERVAL 1.0

static void on_beat(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct manager *m = container_of(w, struct manager, beat);

	if (m->self)
		instance_tell(m->self);
	else
		service_notify("WATCHDOG=1");
}

static void on_retell(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	log_catch_up();
	if (!log_lost())
		ev_timer_stop(loop, w);
}

/* At the end of a turn. */
static void on_look(struct ev_loop *loop, struct ev_prepare *w, int revents)
{
	struct manager *m = container_of(w, struct manager, look);

	if (log_lost() && !ev_is_active(&m->retell))
		ev_timer_again(loop, &m->retell);
}

void manager_ready(struct manager *m, struct ev_loop *loop, struct log *l, const struct instance *self,
		   const char *status)
{
	double every = self ? self->beat : service_watchdog();
	int err = self ? instance_tell(self) : service_notify("READY=1");

	if (err)
		log_warn(l, "%s: %s", self ? "the parent process" : "NOTIFY_SOCKET", strerror(-err));
	if (!self)
		service_notify(status);
	m->loop = loop;
	m->self = self;
	ev_timer_init(&m->beat, on_beat, 0., every);
	if (every > 0)
		ev_timer_again(loop, &m->beat);
	ev_timer_init(&m->retell, on_retell, 0., RETELL_INTERVAL);
	ev_prepare_init(&m->look, on_look);
	ev_prepare_start(loop, &m->look);
}

void manager_end(struct manager *m)
{
	ev_timer_stop(m->loop, &m->beat);
	ev_timer_stop(m->loop, &m->retell);
	ev_prepare_stop(m->loop, &m->look);
	if (!m->self)
		service_notify("STOPPING=1");
}
