/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * loop.h - helpers for libev: notification descriptors and "go on after the others had their turn".
 */
#ifndef VDEVD_CORE_LOOP_H
#define VDEVD_CORE_LOOP_H

#include <ev.h>
#include <sys/types.h>

#include "core/base.h"
#include "core/sandbox.h"

/*
 * A loop of its own, which sleeps for as long as there is nothing to do.  Returns NULL with errno; free with ev_loop_destroy.
 *
 * libev aborts where it gets no memory, or the kernel refuses what it must have.  From here on it has a reserve of 64 KiB, for
 * all loops of the process together; who brings new work (accept) asks loop_has_reserve first.  Without it the process ends with
 * a line and status 1.
 */
struct ev_loop *loop_new(void);

/* Whether the reserve is whole, or can be made whole again. */
bool loop_has_reserve(void);

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
 * read(2) and write(2) for descriptors from outside: they never block, whatever flags the open file has, which others share and may
 * change.  Return bytes, 0 at the end of file, -EAGAIN, or another -errno.  Not for files of a disk.
 */
ssize_t fd_read_now(int fd, void *buf, size_t len);
ssize_t fd_write_now(int fd, const void *buf, size_t len);

/*
 * An eventfd, a pipe or a socket (User-Mode Linux) by which two sides notify each other.  Where it came from the other side it may be blocking, and
 * stays so: the flag belongs to both, and the other side may wait in read(2).
 *
 * No call blocks (but one, below, for a second or two).  Reads, and writes to a pipe or socket, are made so that they cannot (RWF_NOWAIT, or poll(2) first on kernels that do
 * not know it for the descriptor).  For a write to an eventfd Linux has no such flag; it blocks only when the counter is at its
 * end, 2^64 - 2, which notifications alone never reach.  Who brings it there gets SIGALRM's help: a timer, set once a second
 * while notifications are sent, ends such a write, and the descriptor is not written to any more.
 */
struct notify_fd {
	int fd;     /* -1: none */
	bool pipe;  /* or a socket: no eventfd */
	bool stuck; /* a write to it had to be ended */
};

#define NOTIFY_FD_NONE ((struct notify_fd){.fd = -1})

/*
 * Makes the timer for this thread, which serves, while it has the right to: where there is none then, there is none
 * later.  Without this call it is made with the first notification.
 */
void notify_begin(void);

/*
 * Whether a descriptor from outside can be used for notifications.  Returns 0; -EINVAL: neither eventfd, pipe nor socket (a
 * terminal could block); or as fd_check_watchable.  That a socket is not the other end of a connection, the caller sees to.
 */
int notify_fd_check(int fd);

/* Takes fd (-1: none) over; what was there is closed. */
void notify_fd_set(struct notify_fd *n, int fd);

/*
 * Empties it.  Never blocks.  Returns 0, also when there was nothing; -EPIPE at end of file (the other side of a pipe
 * is gone), or another -errno.
 */
int notify_fd_drain(const struct notify_fd *n);

/*
 * Signals it: writes eight bytes of value 1.  A full pipe or eventfd counts as signalled.
 * Returns 0; -ETIMEDOUT, once: the write blocked, and this descriptor is left alone from now on; or another -errno.
 */
int notify_fd_signal(struct notify_fd *n);

/*
 * libev gives a watcher up (EV_ERROR) where the kernel has no memory for epoll_ctl(2).  A descriptor of our own, which
 * nobody outside can bring again, is then watched again after a while.  Embedded beside the watcher.
 */
struct loop_rewatch {
	struct ev_timer timer;
	struct ev_io *io;
};

/* io: must be there until loop_rewatch_stop. */
void loop_rewatch_init(struct loop_rewatch *r, struct ev_io *io);

/* First in the watcher's function.  Returns whether it was given up: there is nothing to be read. */
bool loop_rewatch_lost(struct loop_rewatch *r, struct ev_loop *loop, int revents);

/* Stops the watcher, too. */
void loop_rewatch_stop(struct loop_rewatch *r, struct ev_loop *loop);

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

/*
 * Lets the loop run while *busy, which its watchers clear, and at most for so many seconds.  Outside of the loop's own functions.
 * Returns whether *busy is clear.
 */
bool loop_wait(struct ev_loop *loop, const bool *busy, double patience);

/* What an event loop does, and who looks at descriptors with the functions above. */
extern const struct sandbox_call loop_calls[];

#endif
