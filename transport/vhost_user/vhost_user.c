/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vhost_user.c - the back-end side of vhost-user: a connection from its first byte to its last.
 * QEMU docs/interop/vhost-user.rst, "Communication"; see vu_session.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/work.h"
#include "mem/userfault.h"
#include "transport/ring/ring_stats.h"
#include "transport/vhost_user/vu_session.h"

/* How long a front-end may take to find a translation, seconds. */
#define IOTLB_PATIENCE 5.

/* How long vu_backend_free waits for host operations under way, seconds. */
#define FREE_PATIENCE 0.05

static void sock_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vu_backend *b = container_of(w, struct vu_backend, conn.io);

	if (revents & EV_ERROR) {
		vu_close(b, "it cannot be waited for"); /* the kernel is short of memory, or of watches */
		return;
	}
	if (b->conn.replying) {
		vu_reply_push(b);
		return;
	}
	int ret = vu_read(&b->conn.reader, b->conn.sock);

	if (ret > 0)
		vu_handle(b);
	else if (ret == -EPIPE || ret == -ECONNRESET)
		vu_close(b, NULL);
	else if (ret < 0)
		vu_close(b, ret == -EPROTO ? "not a vhost-user message" : strerror(-ret));
}

static bool flush_round(void *arg, bool serve)
{
	return vu_queues_flush(arg, serve);
}

/* The end of each turn of the loop: drivers hear of what was used in it. */
static void flush_due(struct ev_loop *loop, struct ev_prepare *w, int revents)
{
	struct vu_backend *b = container_of(w, struct vu_backend, flush);

	served_flush_rounds(flush_round, b);
	const char *log_why = vu_log_turn(b);

	if (!b->conn.closing && (gmem_lost(b->mem) || (b->inflight.mem && gmem_lost(b->inflight.mem))))
		vu_close(b, "guest memory was cut short under its mapping");
	else if (!b->conn.closing && log_why)
		vu_close(b, log_why);
}

static void config_changed(struct vdev *d)
{
	struct vu_backend *b = container_of(d->transport, struct vu_backend, ops);

	if (!vu_has(b, VU_PF_CONFIG) || !vu_has(b, VU_PF_BACKEND_REQ))
		return;
	b->channel.config_pending = true;
	vu_channel_push(b);
}

static void queue_stats(struct vdev *d, unsigned int q, struct vdev_queue_stats *stats)
{
	virtq_stats(vdev_queue(d, q), stats);
}

int vu_backend_new(struct vdev *d, const struct gmem_backend *mem, void (*closed)(void *arg), void *arg,
		   struct vu_backend **out)
{
	struct vu_backend *b = calloc(1, sizeof(*b));

	*out = NULL;
	if (!b)
		return -ENOMEM;
	b->d = d;
	b->mem_backend = mem;
	b->closed = closed;
	b->arg = arg;
	b->trace = getenv("VDEVD_TRACE");
	b->conn.sock = b->channel.fd = -1;
	b->log.call = NOTIFY_FD_NONE;
	b->iotlb_patience = IOTLB_PATIENCE;
	b->ops.queue_stats = queue_stats;
	b->ops.config_changed = config_changed;
	b->ops.ask = vu_ask;
	vu_asks_init(b);
	vu_state_init(b);
	ev_init(&b->conn.io, sock_ready);
	hangup_init(&b->conn.hangup, vu_conn_hung_up);
	ev_init(&b->channel.read, vu_channel_readable);
	ev_init(&b->channel.write, vu_channel_writable);
	ev_prepare_init(&b->flush, flush_due);
	int err = vu_queues_new(b);

	if (err) {
		vu_queues_free(b);
		free(b);
		return err;
	}
	vdev_attach(d, &b->ops, b->vqs);
	*out = b;
	return 0;
}

static void closed_for_good(void *arg)
{
}

void vu_backend_free(struct vu_backend *b)
{
	if (!b)
		return;
	b->closed = closed_for_good;
	vu_close(b, NULL);
	if (b->conn.closing && !loop_wait(b->d->loop, &b->conn.closing, FREE_PATIENCE)) {
		/* A host operation hangs with a chain of ours: better to lose some memory than to have it freed in use. */
		log_guest(&b->d->log, "a host operation does not end; its request is abandoned");
		return;
	}
	vdev_attach(b->d, NULL, NULL);
	vu_queues_free(b);
	free(b);
}

int vu_backend_serve(struct vu_backend *b, int sock)
{
	if (vu_backend_busy(b))
		return -EBUSY;
	int err = gmem_new(b->mem_backend, &b->mem);

	if (!err)
		err = vu_conn_open(b, sock);
	if (err) {
		gmem_free(b->mem);
		b->mem = NULL;
		return err;
	}
	ev_prepare_start(b->d->loop, &b->flush);
	log_debug(&b->d->log, "front-end connected");
	return 0;
}

bool vu_backend_busy(const struct vu_backend *b)
{
	return b->conn.sock >= 0 || b->conn.closing;
}

static const struct sandbox_call vu_calls[] = {
	{.name = "recvmsg", .why = "messages of the front-end"},
	{.name = "getsockname", .why = "whether a socket that came is the front-end's own"},
	{.name = "getpeername", .why = "whether a socket that came is the front-end's own"},
	{.name = "sendmsg", .why = "messages to the front-end"},
	{.name = "fcntl", .why = "a descriptor for the front-end", .checks = {{1, SANDBOX_IS, F_DUPFD_CLOEXEC}}},
	{.name = "memfd_create", .why = "a record of requests in flight"},
	{.name = "ftruncate", .why = "a record of requests in flight"},
	{.name = "fcntl", .why = "a record of requests in flight", .checks = {{1, SANDBOX_IS, F_ADD_SEALS}}},
	{0},
};

static void vu_needs(const struct vdev *d, struct sandbox *s)
{
	sandbox_calls(s, vu_calls);
	if (vu_wishes(d)->wish & BIT(VU_PF_PAGEFAULT)) {
		sandbox_calls(s, work_calls);
		userfault_needs(s);
	}
}

static int vu_make(struct vdev *d, const struct gmem_backend *mem, void (*closed)(void *arg), void *arg, void **out)
{
	struct vu_backend *b;
	int err = vu_backend_new(d, mem, closed, arg, &b);

	*out = b;
	return err;
}

static int vu_serve(void *backend, int sock)
{
	return vu_backend_serve(backend, sock);
}

static void vu_end(void *backend)
{
	vu_backend_free(backend);
}

const struct front_protocol vu_protocol = {
	.make = vu_make,
	.serve = vu_serve,
	.end = vu_end,
	.needs = vu_needs,
};
