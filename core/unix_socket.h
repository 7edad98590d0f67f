/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * unix_socket.h - Unix sockets with a name in the file system, unix(7): listening, connecting, and who owns the
 * file.
 */
#ifndef VDEVD_CORE_UNIX_SOCKET_H
#define VDEVD_CORE_UNIX_SOCKET_H

#include <sys/types.h>

#include "core/base.h"
#include "core/sandbox.h"

/* The longest path that a socket can have, bytes. */
#define UNIX_PATH_LEN 107

/* Whether a socket can have this path: it is neither empty nor longer than that. */
bool unix_path_fits(const char *path);

/* A listening socket with the file it made. */
struct unix_listener {
	int fd;           /* non-blocking, close-on-exec; -1: none */
	const char *path; /* not copied */
	dev_t dev;        /* the file's identity: it is unlinked only while it is still ours */
	ino_t ino;
};

/*
 * Listens at path.  mode: permissions of the file from its first moment on, UINT64_MAX: as the umask says.  backlog: as
 * listen(2).  A stale socket file is replaced.
 * Returns 0; -EADDRINUSE: another process serves the socket, or the file is none; -ENAMETOOLONG: also when
 * path is empty; or another -errno.
 */
int unix_listen(struct unix_listener *l, const char *path, uint64_t mode, int backlog);

/* The same with a socket of this type: SOCK_STREAM or SOCK_SEQPACKET. */
int unix_listen_type(struct unix_listener *l, int type, const char *path, uint64_t mode, int backlog);

/* Closes the socket and unlinks its file, unless somebody has put another in its place. */
void unix_listener_close(struct unix_listener *l);

/*
 * Connects to the socket at path.
 * Returns a non-blocking, close-on-exec socket; -EAGAIN: the listener's backlog is full; or another -errno.
 */
int unix_connect(const char *path);

/* The same with a socket of this type; also -EPROTOTYPE: the listener is of another. */
int unix_connect_type(int type, const char *path);

/*
 * Whether fd is the other end of a connected socket: a process that holds both never sees the connection end.  Told by names,
 * which the ends of a socketpair(2) have not: of those it is never said.
 */
bool unix_is_other_end(int sock, int fd);

/* What takes connections in, and makes them. */
extern const struct sandbox_call unix_accept_calls[], unix_connect_calls[];

/* What unix_listener_close needs for a socket at path, besides. */
void unix_listener_needs(const char *path, struct sandbox *s);

/* What unix_listen at path needs, where it is called while the device serves, with unix_listener_close and unix_connect. */
void unix_listen_needs(const char *path, struct sandbox *s);

#endif
