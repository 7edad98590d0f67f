/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_kept.h - what a front-end has said and what still holds: the messages that bring a new back end where the last one was.
 * QEMU docs/interop/vhost-user.rst, "Front-end message types".
 */
#ifndef VDEVD_TRANSPORT_RELAY_VU_KEPT_H
#define VDEVD_TRANSPORT_RELAY_VU_KEPT_H

#include "transport/vu_msg.h"

/* One that holds. */
struct vu_kept {
	struct vu_kept *next;
	uint64_t what;       /* a later one about the same takes its place */
	struct vu_header h;
	unsigned int nfds;
	int fds[VU_MAX_FDS]; /* its own */
	_Alignas(uint64_t) uint8_t payload[];
};

/* In the order they were said in.  Zeroed it is empty. */
struct vu_said {
	struct vu_kept *first;
	unsigned int count;
};

/*
 * The back end has done what this message asks for: what it says is kept, with the descriptors, which are taken; what
 * it undoes is forgotten.  Returns 0; -EINVAL: it is shorter than it can be; -ENOMEM; -ENOSPC:
 * nobody says as much.
 */
int vu_said_add(struct vu_said *s, struct vu_msg *m);

/* Whether vu_said_add has to know that a message with this request was acted upon. */
bool vu_said_matters(uint32_t request);

/* Writes a kept message as it is to be sent; the descriptors stay the kept one's. */
void vu_kept_msg(const struct vu_kept *k, struct vu_msg *m);

/* The one with this request, about this ring (0 where it is about none), or NULL. */
const struct vu_kept *vu_said_find(const struct vu_said *s, uint32_t request, uint32_t index);

/* Whether a ring runs. */
bool vu_said_running(const struct vu_said *s);

/* The largest size of the rings that have one, or 0. */
uint32_t vu_said_largest_ring(const struct vu_said *s);

/* Forgets everything. */
void vu_said_clear(struct vu_said *s);

#endif
