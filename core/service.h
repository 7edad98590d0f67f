/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * service.h - what a service manager and a daemon say to each other: sd_notify(3) messages and socket
 * activation, sd_listen_fds(3), without libsystemd.
 */
#ifndef VDEVD_CORE_SERVICE_H
#define VDEVD_CORE_SERVICE_H

#include "core/sandbox.h"

/*
 * Connects to $NOTIFY_SOCKET (a path, or @ for the abstract name space), while that can be done; what is sent later
 * needs no more than this.  Returns 0 also where there is no such variable, or -errno.
 */
int service_open(void);

/* This process, a child of the one the service manager knows, tells it nothing. */
void service_close(void);

/*
 * Sends state ("READY=1") to the service manager; calls service_open where nobody has.
 * Never waits: what the service manager has no room for is lost.  Returns 0 also where there is no such variable, or
 * -errno.
 */
int service_notify(const char *state);

/*
 * How often the service manager wants to hear WATCHDOG=1 of this process, seconds: half of WATCHDOG_USEC, as
 * sd_watchdog_enabled(3) has it; 0: it does not.
 */
double service_watchdog(void);

/*
 * The number of sockets the service manager passed (LISTEN_FDS when LISTEN_PID is this process), of
 * which the first is SERVICE_LISTEN_FD; marks them close-on-exec and removes the variables.
 */
int service_listen_fds(void);

#define SERVICE_LISTEN_FD 3

/* What service_notify needs once it was called; nothing where there is no service manager to be told. */
void service_needs(struct sandbox *s);

#endif
