/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_stream.c - a side of a port that is a descriptor; see console_stream.h.
 */
#include <errno.h>

#include "core/loop.h"
#include "devices/console/console_stream.h"

const struct sandbox_call console_stream_calls[] = {
	{.name = "read", .why = "bytes for the guest"},
	{.name = "write", .why = "bytes of the guest"},
	{.name = "preadv2", .why = "bytes for the guest"},
	{.name = "pwritev2", .why = "bytes of the guest"},
	{.name = "poll", .why = "whether there are bytes, or room"},
	{0},
};

static void readable_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct console_side *s = container_of(w, struct console_side, readable);

	ev_io_stop(loop, w);
	s->wants_read = false;
	s->args->ops->readable(s->args->user);
}

static void writable_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct console_side *s = container_of(w, struct console_side, writable);

	ev_io_stop(loop, w);
	s->wants_write = false;
	s->args->ops->writable(s->args->user);
}

static void end_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct console_side *s = container_of(w, struct console_side, end);

	s->ended(s);
}

void console_stream_init(struct console_side *s, const struct console_side_args *args, void (*ended)(struct console_side *s))
{
	s->args = args;
	s->in = s->out = -1;
	s->ended = ended;
	ev_init(&s->readable, readable_ready);
	ev_init(&s->writable, writable_ready);
	ev_timer_init(&s->end, end_due, 0., 0.);
}

/* What was asked for while nobody was there is asked for now. */
void console_stream_begin(struct console_side *s, int in, int out, bool tell)
{
	s->in = in;
	s->out = out;
	ev_io_set(&s->readable, in, EV_READ);
	ev_io_set(&s->writable, out, EV_WRITE);
	if (s->wants_read)
		console_stream_want_read(s);
	if (s->wants_write)
		console_stream_want_write(s);
	if (tell)
		s->args->ops->opened(s->args->user, true);
}

void console_stream_end(struct console_side *s, bool tell)
{
	struct ev_loop *loop = s->args->d->loop;

	ev_io_stop(loop, &s->readable);
	ev_io_stop(loop, &s->writable);
	ev_timer_stop(loop, &s->end);
	s->in = s->out = -1;
	if (tell)
		s->args->ops->opened(s->args->user, false);
}

/* The owner is told from the loop: its user is in the midst of a call. */
static ssize_t stream_result(struct console_side *s, ssize_t n)
{
	if (n == -EINTR)
		n = -EAGAIN;
	if (n > 0 || n == -EAGAIN)
		return n;
	ev_timer_start(s->args->d->loop, &s->end);
	return -EPIPE;
}

ssize_t console_stream_read(struct console_side *s, void *buf, size_t len)
{
	ssize_t n;

	if (s->in < 0 || ev_is_active(&s->end))
		return -EPIPE;
	n = fd_read_now(s->in, buf, len);
	if (n || !s->half_ended)
		return stream_result(s, n);
	ev_io_stop(s->args->d->loop, &s->readable);
	s->in = -1;
	s->half_ended(s);
	return -EPIPE;
}

ssize_t console_stream_write(struct console_side *s, const void *buf, size_t len)
{
	if (s->out < 0 || ev_is_active(&s->end))
		return -EPIPE;
	return stream_result(s, fd_write_now(s->out, buf, len));
}

void console_stream_want_read(struct console_side *s)
{
	s->wants_read = true;
	if (s->in >= 0)
		ev_io_start(s->args->d->loop, &s->readable);
}

void console_stream_want_write(struct console_side *s)
{
	s->wants_write = true;
	if (s->out >= 0)
		ev_io_start(s->args->d->loop, &s->writable);
}
