/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rate_gate.h - lets requests of a queue begin as often as the operator allows (--rate): the others stay in the ring, and
 * the device gets a turn when the next may begin.
 */
#ifndef VDEVD_DEVICES_LIB_RATE_GATE_H
#define VDEVD_DEVICES_LIB_RATE_GATE_H

#include <ev.h>

#include "core/policy.h"

struct vdev;

/* A gate before one queue.  Zeroed it is open, and always will be: the functions but init may be called. */
struct rate_gate {
	struct policy_rate rate; /* of an option */
	struct vdev *d;
	unsigned int q;
	struct ev_timer due;
};

/* An OPT_CALL's set for a member of this type: reads "100/s".  Returns 0, or -EINVAL with a reason in why. */
int rate_gate_set(struct rate_gate *g, const char *value, char *why, size_t why_size);

/* At open: requests of queue q pass. */
void rate_gate_init(struct rate_gate *g, struct vdev *d, unsigned int q);

/* In kick, before a request is popped: whether one may begin.  If not, the queue gets a turn when it may. */
bool rate_gate_open(struct rate_gate *g);

/* A request has begun: after rate_gate_open, once for each. */
void rate_gate_pass(struct rate_gate *g);

/* The queue stops, or the device closes: nothing is due. */
void rate_gate_stop(struct rate_gate *g);

#endif
