/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * manager.c - what a process that serves tells who has started it; see manager.h.
 */
#include "cmd/manager.h"

#include <string.h>

#include "core/base.h"
#include "core/service.h"

static void on_beat(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct manager *m = container_of(w, struct manager, beat);

	if (m->self)
		instance_tell(m->self);
	else
		service_notify("WATCHDOG=1");
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
}

void manager_end(struct manager *m)
{
	ev_timer_stop(m->loop, &m->beat);
	if (!m->self)
		service_notify("STOPPING=1");
}
