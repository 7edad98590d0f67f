/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rate_gate.c - lets requests of a queue begin as often as the operator allows; see rate_gate.h.
 */
#include "devices/lib/rate_gate.h"

#include <time.h>

#include "core/clock.h"
#include "core/device.h"
#include "transport/chain.h"

int rate_gate_set(struct rate_gate *g, const char *value, char *why, size_t why_size)
{
	return policy_rate_parse(&g->rate, value, why, why_size);
}

static void gate_due(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct rate_gate *g = container_of(timer, struct rate_gate, due);

	virtq_again(vdev_queue(g->d, g->q));
}

void rate_gate_init(struct rate_gate *g, struct vdev *d, unsigned int q)
{
	g->d = d;
	g->q = q;
	ev_init(&g->due, gate_due);
}

bool rate_gate_open(struct rate_gate *g)
{
	uint64_t wait;

	if (!g->rate.count)
		return true;
	wait = policy_rate_wait(&g->rate, 1, clock_now(CLOCK_MONOTONIC));
	if (!wait)
		return true;
	if (!ev_is_active(&g->due)) {
		/* From now, not from the loop's last look at the clock. */
		ev_now_update(g->d->loop);
		ev_timer_set(&g->due, (double)wait / 1e9, 0.);
		ev_timer_start(g->d->loop, &g->due);
	}
	return false;
}

void rate_gate_pass(struct rate_gate *g)
{
	if (g->rate.count)
		policy_rate_take(&g->rate, 1, clock_now(CLOCK_MONOTONIC));
}

void rate_gate_stop(struct rate_gate *g)
{
	if (g->d)
		ev_timer_stop(g->d->loop, &g->due);
}
