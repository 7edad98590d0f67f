/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * chain.c - a request in guest memory: building it from pinned pieces, reading and writing it.
 * VIRTIO 1.4, section 2.6; see chain.h and ring.h.
 */
#include <errno.h>
#include <string.h>

#include "transport/ring/ring.h"

static struct seg *seg_at(const struct chain *c, uint32_t i)
{
	return &c->vq->segs[i];
}

/* Takes a piece from the pool, or SEG_NONE. */
static uint32_t seg_take(struct virtq *vq)
{
	uint32_t i = vq->free_segs;

	if (i != SEG_NONE) {
		vq->free_segs = vq->segs[i].next;
		return i;
	}
	return vq->fresh_segs < vq->nsegs ? vq->fresh_segs++ : SEG_NONE;
}

int chain_begin(struct virtq *vq, uint16_t head, struct chain **out)
{
	struct chain *c = &vq->chains[head];

	if (c->state == CHAIN_HELD || c->state == CHAIN_DONE)
		return virtq_break(vq, "a chain in flight was made available again");
	c->vq = vq;
	c->head = head;
	c->first = c->last = SEG_NONE;
	c->read = c->write = (struct seg_cursor){SEG_NONE, 0};
	c->first_writable = SEG_NONE;
	c->has_writable = c->unsettled = false;
	c->readable = c->writable = c->written = c->shown = 0;
	c->shown_from = SIZE_MAX;
	*out = c;
	return 0;
}

/* Appends a piece of the pool that is pinned. */
static void chain_link(struct chain *c, uint32_t i, bool writable)
{
	seg_at(c, i)->next = SEG_NONE;
	if (c->last == SEG_NONE)
		c->first = i;
	else
		seg_at(c, c->last)->next = i;
	c->last = i;
	struct seg_cursor *cursor = writable ? &c->write : &c->read;

	if (cursor->seg == SEG_NONE) {
		cursor->seg = i;
		if (writable)
			c->first_writable = i;
	}
}

/* Appends one pinned piece.  Returns false when the pool is empty. */
static bool chain_append(struct chain *c, const struct gmem_seg *mem, bool writable)
{
	uint32_t i = seg_take(c->vq);

	if (i == SEG_NONE)
		return false;
	seg_at(c, i)->mem = *mem;
	c->unsettled |= !mem->va;
	chain_link(c, i, writable);
	return true;
}

/* The most regions one descriptor's buffer may go over. */
#define BUFFER_PIECES 16

int chain_pin(struct chain *c, uint64_t addr, uint32_t *len, bool writable)
{
	const enum gmem_access access = writable ? GMEM_WRITE : GMEM_READ;
	struct virtq *vq = c->vq;
	struct gmem_seg pieces[BUFFER_PIECES];
	int n;

	for (;; *len /= 2) {
		n = gmem_pin_later(vq->mem, vq->space, addr, *len, access, pieces, BUFFER_PIECES);
		if (n != -ENOSPC || vq->space != GMEM_IOVA || *len == 1)
			break;
	}
	if (n == -EAGAIN)
		return n;
	if (n < 0)
		return virtq_break(vq, n == -EFAULT || n == -ENOSPC ? "buffer outside of memory" : "buffer that cannot be mapped");
	for (int i = 0; i < n; i++) {
		if (chain_append(c, &pieces[i], writable))
			continue;
		for (; i < n; i++)
			gmem_unpin(&pieces[i]);
		return -ENOSPC;
	}
	return 0;
}

int chain_pin_plain(struct chain *c, uint64_t addr, uint32_t *len, bool writable)
{
	struct virtq *vq = c->vq;
	uint32_t i = seg_take(vq);

	if (i == SEG_NONE)
		return -ENOSPC;
	if (!gmem_pin_plain(vq->mem, vq->space, addr, *len, &seg_at(c, i)->mem)) {
		seg_at(c, i)->next = vq->free_segs;
		vq->free_segs = i;
		return chain_pin(c, addr, len, writable);
	}
	chain_link(c, i, writable);
	return 0;
}

int chain_add(struct chain *c, uint64_t addr, uint32_t len, bool writable)
{
	size_t *total = writable ? &c->writable : &c->readable;

	c->vq->budget.work++;
	if (!writable && c->has_writable)
		return virtq_break(c->vq, "device-readable descriptor after a device-writable one");
	c->has_writable |= writable;
	/* Section 2.7.5: a chain is at most 2^32 bytes long. */
	if ((uint64_t)c->readable + c->writable + len > UINT32_MAX)
		return virtq_break(c->vq, "chain of more than 4 GiB");
	*total += len;
	while (len) {
		uint32_t part = len;
		int err = c->vq->pin(c, addr, &part, writable);

		if (err)
			return err;
		addr += part;
		len -= part;
	}
	return 0;
}

int chain_ready(struct chain *c)
{
	/* All at once, now that they are known. */
	for (uint32_t i = c->unsettled ? c->first : SEG_NONE; i != SEG_NONE; i = seg_at(c, i)->next) {
		if (gmem_settle(&seg_at(c, i)->mem))
			return virtq_break(c->vq, "buffer that cannot be mapped");
	}
	/* One from the last life keeps its place: some of that may be popped again before the ring stops once more. */
	if (c->state != CHAIN_REQUEUED)
		c->order = c->vq->order++;
	c->given = c->readable;
	c->popped = ring_stats_popped(&c->vq->stats);
	c->state = CHAIN_HELD;
	c->vq->held++;
	return 0;
}

/* Marks the bytes of the writable part from one place to another. */
static void chain_mark(const struct chain *c, size_t from, size_t to)
{
	size_t at = 0, n;

	for (uint32_t i = c->first_writable; at < to; i = seg_at(c, i)->next, at += n) {
		const struct gmem_seg *mem = &seg_at(c, i)->mem;
		size_t skip = from > at ? from - at : 0;
		uint64_t addr;

		n = mem->len;
		if (skip < n && gmem_guest_addr(mem, &addr))
			dirty_log_mark(c->vq->log, addr + skip, min_size(n, to - at) - skip);
	}
}

/* Marks what was, or may have been, written. */
static void chain_log(const struct chain *c)
{
	chain_mark(c, 0, c->written);
	chain_mark(c, c->shown_from > c->written ? c->shown_from : c->written, c->shown);
}

void chain_end(struct chain *c, enum chain_state state)
{
	struct virtq *vq = c->vq;

	if (vq->log)
		chain_log(c);
	for (uint32_t i = c->first, next; i != SEG_NONE; i = next) {
		next = vq->segs[i].next;
		gmem_unpin(&vq->segs[i].mem);
		vq->segs[i].next = vq->free_segs;
		vq->free_segs = i;
	}
	c->first = c->last = SEG_NONE;
	c->state = state;
}

unsigned int chain_id(const struct chain *c)
{
	return c->head;
}

struct virtq *chain_queue(const struct chain *c)
{
	return c->vq;
}

size_t chain_readable(const struct chain *c)
{
	return c->readable;
}

size_t chain_writable(const struct chain *c)
{
	return c->writable;
}

size_t chain_written(const struct chain *c)
{
	return c->written;
}

/* Contiguous bytes at the cursor, at most len.  There are some: the caller has counted. */
static char *cursor_span(const struct chain *c, struct seg_cursor *cur, size_t len, size_t *n)
{
	const struct seg *s = seg_at(c, cur->seg);

	if (cur->off == s->mem.len) {
		*cur = (struct seg_cursor){s->next, 0};
		s = seg_at(c, cur->seg);
	}
	*n = min_size(len, s->mem.len - cur->off);
	return (char *)s->mem.va + cur->off;
}

/* Moves a cursor by len bytes.  There are as many: the caller has counted. */
static void cursor_step(const struct chain *c, struct seg_cursor *cur, size_t len)
{
	size_t n;

	for (; len; len -= n, cur->off += n)
		cursor_span(c, cur, len, &n);
}

bool chain_get(struct chain *c, void *buf, size_t len)
{
	char *to = buf;
	size_t n;

	if (len > c->readable)
		return false;
	c->readable -= len;
	for (; len; len -= n, to += n, c->read.off += n) {
		const char *from = cursor_span(c, &c->read, len, &n);

		memcpy(to, from, n);
	}
	/* What was copied is what gets checked: no second look at memory the guest can change. */
	__asm__ volatile("" ::: "memory");
	return true;
}

size_t chain_skip(struct chain *c, size_t len)
{
	len = min_size(len, c->readable);
	c->readable -= len;
	cursor_step(c, &c->read, len);
	return len;
}

bool chain_put_zeros(struct chain *c, size_t len)
{
	size_t n;

	if (len > c->writable)
		return false;
	c->writable -= len;
	c->written += len;
	for (; len; len -= n, c->write.off += n) {
		char *to = cursor_span(c, &c->write, len, &n);

		memset(to, 0, n);
	}
	return true;
}

/* Bytes of the room, from off to end behind the cursor, may be written, or are, though that has not gone over them. */
static void chain_show(struct chain *c, size_t off, size_t end)
{
	c->shown_from = min_size(c->shown_from, c->written + off);
	if (c->shown < c->written + end)
		c->shown = c->written + end;
}

unsigned int chain_iov(struct chain *c, enum chain_part part, size_t off, struct iovec *iov, unsigned int max,
		       size_t limit)
{
	struct seg_cursor cur = part == CHAIN_WRITE ? c->write : c->read;
	size_t left = part == CHAIN_WRITE ? c->writable : c->readable, n;
	unsigned int i = 0;
	size_t end = off;

	if (off >= left)
		return 0;
	left = min_size(limit, left - off);
	cursor_step(c, &cur, off);
	for (; left && i < max; i++, left -= n, cur.off += n) {
		iov[i].iov_base = cursor_span(c, &cur, left, &n);
		iov[i].iov_len = n;
		end += n;
	}
	if (part == CHAIN_WRITE && i)
		chain_show(c, off, end);
	return i;
}

/* Copies len bytes to a cursor, and moves it.  There is room: the caller has counted. */
static void cursor_put(const struct chain *c, struct seg_cursor *cur, const void *buf, size_t len)
{
	const char *from = buf;
	size_t n;

	for (; len; len -= n, from += n, cur->off += n) {
		char *to = cursor_span(c, cur, len, &n);

		memcpy(to, from, n);
	}
}

bool chain_put(struct chain *c, const void *buf, size_t len)
{
	if (len > c->writable)
		return false;
	cursor_put(c, &c->write, buf, len);
	c->writable -= len;
	c->written += len;
	return true;
}

bool chain_put_at(struct chain *c, size_t off, const void *buf, size_t len)
{
	struct seg_cursor cur = c->write;

	if (off > c->writable || len > c->writable - off)
		return false;
	cursor_step(c, &cur, off);
	cursor_put(c, &cur, buf, len);
	if (len)
		chain_show(c, off, off + len);
	return true;
}

void chain_wrote(struct chain *c, size_t len)
{
	len = min_size(len, c->writable);
	c->writable -= len;
	c->written += len;
	cursor_step(c, &c->write, len);
}
