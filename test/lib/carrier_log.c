/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * carrier_log.c - the setting under which guest memory is logged: it is looked at before and after each turn of the back end, which
 * runs in this thread, and every page that changed meanwhile must be in the log when the rings are stopped.
 */
#include "test/lib/carrier_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem/dirty_log.h"

struct carrier_log {
	const struct frontend_region *mem;
	uint64_t used;   /* bytes of it that may not be zeros */
	uint8_t *shadow; /* as it was when it was last looked at */
	bool *changed;   /* pages, in turns of the back end */
};

/* Buffers get pages of their own: one that is marked for the rings must not stand for them. */
static void fill_page(struct carrier *c)
{
	struct frontend_buf at = carrier_alloc(c, 1), rest;
	size_t len = (size_t)(-(at.guest + 1) % DIRTY_LOG_PAGE);

	carrier_ok(c, frontend_mem_alloc(frontend_mem(c->fe), FRONTEND_MEM_ANY, len, 1, &rest), "guest memory");
	ck_assert_uint_eq(rest.guest, at.guest + 1);
}

void carrier_log_begin(struct carrier *c)
{
	struct carrier_log *l = calloc(1, sizeof(*l));

	ck_assert_ptr_nonnull(l);
	fill_page(c);
	carrier_ok(c, frontend_log_start(c->fe), "log");
	l->mem = frontend_mem_region(frontend_mem(c->fe), 0);
	l->shadow = calloc(1, l->mem->size);
	l->changed = calloc(l->mem->size / DIRTY_LOG_PAGE + 1, sizeof(*l->changed));
	ck_assert(l->shadow && l->changed);
	c->log = l;
}

/* Finds out how far memory is in use: behind that its file is a hole. */
static void look_how_far(struct carrier_log *l)
{
	off_t end = (off_t)(l->mem->offset + l->used), data;

	while ((data = lseek(l->mem->fd, end, SEEK_DATA)) >= 0)
		end = lseek(l->mem->fd, data, SEEK_HOLE);
	if ((uint64_t)end > l->mem->offset)
		l->used = min_u64((uint64_t)end - l->mem->offset, l->mem->size);
}

void carrier_log_look(struct carrier *c, bool turn_ends)
{
	struct carrier_log *l = c->log;
	const uint8_t *va;

	if (!l)
		return;
	va = l->mem->va;
	look_how_far(l);
	for (uint64_t at = 0; at < l->used; at += DIRTY_LOG_PAGE) {
		size_t n = (size_t)min_u64(DIRTY_LOG_PAGE, l->used - at);

		if (!memcmp(l->shadow + at, va + at, n))
			continue;
		memcpy(l->shadow + at, va + at, n);
		l->changed[at / DIRTY_LOG_PAGE] |= turn_ends;
	}
}

void carrier_log_end(struct carrier *c)
{
	struct carrier_log *l = c->log;
	uint32_t base;

	if (!l)
		return;
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		carrier_ok(c, frontend_queue_stop(c->fe, q, &base), "stop");
	for (uint64_t at = 0; at < l->used; at += DIRTY_LOG_PAGE) {
		const uint64_t guest = l->mem->guest_addr + at;

		ck_assert_msg(!l->changed[at / DIRTY_LOG_PAGE] || frontend_log_has(c->fe, guest, false),
			      "the page at 0x%llx changed and is not in the log", (unsigned long long)guest);
	}
	free(l->shadow);
	free(l->changed);
	free(l);
	c->log = NULL;
}
