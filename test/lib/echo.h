/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * echo.h - a device for tests of the transport: it gives back what it read, at once or when the test says so.
 */
#ifndef VDEVD_TEST_LIB_ECHO_H
#define VDEVD_TEST_LIB_ECHO_H

#include <ev.h>

#include "core/device.h"
#include "transport/chain.h"

#define ECHO_ECHOQ 0 /* answers in its kick: what was read, as much as there is room for */
#define ECHO_HOLDQ 1 /* keeps chains until echo_release */

#define ECHO_QUEUES 2
#define ECHO_HELD   64

/* Configuration space: ECHO_CONFIG_RW bytes that the driver may write, then the rest. */
#define ECHO_CONFIG_SIZE 12
#define ECHO_CONFIG_RW	 4

/* Its shared memory regions: bytes of 0 and 2; there is no 1. */
#define ECHO_SHMEM_0 (1u << 20)
#define ECHO_SHMEM_2 (64u << 10)

/* What quiesce does with the chains that are held. */
enum echo_quiesce {
	ECHO_REQUEUE,
	ECHO_PUSH,  /* answers them */
	ECHO_LATER, /* answers them in a later turn, as at the end of a host operation */
	ECHO_NEVER, /* does not answer before echo_release */
};

struct echo {
	struct vdev d;
	enum echo_quiesce quiesce;
	struct chain *held[ECHO_HELD];
	unsigned int nheld;
	struct ev_timer later;
	uint8_t config[ECHO_CONFIG_SIZE];
	/* Its object; object_fd -1: there is none. */
	struct vdev_uuid object;
	int object_fd;
	/* How what it asked of the front-end ended. */
	unsigned int answers;
	int answer_err, answer_fd; /* the last; the descriptor is closed when the next one comes */
	/* What it has of vdev.memory, where the test gives it some (face.memory_size), and how it came by it. */
	uint8_t memory[16];
	unsigned int recalls;
	bool recalled; /* the last time something was there */
	/* What was asked of the device. */
	unsigned int resets_at_start[ECHO_QUEUES]; /* how many there had been */
	bool started[ECHO_QUEUES], twice_started;
	unsigned int starts[ECHO_QUEUES], kicks[ECHO_QUEUES], quiesces[ECHO_QUEUES], resets, feature_sets;
};

extern const struct vdev_class echo_class;

struct echo *echo_of(struct vdev *d);

/* Answers the oldest n chains that are held, or all. */
void echo_release(struct echo *e, unsigned int n);

/* Asks with this struct; the answer goes to e->answers. */
int echo_ask(struct echo *e, struct vdev_ask *ask);

/* Changes the last byte of the configuration space, and says so. */
void echo_change_config(struct echo *e, uint8_t value);

#endif
