/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_socket.h - how front-ends come: a listening socket, a connected one, or one we connect to.
 * QEMU docs/interop/vhost-user.rst, "Back-end program conventions".
 */
#ifndef VDEVD_TRANSPORT_VHOST_USER_VU_SOCKET_H
#define VDEVD_TRANSPORT_VHOST_USER_VU_SOCKET_H

#include "transport/vhost_user/vhost_user.h"

/* Exactly one of path, connect, fd, listen_fd is given (others NULL, -1). */
struct vu_socket_opts {
	const char *path;     /* listen here; created, unlinked at the end */
	const char *connect;  /* connect here, again and again */
	int fd;               /* a connected socket, or a listening one (SO_ACCEPTCONN tells) */
	int listen_fd;        /* a listening socket */
	uint64_t mode;        /* permissions of path, octal value; UINT64_MAX: as the umask says */
	bool has_group;       /* path belongs to this group, and is its to connect to */
	gid_t group;
};

struct vu_socket;

/*
 * Opens the socket and begins to serve front-ends of b, one at a time, on the loop; further ones wait in the backlog.
 * A connected fd is served once: then done(arg) is called.  A stale socket file at path is replaced, a
 * live one refused.
 * Returns 0 and *out (free with vu_socket_free, which unlinks path), or -errno after a line that says why.
 */
int vu_socket_open(const struct vu_socket_opts *opts, struct vdev *d, const struct gmem_backend *mem,
		   void (*done)(void *arg), void *arg, struct vu_socket **out);

/* What serving d on this socket takes: the socket itself, messages, rings, records of requests in flight, states. */
void vu_socket_needs(const struct vu_socket_opts *opts, const struct vdev *d, struct sandbox *s);

/* Closes the socket and the connection, unlinks what was created; NULL is allowed. */
void vu_socket_free(struct vu_socket *s);

#endif
