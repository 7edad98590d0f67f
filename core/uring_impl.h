/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uring_impl.h - what the two back ends of uring.h have in common.
 */
#ifndef VDEVD_CORE_URING_IMPL_H
#define VDEVD_CORE_URING_IMPL_H

#include <ev.h>

#include "core/loop.h"
#include "core/uring.h"

enum uring_what {
	URING_READV,
	URING_WRITEV,
	URING_FSYNC,
	URING_FDATASYNC,
	URING_FALLOCATE,
};

/* way.mode of a write: RWF_DSYNC of linux/fs.h, which a C library may lack. */
#define URING_DURABLE 2

/* A way to have operations done.  Each ends with uring_ended, later. */
struct uring_backend {
	/* Returns 0 and u->host; or -errno: it cannot be had here. */
	int (*open)(struct uring *u, const struct uring_opts *opts);
	void (*begin)(struct uring *u, struct uring_op_way *op);
	/* Once for an operation.  It ends as it would, or with -ECANCELED or -EINTR. */
	void (*cancel)(struct uring *u, struct uring_op_way *op);
	/* All were cancelled: waits until none goes on, and frees u->host.  Returns false when patience_ms were not enough. */
	bool (*close)(struct uring *u, unsigned int patience_ms);
};

struct uring {
	struct ev_loop *loop;
	const struct uring_backend *backend;
	void *host;             /* the back end's */
	struct list all;        /* operations under way: by way.all */
	struct list early;      /* of them those that have ended where done must not be called: by way.queue */
	struct loop_again tell; /* tells them */
	bool closing;           /* done is not called any more */
};

extern const struct uring_backend uring_kernel, uring_threads;

/* An operation has ended: calls its done. */
void uring_ended(struct uring_op_way *op, int res);

/* The same in a turn of its own: for who is called by the operation's owner. */
void uring_ended_early(struct uring_op_way *op, int res);

#endif
