/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_trace.c - messages and chains as lines, for people who want to see what a front-end and a driver say: VDEVD_TRACE=1 in the
 * environment.
 *
 *	< SET_VRING_NUM: 8 bytes, ring 0, 256
 *	< GET_FEATURES: 0 bytes
 *	> GET_FEATURES: 8 bytes, 0x170000000
 *	= CONFIG_CHANGE_MSG: 0 bytes
 *	* requestq: chain 3: read 0 of 0 bytes, written 64 of 64
 *
 * < came, > is its answer (a refusal is a line of its own), = went out on the back channel, * is a chain that is answered.
 */
#include <stdio.h>
#include <string.h>

#include "transport/vhost_user/vu_session.h"

static const char *const back_names[] = {
	[VU_BACKEND_IOTLB_MSG] = "IOTLB_MSG",
	[VU_BACKEND_CONFIG_CHANGE_MSG] = "CONFIG_CHANGE_MSG",
	[VU_BACKEND_VRING_HOST_NOTIFIER_MSG] = "VRING_HOST_NOTIFIER_MSG",
	[VU_BACKEND_VRING_CALL] = "VRING_CALL",
	[VU_BACKEND_VRING_ERR] = "VRING_ERR",
	[VU_BACKEND_SHARED_OBJECT_ADD] = "SHARED_OBJECT_ADD",
	[VU_BACKEND_SHARED_OBJECT_REMOVE] = "SHARED_OBJECT_REMOVE",
	[VU_BACKEND_SHARED_OBJECT_LOOKUP] = "SHARED_OBJECT_LOOKUP",
	[VU_BACKEND_SHMEM_MAP] = "SHMEM_MAP",
	[VU_BACKEND_SHMEM_UNMAP] = "SHMEM_UNMAP",
};

/* What a payload says where it is a ring's number and another, or one number; its size tells nothing of the rest. */
static void describe(const struct vu_msg *m, bool of_ring, char *buf, size_t size)
{
	if (m->h.request == VU_SET_VRING_ADDR)
		snprintf(buf, size, ", ring %u, descriptors at 0x%jx", m->p.addr.index, (uintmax_t)m->p.addr.desc);
	else if (m->h.size != sizeof(m->p.u64))
		*buf = '\0';
	else if (of_ring)
		snprintf(buf, size, ", ring %u, %u", m->p.state.index, m->p.state.num);
	else
		snprintf(buf, size, ", 0x%jx", (uintmax_t)m->p.u64);
}

/* Whether a message has a struct vu_vring_state. */
static bool has_state(uint32_t request)
{
	switch (request) {
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_BASE:
	case VU_SET_VRING_ENABLE:
	case VU_GET_VRING_BASE:
	case VU_GET_VRING_BASE_SKIP_DRAIN:
	case VU_VRING_KICK:
		return true;
	default:
		return false;
	}
}

static void trace(struct vu_backend *b, char way, const char *name, const struct vu_msg *m, bool of_ring)
{
	char what[80], fds[32] = "";

	describe(m, of_ring, what, sizeof(what));
	if (m->nfds)
		snprintf(fds, sizeof(fds), ", %u descriptors", m->nfds);
	log_info(&b->d->log, "%c %s: %u bytes%s%s", way, name, m->h.size, what, fds);
}

void vu_trace_request(struct vu_backend *b, const struct vu_msg *m)
{
	trace(b, '<', vu_request_name(m->h.request), m, has_state(m->h.request));
}

void vu_trace_reply(struct vu_backend *b)
{
	const struct vu_msg *m = &b->conn.reply;

	trace(b, '>', vu_request_name(m->h.request), m, has_state(m->h.request));
}

void vu_trace_channel(struct vu_backend *b)
{
	const struct vu_msg *m = &b->channel.msg;

	trace(b, '=', back_names[m->h.request], m, m->h.request == VU_BACKEND_VRING_CALL || m->h.request == VU_BACKEND_VRING_ERR);
}
