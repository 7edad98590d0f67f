/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring_stats.h - what a ring counts of its chains (struct vdev_queue_stats).
 *
 * Reading the clock costs as much as some of a request; where it is a system call, more.  So it is read only where somebody can
 * ask for latencies (timed), at most once for all chains popped between two flushes and once for all pushed: those that are
 * answered in the turn they were popped in are counted together at the flush.
 */
#ifndef VDEVD_TRANSPORT_RING_RING_STATS_H
#define VDEVD_TRANSPORT_RING_RING_STATS_H

#include "core/device.h"

struct ring_stats {
	bool timed;
	struct vdev_queue_stats sum; /* running, broken and in_flight are not kept here */
	uint64_t taken;     /* when chains are popped until the next flush, ns; 0: none was yet */
	uint64_t given;     /* the same of pushed ones that an older turn popped */
	unsigned int quick; /* pushed since the last flush, and popped since then, too */
};

/* Monotonic time, nanoseconds; never 0. */
uint64_t ring_clock(void);

/* A chain is popped.  Returns its time, for ring_stats_pushed. */
static inline uint64_t ring_stats_popped(struct ring_stats *s)
{
	if (!s->taken)
		s->taken = s->timed ? ring_clock() : 1;
	return s->taken;
}

/* Counts n chains that took from one moment to the other. */
void ring_stats_took(struct ring_stats *s, uint64_t from, uint64_t to, unsigned int n);

/* A chain that was popped at this time is pushed: so many bytes of it were read and written. */
static inline void ring_stats_pushed(struct ring_stats *s, uint64_t popped, size_t read, size_t written)
{
	s->sum.requests++;
	s->sum.read += read;
	s->sum.written += written;
	if (!s->timed)
		return;
	if (popped == s->taken) {
		s->quick++;
		return;
	}
	if (!s->given)
		s->given = ring_clock();
	ring_stats_took(s, popped, s->given, 1);
}

/* A turn begins, perhaps after one that pushed nothing: its pops have a time of their own. */
static inline void ring_stats_turn(struct ring_stats *s)
{
	if (!s->quick)
		s->taken = 0;
}

/* The driver is told of what was pushed. */
void ring_stats_flush(struct ring_stats *s);

#endif
