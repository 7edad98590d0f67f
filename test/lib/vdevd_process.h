/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vdevd_process.h - the executable as a back end of a test's own front-end: started, killed, connected to.
 */
#ifndef VDEVD_TEST_LIB_VDEVD_PROCESS_H
#define VDEVD_TEST_LIB_VDEVD_PROCESS_H

#include <sys/types.h>

#include "transport/frontend/frontend.h"

/* How long anything may take, ms. */
#define PROCESS_PATIENCE 20000u

struct vdevd_process {
	pid_t pid;       /* -1: none */
	char path[96];   /* its socket */
};

/* A fresh directory; and its end, with all that is in it. */
void process_dir_make(char dir[64]);
void process_dir_remove(const char *dir);

/* Starts a device with its socket dir/name and these options, NULL at the end, in which %T is dir.  Its log goes to dir/log. */
void process_start(struct vdevd_process *p, const char *dir, const char *name, const char *device, const char *const *args);

/* The same with the socket as this option has it: "vfio-user". */
void process_start_at(struct vdevd_process *p, const char *option, const char *dir, const char *name, const char *device,
		      const char *const *args);

/* Ends it, at whatever instruction it is. */
void process_kill(struct vdevd_process *p);

/* Waits until it listens and connects *fe to it, a new front-end where that is NULL. */
void process_connect(const struct vdevd_process *p, struct frontend **fe);

/* CLOCK_MONOTONIC in us. */
uint64_t process_now_us(void);

#endif
