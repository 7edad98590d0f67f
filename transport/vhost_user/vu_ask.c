/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_ask.c - what the device asks of the front-end over the back channel: parts of shared memory regions to be mapped,
 * objects shared with other devices.  QEMU docs/interop/vhost-user.rst, "Back-end message types".
 *
 * Theory of operation.  Nothing waits.  What is asked is put at the end of a list, sent when the socket has room, and
 * answered some time later while messages of the front-end are handled as ever; so the two sides cannot wait for each other.
 * Answers come in the order of the questions, which is all that tells whose they are.  A question that is given up
 * (patience ended, the device was reset) leaves the list, but its answer, if it was sent, is still to come and is counted off.
 * The device is told in a turn of the loop of its own, never from inside a function it called.
 *
 * The device has a question among its own members, and can have as many open as it has of those. Each question ends: by
 * its answer, after seconds of patience, with a reset, or with the connection.
 *
 * QEMU asks for an object (GET_SHARED_OBJECT) from inside a lookup of ours, which would be the end of a back end that
 * waits, and leaves the UUID out: it is answered without a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "transport/vhost_user/vu_session.h"

/* How long a front-end may take, seconds: it may be a machine that is being moved, but not for ever. */
#define ASK_PATIENCE 10.

/* What is sent for each enum vdev_ask_what, and what has to have been accepted. */
static const struct {
	enum vu_backend_request request;
	enum vu_protocol_feature feature;
	const char *name;
} kinds[] = {
	[VDEV_SHMEM_MAP] = {VU_BACKEND_SHMEM_MAP, VU_PF_SHMEM, "SHMEM_MAP"},
	[VDEV_SHMEM_UNMAP] = {VU_BACKEND_SHMEM_UNMAP, VU_PF_SHMEM, "SHMEM_UNMAP"},
	[VDEV_OBJECT_ADD] = {VU_BACKEND_SHARED_OBJECT_ADD, VU_PF_SHARED_OBJECT, "SHARED_OBJECT_ADD"},
	[VDEV_OBJECT_REMOVE] = {VU_BACKEND_SHARED_OBJECT_REMOVE, VU_PF_SHARED_OBJECT, "SHARED_OBJECT_REMOVE"},
	[VDEV_OBJECT_LOOKUP] = {VU_BACKEND_SHARED_OBJECT_LOOKUP, VU_PF_SHARED_OBJECT, "SHARED_OBJECT_LOOKUP"},
};

/* Whether an answer comes: the one that has something to say comes always. */
static bool is_answered(const struct vu_backend *b, const struct vdev_ask *ask)
{
	return vu_has(b, VU_PF_REPLY_ACK) || ask->what == VDEV_OBJECT_LOOKUP;
}

/* Whether the oldest is sent. */
static bool first_sent(const struct vu_asks *a)
{
	return a->first && a->unsent != &a->first;
}

/* The timer runs for the oldest. */
static void wait_for_first(struct vu_backend *b)
{
	struct vu_asks *a = &b->asks;

	ev_timer_stop(b->d->loop, &a->timer);
	if (!a->first)
		return;
	ev_timer_set(&a->timer, a->first->way.until - ev_now(b->d->loop), 0.);
	ev_timer_start(b->d->loop, &a->timer);
}

/* Takes the one that link points to out of the list; the device will be told. */
static void end(struct vu_backend *b, struct vdev_ask **link, int err, int fd)
{
	struct vu_asks *a = &b->asks;
	struct vdev_ask *ask = *link;

	*link = ask->way.next;
	if (a->end == &ask->way.next)
		a->end = link;
	if (a->unsent == &ask->way.next)
		a->unsent = link;
	ask->way.next = NULL;
	ask->way.err = err;
	ask->way.fd = fd;
	*a->ended_end = ask;
	a->ended_end = &ask->way.next;
	loop_again_start(&a->tell, b->d->loop);
	wait_for_first(b);
}

void vu_asks_tell(struct vu_backend *b)
{
	struct vu_asks *a = &b->asks;
	struct vdev_ask *ask = a->ended, *next;

	loop_again_stop(&a->tell, b->d->loop);
	a->ended = NULL;
	a->ended_end = &a->ended;
	for (; ask; ask = next) {
		next = ask->way.next;
		ask->done(b->d, ask, ask->way.err, ask->way.fd);
	}
}

static void tell_due(struct loop_again *again)
{
	vu_asks_tell(container_of(again, struct vu_backend, asks.tell));
}

static void patience_ends(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct vu_backend *b = container_of(w, struct vu_backend, asks.timer);
	struct vu_asks *a = &b->asks;

	while (a->first && a->first->way.until <= ev_now(loop)) {
		log_guest(&b->d->log, "the front-end does not answer %s", kinds[a->first->what].name);
		a->stale += first_sent(a);
		end(b, &a->first, -ETIMEDOUT, -1);
	}
	wait_for_first(b);
}

void vu_asks_init(struct vu_backend *b)
{
	struct vu_asks *a = &b->asks;

	a->end = a->unsent = &a->first;
	a->ended_end = &a->ended;
	a->patience = ASK_PATIENCE;
	loop_again_init(&a->tell, tell_due);
	ev_init(&a->timer, patience_ends);
}

int vu_ask(struct vdev *d, struct vdev_ask *ask)
{
	struct vu_backend *b = container_of(d->transport, struct vu_backend, ops);
	struct vu_asks *a = &b->asks;

	if (!vu_has(b, kinds[ask->what].feature))
		return -EOPNOTSUPP;
	if (b->channel.fd < 0 || a->shut || !vu_any_started(b))
		return -ENOTCONN;
	ask->way.next = NULL;
	ask->way.until = ev_now(d->loop) + a->patience;
	*a->end = ask;
	a->end = &ask->way.next;
	if (a->first == ask)
		wait_for_first(b);
	ev_io_start(d->loop, &b->channel.write);
	return 0;
}

/* Fills in the message that asks; its descriptor is one of its own.  Returns 0 or -errno. */
static int fill(struct vu_backend *b, const struct vdev_ask *ask)
{
	const struct vdev_mapping *m = &ask->mapping;
	struct vu_msg *msg = &b->channel.msg;
	bool memory = kinds[ask->what].feature == VU_PF_SHMEM;

	vu_channel_begin(b, kinds[ask->what].request, memory ? sizeof(msg->p.mapping) : sizeof(msg->p.object));
	if (vu_has(b, VU_PF_REPLY_ACK))
		msg->h.flags |= VU_FLAG_NEED_REPLY;
	if (memory)
		msg->p.mapping = (struct vu_mapping){
			.shmid = m->shmid,
			.fd_offset = m->fd_offset,
			.offset = m->offset,
			.len = m->len,
			.flags = m->writable ? VU_MAPPING_WRITABLE : 0,
		};
	else
		memcpy(msg->p.object.uuid, ask->uuid.bytes, sizeof(msg->p.object.uuid));
	if (ask->what != VDEV_SHMEM_MAP)
		return 0;
	msg->fds[0] = fcntl(ask->fd, F_DUPFD_CLOEXEC, 0);
	if (msg->fds[0] < 0)
		return -errno;
	msg->nfds = 1;
	return 0;
}

bool vu_ask_next(struct vu_backend *b)
{
	struct vu_asks *a = &b->asks;

	while (*a->unsent) {
		struct vdev_ask **link = a->unsent, *ask = *link;
		int err = fill(b, ask);

		if (err) {
			b->channel.busy = false;
			end(b, link, err, -1);
			continue;
		}
		if (is_answered(b, ask))
			a->unsent = &ask->way.next;
		else
			end(b, link, 0, -1);
		return true;
	}
	return false;
}

void vu_ask_answer(struct vu_backend *b, struct vu_msg *m)
{
	struct vu_asks *a = &b->asks;
	struct vdev_ask *ask = a->first;
	int err = 0, fd = -1;

	/* What else we say has no answer, but some acknowledge that, too. */
	if (!(m->h.flags & VU_FLAG_REPLY) || m->h.request < VU_BACKEND_SHARED_OBJECT_ADD)
		return;
	if (a->stale) {
		a->stale--;
		return;
	}
	if (!first_sent(a) || kinds[ask->what].request != m->h.request) {
		log_guest(&b->d->log, "an answer on the back channel to what was not asked: %u", m->h.request);
		return;
	}
	bool refused = m->p.u64, found = ask->what == VDEV_OBJECT_LOOKUP && !refused;

	if (m->h.size != sizeof(m->p.u64) || (found && m->nfds != 1))
		err = -EPROTO;
	else if (refused)
		err = -EREMOTEIO;
	if (!err && found) {
		fd = m->fds[0];
		m->fds[0] = -1;
	}
	end(b, &a->first, err, fd);
}

void vu_asks_cancel(struct vu_backend *b, bool gone)
{
	struct vu_asks *a = &b->asks;

	while (a->first) {
		a->stale += first_sent(a);
		end(b, &a->first, -ECANCELED, -1);
	}
	if (gone)
		a->stale = 0;
}
