/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtq.h - the device side of a virtqueue, whatever its layout: VIRTIO 1.4, section 2.6.
 *
 * What is common (chains, segments, limits, the broken latch, in-flight bookkeeping) is here; the layout in
 * guest memory is behind struct ring_ops: ring_split.c, ring_packed.c.  The device's view is chain.h; this header is for transports.
 */
#ifndef VDEVD_TRANSPORT_RING_VIRTQ_H
#define VDEVD_TRANSPORT_RING_VIRTQ_H

#include "mem/dirty_log.h"
#include "mem/gmem.h"
#include "transport/chain.h"
#include "transport/virtio.h"

#define VIRTQ_MAX_SIZE 32768 /* section 2.6 */

/*
 * The most descriptors in one chain where the queue is shorter: drivers with indirect tables are
 * known to go beyond their queue size, which section 2.7.5.3.1 forbids them.
 */
#define VIRTQ_CHAIN_MIN_LIMIT 1024

struct ring_ops;
struct vdev;
struct vdev_queue_stats;
struct virtq;

/* The features of the device and its rings that a driver is offered: what the operator has not masked, and has asked for. */
uint64_t virtq_offered_features(const struct vdev *d);

/* Ring features that cannot be had with this device. */
uint64_t virtq_unfit_features(const struct vdev *d);

/* What a ring tells its transport. */
/* What became of a chain: bytes that the device has read and written, of so many there were for each. */
struct virtq_answer {
	unsigned int head;
	size_t read, readable, written, writable;
};

struct virtq_events {
	/* The driver wants to be notified of used buffers. */
	void (*call)(struct virtq *vq);
	/* The ring has just been latched broken; why is a constant sentence part. */
	void (*broken)(struct virtq *vq, const char *why);
	/* The last chain the device held came back while the ring was stopping. */
	void (*drained)(struct virtq *vq);
	/* Chains were left behind: the device wants another turn once the others had theirs. */
	void (*again)(struct virtq *vq);
	/* An address of the ring or of a chain has no translation (iotlb_missed): the ring waits for virtq_translated. */
	void (*miss)(struct virtq *vq);
	/* The device has answered a chain; where virtq_trace asks for it.  It may be NULL. */
	void (*used)(struct virtq *vq, const struct virtq_answer *used);
};

/*
 * Where the parts of a ring are, in the space their front-end uses; in that of an IOMMU (GMEM_IOVA) buffers are, too.  Of a packed ring: the descriptor ring, and the event
 * suppression structures of driver and device.
 */
struct virtq_addrs {
	enum gmem_space space;
	uint64_t desc, avail, used;
	bool or_guest; /* guest-physical where they are not in space: some front-ends on Xen send those */
};

/* Makes a queue, stopped.  ev and owner are handed back in events.  Returns 0 and *out, or -ENOMEM. */
int virtq_new(unsigned int index, const struct virtq_events *ev, void *owner, struct virtq **out);

/* Frees a stopped queue that holds no chain; NULL is allowed. */
void virtq_free(struct virtq *vq);

void *virtq_owner(const struct virtq *vq);

/*
 * Starts the ring: pins its parts in mem and allocates what chains need.  mem must outlive the ring's life.
 * num: queue size up to VIRTQ_MAX_SIZE, of a split ring a power of two.  features: as the driver accepted them;
 * VIRTIO_F_RING_PACKED among them chooses the layout; with VIRTIO_F_IN_ORDER what is pushed early waits until it is its turn.
 * base: where it goes on, as in vhost-user SET_VRING_BASE: the next available index of a split ring, two places of a
 * packed one (packed_layout.h).  When that says that chains are in flight and this queue remembers
 * as many from its last life (virtq_requeue), they will be popped first.
 * Returns 0; -EAGAIN: a part has no translation (iotlb_missed); -EINVAL: num or base, or a shared record that cannot be of this ring; -EFAULT: a part is not in memory in one piece; -ENOMEM; or as gmem_pin.
 */
int virtq_start(struct virtq *vq, struct gmem *mem, unsigned int num, uint64_t features, const struct virtq_addrs *addrs,
		uint32_t base);

/*
 * From the next start on, the record of chains in flight is this memory of size bytes, which stays the caller's and is shared
 * with the front-end (inflight.h): what it tells is popped first, and it tells the base.  NULL: the record is private.
 */
void virtq_share_record(struct virtq *vq, void *record, size_t size);

/* Whether this base is that of a ring that begins anew. */
bool virtq_base_fresh(uint64_t features, uint32_t base);

/* Enables or disables a ring: a disabled one gives no chains (vhost-user, "Ring states"). */
void virtq_enable(struct virtq *vq, bool enable);

/*
 * Ends the ring's life in two steps.  virtq_stopping: no more chains are popped; the transport then asks the device to
 * quiesce, and when virtq_in_flight is 0 (at once or with the drained event) virtq_stop unpins the
 * ring and returns the base from which it can be started again.
 */
void virtq_stopping(struct virtq *vq);
uint32_t virtq_stop(struct virtq *vq);

/*
 * Requeued chains that were taken last go back into the ring when it stops: the base is before them.  Where the record is shared they
 * stay in it, as in flight, unless this was called since the ring started.
 */
void virtq_untake(struct virtq *vq);

/* Whether the ring is between virtq_stopping and virtq_stop. */
bool virtq_stopping_now(const struct virtq *vq);

/*
 * Descriptors of chains that were in flight when the ring was started, by what its base said, and are known to nobody here: they are
 * never used.
 */
unsigned int virtq_lost(const struct virtq *vq);

/* Whether the present life goes on with chains of the last one. */
bool virtq_resumes(const struct virtq *vq);

/*
 * From now on, until it is called again, marks the pages of buffers that were written in log; NULL: does not.
 * ring: whether what is written into the ring is marked, too, and of a split ring where: ring_addr stands for its used part.
 */
void virtq_log(struct virtq *vq, struct dirty_log *log, bool ring, uint64_t ring_addr);

/* Forgets the chains remembered from the last life, also those of a shared record: the device was reset. */
void virtq_forget(struct virtq *vq);

/* Whether the ring has a life: virtq_start succeeded and virtq_stop was not called. */
bool virtq_started(const struct virtq *vq);

/* Whether the ring is latched broken: the driver wrote what cannot be.  Until the next start. */
bool virtq_broken(const struct virtq *vq);

/* Chains the device holds. */
unsigned int virtq_in_flight(const struct virtq *vq);

/*
 * Resolves the ring's parts in another memory table, which takes the place of the present one.
 * Chains in flight keep their pins in the old.  Returns 0 or as virtq_start; on error the ring keeps nothing and is broken.
 */
int virtq_remap(struct virtq *vq, struct gmem *mem);

/*
 * Translations have come: a ring that waited for one goes on, or finds the next that is missing.
 */
void virtq_translated(struct virtq *vq);

/*
 * Translations from first to last are void.  A ring that has a part there lets go of it before this returns, and looks for it anew;
 * chains that are pushed meanwhile are told when it is found.  Chains in flight keep what they have pinned: see vu_iotlb.c.
 */
void virtq_invalidate(struct virtq *vq, uint64_t first, uint64_t last);

/* What the ring waits for will not come: it is latched broken. */
void virtq_untranslated(struct virtq *vq);

/* Whether the ring waits for a translation. */
bool virtq_waiting(const struct virtq *vq);

/*
 * A turn for the device: the transport calls begin, class->kick, end.  begin limits the pops to one ring's length;
 * end raises the again event when chains were left behind because of that.
 */
void virtq_turn_begin(struct virtq *vq);
void virtq_turn_end(struct virtq *vq);

/*
 * The end of a turn.  First the driver is notified (events.call) of what was pushed since the last flush, if it wants to be;
 * then the ring is looked at once more; then the driver is asked to kick, where a pop had found the ring empty.  In this order
 * a driver that the notification wakes can make its next request available without a kick.
 * Returns whether there is more to pop, for which no kick may come: the device wants a turn.
 */
bool virtq_flush(struct virtq *vq);

/* Whether there may be something to flush: cheap, for a check in every turn of the loop. */
bool virtq_dirty(const struct virtq *vq);

/* Whether latencies are measured, which costs reading the clock; not before it is said. */
void virtq_time(struct virtq *vq, bool timed);

/* Whether each chain that the device answers is told (events.used); not before it is said. */
void virtq_trace(struct virtq *vq, bool traced);

/* What the queue has done since virtq_new. */
void virtq_stats(const struct virtq *vq, struct vdev_queue_stats *out);

#endif
