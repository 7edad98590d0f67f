/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * served.c - a queue of a device on the loop, whatever the transport; see served.h.
 */
#include "transport/ring/served.h"

#include <errno.h>

#include "transport/ring/ring_stats.h"

/* How often a ring is looked at when there is no way to kick, seconds. */
#define POLL_INTERVAL 0.001

/* How often, and for how many ns, rings are served at the end of a turn before the loop looks at everything else. */
#define FLUSH_ROUNDS 8
#define FLUSH_NS     UINT64_C(2000000)

/* The driver wants to know of used buffers. */
static void on_call(struct virtq *vq)
{
	struct served *s = virtq_owner(vq);
	int err = s->call.fd >= 0 ? notify_fd_signal(&s->call) : -EBADF;

	if ((err == -EBADF || err == -ETIMEDOUT) && s->owner->call)
		s->owner->call(s, err);
}

static void on_broken(struct virtq *vq, const char *why)
{
	struct served *s = virtq_owner(vq);

	/* The owner's line is in the log when the front-end hears of it. */
	if (s->owner->broken)
		s->owner->broken(s, why);
	if (s->err.fd >= 0)
		notify_fd_signal(&s->err);
}

static void on_drained(struct virtq *vq)
{
	struct served *s = virtq_owner(vq);

	if (s->owner->drained)
		s->owner->drained(s);
}

static void on_again(struct virtq *vq)
{
	served_again(virtq_owner(vq));
}

static void on_miss(struct virtq *vq)
{
	struct served *s = virtq_owner(vq);

	if (s->owner->miss)
		s->owner->miss(s);
}

static void on_used(struct virtq *vq, const struct virtq_answer *used)
{
	struct served *s = virtq_owner(vq);

	if (s->owner->used)
		s->owner->used(s, used);
}

static const struct virtq_events events = {
	.call = on_call,
	.broken = on_broken,
	.drained = on_drained,
	.again = on_again,
	.miss = on_miss,
	.used = on_used,
};

void served_turn(struct served *s)
{
	if (s->owner->before_turn)
		s->owner->before_turn(s);
	if (!virtq_running(s->vq))
		return;
	virtq_turn_begin(s->vq);
	s->d->class->kick(s->d, s->index);
	virtq_turn_end(s->vq);
	if (s->owner->after_turn)
		s->owner->after_turn(s);
}

void served_again(struct served *s)
{
	loop_again_start(&s->again, s->d->loop);
}

static void again_run(struct loop_again *again)
{
	served_turn(container_of(again, struct served, again));
}

bool served_flush(struct served *s, bool serve)
{
	if (!virtq_dirty(s->vq) || !virtq_flush(s->vq))
		return false;
	if (serve)
		served_turn(s);
	else
		served_again(s);
	return serve;
}

void served_flush_rounds(bool (*flush)(void *arg, bool serve), void *arg)
{
	uint64_t begun = 0;
	bool serve = true;

	/* Messages want their turn, too. */
	for (unsigned int round = 1; flush(arg, serve); round++) {
		/* Usually there is no other round, and the clock can be a system call. */
		const uint64_t now = round > 1 ? ring_clock() : 0;

		begun = begun ? begun : now;
		serve = round < FLUSH_ROUNDS && now - begun < FLUSH_NS;
	}
}

void served_trace(const struct served *s, const struct virtq_answer *used)
{
	log_info(&s->d->log, "* %s: chain %u: read %zu of %zu bytes, written %zu of %zu",
		 s->d->face.queues[s->index].name, used->head, used->read, used->readable, used->written,
		 used->writable);
}

static void poll_start(struct served *s)
{
	ev_timer_set(&s->timer, POLL_INTERVAL, POLL_INTERVAL);
	ev_timer_start(s->d->loop, &s->timer);
}

static void poll_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	served_turn(container_of(w, struct served, timer));
}

static void kick_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct served *s = container_of(w, struct served, kick_io);

	if (revents & EV_ERROR) {
		log_guest(&s->d->log, "queue %u: the kick descriptor cannot be waited for; the ring is looked at instead", s->index);
		poll_start(s);
	}
	if (notify_fd_drain(&s->kick) < 0) {
		log_debug(&s->d->log, "queue %u: kick descriptor closed by the front-end", s->index);
		ev_io_stop(loop, w);
	}
	served_turn(s);
}

static void watch(struct served *s)
{
	if (s->kick.fd >= 0) {
		ev_io_set(&s->kick_io, s->kick.fd, EV_READ);
		ev_io_start(s->d->loop, &s->kick_io);
	} else if (s->poll) {
		poll_start(s);
	}
}

static void unwatch(struct served *s)
{
	ev_io_stop(s->d->loop, &s->kick_io);
	ev_timer_stop(s->d->loop, &s->timer);
	loop_again_stop(&s->again, s->d->loop);
}

void served_set_kick(struct served *s, int fd)
{
	unwatch(s);
	notify_fd_set(&s->kick, fd);
	if (virtq_started(s->vq)) {
		watch(s);
		served_again(s); /* what came by the old way */
	}
}

void served_set_call(struct served *s, int fd)
{
	notify_fd_set(&s->call, fd);
	/* The driver may wait for a notification that went to the old one. */
	if (fd >= 0 && virtq_started(s->vq))
		notify_fd_signal(&s->call);
}

void served_set_err(struct served *s, int fd)
{
	notify_fd_set(&s->err, fd);
	if (fd >= 0 && virtq_started(s->vq) && virtq_broken(s->vq))
		notify_fd_signal(&s->err);
}

void served_begin(struct served *s, bool poll)
{
	s->begins = true;
	s->poll = poll;
	watch(s);
	served_again(s);
}

void served_gate(struct served *s, bool known, bool enabled)
{
	if (s->begins && known) {
		s->begins = false;
		vdev_start(s->d, s->index);
	}
	virtq_enable(s->vq, known && enabled);
}

void served_end(struct served *s)
{
	unwatch(s);
	virtq_stopping(s->vq);
	/* A device that was not told of the start has nothing of this ring's. */
	if (!s->begins)
		vdev_quiesce(s->d, s->index);
	s->begins = false;
}

int served_new(struct served *s, const struct served_owner *owner, struct vdev *d, unsigned int index)
{
	*s = (struct served){.owner = owner, .d = d, .index = index};
	s->kick = s->call = s->err = NOTIFY_FD_NONE;
	ev_init(&s->kick_io, kick_ready);
	ev_init(&s->timer, poll_due);
	loop_again_init(&s->again, again_run);
	return virtq_new(index, &events, s, &s->vq);
}

void served_free(struct served *s)
{
	if (!s->vq)
		return;
	unwatch(s);
	notify_fd_set(&s->kick, -1);
	notify_fd_set(&s->call, -1);
	notify_fd_set(&s->err, -1);
	virtq_free(s->vq);
	s->vq = NULL;
}
