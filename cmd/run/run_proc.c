/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run_proc.c - a process of `vdevd run`: started, ready, ended, started again; see run.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/run/run.h"
#include "core/service.h"

const char *run_state_name(enum run_state s)
{
	static const char *const names[] = {
		[RUN_IDLE] = "stopped",	      [RUN_STARTING] = "starting", [RUN_READY] = "ready",   [RUN_BACKOFF] = "waits",
		[RUN_STOPPING] = "stopping", [RUN_ENDED] = "ended",	   [RUN_FAILED] = "failed",
	};

	return names[s];
}

/* Closes what a device has no use for: all but standard descriptors and one. */
static void close_others(int keep)
{
	const unsigned int first = STDERR_FILENO + 1, kept = keep < 0 ? first - 1 : (unsigned int)keep;
	const long most = sysconf(_SC_OPEN_MAX);

	/* Kernels before 5.9 have no such call. */
	if ((kept <= first || syscall(SYS_close_range, first, kept - 1, 0) == 0) && syscall(SYS_close_range, kept + 1, ~0u, 0) == 0)
		return;
	for (int fd = (int)first; fd < most && fd < 65536; fd++) {
		if (fd != keep)
			close(fd);
	}
}

/* What a service manager has said to the parent is not said to its children. */
static void own_surroundings(const struct run *r)
{
	service_close();
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	if (r->notify_fd >= 0)
		setenv("NOTIFY_SOCKET", r->notify_name, 1);
	else
		unsetenv("NOTIFY_SOCKET");
}

/* The call of the device; its socket is inherited. */
static int call_device(struct run_child *c)
{
	char *argv[RUN_WORDS_MAX + 6], option[32];
	const int fd = c->line->relay ? c->inner.fd : c->door.fd;
	int argc = c->line->argc;

	memcpy(argv, c->line->argv, (size_t)argc * sizeof(*argv));
	if (fd >= 0) {
		snprintf(option, sizeof(option), "--socket-fd=%d", fd);
		argv[argc++] = option;
	}
	argv[argc] = NULL;
	close_others(fd);
	return cmd_call(argc, argv);
}

/* The call of the relay, which makes the front-ends' socket itself. */
static int call_relay(struct run_child *c)
{
	char mode[48], *argv[8] = {(char *)"relay", (char *)"--socket-path", c->line->path, (char *)"--to", c->inner_path};
	int argc = 5;

	if (c->line->mode != UINT64_MAX) {
		snprintf(mode, sizeof(mode), "--socket-mode=%jo", (uintmax_t)c->line->mode);
		argv[argc++] = mode;
	}
	close_others(-1);
	return cmd_call(argc, argv);
}

/* In the new process. */
static _Noreturn void become(struct run_proc *p, pid_t parent)
{
	struct run_child *c = p->child;
	struct run *r = c->run;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(CMD_FAILED);
	prctl(PR_SET_NAME, c->line->name);
	/* Who ends run at a terminal ends its devices by run alone. */
	setpgid(0, 0);
	own_surroundings(r);
	r->leave(r);
	exit(p->relay ? call_relay(c) : call_device(c));
}

static void wait_over(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct run_proc *p = container_of(w, struct run_proc, timer);

	if (p->state == RUN_BACKOFF) {
		run_proc_start(p);
	} else if (p->state == RUN_STOPPING && p->pid) {
		log_warn(p->child->run->log, "%s: does not end; it is killed", p->child->line->name);
		kill(p->pid, SIGKILL);
	}
}

static void wait_for(struct run_proc *p, ev_tstamp seconds)
{
	struct ev_loop *loop = p->child->run->loop;

	ev_timer_stop(loop, &p->timer);
	ev_timer_init(&p->timer, wait_over, seconds, 0.);
	ev_timer_start(loop, &p->timer);
}

/* It failed: starts it again later, unless it did so often. */
static void fail(struct run_proc *p)
{
	const struct run_line *l = p->child->line;
	ev_tstamp wait = RUN_BACKOFF_FIRST;

	if (p->restarts >= l->restarts) {
		p->state = RUN_FAILED;
		log_error(p->child->run->log, "%s: %s; it is given up", l->name, p->last);
		return;
	}
	for (unsigned int i = 0; i < p->restarts && wait < RUN_BACKOFF_LAST; i++)
		wait *= 2;
	wait = wait < RUN_BACKOFF_LAST ? wait : RUN_BACKOFF_LAST;
	p->restarts++;
	p->state = RUN_BACKOFF;
	log_warn(p->child->run->log, "%s: %s; started again in %.1f s", l->name, p->last, wait);
	wait_for(p, wait);
}

void run_proc_start(struct run_proc *p)
{
	struct run *r = p->child->run;
	const pid_t parent = getpid();
	pid_t pid;

	if (p->pid)
		return;
	ev_timer_stop(r->loop, &p->timer);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		become(p, parent);
	if (pid < 0) {
		snprintf(p->last, sizeof(p->last), "fork: %s", strerror(errno));
		fail(p);
		return;
	}
	p->pid = pid;
	p->state = RUN_STARTING;
	p->began = ev_now(r->loop);
	p->status[0] = '\0';
}

void run_proc_stop(struct run_proc *p)
{
	struct run *r = p->child->run;

	ev_timer_stop(r->loop, &p->timer);
	p->restarts = 0;
	if (!p->pid) {
		p->state = RUN_IDLE;
		return;
	}
	p->state = RUN_STOPPING;
	kill(p->pid, SIGTERM);
	wait_for(p, RUN_GRACE);
}

/* Says how it ended. */
static void describe_end(struct run_proc *p, int status)
{
	if (WIFSIGNALED(status))
		snprintf(p->last, sizeof(p->last), "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(p->last, sizeof(p->last), "exit status %d", WEXITSTATUS(status));
}

void run_proc_ended(struct run_proc *p, int status)
{
	struct run *r = p->child->run;
	const bool stopped = p->state == RUN_STOPPING;

	ev_timer_stop(r->loop, &p->timer);
	p->pid = 0;
	p->status[0] = '\0';
	if (stopped) {
		p->state = RUN_IDLE;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == CMD_OK) {
		describe_end(p, status);
		p->state = RUN_ENDED;
		log_info(r->log, "%s: has ended", p->child->line->name);
	} else {
		describe_end(p, status);
		if (ev_now(r->loop) - p->began >= RUN_DONE_WELL)
			p->restarts = 0;
		/* A wrong call does not become right. */
		if (WIFEXITED(status) && WEXITSTATUS(status) == CMD_USAGE)
			p->restarts = p->child->line->restarts;
		fail(p);
	}
	run_child_changed(p->child);
}

void run_proc_says(struct run_proc *p, char *text)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (strcmp(line, "READY=1") == 0 && p->state == RUN_STARTING) {
			p->state = RUN_READY;
			run_child_changed(p->child);
		} else if (strncmp(line, "STATUS=", 7) == 0) {
			snprintf(p->status, sizeof(p->status), "%s", line + 7);
		}
	}
}
