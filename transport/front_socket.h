/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * front_socket.h - how front-ends come, whatever they speak: a listening socket, a connected one, or one we connect to.
 * QEMU docs/interop/vhost-user.rst, "Back-end program conventions".
 */
#ifndef VDEVD_TRANSPORT_FRONT_SOCKET_H
#define VDEVD_TRANSPORT_FRONT_SOCKET_H

#include <sys/types.h>

#include "core/device.h"
#include "mem/gmem.h"

/* What is spoken with them: one back end of a device serves them one after the other. */
struct front_protocol {
	/*
	 * Makes the back end of a device and attaches its queues.  mem: what makes guest memory reachable.  closed: called, from the
	 * loop, when a connection has ended and the device is fresh again.  Returns 0 and *out, or -ENOMEM.
	 */
	int (*make)(struct vdev *d, const struct gmem_backend *mem, void (*closed)(void *arg), void *arg, void **out);
	/* Serves a front-end on a connected socket, which becomes the back end's.  Returns 0, -EBUSY, or -errno. */
	int (*serve)(void *backend, int sock);
	/* Ends the connection, if there is one, without the closed call, detaches and frees; NULL is allowed. */
	void (*end)(void *backend);
	/* What that takes, besides the socket. */
	void (*needs)(const struct vdev *d, struct sandbox *s);
};

/* Exactly one of path, connect, fd, listen_fd is given (others NULL, -1). */
struct front_socket_opts {
	const struct front_protocol *protocol;
	const char *path;     /* listen here; created, unlinked at the end */
	const char *connect;  /* connect here, again and again */
	int fd;               /* a connected socket, or a listening one (SO_ACCEPTCONN tells) */
	int listen_fd;        /* a listening socket */
	uint64_t mode;        /* permissions of path, octal value; UINT64_MAX: as the umask says */
	bool has_group;       /* path belongs to this group, and is its to connect to */
	gid_t group;
};

struct front_socket;

/*
 * Opens the socket and begins to serve front-ends of b, one at a time, on the loop; further ones wait in the backlog.
 * A connected fd is served once: then done(arg) is called.  A stale socket file at path is replaced, a
 * live one refused.
 * Returns 0 and *out (free with front_socket_free, which unlinks path), or -errno after a line that says why.
 */
int front_socket_open(const struct front_socket_opts *opts, struct vdev *d, const struct gmem_backend *mem,
		   void (*done)(void *arg), void *arg, struct front_socket **out);

/* What serving d on this socket takes: the socket itself, and what the protocol needs. */
void front_socket_needs(const struct front_socket_opts *opts, const struct vdev *d, struct sandbox *s);

/* Closes the socket and the connection, unlinks what was created; NULL is allowed. */
void front_socket_free(struct front_socket *s);

#endif
