/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_channel.c - the back channel: messages from the back end to the front-end.
 * QEMU docs/interop/vhost-user.rst, "Back-end message types".
 *
 * Nothing is queued: what is to be said is a flag, and the flags are looked at when the socket has room.  While all rings are
 * stopped the device is suspended and says nothing.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/vu_session.h"

void vu_channel_set(struct vu_backend *b, int fd)
{
	ev_io_stop(b->d->loop, &b->channel_read);
	ev_io_stop(b->d->loop, &b->channel_write);
	if (b->channel >= 0)
		close(b->channel);
	b->channel = fd;
	b->channel_busy = false;
	if (fd < 0)
		return;
	ev_io_set(&b->channel_read, fd, EV_READ);
	ev_io_set(&b->channel_write, fd, EV_WRITE);
	ev_io_start(b->d->loop, &b->channel_read);
	vu_channel_push(b);
}

/* Begins a message; size of the payload in bytes. */
static void channel_begin(struct vu_backend *b, enum vu_backend_request request, uint32_t size)
{
	b->channel_msg = (struct vu_msg){.h = {.request = request, .flags = VU_VERSION, .size = size}};
	b->channel_done = 0;
	b->channel_busy = true;
}

static void channel_begin_vring(struct vu_backend *b, enum vu_backend_request request, unsigned int index)
{
	channel_begin(b, request, sizeof(struct vu_vring_state));
	b->channel_msg.p.state = (struct vu_vring_state){.index = index};
}

/* Puts the next thing to be said into channel_msg.  Returns false when there is none. */
static bool channel_next(struct vu_backend *b)
{
	for (unsigned int i = 0; i < b->nqueues; i++) {
		struct vu_queue *q = &b->queues[i];

		if (q->call_pending) {
			q->call_pending = false;
			channel_begin_vring(b, VU_BACKEND_VRING_CALL, i);
			return true;
		}
		if (q->err_pending) {
			q->err_pending = false;
			channel_begin_vring(b, VU_BACKEND_VRING_ERR, i);
			return true;
		}
	}
	if (!b->config_pending || !vu_any_started(b))
		return false;
	b->config_pending = false;
	channel_begin(b, VU_BACKEND_CONFIG_CHANGE_MSG, 0);
	return true;
}

void vu_channel_push(struct vu_backend *b)
{
	if (b->channel < 0)
		return;
	while (b->channel_busy || channel_next(b)) {
		int ret = vu_send(b->channel, &b->channel_msg, &b->channel_done);

		if (ret == 0) {
			ev_io_start(b->d->loop, &b->channel_write);
			return;
		}
		if (ret < 0) {
			vu_channel_set(b, -1);
			return;
		}
		b->channel_busy = false;
	}
	ev_io_stop(b->d->loop, &b->channel_write);
}

void vu_channel_writable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	vu_channel_push(container_of(w, struct vu_backend, channel_write));
}

/* We ask for no replies: what arrives is thrown away.  An end closes the channel, and so does what is no socket. */
void vu_channel_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vu_backend *b = container_of(w, struct vu_backend, channel_read);
	char scratch[256];
	ssize_t n = recv(b->channel, scratch, sizeof(scratch), MSG_DONTWAIT);

	(void)loop;
	(void)revents;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		vu_channel_set(b, -1);
}
