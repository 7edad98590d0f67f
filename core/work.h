/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * work.h - calls that block (a slow bus, a device node, a file) on threads beside the event loop.
 *
 * A job is embedded in what it works on: no allocation.  Jobs are begun in the order of submission, and each is told to
 * the loop when it has ended.  A queue of one thread runs one after the other; with several, they end as they like.  A
 * thread starts with the first job that finds none idle: who submits none pays nothing.
 *
 * A thread touches only what belongs to the job that runs: no ring, no guest memory but that of a chain held for the
 * job, no event loop, no log.
 */
#ifndef VDEVD_CORE_WORK_H
#define VDEVD_CORE_WORK_H

#include "core/base.h"
#include "core/sandbox.h"

struct ev_loop;
struct work_queue;

/* A job.  Its owner sets run and done; it must stay where it is from work_submit until done or a cancel. */
struct work {
	void (*run)(struct work *w);  /* on a worker thread */
	void (*done)(struct work *w); /* on the loop, after run */
	struct work *next;            /* the queue's */
	bool interrupted;             /* the queue's: work_interrupted */
};

/* What a queue is made of; 0 is the usual. */
struct work_opts {
	unsigned int threads; /* the most of them; usually one */
	size_t stack;         /* of each, bytes; usually 256 KiB: host calls and a library's small buffers */
};

/*
 * Makes a queue whose jobs are told to the given loop.  opts: NULL is all as usual.
 * Returns 0 and *out (free with work_queue_free), or -ENOMEM.
 */
int work_queue_new(struct ev_loop *loop, const struct work_opts *opts, struct work_queue **out);

/*
 * Takes the queue away: jobs not begun are dropped, those that run are waited for, at most patience_ms in all.  No done
 * is called any more.  NULL is allowed.
 * Returns true; or false when a job still runs: what it uses must then be left alone, for good.
 */
bool work_queue_free(struct work_queue *wq, unsigned int patience_ms);

/*
 * Submits a job that is in no queue.  Returns 0, or -errno when there is no thread and none could be
 * started: the job was not taken.
 */
int work_submit(struct work_queue *wq, struct work *w);

/*
 * Takes a submitted job back.  Returns true when it had not begun: neither run nor done will be called; false when
 * it has: done will be.
 */
bool work_cancel(struct work_queue *wq, struct work *w);

/*
 * Asks a submitted job to end early.  Its thread gets a signal that does nothing (SIGURG), again and again until run
 * returns: so the system call that run is in, or comes to next, fails with EINTR.  A call that the kernel does not
 * interrupt (a disk's) takes the time it takes.  run and done are called as ever, also where run had not begun; a job
 * that is not to run at all is cancelled.  What has ended already is left alone.
 */
void work_interrupt(struct work_queue *wq, struct work *w);

/* For run: whether it is to return.  A job that nobody interrupts never gets EINTR by this. */
bool work_interrupted(const struct work *w);

/* What threads take. */
extern const struct sandbox_call work_calls[];

#endif
