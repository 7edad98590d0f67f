/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * clock.h - the time of the host's clocks, and alarms at moments of them: clock_gettime(2), timerfd_create(2).
 *
 * libev's timers are for patience: monotonic, and as exact as a turn of the loop.  These are for devices that show the
 * guest a clock.  Times are nanoseconds since the clock's beginning.  The clocks are CLOCK_MONOTONIC, CLOCK_BOOTTIME
 * (which counts suspended time), CLOCK_REALTIME (UTC, can be set) and CLOCK_TAI (without leap seconds).
 * An alarm of CLOCK_TAI is late, by as much, where the host learns of more leap seconds while it is set.
 */
#ifndef VDEVD_CORE_CLOCK_H
#define VDEVD_CORE_CLOCK_H

#include <time.h>

#include "core/loop.h"

/* The time of a clock now, ns.  A time before 1970 is 0. */
uint64_t clock_now(clockid_t clock);

/* An alarm at one moment.  Embedded; its owner sets the first two before alarm_open. */
struct alarm {
	/* The moment has come; never before the clock shows it.  The alarm is off, and may be set again. */
	void (*due)(struct alarm *a);
	/*
	 * Somebody has set the clock, or the machine was suspended.  The alarm stays at its moment: it is due soon
	 * where the clock has passed that.  Only for CLOCK_REALTIME and CLOCK_TAI; NULL: of no interest.
	 */
	void (*clock_set)(struct alarm *a);
	/* The functions' own. */
	struct ev_loop *loop;
	struct ev_io io;
	struct loop_rewatch rewatch;
	struct loop_again tell; /* that the clock was set */
	clockid_t clock;
	bool on;
	uint64_t at;
};

/*
 * Makes an alarm that is off.
 * Returns 0; -EINVAL: there is no such clock; or another -errno: there is no descriptor.
 */
int alarm_open(struct alarm *a, struct ev_loop *loop, clockid_t clock);

/* Closes it.  One that was not opened, but zeroed, is allowed. */
void alarm_close(struct alarm *a);

/* Sets it to a moment of its clock, ns; what it was set to is forgotten.  A moment that has passed is due in the loop's next turn. */
void alarm_at(struct alarm *a, uint64_t ns);

/* Turns it off.  The clock is still watched. */
void alarm_off(struct alarm *a);

/* What alarms take, besides the loop. */
extern const struct sandbox_call alarm_calls[];

#endif
