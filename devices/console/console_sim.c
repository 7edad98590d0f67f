/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_sim.c - two sides of a port without a host: nobody, who takes everything ("null"); and an operator ("sim"), who types
 * and reads at the control socket, or a plug that leads back what is written ("sim:echo").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/loop.h"
#include "devices/console/console_ring.h"
#include "devices/console/console_side.h"

#define SIM_ROOM 16384 /* bytes, in each direction */

struct console_side {
	const struct console_side_args *args;
	bool null, echo;
	struct console_ring in, out; /* to the guest; of the guest.  With echo it is one */
	bool wants_read, wants_write;
	struct loop_again turn;
};

static void sim_turn(struct loop_again *again)
{
	struct console_side *s = container_of(again, struct console_side, turn);
	bool read = s->wants_read && s->in.used, write = s->wants_write && console_ring_room(s->echo ? &s->in : &s->out);

	s->wants_read &= !read;
	s->wants_write &= !write;
	if (read)
		s->args->ops->readable(s->args->user);
	if (write)
		s->args->ops->writable(s->args->user);
}

static void first_turn(struct loop_again *again)
{
	struct console_side *s = container_of(again, struct console_side, turn);

	s->turn.run = sim_turn;
	s->args->ops->opened(s->args->user, true);
	sim_turn(again);
}

/* Whoever waits for what has changed is told later. */
static void changed(struct console_side *s)
{
	if (s->wants_read || s->wants_write)
		loop_again_start(&s->turn, s->args->d->loop);
}

static const char *null_check(const char *value)
{
	return *value ? "null has no value" : NULL;
}

static const char *sim_check(const char *value)
{
	return !*value || !strcmp(value, "echo") ? NULL : "sim or sim:echo is wanted";
}

static void sim_needs(const struct console_side_args *args, struct sandbox *s)
{
	/* The loop alone. */
}

static void sim_stop(struct console_side *s)
{
	loop_again_stop(&s->turn, s->args->d->loop);
	free(s->in.bytes);
	free(s->out.bytes);
	free(s);
}

static struct console_side *side_new(const struct console_side_args *args)
{
	struct console_side *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->args = args;
	loop_again_init(&s->turn, first_turn);
	loop_again_start(&s->turn, args->d->loop);
	return s;
}

static int null_start(const struct console_side_args *args, struct console_side **out)
{
	*out = side_new(args);
	if (!*out)
		return -ENOMEM;
	(*out)->null = true;
	return 0;
}

static int sim_start(const struct console_side_args *args, struct console_side **out)
{
	struct console_side *s = side_new(args);

	if (!s)
		return -ENOMEM;
	s->echo = *args->value;
	s->in.size = s->out.size = SIM_ROOM;
	s->in.bytes = malloc(SIM_ROOM);
	s->out.bytes = malloc(SIM_ROOM);
	*out = s;
	if (s->in.bytes && s->out.bytes)
		return 0;
	sim_stop(s);
	*out = NULL;
	return -ENOMEM;
}

static ssize_t sim_read(struct console_side *s, void *buf, size_t len)
{
	size_t n = s->null ? 0 : console_ring_take(&s->in, buf, len);

	changed(s);
	return n ? (ssize_t)n : -EAGAIN;
}

static ssize_t sim_write(struct console_side *s, const void *buf, size_t len)
{
	size_t n = s->null ? len : console_ring_put(s->echo ? &s->in : &s->out, buf, len);

	changed(s);
	return n ? (ssize_t)n : -EAGAIN;
}

static void sim_want_read(struct console_side *s)
{
	s->wants_read = true;
	if (s->in.used)
		changed(s);
}

static void sim_want_write(struct console_side *s)
{
	s->wants_write = true;
}

size_t console_sim_type(struct console_side *s, const void *bytes, size_t len)
{
	size_t n = console_ring_put(&s->in, bytes, len);

	changed(s);
	return n;
}

size_t console_sim_take(struct console_side *s, void *buf, size_t len)
{
	size_t n = console_ring_take(&s->out, buf, len);

	changed(s);
	return n;
}

const struct console_side_ops console_null = {
	.kind = "null",
	.check = null_check,
	.needs = sim_needs,
	.start = null_start,
	.stop = sim_stop,
	.read = sim_read,
	.write = sim_write,
	.want_read = sim_want_read,
	.want_write = sim_want_write,
};

const struct console_side_ops console_sim = {
	.kind = "sim",
	.check = sim_check,
	.needs = sim_needs,
	.start = sim_start,
	.stop = sim_stop,
	.read = sim_read,
	.write = sim_write,
	.want_read = sim_want_read,
	.want_write = sim_want_write,
};
