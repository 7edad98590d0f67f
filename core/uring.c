/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uring.c - reads and writes of files without waiting: what is common to both back ends, and the one of worker threads;
 * see uring.h.  The other is uring_kernel.c.
 */
#include "core/uring_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"

static const struct sandbox_call file_calls[] = {
#if VDEVD_HAVE_LIBURING
	{.name = "io_uring_enter", .why = "files are read and written"},
#endif
	{.name = "readv", .why = "files are read"},
	{.name = "preadv", .why = "files are read"},
	{.name = "writev", .why = "files are written"},
	{.name = "pwritev", .why = "files are written"},
	{.name = "fsync", .why = "files are written"},
	{.name = "fdatasync", .why = "files are written"},
	{.name = "fallocate", .why = "room in files"},
	{0},
};

void uring_needs(struct sandbox *s)
{
	sandbox_calls(s, work_calls);
	sandbox_calls(s, file_calls);
}

#define THREADS 4

/* ---- operations */

void uring_ended(struct uring_op_way *op, int res)
{
	struct uring_op *o = container_of(op, struct uring_op, way);
	struct uring *u = op->u;

	list_remove(&op->all);
	/* A call that a cancel interrupts says so; without one the back ends see to it that none is interrupted. */
	if (op->cancelled && res == -EINTR)
		res = -ECANCELED;
	if (!u->closing)
		o->done(o, res);
}

void uring_ended_early(struct uring_op_way *op, int res)
{
	op->res = res;
	list_put_last(&op->u->early, &op->queue);
	loop_again_start(&op->u->tell, op->u->loop);
}

static void tell_run(struct loop_again *again)
{
	struct uring *u = container_of(again, struct uring, tell);
	struct list ended, *first;

	/* What ends early from now on has a turn of its own. */
	list_init(&ended);
	list_take(&ended, &u->early);
	while ((first = list_first(&ended))) {
		struct uring_op_way *op = container_of(first, struct uring_op_way, queue);

		list_remove(first);
		uring_ended(op, op->res);
	}
}

static void begin(struct uring *u, struct uring_op *o, enum uring_what what, int fd)
{
	o->way.u = u;
	o->way.what = (int)what;
	o->way.fd = fd;
	o->way.cancelled = false;
	list_put_last(&u->all, &o->way.all);
	list_init(&o->way.queue);
	u->backend->begin(u, &o->way);
}

static void begin_rw(struct uring *u, struct uring_op *o, enum uring_what what, int fd, const struct iovec *iov,
		     unsigned int niov, uint64_t off, int flags)
{
	o->way.mode = flags;
	o->way.iov = iov;
	o->way.niov = niov;
	o->way.off = off;
	begin(u, o, what, fd);
}

void uring_readv(struct uring *u, struct uring_op *op, int fd, const struct iovec *iov, unsigned int niov, uint64_t off)
{
	begin_rw(u, op, URING_READV, fd, iov, niov, off, 0);
}

void uring_writev(struct uring *u, struct uring_op *op, int fd, const struct iovec *iov, unsigned int niov, uint64_t off)
{
	begin_rw(u, op, URING_WRITEV, fd, iov, niov, off, 0);
}

void uring_writev_durable(struct uring *u, struct uring_op *op, int fd, const struct iovec *iov, unsigned int niov,
			  uint64_t off)
{
	begin_rw(u, op, URING_WRITEV, fd, iov, niov, off, URING_DURABLE);
}

void uring_fsync(struct uring *u, struct uring_op *op, int fd, bool data_only)
{
	begin(u, op, data_only ? URING_FDATASYNC : URING_FSYNC, fd);
}

void uring_fallocate(struct uring *u, struct uring_op *op, int fd, int mode, uint64_t off, uint64_t len)
{
	op->way.mode = mode;
	op->way.off = off;
	op->way.len = len;
	begin(u, op, URING_FALLOCATE, fd);
}

void uring_cancel(struct uring *u, struct uring_op *op)
{
	if (op->way.cancelled)
		return;
	op->way.cancelled = true;
	u->backend->cancel(u, &op->way);
}

/* ---- the ring */

int uring_new(struct ev_loop *loop, const struct uring_opts *opts, struct uring **out)
{
	struct uring *u = calloc(1, sizeof(*u));
	struct uring_opts o = {0};
	int err = -ENOSYS;

	if (!u)
		return -ENOMEM;
	if (opts)
		o = *opts;
	u->loop = loop;
	list_init(&u->all);
	list_init(&u->early);
	loop_again_init(&u->tell, tell_run);
#if VDEVD_HAVE_LIBURING
	u->backend = &uring_kernel;
	if (!o.no_kernel)
		err = u->backend->open(u, &o);
#endif
	if (err) {
		u->backend = &uring_threads;
		err = u->backend->open(u, &o);
	}
	if (err) {
		free(u);
		return err;
	}
	*out = u;
	return 0;
}

bool uring_free(struct uring *u, unsigned int patience_ms)
{
	struct list *node, *next;

	if (!u)
		return true;
	u->closing = true;
	for (node = u->all.next; node != &u->all; node = next) {
		next = node->next;
		uring_cancel(u, container_of(node, struct uring_op, way.all));
	}
	loop_again_stop(&u->tell, u->loop);
	if (!u->backend->close(u, patience_ms))
		return false;
	free(u);
	return true;
}

bool uring_native(const struct uring *u)
{
	return u->backend != &uring_threads;
}

/* ---- worker threads */

static int threads_open(struct uring *u, const struct uring_opts *opts)
{
	const struct work_opts work = {.threads = opts->threads ? opts->threads : THREADS};
	struct work_queue *wq;
	int err = work_queue_new(u->loop, &work, &wq);

	u->host = wq;
	return err;
}

/* Writes; and where it is to be on the disk sees to that.  Not every C library has pwritev2(2). */
static ssize_t call_writev(const struct uring_op_way *op)
{
	ssize_t n;

	if (op->off == URING_NO_OFFSET)
		n = writev(op->fd, op->iov, (int)op->niov);
	else
		n = pwritev(op->fd, op->iov, (int)op->niov, (off_t)op->off);
	return n > 0 && op->mode && fdatasync(op->fd) < 0 ? -1 : n;
}

/* On a worker thread: the call.  Returns as it does. */
static ssize_t call(const struct uring_op_way *op)
{
	switch (op->what) {
	case URING_READV:
		if (op->off == URING_NO_OFFSET)
			return readv(op->fd, op->iov, (int)op->niov);
		return preadv(op->fd, op->iov, (int)op->niov, (off_t)op->off);
	case URING_WRITEV:
		return call_writev(op);
	case URING_FSYNC:
		return fsync(op->fd);
	case URING_FDATASYNC:
		return fdatasync(op->fd);
	default:
		return fallocate(op->fd, op->mode, (off_t)op->off, (off_t)op->len);
	}
}

static void work_run(struct work *w)
{
	struct uring_op_way *op = container_of(w, struct uring_op_way, work);
	ssize_t n;

	do
		n = call(op);
	while (n < 0 && errno == EINTR && !work_interrupted(w));
	op->res = n < 0 ? -errno : (int)n;
}

static void work_done(struct work *w)
{
	struct uring_op_way *op = container_of(w, struct uring_op_way, work);

	uring_ended(op, op->res);
}

static void threads_begin(struct uring *u, struct uring_op_way *op)
{
	int err;

	op->work = (struct work){.run = work_run, .done = work_done};
	err = work_submit(u->host, &op->work);
	if (err)
		uring_ended_early(op, err);
}

static void threads_cancel(struct uring *u, struct uring_op_way *op)
{
	if (work_cancel(u->host, &op->work))
		uring_ended_early(op, -ECANCELED);
	else
		work_interrupt(u->host, &op->work);
}

static bool threads_close(struct uring *u, unsigned int patience_ms)
{
	return work_queue_free(u->host, patience_ms);
}

const struct uring_backend uring_threads = {
	.open = threads_open,
	.begin = threads_begin,
	.cancel = threads_cancel,
	.close = threads_close,
};
