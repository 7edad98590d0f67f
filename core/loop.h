/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * loop.h - helpers for libev: notification descriptors and "go on after the others had their turn".
 */
#ifndef VDEVD_CORE_LOOP_H
#define VDEVD_CORE_LOOP_H

#include <ev.h>

#include "core/base.h"

/*
 * Sets O_NONBLOCK and FD_CLOEXEC.  The former belongs to the open file, which the other side of a passed descriptor
 * shares: it sees an eventfd it waits for with poll(2), or the other end of a pipe.  Returns 0 or -errno.
 */
int fd_prepare(int fd);

/*
 * Empties an eventfd or a pipe that fd_prepare has seen.  Returns 0, also when there was nothing; -EPIPE at end of file
 * (the other side of a pipe is gone), or another -errno.
 */
int notify_drain(int fd);

/*
 * Signals an eventfd or a pipe that fd_prepare has seen: writes eight bytes of value 1.  A full pipe or eventfd counts
 * as signalled.  Returns 0 or -errno.
 */
int notify_signal(int fd);

/*
 * "Again": runs a function once more after every other ready watcher had its turn and the descriptors
 * were polled.  Embedded in the struct it serves; costs no system call.
 */
struct loop_again {
	struct ev_timer timer;
	void (*run)(struct loop_again *again);
};

void loop_again_init(struct loop_again *again, void (*run)(struct loop_again *again));
void loop_again_start(struct loop_again *again, struct ev_loop *loop);
void loop_again_stop(struct loop_again *again, struct ev_loop *loop);

#endif
