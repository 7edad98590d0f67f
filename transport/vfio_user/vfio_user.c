/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfio_user.c - the server side of vfio-user: its life.
 * QEMU docs/interop/vfio-user.rst; see vfu_session.h.
 */
#include "transport/vfio_user/vfio_user.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "transport/vfio_user/vfu_session.h"

/* How long the end waits for host operations under way, seconds. */
#define FREE_PATIENCE 0.05

static bool flush_round(void *arg, bool serve)
{
	struct vfu_backend *b = arg;

	return vpci_flush(b->function, serve);
}

/* The end of each turn of the loop: drivers hear of what was used in it. */
static void flush_due(struct ev_loop *loop, struct ev_prepare *w, int revents)
{
	struct vfu_backend *b = container_of(w, struct vfu_backend, flush);

	served_flush_rounds(flush_round, b);
	if (!b->conn.closing && gmem_lost(b->mem))
		vfu_close(b, "guest memory was cut short under its mapping");
}

static void backend_free(struct vfu_backend *b)
{
	vpci_free(b->function);
	vfu_irqs_free(b);
	free(b->in);
	free(b->out);
	free(b);
}

static int vfu_make(struct vdev *d, const struct gmem_backend *mem, void (*closed)(void *arg), void *arg, void **out)
{
	struct vfu_backend *b = calloc(1, sizeof(*b));

	*out = NULL;
	if (!b)
		return -ENOMEM;
	b->d = d;
	b->mem_backend = mem;
	b->closed = closed;
	b->arg = arg;
	b->trace = getenv("VDEVD_TRACE");
	b->conn.sock = -1;
	b->in = malloc(VFU_PAYLOAD_MAX);
	b->out = malloc(VFU_PAYLOAD_MAX);
	ev_init(&b->conn.io, vfu_readable);
	hangup_init(&b->conn.hangup, vfu_hung_up);
	ev_prepare_init(&b->flush, flush_due);
	vfu_memory_init(b);
	vfu_migrate_reset(b);
	int err = b->in && b->out ? vfu_irqs_new(b) : -ENOMEM;

	if (!err)
		err = vpci_new(d, &vfu_function_events, b, &b->function);
	if (err) {
		backend_free(b);
		return err;
	}
	if (b->trace)
		vpci_trace(b->function);
	*out = b;
	return 0;
}

static int vfu_serve(void *backend, int sock)
{
	struct vfu_backend *b = backend;

	if (b->conn.sock >= 0 || b->conn.closing)
		return -EBUSY;
	int err = gmem_new(b->mem_backend, &b->mem);

	if (!err)
		err = vfu_conn_open(b, sock);
	if (err) {
		gmem_free(b->mem);
		b->mem = NULL;
		return err;
	}
	vpci_set_memory(b->function, b->mem);
	ev_prepare_start(b->d->loop, &b->flush);
	log_debug(&b->d->log, "client connected");
	return 0;
}

static void closed_for_good(void *arg)
{
}

static void vfu_end(void *backend)
{
	struct vfu_backend *b = backend;

	if (!b)
		return;
	b->closed = closed_for_good;
	vfu_close(b, NULL);
	if (b->conn.closing && !loop_wait(b->d->loop, &b->conn.closing, FREE_PATIENCE)) {
		/* A host operation hangs with a chain of ours: better to lose some memory than to have it freed in use. */
		log_guest(&b->d->log, "a host operation does not end; its request is abandoned");
		return;
	}
	backend_free(b);
}

static const struct sandbox_call vfu_calls[] = {
	{.name = "recvmsg", .why = "messages of the client"},
	{.name = "sendmsg", .why = "messages to the client"},
	{.name = "memfd_create", .why = "a log of written memory"},
	{.name = "ftruncate", .why = "a log of written memory"},
	{.name = "getsockopt", .why = "what kind of descriptor came", .checks = {{1, SANDBOX_IS, SOL_SOCKET}}},
	{0},
};

static void vfu_needs(const struct vdev *d, struct sandbox *s)
{
	sandbox_calls(s, vfu_calls);
}

const struct front_protocol vfu_protocol = {
	.make = vfu_make,
	.serve = vfu_serve,
	.end = vfu_end,
	.needs = vfu_needs,
};
