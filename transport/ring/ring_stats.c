/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring_stats.c - what a ring counts of its chains; see ring_stats.h.
 */
#include "transport/ring/ring_stats.h"

#include <time.h>

uint64_t ring_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec + 1;
}

void ring_stats_took(struct ring_stats *s, uint64_t from, uint64_t to, unsigned int n)
{
	uint64_t ns = to > from ? to - from : 1;
	unsigned int bucket = 63u - (unsigned int)__builtin_clzll(ns);

	s->sum.latency[bucket < VDEV_LATENCY_BUCKETS ? bucket : VDEV_LATENCY_BUCKETS - 1] += n;
}

void ring_stats_flush(struct ring_stats *s)
{
	if (s->quick)
		ring_stats_took(s, s->taken, s->given ? s->given : ring_clock(), s->quick);
	s->quick = 0;
	s->taken = s->given = 0;
}
