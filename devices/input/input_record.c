/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * input_record.c - writes what the guest is told into a file; see input_record.h.
 */
#include "devices/input/input_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/sandbox.h"
#include "devices/input/input_replay.h"

/* The longest line of an event. */
#define LINE_MAX_ 64u

/* How long the last writes may take at the end, ms. */
#define END_PATIENCE 1000

static void write_more(struct input_record *r)
{
	if (r->writing || !r->len)
		return;
	r->iov = (struct iovec){r->buffers[r->filling], r->len};
	r->filling = !r->filling;
	r->len = 0;
	r->writing = true;
	uring_writev(r->ring, &r->op, r->fd, &r->iov, 1, r->at);
}

static void write_done(struct uring_op *op, int res)
{
	struct input_record *r = container_of(op, struct input_record, op);

	r->writing = false;
	if (res <= 0) {
		log_guest(r->log, "--record: %s; a part is missing", strerror(res ? -res : ENOSPC));
		r->lost++;
		res = (int)r->iov.iov_len;
	}
	r->at += (uint64_t)res;
	r->iov.iov_base = (char *)r->iov.iov_base + res;
	r->iov.iov_len -= (size_t)res;
	if (r->iov.iov_len) {
		r->writing = true;
		uring_writev(r->ring, &r->op, r->fd, &r->iov, 1, r->at);
		return;
	}
	write_more(r);
}

static int record_head(struct input_record *r, const char *path, const struct input_caps *caps)
{
	FILE *out = fopen(path, "we");
	int err;

	if (!out)
		return -errno;
	input_record_head(out, caps);
	r->at = (uint64_t)ftell(out);
	err = fflush(out) ? -errno : 0;
	r->fd = dup(fileno(out));
	if (!err && r->fd < 0)
		err = -errno;
	fclose(out);
	return err ? err : fd_prepare(r->fd);
}

int input_record_open(struct input_record *r, struct ev_loop *loop, const char *path, const struct input_caps *caps,
		      struct log *log)
{
	int err;

	*r = (struct input_record){.log = log, .fd = -1};
	r->op.done = write_done;
	err = record_head(r, path, caps);
	if (err) {
		log_error(log, "--record=%s: %s", path, strerror(-err));
		return err;
	}
	for (unsigned int i = 0; i < 2; i++)
		r->buffers[i] = malloc(INPUT_RECORD_BUFFER);
	if (!r->buffers[0] || !r->buffers[1])
		return -ENOMEM;
	return uring_new(loop, NULL, &r->ring);
}

void input_record_needs(struct sandbox *s)
{
	static const struct sandbox_call calls[] = {
		{.name = "pwrite64", .why = "the end of --record"},
		{0},
	};

	uring_needs(s);
	sandbox_calls(s, calls);
}

static void line_add(struct input_record *r, uint64_t us, const struct input_ev *ev)
{
	int n = snprintf(r->buffers[r->filling] + r->len, LINE_MAX_, "E: %llu.%06u %04x %04x %04d\n",
			 (unsigned long long)(us / 1000000), (unsigned int)(us % 1000000), ev->type, ev->code,
			 ev->value);

	r->len += (size_t)n;
}

void input_record_packet(struct input_record *r, const struct input_ev *evs, unsigned int n)
{
	static const struct input_ev report = {0};
	uint64_t us;

	if (!r->ring)
		return;
	if (r->len + (size_t)(n + 1) * LINE_MAX_ > INPUT_RECORD_BUFFER) {
		r->lost++;
		return;
	}
	us = clock_now(CLOCK_MONOTONIC) / 1000;
	for (unsigned int i = 0; i < n; i++)
		line_add(r, us, &evs[i]);
	line_add(r, us, &report);
	write_more(r);
}

void input_record_close(struct input_record *r)
{
	bool over = true;

	if (r->ring) {
		over = uring_free(r->ring, END_PATIENCE);
		/* What is being written is whole, or cancelled: it is written again at its place. */
		if (over && r->writing)
			(void)!pwrite(r->fd, r->iov.iov_base, r->iov.iov_len, (off_t)r->at);
		r->at += r->writing ? r->iov.iov_len : 0;
		if (over && r->len)
			(void)!pwrite(r->fd, r->buffers[r->filling], r->len, (off_t)r->at);
	}
	if (r->log && r->fd >= 0)
		close(r->fd);
	/* An operation that could not be ended still reads them. */
	if (over) {
		free(r->buffers[0]);
		free(r->buffers[1]);
	}
	*r = (struct input_record){0};
}
