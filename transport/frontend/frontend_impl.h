/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_impl.h - what the files of the front-end share; nobody else includes it.
 *
 *	frontend_link < frontend_requests, frontend_mem < frontend_queue, _log, _iommu, _shared, _postcopy < frontend
 *
 * Calls go from right to left.  The link alone waits, and what comes on the back channel meanwhile it hands to back_handle.
 */
#ifndef VDEVD_TRANSPORT_FRONTEND_FRONTEND_IMPL_H
#define VDEVD_TRANSPORT_FRONTEND_FRONTEND_IMPL_H

#include "transport/frontend/frontend.h"

/* Both ends of a notification: an eventfd twice, or the two ends of a pipe; -1: there is none. */
struct fe_notify {
	int ours, theirs;
};

struct frontend_request {
	struct frontend_request *next;
	struct frontend_buf readable, writable, table;
	uint32_t used;
	bool done;
	bool poll;
	bool abandoned; /* nobody waits for it any more */
};

struct fe_queue {
	struct frontend_queue_opts opts;
	struct frontend_buf desc, driver, device;
	struct driver_ring *ring;
	struct fe_notify kick, call, err;
	unsigned int calls, errs; /* in-band notifications that came and were not taken */
	bool asked; /* what is used next has to be announced: nothing was before it was asked for */
	struct frontend_request *requests;
};

/* Of each kind, more than a test wants. */
#define FE_MAX_SHARED 16

/* Shared memory regions and objects; see frontend_shared.c. */
struct fe_shared {
	struct vu_shmem_config config;
	struct {
		struct vu_mapping what;
		void *va; /* NULL: free */
	} mappings[FE_MAX_SHARED];
	struct {
		bool there;
		struct vu_object what;
		int fd; /* ours; -1: the back end's */
	} objects[FE_MAX_SHARED];
};

struct frontend {
	int sock;
	struct vu_reader reader;
	unsigned int timeout_ms;
	void (*pump)(void *arg);
	void *pump_arg;
	unsigned int fruitless; /* pumps in a row after which nothing had come */
	bool acks;
	uint64_t features, protocol;
	struct frontend_mem *mem;
	/* Takes one request of the back channel.  Returns what to answer: 0 or 1, and *fd to go along, which stays ours. */
	uint64_t (*back_handle)(struct frontend *fe, const struct vu_msg *msg, int *fd);
	int back; /* our end of the back channel, or -1 */
	struct vu_reader back_reader;
	struct vu_msg back_reply; /* under way where the socket was full; nothing else is taken from it meanwhile */
	size_t back_done;
	bool back_replying;
	bool back_held; /* nothing is taken from the back channel */
	unsigned int config_changes, back_errors;
	struct fe_shared shared;
	bool sending; /* a message is under way: no other may come between */
	struct frontend_iommu iommu;
	unsigned int misses, failures;
	struct vu_iotlb last_miss, last_failure;
	struct fe_queue *queues[FRONTEND_MAX_QUEUES];
	struct {
		uint8_t *bits; /* NULL: there is none */
		uint64_t size; /* bytes */
		bool on;       /* rings are announced as logged */
	} log;
	char why[200];
};

/* Notes what happened and returns err. */
int fe_fail(struct frontend *fe, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The moment, in ms of CLOCK_MONOTONIC, this many ms from now. */
uint64_t fe_deadline(unsigned int ms);

/*
 * One turn of waiting for events (POLLIN, POLLOUT) on fd, which may be -1, until the deadline: answers the back
 * channel, lets the pump run.  Returns 1 when fd is ready (also: closed), 0 when something else may have changed,
 * -ETIMEDOUT, or -EPIPE when the connection ended.
 */
int fe_turn(struct frontend *fe, int fd, short events, uint64_t deadline);

/*
 * Does what a SHMEM_... or SHARED_OBJECT_... asks.  Returns what to answer, 0 or not, and *fd to go along: it stays
 * ours; or -1.
 */
uint64_t fe_shared_handle(struct frontend *fe, const struct vu_msg *msg, int *fd);

/* Forgets mappings and objects of the back end; all: ours, too. */
void fe_shared_reset(struct frontend *fe, bool all);

/* Makes SET_MEM_TABLE with all regions.  Returns 0 or -E2BIG. */
int fe_mem_table(struct frontend *fe, struct vu_msg *out);

/* Takes an IOTLB_MSG of the back channel.  Returns what to answer: 0 or 1. */
uint64_t fe_iotlb_handle(struct frontend *fe, const struct vu_msg *msg);

/* Unmaps the log. */
void fe_log_free(struct frontend *fe);

#endif
