/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_conn.c - a connection of the vfio-user server: messages in, answers out, its end.
 * QEMU docs/interop/vfio-user.rst, "Header"; see vfu_session.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/fd_recv.h"
#include "transport/vfio_user/vfu_session.h"

void vfu_drop_fds(struct vfu_backend *b)
{
	for (unsigned int i = 0; i < b->conn.nfds; i++) {
		if (b->conn.fds[i] >= 0)
			close(b->conn.fds[i]);
	}
	b->conn.nfds = 0;
}

int vfu_conn_open(struct vfu_backend *b, int sock)
{
	int err = fd_prepare(sock);

	if (!err)
		err = hangup_open(&b->conn.hangup, sock);
	if (err)
		return err;
	b->conn.sock = sock;
	b->conn.got = 0;
	b->conn.known = b->conn.replying = b->conn.paused = false;
	ev_io_set(&b->conn.io, sock, EV_READ);
	ev_io_start(b->d->loop, &b->conn.io);
	return 0;
}

/* The rings are stopped, the last chain is back: the device is fresh for the next client. */
static void close_finish(void *arg)
{
	struct vfu_backend *b = arg;

	ev_prepare_stop(b->d->loop, &b->flush);
	vpci_reset(b->function);
	vfu_log_stop(b);
	vfu_migrate_reset(b);
	vpci_set_memory(b->function, NULL);
	vpci_resume(b->function);
	gmem_free(b->mem);
	b->mem = NULL;
	b->nunreached = 0;
	b->conn.closing = false;
	b->closed(b->arg);
}

void vfu_close(struct vfu_backend *b, const char *why)
{
	if (b->conn.sock < 0)
		return;
	if (why)
		log_guest(&b->d->log, "connection ended: %s", why);
	else
		log_debug(&b->d->log, "client disconnected");
	ev_io_stop(b->d->loop, &b->conn.io);
	hangup_close(&b->conn.hangup, b->d->loop);
	close(b->conn.sock);
	b->conn.sock = -1;
	vfu_drop_fds(b);
	vfu_irqs_clear(b);
	vfu_memory_settled(b, true);
	b->conn.closing = true;
	vpci_pause(b->function, close_finish);
}

void vfu_hung_up(struct hangup *h)
{
	vfu_close(container_of(h, struct vfu_backend, conn.hangup), NULL);
}

void vfu_conn_pause(struct vfu_backend *b)
{
	b->conn.paused = true;
	ev_io_stop(b->d->loop, &b->conn.io);
	hangup_watch(&b->conn.hangup, b->d->loop);
}

static void watch(struct vfu_backend *b, int events)
{
	ev_io_stop(b->d->loop, &b->conn.io);
	ev_io_set(&b->conn.io, b->conn.sock, events);
	ev_io_start(b->d->loop, &b->conn.io);
}

/* Sends what the socket takes of the answer.  Returns 1: it is out; 0: not all; or -errno. */
static int reply_send(struct vfu_backend *b)
{
	const size_t head = sizeof(b->conn.reply_h), total = b->conn.reply_h.size;

	while (b->conn.reply_done < total) {
		const size_t done = b->conn.reply_done;
		struct iovec iov[2] = {
			{(uint8_t *)&b->conn.reply_h + min_size(done, head), head - min_size(done, head)},
			{b->out + (done > head ? done - head : 0), total - (done > head ? done : head)},
		};
		struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t n = sendmsg(b->conn.sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
		b->conn.reply_done += (size_t)n;
	}
	return 1;
}

static void reply_push(struct vfu_backend *b)
{
	int ret = reply_send(b);

	if (ret < 0) {
		vfu_close(b, ret == -EPIPE || ret == -ECONNRESET ? NULL : strerror(-ret));
		return;
	}
	if (b->conn.replying != (ret == 0))
		watch(b, ret ? EV_READ : EV_WRITE);
	b->conn.replying = ret == 0;
}

void vfu_answer(struct vfu_backend *b, int err, size_t len)
{
	const struct vfu_header *h = &b->conn.h;

	vfu_drop_fds(b);
	b->conn.got = 0;
	if (b->conn.sock < 0)
		return;
	if (b->conn.paused) {
		b->conn.paused = false;
		hangup_unwatch(&b->conn.hangup, b->d->loop);
		ev_io_start(b->d->loop, &b->conn.io);
	}
	if (err)
		log_guest(&b->d->log, "%s (%u bytes) refused: %s", vfu_command_name(h->command), h->size, strerror(-err));
	if (h->flags & VFU_NO_REPLY)
		return;
	if (b->trace)
		log_info(&b->d->log, "> %s: %zu bytes%s%s", vfu_command_name(h->command), len, err ? ", " : "",
			 err ? strerror(-err) : "");
	b->conn.reply_h = (struct vfu_header){
		.id = h->id,
		.command = h->command,
		.size = (uint32_t)(sizeof(*h) + (err ? 0 : len)),
		.flags = VFU_REPLY | (err ? VFU_ERROR : 0),
		.error = (uint32_t)-err,
	};
	b->conn.reply_done = 0;
	reply_push(b);
}

/* Checks a header that has just come.  Returns NULL, or what is wrong with it. */
static const char *header_check(const struct vfu_backend *b)
{
	const struct vfu_header *h = &b->conn.h;

	if (h->size < sizeof(*h) || h->size > sizeof(*h) + VFU_PAYLOAD_MAX)
		return "a message of an impossible size";
	if ((h->flags & VFU_TYPE_MASK) != 0)
		return "a message that is no command";
	if (!b->conn.known && h->command != VFU_VERSION)
		return "the first message is not VERSION";
	return NULL;
}

/* Reads what there is of a message.  Returns 1: it is whole; 0: not yet; or -errno, and *why where the client is to blame. */
static int message_read(struct vfu_backend *b, const char **why)
{
	const size_t head = sizeof(b->conn.h);

	for (;;) {
		const size_t got = b->conn.got, total = got < head ? head : b->conn.h.size;
		struct fd_room room = {.fds = b->conn.fds, .n = b->conn.nfds, .max = VFU_FDS_MAX};

		if (got >= head && got == total)
			return 1;
		ssize_t n = fd_recv(b->conn.sock, got < head ? (uint8_t *)&b->conn.h + got : b->in + (got - head), total - got,
				    &room);

		b->conn.nfds = room.n;
		if (n <= 0)
			return (int)n;
		b->conn.got += (size_t)n;
		*why = room.truncated ? "more descriptors than a message can have" :
		       got < head && b->conn.got == head ? header_check(b) : NULL;
		if (*why)
			return -EPROTO;
	}
}

void vfu_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vfu_backend *b = container_of(w, struct vfu_backend, conn.io);
	const char *why = NULL;

	if (revents & EV_ERROR) {
		vfu_close(b, "it cannot be waited for"); /* the kernel is short of memory, or of watches */
		return;
	}
	if (b->conn.replying) {
		reply_push(b);
		return;
	}
	int ret = message_read(b, &why);

	if (ret > 0)
		vfu_handle(b);
	else if (ret == -EPIPE || ret == -ECONNRESET)
		vfu_close(b, NULL);
	else if (ret < 0)
		vfu_close(b, why ? why : strerror(-ret));
}
