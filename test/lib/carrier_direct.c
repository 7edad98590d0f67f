/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * carrier_direct.c - a device on bare virtqs: no session, no messages.  The driver's side is a front-end whose socket
 * leads nowhere; its pump is the device's loop.
 */
#include "test/lib/carrier_impl.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/loop.h"

static void on_broken(struct served *s, const char *why)
{
	log_guest(&s->d->log, "queue %u is broken: %s", s->index, why);
}

static void on_drained(struct served *s)
{
	ck_assert(virtq_stopping_now(s->vq));
}

static const struct served_owner owner = {.broken = on_broken, .drained = on_drained};

static void on_config_changed(struct vdev *d)
{
	struct carrier *c = container_of(d->transport, struct carrier, transport);

	c->config_changes++;
}

/* One turn of everything. */
static void direct_pump(void *arg)
{
	struct carrier *c = arg;

	ev_now_update(c->loop); /* timers of the device count from now on, as in a callback of the loop */
	ev_run(c->loop, EVRUN_NOWAIT);
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		served_flush(&c->served[q], false);
}

static void direct_open(struct carrier *c)
{
	carrier_make_device(c);
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++) {
		ck_assert_int_eq(served_new(&c->served[q], &owner, c->d, q), 0);
		c->vqs[q] = c->served[q].vq;
	}
	c->transport.config_changed = on_config_changed;
	vdev_attach(c->d, &c->transport, c->vqs);
}

static void direct_close(struct carrier *c)
{
	vdev_attach(c->d, NULL, NULL);
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		served_free(&c->served[q]);
}

static struct frontend *direct_dial(struct carrier *c)
{
	struct frontend_opts opts = {.pump = direct_pump, .pump_arg = c};
	struct frontend *fe;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	opts.fd = pair[0];
	c->peer = pair[1];
	ck_assert_int_eq(frontend_new(&opts, &fe), 0);
	return fe;
}

static void direct_negotiate(struct carrier *c)
{
	c->features = carrier_wanted_features(c) & vu_offered_features(c->d);
	carrier_ok(c, frontend_set_features(c->fe, c->features), "features");
	vdev_features_set(c->d, c->features);
}

static uint32_t direct_stop(struct carrier *c, unsigned int q)
{
	struct virtq *vq = c->vqs[q];

	if (virtq_started(vq)) {
		served_end(&c->served[q]);
		for (unsigned int ms = 0; virtq_in_flight(vq); ms++) {
			ck_assert_msg(ms < CARRIER_PATIENCE_MS, "queue %u: the device keeps a chain", q);
			carrier_idle(c, 1);
		}
		virtq_flush(vq);
	}
	return virtq_stop(vq);
}

static void direct_reset(struct carrier *c)
{
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		virtq_forget(c->vqs[q]);
	vdev_reset(c->d);
	vdev_features_set(c->d, c->features);
}

static void direct_leave(struct carrier *c)
{
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++) {
		direct_stop(c, q);
		virtq_forget(c->vqs[q]);
		served_set_kick(&c->served[q], -1);
		served_set_call(&c->served[q], -1);
	}
	vdev_reset(c->d);
	gmem_free(c->mem);
	c->mem = NULL;
	close(c->peer);
}

static struct gmem *direct_table(struct carrier *c)
{
	struct gmem *mem;

	ck_assert_int_eq(gmem_new(c->mem_backend, &mem), 0);
	for (unsigned int i = 0; i < c->ncuts; i++) {
		const struct frontend_region *r = &c->cuts[i];
		struct gmem_desc desc = {.guest_addr = r->guest_addr,
					 .size = r->size,
					 .user_addr = r->user_addr,
					 .offset = r->offset,
					 .fd = r->fd};

		ck_assert_int_eq(gmem_add(mem, &desc), 0);
	}
	return mem;
}

static void direct_share(struct carrier *c)
{
	c->mem = direct_table(c);
}

static void direct_share_again(struct carrier *c)
{
	struct gmem *old = c->mem;

	c->mem = direct_table(c);
	for (unsigned int q = 0; q < carrier_face(c)->nqueues; q++)
		ck_assert_int_eq(virtq_remap(c->vqs[q], c->mem), 0);
	gmem_free(old);
}

static void direct_start(struct carrier *c, unsigned int q, uint32_t base)
{
	struct vu_vring_addr a = frontend_queue_addr(c->fe, q);
	struct virtq_addrs addrs = {.space = GMEM_USER, .desc = a.desc, .avail = a.avail, .used = a.used};

	ck_assert_int_eq(virtq_start(c->vqs[q], c->mem, carrier_size(c, q), c->features, &addrs, base), 0);
	served_set_kick(&c->served[q], dup(frontend_queue_fd(c->fe, q, FRONTEND_FD_KICK)));
	served_set_call(&c->served[q], dup(frontend_queue_fd(c->fe, q, FRONTEND_FD_CALL)));
	served_begin(&c->served[q], true);
	served_gate(&c->served[q], true, true);
}

static int direct_wait_broken(struct carrier *c, unsigned int q, unsigned int ms)
{
	for (; !virtq_broken(c->vqs[q]); ms--) {
		if (!ms)
			return -ETIMEDOUT;
		carrier_idle(c, 1);
	}
	return 0;
}

static void direct_config_read(struct carrier *c, uint32_t off, void *buf, uint32_t len)
{
	vdev_config_read(c->d, off, buf, len);
}

static int direct_config_write(struct carrier *c, uint32_t off, const void *buf, uint32_t len)
{
	return vdev_config_write(c->d, off, buf, len) ? -EREMOTEIO : 0;
}

static void direct_wait_config_change(struct carrier *c)
{
	for (unsigned int ms = 0; !c->config_changes; ms++) {
		ck_assert_msg(ms < CARRIER_PATIENCE_MS, "the configuration did not change");
		carrier_idle(c, 1);
	}
	c->config_changes--;
}

const struct carrier_ops carrier_direct = {
	.open = direct_open,
	.close = direct_close,
	.dial = direct_dial,
	.negotiate = direct_negotiate,
	.leave = direct_leave,
	.share = direct_share,
	.share_again = direct_share_again,
	.start = direct_start,
	.stop = direct_stop,
	.reset = direct_reset,
	.wait_broken = direct_wait_broken,
	.config_read = direct_config_read,
	.config_write = direct_config_write,
	.wait_config_change = direct_wait_config_change,
};
