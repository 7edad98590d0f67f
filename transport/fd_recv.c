/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fd_recv.c - receives bytes with the descriptors that come along: unix(7), SCM_RIGHTS; see fd_recv.h.
 */
#include "transport/fd_recv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The most that one sendmsg(2) can carry (SCM_MAX_FD of Linux). */
#define FDS_MAX 253

/* CMSG_NXTHDR; musl's mixes signs. */
static struct cmsghdr *next_cmsg(struct msghdr *mh, struct cmsghdr *cmsg)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
	return CMSG_NXTHDR(mh, cmsg);
#pragma GCC diagnostic pop
}

static void take_fds(struct fd_room *room, struct msghdr *mh)
{
	if (mh->msg_flags & MSG_CTRUNC)
		room->truncated = true;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(mh); cmsg; cmsg = next_cmsg(mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;

		size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			if (room->n < room->max) {
				room->fds[room->n++] = fd;
			} else {
				close(fd);
				room->truncated = true;
			}
		}
	}
}

ssize_t fd_recv(int sock, void *buf, size_t len, struct fd_room *room)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	do {
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);

	if (n < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return 0;
		return errno == ECONNRESET ? -EPIPE : -errno;
	}
	take_fds(room, &mh);
	return n ? n : -EPIPE;
}
