/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uring.h - reads and writes of files without waiting: io_uring(7) where the host has it, worker threads (work.h) where
 * not.
 *
 * An operation is embedded in what it works for: no allocation.  It begins when the loop's turn ends, all of a turn
 * with one system call, and its end is told to the loop.  Operations end in any order; one that is to follow another is
 * begun when that is done.  Who uses this never learns which of the two it is: each operation ends with the same
 * result.
 *
 * Buffers may be guest memory of a chain held for the operation; they stay where they are until done.
 */
#ifndef VDEVD_CORE_URING_H
#define VDEVD_CORE_URING_H

#include <sys/uio.h>

#include "core/base.h"
#include "core/list.h"
#include "core/work.h"

struct ev_loop;
struct uring;

/* The place in a file that has none: a pipe, a terminal. */
#define URING_NO_OFFSET UINT64_MAX

/* An operation.  Its owner sets done; it must stay where it is from its begin until done. */
struct uring_op {
	/*
	 * On the loop: it has ended.  res: bytes read or written, which can be fewer than asked for; 0; or -errno,
	 * -ECANCELED where a cancel was in time.  It may begin the next, also with this struct; it must not free the
	 * ring.
	 */
	void (*done)(struct uring_op *op, int res);
	/* The ring's. */
	struct uring_op_way {
		struct uring *u;
		struct list all, queue;
		int what, state, fd;
		int mode; /* of fallocate(2); RWF_... of a write */
		const struct iovec *iov;
		unsigned int niov;
		uint64_t off, len;
		bool cancelled;
		int res;
		struct work work;
	} way;
};

/* What a ring is made of; 0 is the usual. */
struct uring_opts {
	unsigned int depth;   /* operations begun with one system call, at most; usually 128 */
	unsigned int threads; /* the most of them, where there is no io_uring; usually 4 */
	bool no_kernel;       /* threads in any case */
};

/*
 * Makes a ring whose operations are told to the given loop.  opts: NULL is all as usual.  Where the host refuses
 * io_uring (an old kernel, a seccomp filter, kernel.io_uring_disabled), or the build is without liburing, it is
 * threads.
 * Returns 0 and *out (free with uring_free), or -ENOMEM.
 */
int uring_new(struct ev_loop *loop, const struct uring_opts *opts, struct uring **out);

/*
 * Takes the ring away: operations are cancelled, and those that go on are waited for, at most patience_ms.  No done is
 * called any more.  NULL is allowed.
 * Returns true; or false when some still go on: their buffers must then be left alone, for good.
 */
bool uring_free(struct uring *u, unsigned int patience_ms);

/* Whether it is io_uring: for lines about the host. */
bool uring_native(const struct uring *u);

/*
 * Begins to read into, or to write from, niov entries of iov, at most 1024, at off bytes of the file.  iov stays as it
 * is until done.  Its errors are done's: preadv(2), pwritev(2).
 */
void uring_readv(struct uring *u, struct uring_op *op, int fd, const struct iovec *iov, unsigned int niov, uint64_t off);
void uring_writev(struct uring *u, struct uring_op *op, int fd, const struct iovec *iov, unsigned int niov, uint64_t off);

/*
 * As uring_writev; done comes when the bytes are on the disk, and what it takes to find them again: as O_DSYNC of
 * open(2) has it.
 */
void uring_writev_durable(struct uring *u, struct uring_op *op, int fd, const struct iovec *iov, unsigned int niov,
			  uint64_t off);

/* Begins fsync(2), or fdatasync(2) where data_only: for what was written by operations that are done. */
void uring_fsync(struct uring *u, struct uring_op *op, int fd, bool data_only);

/* Begins fallocate(2): mode FALLOC_FL_..., len bytes at off. */
void uring_fallocate(struct uring *u, struct uring_op *op, int fd, int mode, uint64_t off, uint64_t len);

/*
 * Asks an operation that is under way to end early; never waits.  done is called as ever: with -ECANCELED, or with the
 * result of one that could not be stopped.
 */
void uring_cancel(struct uring *u, struct uring_op *op);

/*
 * What reading and writing files takes, by either way.  The kernel runs what io_uring is given without a look at the
 * rules about system calls; Landlock and the rights of descriptors hold for it.
 */
void uring_needs(struct sandbox *s);

#endif
