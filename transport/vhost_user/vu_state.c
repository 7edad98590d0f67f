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

void vu_state_drop(struct vu_backend *b)
{
	if (b->state_fd < 0)
		return;
	ev_io_stop(b->d->loop, &b->state_io);
	close(b->state_fd);
	b->state_fd = -1;
	state_free(&b->state);
	b->state_asked = false;
}

static void state_end(struct vu_backend *b, int result)
{
	bool asked = b->state_asked;

	if (result)
		log_warn(&b->d->log, "the device's state was not transferred: %s", strerror(-result));
	b->state_result = result;
	vu_state_drop(b);
	if (asked)
		vu_state_answer(b);
}

/* Sends what the descriptor takes. */
static void state_send(struct vu_backend *b)
{
	while (b->state_done < b->state.len) {
		ssize_t n = write(b->state_fd, b->state.bytes + b->state_done, b->state.len - b->state_done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				state_end(b, -errno);
			return;
		}
		b->state_done += (size_t)n;
	}
	state_end(b, 0);
}

/* Takes what has come; at its end the device has it. */
static void state_receive(struct vu_backend *b)
{
	uint8_t chunk[STATE_CHUNK];
	ssize_t n;

	while ((n = read(b->state_fd, chunk, sizeof(chunk))) > 0) {
		state_append(&b->state, chunk, (size_t)n);
		if (b->state.err) {
			state_end(b, b->state.err);
			return;
		}
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	int err = n < 0 ? -errno : 0;

	/* The device would change under its driver's hands. */
	if (!err)
		err = vu_any_started(b) ? -EBUSY : vdev_load(b->d, &b->state);

	/* A machine that goes on where another one was has not been reset. */
	if (!err)
		b->reset_pending = false;
	state_end(b, err);
}

void vu_state_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct vu_backend *b = container_of(w, struct vu_backend, state_io);

	if (w->events & EV_WRITE)
		state_send(b);
	else
		state_receive(b);
}

int vu_state_begin(struct vu_backend *b, uint32_t direction, int fd)
{
	int err = b->state_fd >= 0 ? -EBUSY : fd_prepare(fd);

	if (!err && direction == VU_STATE_SAVE) {
		vdev_save(b->d, &b->state);
		err = b->state.err;
	}
	if (err) {
		if (b->state_fd < 0)
			state_free(&b->state);
		close(fd);
		return err;
	}
	b->state_fd = fd;
	b->state_done = 0;
	b->state_result = 0;
	ev_io_set(&b->state_io, fd, direction == VU_STATE_SAVE ? EV_WRITE : EV_READ);
	ev_io_start(b->d->loop, &b->state_io);
	return 0;
}
