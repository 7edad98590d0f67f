/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fd_recv.h - receives bytes with the descriptors that come along: unix(7), SCM_RIGHTS.
 */
#ifndef VDEVD_TRANSPORT_FD_RECV_H
#define VDEVD_TRANSPORT_FD_RECV_H

#include <sys/types.h>

#include "core/base.h"

/* Room for descriptors, which are the owner's from then on. */
struct fd_room {
	int *fds;
	unsigned int n, max;
	bool truncated; /* more came than there was room for: those are closed */
};

/*
 * Receives at most len bytes now, and appends what descriptors came with them, close-on-exec.
 * Returns how many bytes; 0: none are there now; -EPIPE: the other side has closed; or another -errno.
 */
ssize_t fd_recv(int sock, void *buf, size_t len, struct fd_room *room);

#endif
