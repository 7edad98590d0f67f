/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * unix_socket.c - Unix sockets with a name in the file system, unix(7); see unix_socket.h.
 */
#include "core/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const struct sandbox_call unix_accept_calls[] = {
	{.name = "accept4", .why = "a connection that comes"},
	{0},
};

const struct sandbox_call unix_connect_calls[] = {
	{.name = "socket", .why = "a connection to a Unix socket", .checks = {{0, SANDBOX_IS, AF_UNIX}}},
	{.name = "connect", .why = "a connection to a socket"},
	{0},
};

static const struct sandbox_call unix_remove_calls[] = {
	{.name = "lstat", .why = "whether the socket is still its own"},
	{.name = "unlink", .why = "the socket is removed at the end"},
	{0},
};

void unix_listener_needs(const char *path, struct sandbox *s)
{
	sandbox_calls(s, unix_accept_calls);
	sandbox_calls(s, unix_remove_calls);
	sandbox_folder(s, path, SANDBOX_MAKE, "the socket is removed at the end");
}

static const struct sandbox_call unix_listen_calls[] = {
	{.name = "bind", .why = "a Unix socket is made"},
	{.name = "listen", .why = "a Unix socket is made"},
	{0},
};

void unix_listen_needs(const char *path, struct sandbox *s)
{
	sandbox_calls(s, unix_connect_calls);
	sandbox_calls(s, unix_listen_calls);
	unix_listener_needs(path, s);
	sandbox_folder(s, path, SANDBOX_CONNECT, "the socket may be another process's");
}

_Static_assert(UNIX_PATH_LEN + 1 == sizeof(((struct sockaddr_un *)0)->sun_path), "a path ends with a zero");

bool unix_path_fits(const char *path)
{
	return *path && strlen(path) <= UNIX_PATH_LEN;
}

static int fill_address(const char *path, struct sockaddr_un *sa)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (!unix_path_fits(path))
		return -ENAMETOOLONG;
	strcpy(sa->sun_path, path);
	return 0;
}

static int make_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int connect_address(int type, const struct sockaddr_un *sa)
{
	int fd = make_socket(type);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int unix_connect_type(int type, const char *path)
{
	struct sockaddr_un sa;
	int err = fill_address(path, &sa);

	return err ? err : connect_address(type, &sa);
}

int unix_connect(const char *path)
{
	return unix_connect_type(SOCK_STREAM, path);
}

/* Makes room for a new socket file: a stale one goes; a live one, or another kind of file, stays (-EADDRINUSE). */
static int remove_stale(const struct sockaddr_un *sa)
{
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	int fd = connect_address(SOCK_STREAM, sa);

	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED)
		return fd >= 0 || fd == -EAGAIN || fd == -EPROTOTYPE ? -EADDRINUSE : fd;
	return unlink(sa->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Binds with the wanted permissions from the first moment on.  Returns 0 or -errno. */
static int bind_mode(int fd, const struct sockaddr_un *sa, uint64_t mode)
{
	mode_t old = 0;

	if (mode != UINT64_MAX)
		old = umask(0777 & ~(mode_t)mode);
	int err = bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? -errno : 0;

	if (mode != UINT64_MAX)
		umask(old);
	return err;
}

int unix_listen_type(struct unix_listener *l, int type, const char *path, uint64_t mode, int backlog)
{
	struct sockaddr_un sa;
	struct stat st;
	int err = fill_address(path, &sa);

	l->fd = -1;
	if (!err)
		err = remove_stale(&sa);
	if (err)
		return err;
	int fd = make_socket(type);

	if (fd < 0)
		return fd;
	err = bind_mode(fd, &sa, mode);
	if (err)
		goto close_fd;
	if (lstat(path, &st) < 0 || listen(fd, backlog) < 0) {
		err = -errno;
		unlink(path);
		goto close_fd;
	}
	*l = (struct unix_listener){.fd = fd, .path = path, .dev = st.st_dev, .ino = st.st_ino};
	return 0;
close_fd:
	close(fd);
	return err;
}

int unix_listen(struct unix_listener *l, const char *path, uint64_t mode, int backlog)
{
	return unix_listen_type(l, SOCK_STREAM, path, mode, backlog);
}

void unix_listener_close(struct unix_listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	close(l->fd);
	l->fd = -1;
}

/* The two names of a socket, its own and the other end's.  Returns whether it is a connected Unix socket. */
static bool both_names(int fd, struct sockaddr_un names[2], socklen_t lens[2])
{
	lens[0] = lens[1] = sizeof(names[0]);
	memset(names, 0, 2 * sizeof(names[0]));
	return getsockname(fd, (struct sockaddr *)&names[0], &lens[0]) == 0 && names[0].sun_family == AF_UNIX &&
	       getpeername(fd, (struct sockaddr *)&names[1], &lens[1]) == 0;
}

bool unix_is_other_end(int sock, int fd)
{
	struct sockaddr_un ours[2], theirs[2];
	socklen_t our_lens[2], their_lens[2];

	if (!both_names(sock, ours, our_lens) || !both_names(fd, theirs, their_lens))
		return false;
	if (our_lens[0] <= sizeof(sa_family_t) && our_lens[1] <= sizeof(sa_family_t))
		return false;
	return our_lens[0] == their_lens[1] && our_lens[1] == their_lens[0] && !memcmp(&ours[0], &theirs[1], our_lens[0]) &&
	       !memcmp(&ours[1], &theirs[0], our_lens[1]);
}
