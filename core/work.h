/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * work.h - calls that block (a slow bus, a device node) on one thread beside the event loop.
 *
 * A job is embedded in what it works on: no allocation.  Jobs run one after the other, in the order of submission, and
 * each is told to the loop when it has ended.  The thread starts with the first job: who submits none pays
 * nothing.
 *
 * The thread touches only what belongs to the job that runs: no ring, no guest memory but that of a chain held for the
 * job, no event loop, no log.
 */
#ifndef VDEVD_CORE_WORK_H
#define VDEVD_CORE_WORK_H

#include "core/base.h"

struct ev_loop;
struct work_queue;

/* A job.  Its owner sets run and done; it must stay where it is from work_submit until done or a cancel. */
struct work {
	void (*run)(struct work *w);  /* on the worker thread */
	void (*done)(struct work *w); /* on the loop, after run */
	struct work *next;            /* the queue's */
};

/* Makes a queue whose jobs are told to the given loop.  Returns 0 and *out (free with work_queue_free), or -ENOMEM. */
int work_queue_new(struct ev_loop *loop, struct work_queue **out);

/*
 * Takes the queue away: jobs not begun are dropped, the one that runs is waited for, at most patience_ms.  No done is called
 * any more.  NULL is allowed.
 * Returns true; or false when that job still runs: what it uses must then be left alone, for good.
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

#endif
