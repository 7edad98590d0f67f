/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_io.c - operations on things of the host: one after the other for a thing, those of different things side by
 * side. Who blocks works on a thread.  Faults that the operator makes happen here, so they happen to every thing.
 */
#include <errno.h>

#include "core/clock.h"
#include "devices/scmi/scmi.h"

static void io_do(struct scmi_io *io)
{
	struct scmi_res *r = io->res;

	if (io->set)
		io->err = r->type->set(r->host, io->what, io->index, io->v, io->n);
	else
		io->err = r->type->get(r->host, io->what, io->index, io->v, io->n);
	io->when = clock_now(CLOCK_REALTIME);
}

static void io_end(struct scmi_io *io)
{
	list_remove(&io->waiting);
	io->begun = io->busy = false;
	io->done(io);
}

/* What the operator has broken.  Returns 0 or -errno. */
static int fault_of(struct scmi_res *r)
{
	int err = r->fault;

	if (r->lost)
		return -ENODEV;
	if (err && r->fault_count != UINT32_MAX && !--r->fault_count)
		r->fault = 0;
	return err;
}

static void io_run(struct scmi_io *io)
{
	struct scmi_res *r = io->res;
	int err = fault_of(r);

	if (!err && r->type->blocks) {
		io->busy = true;
		err = work_submit(r->s->work, &io->work);
		/* From here on it is the thread's, err too. */
		if (!err)
			return;
	}
	if (err)
		io->err = err;
	else
		io_do(io);
	io_end(io);
}

static void io_begin(struct scmi_io *io)
{
	struct scmi_res *r = io->res;

	io->begun = true;
	if (!r->delay) {
		io_run(io);
		return;
	}
	ev_now_update(r->s->d.loop);
	ev_timer_set(&io->delay, r->delay / 1000., 0.);
	ev_timer_start(r->s->d.loop, &io->delay);
}

/* The first operation that waits begins, when none is under way. */
static void res_next(struct scmi_res *r)
{
	struct list *first;

	while ((first = list_first(&r->ios))) {
		struct scmi_io *io = container_of(first, struct scmi_io, waiting);

		if (io->begun)
			return;
		io_begin(io);
	}
}

static void delay_over(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct scmi_io *io = container_of(w, struct scmi_io, delay);
	struct scmi_res *r = io->res;

	io_run(io);
	res_next(r);
}

static void work_run(struct work *w)
{
	io_do(container_of(w, struct scmi_io, work));
}

static void work_done(struct work *w)
{
	struct scmi_io *io = container_of(w, struct scmi_io, work);
	struct scmi_res *r = io->res;

	io_end(io);
	res_next(r);
}

void scmi_io_init(struct scmi_io *io)
{
	list_init(&io->waiting);
	ev_init(&io->delay, delay_over);
	io->work.run = work_run;
	io->work.done = work_done;
	io->begun = io->busy = false;
}

void scmi_io_start(struct scmi_io *io)
{
	struct scmi_res *r = io->res;

	io->err = 0;
	list_put_last(&r->ios, &io->waiting);
	res_next(r);
}

/* An operation that has not reached the host is taken back, without a done. */
void scmi_io_stop(struct scmi *s, struct scmi_io *io)
{
	struct scmi_res *r = io->res;
	bool begun = io->begun;

	if (list_empty(&io->waiting) || io->busy)
		return;
	ev_timer_stop(s->d.loop, &io->delay);
	list_remove(&io->waiting);
	io->begun = false;
	if (begun)
		res_next(r);
}

/* Before all that wait: what a new guest asks is not answered with what the last one has set. */
static void io_start_next(struct scmi_io *io)
{
	struct scmi_res *r = io->res;
	struct list *at = &r->ios;

	if (!list_empty(at) && container_of(at->next, struct scmi_io, waiting)->begun)
		at = at->next;
	io->err = 0;
	list_put_first(at, &io->waiting);
	res_next(r);
}

static void back_next(struct scmi_res *r);

static void back_done(struct scmi_io *io)
{
	struct scmi_res *r = io->res;

	if (io->err)
		log_warn(&r->s->d.log, "%s: cannot be set: %s", r->thing.name, strerror(-io->err));
	back_next(r);
}

static void back_next(struct scmi_res *r)
{
	struct scmi_io *io = &r->back_io;

	for (unsigned int what = SCMI_RATE; what <= SCMI_SETTING; what++) {
		if (!(r->to_set & BIT(what)))
			continue;
		r->to_set &= ~(unsigned int)BIT(what);
		io->res = r;
		io->what = what;
		io->set = true;
		io->index = what == SCMI_SETTING ? SCMI_ALL_PINS : 0;
		/* No settings: those that there were. */
		io->n = what == SCMI_SETTING ? 0 : what == SCMI_LIMITS ? 2 : 1;
		for (unsigned int i = 0; i < io->n; i++)
			io->v[i] = r->target[what][i];
		io->done = back_done;
		io_start_next(io);
		return;
	}
}

static void back_set(struct scmi_res *r, unsigned int changed)
{
	bool under_way = !list_empty(&r->back_io.waiting);

	r->to_set |= changed;
	if (!under_way)
		back_next(r);
}

void scmi_restore(struct scmi_res *r)
{
	unsigned int changed = r->guest.changed & (r->known | (unsigned int)BIT(SCMI_SETTING));

	r->guest.changed = 0;
	memcpy(r->target, r->initial, sizeof(r->target));
	back_set(r, changed);
}

void scmi_undo(struct scmi_res *r, enum scmi_what what)
{
	bool others = what <= SCMI_PAI && r->guest.changed & BIT(what);

	if (!others && what != SCMI_SETTING && !(r->known & BIT(what)))
		return;
	if (what <= SCMI_PAI)
		memcpy(r->target[what], others ? r->guest.set[what] : r->initial[what], sizeof(r->target[what]));
	back_set(r, (unsigned int)BIT(what));
}

void scmi_take_over(struct scmi_res *r, unsigned int changed)
{
	r->guest.changed = changed;
	memcpy(r->target, r->guest.set, sizeof(r->target));
	back_set(r, changed);
	scmi_sensor_watch(r);
}

void scmi_guest_forget(struct scmi_res *r)
{
	unsigned int changed = r->guest.changed;

	r->guest = (struct scmi_guest){.enabled = true, .changed = changed};
	r->has_last = false;
	scmi_sensor_watch(r);
	scmi_restore(r);
}
