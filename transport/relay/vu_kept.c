/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_kept.c - what a front-end has said and what still holds; see vu_kept.h.
 */
#include "transport/relay/vu_kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Seven for each of 256 rings, 256 regions of memory, and those that are said once. */
#define MOST (7 * 256 + 256 + 16)

static enum vu_about about(uint32_t request)
{
	const struct vu_request_info *r = vu_request_find(request);

	return r ? r->about : VU_ABOUT_NOTHING;
}

bool vu_said_matters(uint32_t request)
{
	return about(request) != VU_ABOUT_NOTHING;
}

static uint64_t ring_key(uint32_t request, uint32_t index)
{
	return (uint64_t)request << 32 | (index & VU_VRING_INDEX_MASK);
}

/* The ring a message is about.  Three have a u64, whose low bits are elsewhere on a big-endian host. */
static uint32_t ring_of(const struct vu_msg *m)
{
	switch (m->h.request) {
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		return m->p.u64 & VU_VRING_INDEX_MASK;
	default:
		return m->p.state.index;
	}
}

static uint32_t request_of(const struct vu_kept *k)
{
	return k->h.request;
}

static void kept_free(struct vu_kept *k)
{
	for (unsigned int i = 0; i < k->nfds; i++)
		close(k->fds[i]);
	free(k);
}

/* Takes out the one at *link. */
static void take_out(struct vu_said *s, struct vu_kept **link)
{
	struct vu_kept *k = *link;

	*link = k->next;
	s->count--;
	kept_free(k);
}

/* Forgets those of a request: of one ring, or index UINT32_MAX: all. */
static void forget(struct vu_said *s, uint32_t request, uint32_t index)
{
	for (struct vu_kept **link = &s->first; *link;) {
		if (request_of(*link) == request && (index == UINT32_MAX || (*link)->what == ring_key(request, index)))
			take_out(s, link);
		else
			link = &(*link)->next;
	}
}

/* A region is known by all that describes it: two may not lie at the same place. */
static void forget_region(struct vu_said *s, const struct vu_msg *m)
{
	for (struct vu_kept **link = &s->first; *link; link = &(*link)->next) {
		const struct vu_mem_reg *reg = (const void *)(*link)->payload;

		if (request_of(*link) == VU_ADD_MEM_REG && reg->region.guest_addr == m->p.reg.region.guest_addr &&
		    reg->region.size == m->p.reg.region.size && reg->region.user_addr == m->p.reg.region.user_addr) {
			take_out(s, link);
			return;
		}
	}
}

/* What a message undoes of those before it. */
static void undo(struct vu_said *s, const struct vu_msg *m)
{
	switch (m->h.request) {
	case VU_RESET_OWNER:
		vu_said_clear(s);
		return;
	case VU_SET_MEM_TABLE:
		forget(s, VU_ADD_MEM_REG, UINT32_MAX);
		return;
	case VU_REM_MEM_REG:
		forget_region(s, m);
		return;
	case VU_GET_VRING_BASE:
	case VU_GET_VRING_BASE_SKIP_DRAIN:
		forget(s, VU_SET_VRING_KICK, m->p.state.index);
		forget(s, VU_SET_VRING_BASE, m->p.state.index);
		return;
	case VU_RESET_DEVICE:
		forget(s, VU_SET_VRING_ENABLE, UINT32_MAX);
		forget(s, VU_SET_VRING_KICK, UINT32_MAX);
		return;
	case VU_SET_STATUS:
		if (!m->p.u64)
			forget(s, VU_SET_VRING_KICK, UINT32_MAX);
		return;
	default:
		return;
	}
}

/* Makes one of the message, whose descriptors it takes. */
static struct vu_kept *kept_new(struct vu_msg *m, uint64_t what)
{
	struct vu_kept *k = calloc(1, sizeof(*k) + m->h.size);

	if (!k)
		return NULL;
	k->what = what;
	k->h = (struct vu_header){.request = m->h.request, .flags = VU_VERSION, .size = m->h.size};
	memcpy(k->payload, &m->p, m->h.size);
	for (unsigned int i = 0; i < m->nfds; i++) {
		k->fds[k->nfds++] = m->fds[i];
		m->fds[i] = -1;
	}
	return k;
}

int vu_said_add(struct vu_said *s, struct vu_msg *m)
{
	const enum vu_about kind = about(m->h.request);
	struct vu_kept **link = &s->first, *k;

	if ((kind == VU_ABOUT_RING && m->h.size < sizeof(m->p.u64)) || (kind == VU_ABOUT_REGION && m->h.size < sizeof(m->p.reg)))
		return -EINVAL;
	undo(s, m);
	if (kind == VU_ABOUT_NOTHING || kind == VU_ABOUT_THE_PAST || m->h.request == VU_REM_MEM_REG)
		return 0;
	if (s->count >= MOST)
		return -ENOSPC;
	k = kept_new(m, kind == VU_ABOUT_RING ? ring_key(m->h.request, ring_of(m)) : ring_key(m->h.request, 0));
	if (!k)
		return -ENOMEM;
	/* A ring that starts comes last, after all it needs; others take the place of what they replace. */
	if (m->h.request == VU_SET_VRING_KICK)
		forget(s, VU_SET_VRING_KICK, ring_of(m));
	while (*link && (kind == VU_ABOUT_REGION || (*link)->what != k->what))
		link = &(*link)->next;
	if (*link) {
		k->next = (*link)->next;
		kept_free(*link);
	} else {
		s->count++;
	}
	*link = k;
	return 0;
}

void vu_kept_msg(const struct vu_kept *k, struct vu_msg *m)
{
	m->h = k->h;
	memcpy(&m->p, k->payload, k->h.size);
	memcpy(m->fds, k->fds, sizeof(m->fds));
	m->nfds = k->nfds;
}

const struct vu_kept *vu_said_find(const struct vu_said *s, uint32_t request, uint32_t index)
{
	for (const struct vu_kept *k = s->first; k; k = k->next) {
		if (k->what == ring_key(request, index))
			return k;
	}
	return NULL;
}

bool vu_said_running(const struct vu_said *s)
{
	for (const struct vu_kept *k = s->first; k; k = k->next) {
		if (request_of(k) == VU_SET_VRING_KICK)
			return true;
	}
	return false;
}

uint32_t vu_said_largest_ring(const struct vu_said *s)
{
	uint32_t largest = 0;

	for (const struct vu_kept *k = s->first; k; k = k->next) {
		const struct vu_vring_state *state = (const void *)k->payload;

		if (request_of(k) == VU_SET_VRING_NUM && state->num > largest)
			largest = state->num;
	}
	return largest;
}

void vu_said_clear(struct vu_said *s)
{
	while (s->first)
		take_out(s, &s->first);
}
