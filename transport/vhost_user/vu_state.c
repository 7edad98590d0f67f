/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vu_state.c - the device's state on its way to or from a front-end: QEMU docs/interop/vhost-user.rst, "Migrating
 * back-end state".
 */
#include <errno.h>
#include <unistd.h>

#include "transport/vhost_user/vu_session.h"

/* Bytes taken from the descriptor at once. */
#define STATE_CHUNK 4096

/* How long nothing may move, seconds: the other side may be a slow network, but not one that has gone. */
#define STATE_PATIENCE 60.

void vu_state_drop(struct vu_backend *b)
{
	if (b->state.fd < 0)
		return;
	ev_io_stop(b->d->loop, &b->state.io);
	ev_timer_stop(b->d->loop, &b->state.timer);
	close(b->state.fd);
	b->state.fd = -1;
	state_free(&b->state.bytes);
	b->state.ended = NULL;
}

static void state_end(struct vu_backend *b, int result)
{
	void (*ended)(struct vu_backend *) = b->state.ended;

	if (result)
		log_guest(&b->d->log, "the device's state was not transferred: %s", strerror(-result));
	b->state.result = result;
	vu_state_drop(b);
	if (ended)
		ended(b);
}

/* Sends what the descriptor takes. */
static void state_send(struct vu_backend *b)
{
	while (b->state.done < b->state.bytes.len) {
		ssize_t n = fd_write_now(b->state.fd, b->state.bytes.bytes + b->state.done, b->state.bytes.len - b->state.done);

		if (n < 0) {
			if (n != -EAGAIN)
				state_end(b, (int)n);
			return;
		}
		b->state.done += (size_t)n;
	}
	state_end(b, 0);
}

/* Takes what has come; at its end the device has it. */
static void state_receive(struct vu_backend *b)
{
	uint8_t chunk[STATE_CHUNK];
	ssize_t n;

	while ((n = fd_read_now(b->state.fd, chunk, sizeof(chunk))) > 0) {
		state_append(&b->state.bytes, chunk, (size_t)n);
		if (b->state.bytes.err) {
			state_end(b, b->state.bytes.err);
			return;
		}
	}
	if (n == -EAGAIN)
		return;
	int err = (int)n;

	/* The device would change under its driver's hands. */
	if (!err)
		err = vu_any_started(b) ? -EBUSY : vdev_load(b->d, &b->state.bytes);

	/* A machine that goes on where another one was has not been reset. */
	if (!err)
		b->reset_pending = false;
	state_end(b, err);
}

static void ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vu_backend *b = container_of(w, struct vu_backend, state.io);

	if (revents & EV_ERROR) {
		state_end(b, -EIO);
		return;
	}
	ev_timer_again(loop, &b->state.timer);
	if (w->events & EV_WRITE)
		state_send(b);
	else
		state_receive(b);
}

static void patience_ends(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	state_end(container_of(w, struct vu_backend, state.timer), -ETIMEDOUT);
}

void vu_state_init(struct vu_backend *b)
{
	b->state.fd = -1;
	b->state.patience = STATE_PATIENCE;
	ev_init(&b->state.io, ready);
	ev_init(&b->state.timer, patience_ends);
}

bool vu_state_await(struct vu_backend *b, void (*ended)(struct vu_backend *b))
{
	if (b->state.fd < 0)
		return false;
	b->state.ended = ended;
	return true;
}

int vu_state_begin(struct vu_backend *b, uint32_t direction, int fd)
{
	int err = b->state.fd >= 0 ? -EBUSY : fd_check_watchable(fd);

	if (!err)
		err = fd_prepare(fd);
	if (!err && direction == VU_STATE_SAVE) {
		vdev_save(b->d, &b->state.bytes);
		err = b->state.bytes.err;
	}
	if (err) {
		if (b->state.fd < 0)
			state_free(&b->state.bytes);
		close(fd);
		return err;
	}
	b->state.fd = fd;
	b->state.done = 0;
	b->state.result = 0;
	ev_io_set(&b->state.io, fd, direction == VU_STATE_SAVE ? EV_WRITE : EV_READ);
	ev_io_start(b->d->loop, &b->state.io);
	b->state.timer.repeat = b->state.patience;
	ev_timer_again(b->d->loop, &b->state.timer);
	return 0;
}
