/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run.h - what the parts of `vdevd run` share: many devices from one file, a process each.
 *
 *	run_file, run_check < run_proc < run_child < run_control < run
 *
 * The parent makes the sockets and holds them, so a device that has ended and is not there again yet is not seen as a missing
 * socket: front-ends wait.  It is outside of the sandbox, since it has to start processes; nothing that a guest or a front-end says comes to
 * it.
 */
#ifndef VDEVD_CMD_RUN_RUN_H
#define VDEVD_CMD_RUN_RUN_H

#include <ev.h>
#include <sys/types.h>

#include "cmd/run/run_file.h"
#include "core/control.h"
#include "core/unix_socket.h"

/* How long a device may take to be ready before the next one is started, and to end before it is killed, seconds. */
#define RUN_PATIENCE 10.0
#define RUN_GRACE    5.0

/* The first wait before a device that failed is started again, which doubles up to the last; what is long enough to have done well. */
#define RUN_BACKOFF_FIRST 0.1
#define RUN_BACKOFF_LAST  30.0
#define RUN_DONE_WELL	  30.0

enum run_state {
	RUN_IDLE,     /* not started yet, or stopped by the operator */
	RUN_STARTING, /* not ready yet */
	RUN_READY,
	RUN_BACKOFF,  /* failed, and will be started again */
	RUN_STOPPING, /* told to end */
	RUN_ENDED,    /* by itself, well */
	RUN_FAILED,   /* for good */
};

struct run;
struct run_child;

/* A process. */
struct run_proc {
	struct run_child *child;
	bool relay;
	pid_t pid; /* 0: none */
	enum run_state state;
	unsigned int restarts; /* in a row */
	ev_tstamp began;
	struct ev_timer timer; /* the end of a wait, or of the grace */
	char status[64];       /* what it says of itself */
	char last[64];         /* how it ended last; "" */
};

/* A line of the file. */
struct run_child {
	struct run *run;
	struct run_child *next;     /* in the order of the file */
	struct run_line *line;
	struct run_line *follower;  /* takes the line's place when its processes have ended */
	bool going;                 /* its line is gone: so will it be when its processes have ended */
	struct unix_listener door;  /* the front-ends' */
	struct unix_listener inner; /* the relay's */
	char inner_path[UNIX_PATH_LEN + 1];
	struct run_proc device, relay_proc;
};

struct run {
	struct ev_loop *loop;
	struct log *log;
	const char *path, *dir; /* of the file, of sockets by rule */
	struct run_child *children;
	struct run_child *starting; /* the one that is waited for, at the beginning; NULL: all have begun */
	struct ev_timer patience;
	bool ending;
	int notify_fd;
	char notify_name[40];
	struct ev_io notify;
	void (*leave)(struct run *r); /* in a process that has just been forked: gives back the parent's signals */
};

/* The word for a state. */
const char *run_state_name(enum run_state s);

/* Starts the process, unless it is there.  What fails is told, and tried again as the line says. */
void run_proc_start(struct run_proc *p);

/* Tells it to end; one that does not is killed.  run_child_changed is called when it has. */
void run_proc_stop(struct run_proc *p);

/* It has ended with this status, as of waitpid(2). */
void run_proc_ended(struct run_proc *p, int status);

/* It has said so (sd_notify(3)): lines. */
void run_proc_says(struct run_proc *p, char *text);

/* The process with this pid, or NULL. */
struct run_proc *run_find(struct run *r, pid_t pid);

/* Makes a child of a line, its sockets too, at the end of the list.  Returns it, or NULL after a line. */
struct run_child *run_child_new(struct run *r, struct run_line *line);

/* Starts and stops its processes. */
void run_child_start(struct run_child *c);
void run_child_stop(struct run_child *c);

/* The state to show: that of the device, or of its relay where that is worse off. */
enum run_state run_child_state(const struct run_child *c);

/* Whether a process of it is there. */
bool run_child_alive(const struct run_child *c);

/* One of its processes has become ready, or has ended. */
void run_child_changed(struct run_child *c);

/* Closes the sockets and frees it; no process is there. */
void run_child_free(struct run_child *c);

/*
 * Reads the file again: what has changed is stopped and started, all else goes on.  Returns 0, or -errno after a line;
 * -ESHUTDOWN without one: all are ending.
 */
int run_reload(struct run *r);

/* A child needs nobody's patience any more: the next one is started, at the beginning. */
void run_next(struct run *r);

/* A child has ended for good or is freed; at the end the loop ends with the last. */
void run_look(struct run *r);

extern const struct control_command run_commands[];

#endif
