/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * served.h - a queue of a device on the loop, whatever the transport: its descriptors, its turns, kicks and calls.
 *
 * The transport starts and stops the ring itself (virtq_start, virtq_stop) and says so (served_begin, served_end). In between
 * class->kick has a turn when the driver has kicked, when the device asks for one (virtq_again), and when the ring was not
 * empty after all.
 *
 * A ring without a way to kick is looked at every millisecond.
 */
#ifndef VDEVD_TRANSPORT_RING_SERVED_H
#define VDEVD_TRANSPORT_RING_SERVED_H

#include <ev.h>

#include "core/device.h"
#include "core/loop.h"
#include "transport/ring/virtq.h"

struct served;

/* What the transport does where rings of one differ from those of another.  Any of them may be NULL. */
struct served_owner {
	/* A turn may be about to begin, and has begun and ended. */
	void (*before_turn)(struct served *s);
	void (*after_turn)(struct served *s);
	/* The driver wants to be notified, and there is no call descriptor; or the one there is blocks (-ETIMEDOUT). */
	void (*call)(struct served *s, int err);
	/* The ring is broken; the err descriptor, where there is one, was signalled. */
	void (*broken)(struct served *s, const char *why);
	/* The last chain came back while the ring was stopping; the device is in the midst of virtq_push. */
	void (*drained)(struct served *s);
	/* As virtq_events.miss, virtq_events.used. */
	void (*miss)(struct served *s);
	void (*used)(struct served *s, const struct virtq_answer *used);
};

struct served {
	const struct served_owner *owner;
	struct vdev *d;
	struct virtq *vq;
	unsigned int index;
	bool begins;            /* the ring has started, and the device is still to be told */
	bool poll;              /* without a kick descriptor the ring is looked at now and then */
	struct notify_fd kick, call, err;
	struct ev_io kick_io;
	struct ev_timer timer;  /* for poll */
	struct loop_again again; /* another turn for the device */
};

/* Makes the queue with this index, its ring stopped.  Returns 0 or -ENOMEM. */
int served_new(struct served *s, const struct served_owner *owner, struct vdev *d, unsigned int index);

/* Frees it; its ring is stopped.  A zeroed one is allowed. */
void served_free(struct served *s);

/* Replaces a descriptor (the queue's from now on; -1: none) and its watcher. */
void served_set_kick(struct served *s, int fd);
void served_set_call(struct served *s, int fd);
void served_set_err(struct served *s, int fd);

/*
 * The ring has started: it is watched, and looked at once, since chains that were there before may have had their kick.
 * The device is told by the next served_gate.
 * poll: whether a ring without a kick descriptor is to be polled.
 */
void served_begin(struct served *s, bool poll);

/* known: it is clear whose the ring is: the device is told of its start, where it was not.  enabled: it gives chains. */
void served_gate(struct served *s, bool known, bool enabled);

/* The ring is about to stop: it is not watched any more, and the device gives back its chains (vdev_quiesce). */
void served_end(struct served *s);

/* Shows a chain that was answered as a line; for an owner that has its ring traced (virtq_trace). */
void served_trace(const struct served *s, const struct virtq_answer *used);

/* A turn for the device now; once the others had theirs. */
void served_turn(struct served *s);
void served_again(struct served *s);

/*
 * The end of a turn of the loop: virtq_flush.  Where there is more, the device has a turn now (serve) or later.
 * Returns whether it had one now: there may be more to flush.
 */
bool served_flush(struct served *s, bool serve);

/*
 * The same for all rings of a device: flush(arg, serve) does that for each and returns whether any was served.  What comes while
 * drivers are told of the last is served at once, up to a bound.
 */
void served_flush_rounds(bool (*flush)(void *arg, bool serve), void *arg);

#endif
