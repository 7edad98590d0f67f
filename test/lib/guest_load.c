/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest_load.c - a driver that keeps a device busy; see guest_load.h.
 */
#include "test/lib/guest_load.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/random.h"
#include "test/lib/vdevd_process.h"

unsigned int load_nkinds(void)
{
	unsigned int n = 0;

	while (load_kinds[n])
		n++;
	return n;
}

const struct load_kind *load_find(const char *name)
{
	for (const struct load_kind *const *k = load_kinds; *k; k++) {
		if (strcmp((*k)->name, name) == 0)
			return *k;
	}
	return NULL;
}

void load_alloc(struct load *l, bool in, size_t len, struct frontend_buf *buf)
{
	size_t pad = in && l->lasting ? random_next(&l->random) % 4096 : 0;

	ck_assert_int_eq(frontend_mem_alloc(frontend_mem(l->fe), in ? l->in_region : l->out_region, pad + len, 8, buf), 0);
	buf->va = (char *)buf->va + pad;
	buf->guest += pad;
	buf->user += pad;
	buf->len = len;
}

bool load_add(struct load *l, unsigned int q, const struct frontend_buf *out, uint32_t out_len, const struct frontend_buf *in,
	      uint32_t in_len, unsigned int pieces, void *token)
{
	struct driver_buf bufs[3];
	uint32_t first = pieces > 1 ? 1 + random_next(&l->random) % (in_len - 1) : in_len;
	unsigned int n = 0;

	if (out_len)
		bufs[n++] = (struct driver_buf){out->guest, out_len, false};
	if (in_len)
		bufs[n++] = (struct driver_buf){in->guest, first, true};
	if (in_len > first)
		bufs[n++] = (struct driver_buf){in->guest + first, in_len - first, true};
	return driver_ring_add(frontend_ring(l->fe, q), bufs, n, NULL, token) == 0;
}

void load_begin(struct load *l, const struct load_kind *kind, struct frontend *fe, const char *dir, int out_region, int in_region,
		bool lasting)
{
	*l = (struct load){.kind = kind, .fe = fe, .dir = dir, .out_region = out_region, .in_region = in_region,
			   .lasting = lasting};
	l->random = (uint32_t)getpid();
	kind->begin(l);
}

void load_end(struct load *l)
{
	if (l->kind)
		l->kind->end(l);
	l->kind = NULL;
}

void load_submit(struct load *l)
{
	l->kind->submit(l);
	for (unsigned int q = 0; q < l->kind->nqueues; q++) {
		if (driver_ring_publish(frontend_ring(l->fe, q)))
			ck_assert_int_eq(frontend_kick(l->fe, q), 0);
	}
}

void load_reap(struct load *l)
{
	for (unsigned int q = 0; q < l->kind->nqueues; q++) {
		struct driver_ring *ring = frontend_ring(l->fe, q);
		struct driver_used used;
		int got;

		while ((got = driver_ring_take(ring, &used)) > 0)
			l->kind->reap(l, q, used.token, used.len);
		if (got)
			ck_abort_msg("queue %u: %s", q, driver_ring_error(ring));
	}
	if (l->kind->turn)
		l->kind->turn(l);
}

void load_taken_over(struct load *l)
{
	load_reap(l);
	if (l->kind->taken_over)
		l->kind->taken_over(l);
}

void load_drain(struct load *l)
{
	uint64_t deadline = process_now_us() + PROCESS_PATIENCE * 1000u;

	l->draining = true;
	while (l->completed != l->submitted || (l->kind->over && !l->kind->over(l))) {
		ck_assert_msg(process_now_us() < deadline, "%s: %u requests were lost", l->kind->name,
			      (unsigned int)(l->submitted - l->completed));
		for (unsigned int q = 0; q < l->kind->nqueues; q++)
			driver_ring_interrupts(frontend_ring(l->fe, q), true);
		usleep(100);
		load_reap(l);
		/* Of those who wait for something to come only. */
		if (l->kind->over)
			load_submit(l);
	}
	l->draining = false;
}

/* ---- requests */

void load_requests_begin(struct load *l)
{
	struct load_requests *r = calloc(1, l->kind->size ? l->kind->size : sizeof(*r));

	ck_assert_ptr_nonnull(r);
	for (unsigned int i = 0; i < LOAD_SLOTS; i++) {
		load_alloc(l, false, LOAD_OUT_MAX, &r->slots[i].out);
		load_alloc(l, true, LOAD_IN_MAX, &r->slots[i].in);
	}
	l->priv = r;
}

void load_requests_end(struct load *l)
{
	free(l->priv);
}

void load_requests_reap(struct load *l, unsigned int q, void *token, uint32_t used)
{
	struct load_slot *s = token;
	const uint8_t *in = s->in.va;

	/* Too often for ck_assert, which writes each time. */
	if (!s->in_flight || !used || (s->status != LOAD_ANY && (used != s->in_len || in[used - 1] != s->status)))
		ck_abort_msg("used, in flight: %d, %u bytes of %u, status %d", s->in_flight, used, s->in_len, in[s->in_len - 1]);
	if ((l->lasting || l->kind->remembers) && memcmp(in, &s->want, s->wants) != 0)
		ck_abort_msg("the device says %02x %02x %02x %02x, and was told 0x%08x", in[0], in[1], in[2], in[3], s->want);
	s->in_flight = false;
	l->completed++;
}

/* A free slot, or NULL. */
static struct load_slot *slot_free(struct load *l)
{
	struct load_requests *r = l->priv;

	for (unsigned int i = 0; i < LOAD_SLOTS; i++) {
		if (!r->slots[i].in_flight)
			return &r->slots[i];
	}
	return NULL;
}

unsigned int load_slots_free(const struct load *l)
{
	const struct load_requests *r = l->priv;
	unsigned int n = 0;

	for (unsigned int i = 0; i < LOAD_SLOTS; i++)
		n += !r->slots[i].in_flight;
	return n;
}

struct load_slot *load_request(struct load *l, const void *out, uint32_t out_len, uint32_t in_len, unsigned int pieces, int status)
{
	struct load_slot *s = slot_free(l);

	if (!s)
		return NULL;
	if (out_len)
		memcpy(s->out.va, out, out_len);
	if (!load_add(l, 0, &s->out, out_len, &s->in, in_len, pieces, s))
		return NULL;
	s->in_len = in_len;
	s->status = status;
	s->wants = 0;
	s->in_flight = true;
	l->submitted++;
	return s;
}
