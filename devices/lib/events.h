/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * events.h - small records that a device tells its driver, each in one empty buffer of a virtqueue: VIRTIO's event
 * queues.
 *
 * Records wait here, in room given at open, until the driver has a buffer for them.  They are told in order.  Records
 * put together are a group: the driver is told all of a group or nothing.  A record that finds no room is lost, and
 * counted; which one that is, the newest or the oldest, is the device's choice.
 *
 *	open        events_open
 *	kick        events_kick
 *	quiesce     events_quiesce
 *	reset       events_reset
 *	save, load  events_save, events_load
 *	close       events_close
 *
 * One buffer is kept in hand while nothing waits: a ring that cannot be trusted shows at once.
 */
#ifndef VDEVD_DEVICES_LIB_EVENTS_H
#define VDEVD_DEVICES_LIB_EVENTS_H

#include <sys/uio.h>

#include "core/device.h"
#include "transport/chain.h"

/* What happens to a record that finds no room. */
enum events_full {
	EVENTS_REFUSE_NEWEST, /* it is lost */
	EVENTS_DROP_OLDEST,   /* older groups are, as many as it takes; but none that the driver was told a part of */
};

struct events_opts {
	unsigned int queue;    /* its index in the device */
	size_t record;         /* the longest record, bytes; at least 1 */
	unsigned int room;     /* how many records can wait; at least 1 */
	enum events_full full;
	const char *name;      /* of its record in a saved state, at most 31 characters */
};

/* Its members are the functions' own. */
struct events {
	struct vdev *d;
	struct events_opts o;
	char *slots;          /* o.room of them, a ring */
	size_t slot_size;     /* bytes */
	unsigned int first;   /* slot of the oldest record */
	unsigned int waiting; /* records */
	bool begun;           /* the oldest record is not the first of its group: the driver was told that */
	uint64_t lost;
	struct chain *buffer; /* in hand, or NULL */
};

/*
 * Makes a queue without records, with room for o->room of them.  o is copied; its name must last.  d must outlive the
 * queue.
 * Returns 0, or -ENOMEM; then events_close has nothing to do, and may be called.
 */
int events_open(struct events *e, struct vdev *d, const struct events_opts *o);

/* Frees the room.  No buffer is held: the ring has stopped.  A zeroed struct is allowed. */
void events_close(struct events *e);

/*
 * Tells the driver a record of len bytes, at most o.record, which is copied: now, or when there is a buffer.  May be
 * called at any time, also when no front-end is there.
 * Returns false when there was no room, and the record is lost.
 */
bool events_put(struct events *e, const void *record, size_t len);

/*
 * The same for a group of n records, at least one, each an iovec.  All of them wait, or all of them are lost.
 */
bool events_put_many(struct events *e, const struct iovec *records, unsigned int n);

/*
 * Takes back the groups whose first record matches, but one that the driver was told a part of.  They do not count as lost.
 */
void events_forget(struct events *e, bool (*match)(const void *record, size_t len, const void *arg), const void *arg);

/* Whether there is a group that waits whose first record matches. */
bool events_has(const struct events *e, bool (*match)(const void *record, size_t len, const void *arg), const void *arg);

/* Records that wait. */
unsigned int events_waiting(const struct events *e);

/* Records lost since the last reset. */
uint64_t events_lost(const struct events *e);

/* For class->kick with the queue's index: tells what waits, as far as there are buffers. */
void events_kick(struct events *e);

/* For class->quiesce with the queue's index: the buffer in hand goes back; records go on waiting. */
void events_quiesce(struct events *e);

/* For class->reset: forgets what waits, and the count of the lost. */
void events_reset(struct events *e);

/* For class->save: appends a record of what waits; none where nothing does. */
void events_save(const struct events *e, struct state *s);

/*
 * For class->load.
 * Returns 0; -ENOENT: this is not a record of events_save with this name; -EINVAL: it cannot be one, or, with a line
 * that says so, there is not enough room here.
 */
int events_load(struct events *e, const struct state_record *r);

#endif
