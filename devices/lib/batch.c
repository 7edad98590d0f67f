/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * batch.c - requests that a slow bus makes one after the other; see batch.h.
 */
#include "devices/lib/batch.h"

#include <string.h>

#include "core/clock.h"
#include "core/device.h"

/* How long entries that were made wait for those behind them, ns: a slow bus costs nobody more than this. */
#define TURN 2000000

/* How long the end waits for a call that hangs, ms. */
#define CLOSE_PATIENCE 20

/* The buffer of a failed read is zeroed up to this size. */
#define ZERO_MAX 65536

/* Makes the entries, or those of a turn. */
static void batch_run(struct work *w)
{
	struct batch *b = container_of(w, struct batch, work);
	const uint64_t begin = b->n > 1 ? clock_now(CLOCK_MONOTONIC) : 0;

	while (b->made < b->n && !atomic_load_explicit(&b->stop, memory_order_relaxed)) {
		b->ops->make(b, b->made++);
		if (b->made < b->n && clock_now(CLOCK_MONOTONIC) - begin > TURN)
			break;
	}
}

/* Has made what has not been.  Returns whether the thread does it. */
static bool batch_begin(struct batch *b)
{
	if (b->ops->blocks(b, b->made)) {
		const int err = work_submit(b->worker, &b->work);

		if (!err)
			return true;
		log_guest(&b->d->log, "no worker thread: %s", strerror(-err));
		for (unsigned int i = b->made; i < b->n; i++)
			b->ops->refuse(b, i);
	}
	while (b->made < b->n)
		batch_run(&b->work);
	return false;
}

static void batch_over(struct batch *b)
{
	const unsigned int next = b->ops->over(b);

	b->n = next;
	b->made = b->answered = 0;
	atomic_store_explicit(&b->stop, false, memory_order_relaxed);
}

/* Entries have been made: answers them, goes on with the next. */
static void batch_done(struct work *w)
{
	struct batch *b = container_of(w, struct batch, work);

	do {
		while (b->answered < b->made)
			b->ops->answer(b, b->answered++);
		if (atomic_load_explicit(&b->stop, memory_order_relaxed)) {
			for (; b->made < b->n; b->made++)
				b->ops->requeue(b, b->made);
			b->answered = b->made;
		}
		if (b->answered == b->n)
			batch_over(b);
		if (b->made < b->n && batch_begin(b))
			return;
	} while (b->answered < b->n);
	b->running = false;
	if (b->behind)
		virtq_again(vdev_queue(b->d, b->q));
	b->behind = false;
}

int batch_open(struct batch *b, const struct batch_ops *ops, struct vdev *d, unsigned int q)
{
	*b = (struct batch){.ops = ops, .d = d, .q = q, .work = {.run = batch_run, .done = batch_done}};
	return work_queue_new(d->loop, NULL, &b->worker);
}

bool batch_busy(struct batch *b, bool asked)
{
	b->behind |= b->running && asked;
	return b->running;
}

void batch_start(struct batch *b, bool more)
{
	b->behind = more;
	if (!b->n)
		return;
	b->running = true;
	if (!batch_begin(b))
		batch_done(&b->work);
}

void batch_quiesce(struct batch *b)
{
	b->behind = false;
	atomic_store_explicit(&b->stop, b->running, memory_order_relaxed);
}

bool batch_close(struct batch *b)
{
	bool idle;

	atomic_store_explicit(&b->stop, true, memory_order_relaxed);
	idle = work_queue_free(b->worker, CLOSE_PATIENCE);
	if (!idle)
		log_warn(&b->d->log, "a transfer hangs; it is left behind");
	return idle;
}

void batch_push(struct chain *c, uint8_t status)
{
	const size_t room = chain_writable(c);

	if (room > ZERO_MAX) {
		chain_put_at(c, room - 1, &status, sizeof(status));
	} else {
		if (room > 1)
			chain_put_zeros(c, room - 1);
		chain_put(c, &status, sizeof(status));
	}
	virtq_push(c);
}
