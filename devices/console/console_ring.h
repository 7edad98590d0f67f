/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_ring.h - bytes that wait, oldest first, in room that was given at open.
 */
#ifndef VDEVD_DEVICES_CONSOLE_CONSOLE_RING_H
#define VDEVD_DEVICES_CONSOLE_CONSOLE_RING_H

#include <string.h>

#include "core/base.h"

struct console_ring {
	uint8_t *bytes; /* size of them */
	size_t size, first, used;
};

static inline size_t console_ring_room(const struct console_ring *r)
{
	return r->size - r->used;
}

/* The oldest bytes that lie in one piece: *at, and how many. */
static inline size_t console_ring_peek(const struct console_ring *r, const uint8_t **at)
{
	*at = r->bytes + r->first;
	return min_size(r->used, r->size - r->first);
}

/* Forgets the n oldest, at most all. */
static inline void console_ring_drop(struct console_ring *r, size_t n)
{
	r->first = (r->first + n) % r->size;
	r->used -= n;
}

/* The room behind the newest byte that lies in one piece: *at, and how many bytes.  What is written there counts with console_ring_add. */
static inline size_t console_ring_space(const struct console_ring *r, uint8_t **at)
{
	size_t end = (r->first + r->used) % r->size;

	*at = r->bytes + end;
	return min_size(console_ring_room(r), r->size - end);
}

static inline void console_ring_add(struct console_ring *r, size_t n)
{
	r->used += n;
}

/* Appends as many of len bytes as there is room for.  Returns how many. */
static inline size_t console_ring_put(struct console_ring *r, const void *bytes, size_t len)
{
	size_t done = 0, n;
	uint8_t *at;

	while (done < len && (n = console_ring_space(r, &at)) > 0) {
		n = min_size(n, len - done);
		memcpy(at, (const uint8_t *)bytes + done, n);
		console_ring_add(r, n);
		done += n;
	}
	return done;
}

/* Takes the oldest, at most len.  Returns how many. */
static inline size_t console_ring_take(struct console_ring *r, void *buf, size_t len)
{
	size_t done = 0, n;
	const uint8_t *at;

	while (done < len && (n = console_ring_peek(r, &at)) > 0) {
		n = min_size(n, len - done);
		memcpy((uint8_t *)buf + done, at, n);
		console_ring_drop(r, n);
		done += n;
	}
	return done;
}

#endif
