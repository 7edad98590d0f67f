/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uring_kernel.c - reads and writes of files by io_uring(7), with liburing; see uring.h.
 *
 * What was begun in a turn waits in our own queue.  Before the loop sleeps (ev_prepare), it goes into the submission
 * queue and to the kernel.  Of all that is done then this is the last: others may find work just before the loop
 * sleeps, as a transport does that looks at its rings once more, and a watcher that is started at that moment comes too
 * late.  So nothing is lost where that queue is full, or where the kernel takes nothing for now
 * (-EAGAIN, -EBUSY): the rest goes in the next turn, which comes with the next completion, or by a timer.
 *
 * The ring's descriptor is readable while completions wait: no eventfd, and nothing to drain.
 *
 * What was tried and is not here.  Registered descriptors and IORING_SETUP_COOP_TASKRUN with SINGLE_ISSUER change
 * nothing that can be measured: 5.7 to 5.9 us of processor time for a 4 KiB read with 32 in flight, with any of the
 * four combinations (Linux 6.18, O_DIRECT, medians of 9 runs by turns).  With IORING_SETUP_DEFER_TASKRUN operations
 * stayed without an end there: it seems that who sleeps in epoll_wait(2) on the ring's descriptor is not woken.
 *
 * An operation in the kernel is cancelled by another one, which names it by its address.  That is carried out while it
 * is submitted, so it cannot meet a later operation of the same struct.
 */
#include "core/loop.h"
#include "core/uring_impl.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define DEPTH     128
#define MOST_DEPTH 4096

/* When the kernel is asked once more that took nothing, seconds. */
#define RETRY 0.01

/* Where an operation is (uring_op_way.state). */
enum {
	TO_BEGIN,  /* in the queue */
	BEGUN,     /* it is the kernel's */
	TO_CANCEL, /* it is the kernel's, and in the queue: to be cancelled */
};

struct kernel {
	struct uring *u;
	struct io_uring ring;
	struct list queue; /* what the kernel is to be told: by queue */
	struct ev_prepare turn_ends;
	struct ev_io completed;
	struct loop_rewatch rewatch;
	struct ev_timer retry;
};

static bool pending(const struct kernel *k)
{
	return !list_empty(&k->queue) || io_uring_sq_ready(&k->ring);
}

/* Says in the submission queue what is to be done. */
static void fill(struct io_uring_sqe *sqe, struct uring_op_way *op)
{
	if (op->state == TO_CANCEL) {
		io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, sqe, -1, op, 0, 0);
		io_uring_sqe_set_data(sqe, NULL);
		op->state = BEGUN;
		return;
	}
	switch (op->what) {
	case URING_READV:
		io_uring_prep_readv(sqe, op->fd, op->iov, op->niov, op->off);
		break;
	case URING_WRITEV:
		io_uring_prep_writev(sqe, op->fd, op->iov, op->niov, op->off);
		sqe->rw_flags = op->mode;
		break;
	case URING_FSYNC:
		io_uring_prep_fsync(sqe, op->fd, 0);
		break;
	case URING_FDATASYNC:
		io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
		break;
	default:
		/* The length is in the address, the mode in the length: io_uring_enter(2), IORING_OP_FALLOCATE. */
		io_uring_prep_rw(IORING_OP_FALLOCATE, sqe, op->fd, NULL, (unsigned int)op->mode, op->off);
		sqe->addr = op->len;
	}
	io_uring_sqe_set_data(sqe, op);
	op->state = BEGUN;
}

/* Gives the kernel what is in the submission queue.  Returns whether it took any. */
static bool submit(struct kernel *k)
{
	int n;

	do
		n = io_uring_submit(&k->ring);
	while (n == -EINTR);
	return n > 0;
}

/* All that was asked for goes to the kernel, or as much as it takes. */
static void flush(struct kernel *k)
{
	struct list *first;

	while ((first = list_first(&k->queue))) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&k->ring);

		if (!sqe && submit(k))
			sqe = io_uring_get_sqe(&k->ring);
		if (!sqe)
			break;
		list_remove(first);
		fill(sqe, container_of(first, struct uring_op_way, queue));
	}
	submit(k);
}

static void turn_ends(struct ev_loop *loop, struct ev_prepare *w, int revents)
{
	struct kernel *k = container_of(w, struct kernel, turn_ends);

	if (!pending(k))
		return;
	flush(k);
	if (pending(k) && !ev_is_active(&k->retry)) {
		ev_timer_set(&k->retry, RETRY, 0.);
		ev_timer_start(loop, &k->retry);
	}
}

/* Its turn is what it is for. */
static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
}

/* An operation has ended, or it was interrupted and begins anew. */
static void completed(struct kernel *k, struct uring_op_way *op, int res)
{
	if (op->state == TO_CANCEL)
		list_remove(&op->queue);
	if (res != -EINTR || op->cancelled) {
		uring_ended(op, res);
		return;
	}
	op->state = TO_BEGIN;
	list_put_last(&k->queue, &op->queue);
}

static void reap(struct kernel *k)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&k->ring, &cqe) == 0) {
		struct uring_op_way *op = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&k->ring, cqe);
		if (op) /* what became of a cancel is told by what it cancelled */
			completed(k, op, res);
	}
}

static void completed_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct kernel *k = container_of(w, struct kernel, completed);

	if (!loop_rewatch_lost(&k->rewatch, loop, revents))
		reap(k);
}

/* Whether this kernel has all that is used here. */
static bool complete(struct io_uring *ring)
{
	static const int ops[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE,
				  IORING_OP_ASYNC_CANCEL};
	const unsigned int features = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS;
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool all = probe && (ring->features & features) == features;

	for (size_t i = 0; all && i < ARRAY_SIZE(ops); i++)
		all = io_uring_opcode_supported(probe, ops[i]);
	io_uring_free_probe(probe);
	return all;
}

static int kernel_open(struct uring *u, const struct uring_opts *opts)
{
	unsigned int depth = opts->depth ? opts->depth : DEPTH;
	struct kernel *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	err = io_uring_queue_init(depth < MOST_DEPTH ? depth : MOST_DEPTH, &k->ring, 0);
	if (!err && !complete(&k->ring)) {
		io_uring_queue_exit(&k->ring);
		err = -ENOSYS;
	}
	if (err) {
		free(k);
		return err;
	}
	k->u = u;
	list_init(&k->queue);
	ev_prepare_init(&k->turn_ends, turn_ends);
	ev_set_priority(&k->turn_ends, EV_MINPRI);
	ev_prepare_start(u->loop, &k->turn_ends);
	ev_unref(u->loop); /* it keeps no loop running */
	ev_timer_init(&k->retry, retry_due, RETRY, 0.);
	ev_io_init(&k->completed, completed_ready, k->ring.ring_fd, EV_READ);
	loop_rewatch_init(&k->rewatch, &k->completed);
	ev_io_start(u->loop, &k->completed);
	u->host = k;
	return 0;
}

static void kernel_begin(struct uring *u, struct uring_op_way *op)
{
	struct kernel *k = u->host;

	op->state = TO_BEGIN;
	list_put_last(&k->queue, &op->queue);
}

static void kernel_cancel(struct uring *u, struct uring_op_way *op)
{
	struct kernel *k = u->host;

	if (op->state == TO_BEGIN) {
		list_remove(&op->queue);
		uring_ended_early(op, -ECANCELED);
		return;
	}
	op->state = TO_CANCEL;
	list_put_last(&k->queue, &op->queue);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether an operation is the kernel's. */
static bool busy(const struct uring *u)
{
	for (const struct list *node = u->all.next; node != &u->all; node = node->next)
		if (container_of(node, struct uring_op_way, all)->state != TO_BEGIN)
			return true;
	return false;
}

static bool kernel_close(struct uring *u, unsigned int patience_ms)
{
	struct kernel *k = u->host;
	struct pollfd p = {.fd = k->ring.ring_fd, .events = POLLIN};
	int64_t until = now_ms() + patience_ms, left;

	ev_ref(u->loop);
	ev_prepare_stop(u->loop, &k->turn_ends);
	ev_timer_stop(u->loop, &k->retry);
	loop_rewatch_stop(&k->rewatch, u->loop);
	while (busy(u)) {
		flush(k);
		left = until - now_ms();
		if (left <= 0)
			return false;
		/* Where the kernel has not taken it all, it is asked again soon. */
		poll(&p, 1, pending(k) && left > 10 ? 10 : (int)left);
		reap(k);
	}
	io_uring_queue_exit(&k->ring);
	free(k);
	return true;
}

const struct uring_backend uring_kernel = {
	.open = kernel_open,
	.begin = kernel_begin,
	.cancel = kernel_cancel,
	.close = kernel_close,
};
