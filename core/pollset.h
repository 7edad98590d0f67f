/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pollset.h - descriptors that a library wants polled, watched in the loop: those of ALSA, of libv4l2, of any that
 * fills an array for poll(2) and takes it back with what came.
 *
 * The library's array is handed in, and handed back with revents, all entries as of one moment: as after poll(2), with
 * all of its events.
 */
#ifndef VDEVD_CORE_POLLSET_H
#define VDEVD_CORE_POLLSET_H

#include <poll.h>

#include <ev.h>

#include "core/base.h"
#include "core/loop.h"

/* The most descriptors of a set. */
#define POLLSET_MAX 16

/* Embedded in who is called, by container_of.  Its owner sets ready before pollset_open. */
struct pollset {
	/*
	 * Some of the n descriptors are ready: fds, in the order they were given, with revents.  It may watch others,
	 * or close the set.  What it leaves ready is told again.
	 */
	void (*ready)(struct pollset *p, struct pollfd *fds, unsigned int n);
	/* The functions' own. */
	struct ev_loop *loop;
	struct ev_io io; /* of an epoll(7) of our own */
	struct loop_rewatch rewatch;
	struct pollfd fds[POLLSET_MAX];
	unsigned int n;
};

/* Makes a set that watches nothing.  Returns 0 or -errno. */
int pollset_open(struct pollset *p, struct ev_loop *loop);

/* The end.  A zeroed struct is allowed, and one that is closed. */
void pollset_close(struct pollset *p);

/*
 * From now on watches these descriptors, in the place of those before.  The array is copied; the descriptors must stay
 * open until others are watched, or the set is closed.  One with a negative fd is skipped; one may be there twice.
 * Where nothing changed it costs nothing: so it may be called after each ready, as libraries want other events with
 * time.
 * Returns 0; -E2BIG: more than POLLSET_MAX; -EPERM: one is a file, which is always ready; or another -errno.  Then
 * nothing is watched.
 */
int pollset_watch(struct pollset *p, const struct pollfd *fds, unsigned int n);

#endif
