/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * chain.h - what a device sees of a virtqueue: pop a chain, read the request, write the answer, push it.
 *
 * A chain is a request as the driver made it available: bytes the device may read, then room the device may write
 * (VIRTIO 1.4, section 2.6 "Virtqueues").  A device sees a cursor over each part and never learns how the driver split
 * them into descriptors (section 2.7.4 "Message Framing").
 *
 * A chain belongs to the device from virtq_pop until virtq_push or virtq_requeue; pointers into guest memory
 * (chain_iov) die with it.
 */
#ifndef VDEVD_TRANSPORT_CHAIN_H
#define VDEVD_TRANSPORT_CHAIN_H

#include <sys/uio.h>

#include "core/base.h"

struct chain;
struct virtq;

/*
 * Takes the next available chain; in class->kick alone.  Returns NULL when there is none (then the driver will kick when there is
 * one), when the device had its turn for now, which is so many chains and so much work (it will be kicked again), or when the
 * ring is stopped or broken.  Elsewhere than in class->kick of this queue it returns NULL and asks for a turn (virtq_again).
 * A device that stops before it saw NULL is not kicked for chains that were there, until it pops again.
 */
struct chain *virtq_pop(struct virtq *vq);

/*
 * Gives a chain back to the driver as used.  The length told is that of the bytes written so far.
 * The driver is notified when the loop's turn ends.
 */
void virtq_push(struct chain *c);

/*
 * Gives a chain back unanswered: nothing of it may have been written.  It stays in flight and is popped
 * again, in its old order, when the ring is started again.  For class->quiesce.
 */
void virtq_requeue(struct chain *c);

/*
 * Asks for a turn: class->kick is called for this queue once more, when all others that are ready had theirs.  Chains
 * are popped in kick alone; so this is what a timer, a socket or a worker calls when it has something for a chain.
 * Asked for more often, it is one turn.  A ring that does not run gives none: it is looked at when it starts.
 */
void virtq_again(struct virtq *vq);

/*
 * Notifies the driver once more that there are used buffers, also where it does not ask for that: for drivers that are known to lose a
 * notification.  Nothing happens to a ring that does not run.
 */
void virtq_remind(struct virtq *vq);

/* Whether the ring is started, enabled and sound: chains could be popped. */
bool virtq_running(const struct virtq *vq);

/*
 * Whether the ring was as its driver had made it when it was started, nothing of it used: this driver has just begun.
 * Where it was not, the driver may remember what a device before this one has told it.
 */
bool virtq_fresh(const struct virtq *vq);

/* The number of chains the ring can hold: an array of this length has room for all in flight. */
unsigned int virtq_size(const struct virtq *vq);

/* The index of the queue in its device. */
unsigned int virtq_index(const struct virtq *vq);

/* The chain's number, below virtq_size, its own as long as it is in flight: an index for the device's state. */
unsigned int chain_id(const struct chain *c);

/* The queue the chain came from. */
struct virtq *chain_queue(const struct chain *c);

/* Bytes left to read; room left to write. */
size_t chain_readable(const struct chain *c);
size_t chain_writable(const struct chain *c);

/* Bytes written so far. */
size_t chain_written(const struct chain *c);

/*
 * Reads the next len bytes into buf.  Returns false, and moves nothing, when fewer are left.
 */
bool chain_get(struct chain *c, void *buf, size_t len);

/* Steps over the next len bytes to read, or all that are left when fewer.  Returns how many. */
size_t chain_skip(struct chain *c, size_t len);

/* Writes len bytes from buf.  Returns false, and writes nothing, when there is less room. */
bool chain_put(struct chain *c, const void *buf, size_t len);

/* Writes len zeros.  Returns false, and writes nothing, when there is less room. */
bool chain_put_zeros(struct chain *c, size_t len);

/* The two parts of a chain. */
enum chain_part {
	CHAIN_READ,  /* what the device may read */
	CHAIN_WRITE, /* where the device may write */
};

/*
 * Views for host I/O without a copy: the bytes of a part from off bytes behind the cursor on, at most limit bytes, in
 * at most max entries of iov.  Nothing moves: chain_skip or chain_wrote does that.  A view is good until the chain is
 * given back, also for a worker thread.  Where max entries are too few for a request, the device asks again with a
 * larger off.
 * Returns the number of entries; 0 where the part has no byte at off.
 */
unsigned int chain_iov(struct chain *c, enum chain_part part, size_t off, struct iovec *iov, unsigned int max,
		       size_t limit);

/* The same from the cursor on. */
static inline unsigned int chain_read_iov(struct chain *c, struct iovec *iov, unsigned int max, size_t limit)
{
	return chain_iov(c, CHAIN_READ, 0, iov, max, limit);
}

static inline unsigned int chain_write_iov(struct chain *c, struct iovec *iov, unsigned int max, size_t limit)
{
	return chain_iov(c, CHAIN_WRITE, 0, iov, max, limit);
}

/*
 * Writes len bytes from buf at off bytes behind the cursor, and moves nothing: for what follows a header that is not
 * known yet.  The bytes count as written when the cursor has gone over them.  So a device that writes data behind its
 * response ends with
 *
 *	chain_put_at(c, sizeof(response), data, len);
 *	chain_put(c, &response, sizeof(response));
 *	chain_wrote(c, len);
 *
 * and one that has failed meanwhile leaves the last line out.
 * Returns false, and writes nothing, when there is less room.
 */
bool chain_put_at(struct chain *c, size_t off, const void *buf, size_t len);

/* The next len bytes to write have been written, by the host or by chain_put_at; at most chain_writable. */
void chain_wrote(struct chain *c, size_t len);

#endif
