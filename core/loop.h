/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * loop.h - helpers for libev: notification descriptors and "go on after the others had their turn".
 */
#ifndef VDEVD_CORE_LOOP_H
#define VDEVD_CORE_LOOP_H

#include <ev.h>

#include "core/base.h"

/* Sets O_NONBLOCK and FD_CLOEXEC.  Returns 0 or -errno. */
int fd_prepare(int fd);

/*
 * Tries whether the loop can wait for a descriptor that came from outside: libev ends the process where epoll takes one not.
 * Returns 0; -EPERM: it is ready always, as a file is, and a loop that waits for it never sleeps; or another -errno of
 * epoll_ctl(2), as -EBADF (O_PATH) and -ELOOP (an epoll descriptor of others).
 */
int fd_check_watchable(int fd);

/*
 * Tells the end of a connection whose messages are not being read: the other side has closed its socket.  What it sent before
 * stays unread.  A side that has only shut down its writing still waits for answers: that is no end.
 */
struct hangup {
	struct ev_io io;
	int epoll; /* -1: not open */
	void (*run)(struct hangup *h);
};

/* run: called from the loop, again and again until hangup_unwatch or hangup_close. */
void hangup_init(struct hangup *h, void (*run)(struct hangup *h));
/* sock: must stay open until hangup_close.  Returns 0 or -errno. */
int hangup_open(struct hangup *h, int sock);
void hangup_watch(struct hangup *h, struct ev_loop *loop);
void hangup_unwatch(struct hangup *h, struct ev_loop *loop);
void hangup_close(struct hangup *h, struct ev_loop *loop);

/*
 * An eventfd or a pipe by which two sides notify each other.  Where it came from the other side it may be blocking, and
 * stays so: the flag belongs to both, and the other side may wait in read(2).  Such a one is looked at with poll(2) before
 * each call; one that does not block costs no more than the call.
 */
struct notify_fd {
	int fd;      /* -1: none */
	bool blocks;
};

#define NOTIFY_FD_NONE ((struct notify_fd){.fd = -1})

/* Takes fd (-1: none) over; what was there is closed. */
void notify_fd_set(struct notify_fd *n, int fd);

/*
 * Empties it.  Never blocks.  Returns 0, also when there was nothing; -EPIPE at end of file (the other side of a pipe
 * is gone), or another -errno.
 */
int notify_fd_drain(const struct notify_fd *n);

/*
 * Signals it: writes eight bytes of value 1.  A full pipe or eventfd counts as signalled.  Never blocks.
 * Returns 0 or -errno.
 */
int notify_fd_signal(const struct notify_fd *n);

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
