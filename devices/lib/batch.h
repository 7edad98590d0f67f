/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * batch.h - requests that a slow bus makes one after the other.
 *
 * What a turn finds in a queue is a batch; its chains wait with the device.  A worker thread makes its entries in order, and
 * tells the loop at the end, or earlier when that takes long; entries that cannot block are made on the loop.  One
 * batch is under way at a time, further requests stay in the ring: order is kept and memory bounded.
 *
 *	open     batch_open
 *	kick     batch_busy; entries are added; batch_start
 *	quiesce  batch_quiesce
 *	close    batch_close
 *
 * A batch lies in what the thread touches, apart from the device, so that both can be left behind when a call hangs.
 */
#ifndef VDEVD_DEVICES_LIB_BATCH_H
#define VDEVD_DEVICES_LIB_BATCH_H

#include <stdatomic.h>

#include "core/work.h"
#include "transport/chain.h"

struct batch;
struct vdev;

/* What a device does with the entries of a batch, by their number. */
struct batch_ops {
	/* Whether making one of those from first on can block. */
	bool (*blocks)(const struct batch *b, unsigned int first);
	/* Makes an entry, unless it was refused: on the thread, or on the loop. */
	void (*make)(struct batch *b, unsigned int i);
	/* Answers it, made or refused. */
	void (*answer)(struct batch *b, unsigned int i);
	/* It cannot be made, and will be answered. */
	void (*refuse)(struct batch *b, unsigned int i);
	/* The queue stops before it was made: its chains are to be requeued. */
	void (*requeue)(struct batch *b, unsigned int i);
	/* All have ended: empties the entries.  Returns how many of another batch are there already. */
	unsigned int (*over)(struct batch *b);
};

struct batch {
	unsigned int n; /* entries; the device adds them while batch_busy says no */
	/* The functions' own: */
	const struct batch_ops *ops;
	struct vdev *d;
	unsigned int q;
	struct work work;
	struct work_queue *worker;
	atomic_bool stop;	     /* no further entry is to begin */
	unsigned int made, answered; /* entries */
	bool running;		     /* it is the thread's */
	bool behind;		     /* there may be chains in the ring for the time after it */
};

/* Makes an empty batch of queue q; ops must last.  Returns 0, or -ENOMEM; batch_close may be called then. */
int batch_open(struct batch *b, const struct batch_ops *ops, struct vdev *d, unsigned int q);

/*
 * Whether a batch is under way.  asked: the queue gets a turn when it is not any more.
 */
bool batch_busy(struct batch *b, bool asked);

/* The entries are to be made.  more: the batch was full, and there may be chains that found no room. */
void batch_start(struct batch *b, bool more);

/* What has not begun goes back, now or when what is under way has ended; that is answered then. */
void batch_quiesce(struct batch *b);

/*
 * Ends the thread.  A zeroed batch is allowed.  Returns whether that worked; if not, after a line in the log: a call
 * hangs, and what it uses must be left as it is.
 */
bool batch_close(struct batch *b);

/*
 * Answers a request whose last writable byte is its status.  What was not written before it is zeroed, unless a driver cannot
 * have meant so much: then nothing is told as written, for that would be all that lies before the status.  A chain without
 * room for a status goes back as it is.
 */
void batch_push(struct chain *c, uint8_t status);

#endif
