/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * chain.h - what a device sees of a virtqueue: pop a chain, read the request, write the answer, push it.
 *
 * A chain is a request as the driver made it available: bytes the device may read, then room the device may
 * write (VIRTIO 1.4, section 2.6 "Virtqueues").  A device sees a cursor over each part and never learns how the driver split
 * them into descriptors (section 2.7.4 "Message Framing").
 *
 * A chain belongs to the device from virtq_pop until virtq_push or virtq_requeue; pointers into guest memory
 * (chain_read_iov, chain_write_iov) die with it.
 */
#ifndef VDEVD_TRANSPORT_CHAIN_H
#define VDEVD_TRANSPORT_CHAIN_H

#include <sys/uio.h>

#include "core/base.h"

struct chain;
struct virtq;

/*
 * Takes the next available chain.  Returns NULL when there is none (then the driver will kick when there is one),
 * when the device had its turn for now (it will be kicked again), or when the ring is stopped or broken.  A device that stops
 * before it saw NULL is not kicked for chains that were there, until it pops again.
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

/*
 * Views for host I/O without a copy: fills at most max entries with the next bytes to read or the next room
 * to write, at most limit bytes in all.  Moves nothing: chain_skip or chain_wrote does.
 * Returns the number of entries.
 */
unsigned int chain_read_iov(const struct chain *c, struct iovec *iov, unsigned int max, size_t limit);
unsigned int chain_write_iov(struct chain *c, struct iovec *iov, unsigned int max, size_t limit);

/* The host has written len bytes into the room chain_write_iov showed; at most chain_writable. */
void chain_wrote(struct chain *c, size_t len);

#endif
