/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_channel.c - the back channel: messages from the back end to the front-end.
 * QEMU docs/interop/vhost-user.rst, "Back-end message types".
 *
 * What is to be said is a flag, or in the device's own list of what it asks (vu_ask.c); they are looked at when the socket has
 * room.  While all rings are stopped the device is suspended and says nothing.
 */
#include <errno.h>
#include <unistd.h>

#include "transport/vhost_user/vu_session.h"

void vu_channel_set(struct vu_backend *b, int fd)
{
	ev_io_stop(b->d->loop, &b->channel.read);
	ev_io_stop(b->d->loop, &b->channel.write);
	if (b->channel.fd >= 0)
		close(b->channel.fd);
	b->channel.fd = fd;
	b->channel.busy = false;
	vu_msg_close_fds(&b->channel.msg);
	vu_reader_next(&b->channel.reader);
	vu_asks_cancel(b, true);
	if (fd < 0)
		return;
	ev_io_set(&b->channel.read, fd, EV_READ);
	ev_io_set(&b->channel.write, fd, EV_WRITE);
	ev_io_start(b->d->loop, &b->channel.read);
	vu_channel_push(b);
}

static void channel_begin_vring(struct vu_backend *b, enum vu_backend_request request, unsigned int index)
{
	vu_channel_begin(b, request, sizeof(struct vu_vring_state));
	b->channel.msg.p.state = (struct vu_vring_state){.index = index};
}

/* What the ring waits for, or, first, what it has waited for in vain. */
static void channel_begin_iotlb(struct vu_queue *q)
{
	bool failed = q->fail_pending;

	vu_channel_begin(q->b, VU_BACKEND_IOTLB_MSG, sizeof(struct vu_iotlb));
	q->b->channel.msg.p.iotlb = (struct vu_iotlb){.iova = failed ? q->failed.iova : q->miss.iova,
						      .perm = (uint8_t)(failed ? q->failed.perm : q->miss.perm),
						      .type = failed ? VU_IOTLB_ACCESS_FAIL : VU_IOTLB_MISS};
	if (failed)
		q->fail_pending = false;
	else
		q->miss_pending = false;
}

/* Puts the next thing to be said into channel.msg.  Returns false when there is none. */
static bool channel_next(struct vu_backend *b)
{
	const bool awake = vu_any_started(b); /* else the device is suspended */

	for (unsigned int i = 0; i < b->nqueues; i++) {
		struct vu_queue *q = &b->queues[i];

		if (awake && q->call_pending) {
			q->call_pending = false;
			channel_begin_vring(b, VU_BACKEND_VRING_CALL, i);
			return true;
		}
		if (awake && q->err_pending) {
			q->err_pending = false;
			channel_begin_vring(b, VU_BACKEND_VRING_ERR, i);
			return true;
		}
		if (q->miss_pending || (awake && q->fail_pending)) {
			channel_begin_iotlb(q);
			return true;
		}
	}
	if (!awake)
		return false;
	if (!b->channel.config_pending)
		return vu_ask_next(b);
	b->channel.config_pending = false;
	vu_channel_begin(b, VU_BACKEND_CONFIG_CHANGE_MSG, 0);
	return true;
}

void vu_channel_push(struct vu_backend *b)
{
	if (b->channel.fd < 0)
		return;
	while (b->channel.busy || channel_next(b)) {
		if (b->trace && !b->channel.done)
			vu_trace_channel(b);
		int ret = vu_send(b->channel.fd, &b->channel.msg, &b->channel.done);

		/* They go with the first byte. */
		if (b->channel.done)
			vu_msg_close_fds(&b->channel.msg);
		if (ret == 0) {
			ev_io_start(b->d->loop, &b->channel.write);
			return;
		}
		if (ret < 0) {
			vu_channel_set(b, -1);
			return;
		}
		b->channel.busy = false;
	}
	ev_io_stop(b->d->loop, &b->channel.write);
}

void vu_channel_writable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	vu_channel_push(container_of(w, struct vu_backend, channel.write));
}

/* Answers, and what nobody asked for: it is thrown away.  An end closes the channel, and so does what is no message. */
void vu_channel_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vu_backend *b = container_of(w, struct vu_backend, channel.read);
	int ret = revents & EV_ERROR ? -EIO : vu_read(&b->channel.reader, b->channel.fd);

	if (ret < 0) {
		vu_channel_set(b, -1);
	} else if (ret) {
		vu_ask_answer(b, &b->channel.reader.msg);
		vu_reader_next(&b->channel.reader);
	}
}
