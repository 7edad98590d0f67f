/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_conn.c - a connection of the vhost-user back end: its socket, the answers, its end.
 * QEMU docs/interop/vhost-user.rst, "Communication"; see vu_session.h.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "transport/vhost_user/vu_session.h"

int vu_conn_open(struct vu_backend *b, int sock)
{
	int err = fd_prepare(sock);

	if (!err)
		err = hangup_open(&b->conn.hangup, sock);
	if (err)
		return err;
	b->conn.sock = sock;
	memset(&b->conn.reader, 0, sizeof(b->conn.reader));
	ev_io_set(&b->conn.io, sock, EV_READ);
	ev_io_start(b->d->loop, &b->conn.io);
	return 0;
}

void vu_reply_push(struct vu_backend *b)
{
	int ret = vu_send(b->conn.sock, &b->conn.reply, &b->conn.reply_done);

	/* They go with the first byte. */
	if (b->conn.reply_done)
		vu_msg_close_fds(&b->conn.reply);
	if (ret < 0) {
		vu_close(b, ret == -EPIPE || ret == -ECONNRESET ? NULL : strerror(-ret));
		return;
	}
	b->conn.replying = ret == 0;
	ev_io_stop(b->d->loop, &b->conn.io);
	ev_io_set(&b->conn.io, b->conn.sock, b->conn.replying ? EV_WRITE : EV_READ);
	ev_io_start(b->d->loop, &b->conn.io);
}

void vu_reply(struct vu_backend *b)
{
	b->conn.reply.h.request = b->conn.reader.msg.h.request;
	b->conn.reply.h.flags = VU_VERSION | VU_FLAG_REPLY;
	b->conn.reply_done = 0;
	if (b->trace)
		vu_trace_reply(b);
	vu_reply_push(b);
}

/* The rings are stopped, the last chain is back: the device is fresh for the next front-end. */
static void close_finish(struct vu_backend *b)
{
	ev_prepare_stop(b->d->loop, &b->flush);
	/* The record stays as it is, for whom the front-end gives it to next. */
	vu_inflight_drop(b);
	for (unsigned int i = 0; i < b->nqueues; i++)
		vu_queue_clear(&b->queues[i]);
	vu_asks_tell(b);
	vdev_reset(b->d);
	vu_postcopy_drop(b);
	gmem_free(b->mem);
	b->mem = NULL;
	b->features = b->protocol_features = 0;
	(void)vu_iotlb_want(b, false); /* only to begin can fail */
	vu_log_clear(b);
	b->status = 0;
	b->reset_pending = b->channel.config_pending = b->conn.closing = false;
	b->closed(b->arg);
}

void vu_close(struct vu_backend *b, const char *why)
{
	if (b->conn.sock < 0)
		return;
	if (why)
		log_guest(&b->d->log, "connection ended: %s", why);
	else
		log_debug(&b->d->log, "front-end disconnected");
	ev_io_stop(b->d->loop, &b->conn.io);
	hangup_close(&b->conn.hangup, b->d->loop);
	close(b->conn.sock);
	b->conn.sock = -1;
	b->conn.replying = b->conn.pending = false;
	vu_msg_close_fds(&b->conn.reply);
	vu_reader_next(&b->conn.reader);
	vu_channel_set(b, -1);
	vu_state_drop(b);
	b->conn.closing = true;
	vu_stop_queues(b, 0, b->nqueues, close_finish);
}

void vu_conn_hung_up(struct hangup *h)
{
	vu_close(container_of(h, struct vu_backend, conn.hangup), NULL);
}

void vu_conn_pause(struct vu_backend *b)
{
	ev_io_stop(b->d->loop, &b->conn.io);
	hangup_watch(&b->conn.hangup, b->d->loop);
}

void vu_conn_done(struct vu_backend *b)
{
	vu_reader_next(&b->conn.reader);
	b->conn.pending = false;
	if (b->conn.sock < 0)
		return;
	hangup_unwatch(&b->conn.hangup, b->d->loop);
	ev_io_start(b->d->loop, &b->conn.io);
}
