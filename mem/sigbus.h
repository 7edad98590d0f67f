/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sigbus.h - survives a shared-memory file that was cut short under its mapping.
 *
 * Theory of operation.  The front-end owns the file behind guest memory and may truncate it at any time; an access to
 * a page beyond the end then raises SIGBUS in whichever instruction touches it, in ring code or deep inside memcpy.
 * Checking the size before each access would be a race.  So the handler looks the address up among the
 * mapped ranges, puts fresh zero pages in place of the lost one, notes the loss, and returns: the instruction runs
 * again and reads zeros.  The transport looks at the note after each turn and ends the connection.
 *
 * A handler has no argument but the address, so the list of ranges is a global, guarded by a spin lock.  Nobody touches
 * guest memory while holding it, hence the handler never finds it held by its own thread.
 */
#ifndef VDEVD_MEM_SIGBUS_H
#define VDEVD_MEM_SIGBUS_H

#include "core/base.h"

/* A mapped range; embedded in its owner and listed from sigbus_watch until sigbus_forget. */
struct sigbus_range {
	uintptr_t start, end;
	size_t page;           /* bytes of one page of the mapping (large on hugetlbfs) */
	volatile bool lost;    /* set by the handler */
	struct sigbus_range *next;
};

/* Lists a range; start, end and page are filled in by the caller. */
void sigbus_watch(struct sigbus_range *range);

/* Takes a range off the list, before it is unmapped. */
void sigbus_forget(struct sigbus_range *range);

/*
 * Puts fresh zero pages in the place of all ranges, which are lost; each is handed to done.  From any thread: others may
 * touch the memory meanwhile.
 */
void sigbus_abandon(void (*done)(void *arg, uintptr_t start, size_t len), void *arg);

/* The number of pages lost in this process: a cheap way to see that nothing has happened. */
unsigned int sigbus_losses(void);

#endif
