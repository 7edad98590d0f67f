/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * realtime.c - a process that others do not delay: sched(7), mlockall(2); see realtime.h.
 */
#include "cmd/realtime.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

/*
 * A limit of locked memory stays when privileges have gone, and guest memory, of a size that nobody knows yet, counts:
 * where it went over the limit it could not be mapped at all.  So there must be none.
 */
static int unlimit_memory(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return -errno;
	if (limit.rlim_cur == RLIM_INFINITY)
		return 0;
	limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
	return setrlimit(RLIMIT_MEMLOCK, &limit) < 0 ? -errno : 0;
}

/* Locks what there is with all its pages, and what comes page by page: guest memory may come late, by postcopy. */
static int lock_memory(void)
{
	int err = unlimit_memory();

	if (err)
		return err;
	if (mlockall(MCL_CURRENT) < 0 || mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		return -errno;
	return 0;
}

int realtime_begin(struct log *l, unsigned int priority)
{
	const struct sched_param param = {.sched_priority = (int)priority};
	int err = sched_setscheduler(0, SCHED_FIFO, &param) < 0 ? -errno : 0;

	if (err) {
		log_error(l, "--realtime=%u: %s (CAP_SYS_NICE, or RLIMIT_RTPRIO of at least %u, is wanted)", priority,
			  strerror(-err), priority);
		return err;
	}
	err = lock_memory();
	if (err)
		log_error(l, "--realtime=%u: memory cannot be locked: %s (RLIMIT_MEMLOCK of unlimited is wanted)", priority,
			  strerror(-err));
	return err;
}
