/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * clock.c - the time of the host's clocks, and alarms at moments of them; see clock.h.
 *
 * The kernel's timers know no CLOCK_TAI.  It is CLOCK_REALTIME and an offset: so such an alarm is one of
 * CLOCK_REALTIME, reckoned when it is set, when it has expired, and when the clock was set.  Of a new offset alone
 * (ADJ_TAI, once after boot, then with leap seconds) the kernel tells nobody.
 *
 * An expired timer is a reason to look at the clock, no more.  Where it does not show the moment yet, the timer is set
 * once more: what the kernel's timer cannot say (a moment behind the end of its time) is reached in steps.
 */
#include "core/clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

const struct sandbox_call alarm_calls[] = {
	{.name = "timerfd_create", .why = "an alarm"},
	{.name = "timerfd_settime", .why = "an alarm"},
	{0},
};

#define NS UINT64_C(1000000000)

/* The last moment that a timer can be set to, seconds: of a time_t of 32 bits, or of the kernel's 63 bits of nanoseconds. */
#define LAST_SECOND (sizeof(time_t) < 8 ? (uint64_t)INT32_MAX : (uint64_t)INT64_MAX / NS)

uint64_t clock_now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec < 0 ? 0 : (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

/* Whether the clock can be set. */
static bool is_wall(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_TAI;
}

/* The moment for the kernel's timer. */
static uint64_t timer_moment(const struct alarm *a)
{
	uint64_t tai, utc;

	if (!a->on)
		return UINT64_MAX;
	if (a->clock != CLOCK_TAI)
		return a->at;
	tai = clock_now(CLOCK_TAI);
	utc = clock_now(CLOCK_REALTIME);
	if (tai < utc)
		return a->at;
	return a->at > tai - utc ? a->at - (tai - utc) : 0;
}

/* Sets the kernel's timer; also one that is off, where the clock can be set: it then tells of that alone. */
static void timer_set(struct alarm *a)
{
	const int flags = TFD_TIMER_ABSTIME | (is_wall(a->clock) ? TFD_TIMER_CANCEL_ON_SET : 0);
	uint64_t ns = timer_moment(a);
	struct itimerspec t = {0};

	if (a->on || is_wall(a->clock)) {
		t.it_value.tv_sec = (time_t)min_u64(ns / NS, LAST_SECOND);
		t.it_value.tv_nsec = ns ? (long)(ns % NS) : 1; /* all zero would be off */
	}
	/* A clock that was set in the meantime is told here, or by read(2), once. */
	if (timerfd_settime(a->io.fd, flags, &t, NULL) < 0 && errno == ECANCELED)
		loop_again_start(&a->tell, a->loop);
}

static void was_set(struct alarm *a)
{
	timer_set(a);
	if (a->clock_set)
		a->clock_set(a);
}

static void tell_run(struct loop_again *again)
{
	was_set(container_of(again, struct alarm, tell));
}

static void io_ready(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct alarm *a = container_of(io, struct alarm, io);
	uint64_t expired;

	if (loop_rewatch_lost(&a->rewatch, loop, revents))
		return;
	if (read(io->fd, &expired, sizeof(expired)) < 0) {
		if (errno == ECANCELED)
			was_set(a);
		return;
	}
	if (!a->on)
		return;
	if (clock_now(a->clock) < a->at) {
		timer_set(a);
		return;
	}
	a->on = false;
	if (is_wall(a->clock))
		timer_set(a);
	a->due(a);
}

int alarm_open(struct alarm *a, struct ev_loop *loop, clockid_t clock)
{
	int fd = timerfd_create(clock == CLOCK_TAI ? CLOCK_REALTIME : clock, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	a->loop = loop;
	a->clock = clock;
	a->on = false;
	loop_again_init(&a->tell, tell_run);
	ev_io_init(&a->io, io_ready, fd, EV_READ);
	loop_rewatch_init(&a->rewatch, &a->io);
	ev_io_start(loop, &a->io);
	timer_set(a);
	return 0;
}

void alarm_close(struct alarm *a)
{
	if (!a->loop)
		return;
	loop_again_stop(&a->tell, a->loop);
	loop_rewatch_stop(&a->rewatch, a->loop);
	close(a->io.fd);
	a->loop = NULL;
}

void alarm_at(struct alarm *a, uint64_t ns)
{
	a->on = true;
	a->at = ns;
	timer_set(a);
}

void alarm_off(struct alarm *a)
{
	a->on = false;
	timer_set(a);
}
