/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * instances.c - several instances under one parent that only waits and passes signals on; see instances.h.
 */
#include "cmd/instances.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "core/service.h"

struct child {
	pid_t pid; /* 0: has ended */
	bool ready;
	bool beaten; /* since the service manager was told last */
};

struct parent {
	struct log *log;
	struct child *children;
	unsigned int count, alive, ready;
	double beat; /* as struct instance's */
	int signal_fd;
	int tell_fds[2]; /* pipe: numbers of instances */
	int worst;	 /* exit status */
};

int instance_tell(const struct instance *self)
{
	/* A pipe takes so few bytes as a whole. */
	ssize_t n = write(self->fd, &self->i, sizeof(self->i));

	return n < 0 && errno != EAGAIN ? -errno : 0;
}

static const struct sandbox_call parent_calls[] = {
	{.name = "poll", .why = "waits for signals and for the instances"},
	{.name = "wait4", .why = "how an instance ended"},
	{.name = "waitid", .why = "how an instance ended"},
	{0},
};

/* Takes away what waiting for the children does not need.  Returns 0, or -errno after a line. */
static int drop_parent(const struct parent *p, const struct sandbox_opts *opts)
{
	/* One line for each child: nobody else is signalled. */
	struct sandbox_call *kill_calls = calloc(p->count + 1, sizeof(*kill_calls));
	struct sandbox *s = sandbox_new();
	int err = -ENOMEM;

	service_open(); /* an error is told with what cannot be sent */
	if (!s || !kill_calls) {
		log_error(p->log, "out of memory");
		goto free_both;
	}
	for (unsigned int i = 0; i < p->count; i++)
		kill_calls[i] = (struct sandbox_call){.name = "kill",
						      .why = "signals for an instance",
						      .checks = {{0, SANDBOX_IS, (uint64_t)p->children[i].pid}}};
	sandbox_calls(s, sandbox_process_calls);
	sandbox_calls(s, log_calls);
	sandbox_calls(s, parent_calls);
	sandbox_calls(s, kill_calls);
	sandbox_share(s, SANDBOX_SIGNALS, "the instances have sandboxes of their own");
	service_needs(s);
	err = sandbox_apply(s, opts, p->log);
free_both:
	sandbox_free(s);
	free(kill_calls);
	return err;
}

static void worsen(struct parent *p, int status)
{
	if (status > p->worst)
		p->worst = status;
}

static void stop_all(struct parent *p, int sig)
{
	for (unsigned int i = 0; i < p->count; i++) {
		if (p->children[i].pid > 0)
			kill(p->children[i].pid, sig);
	}
}

static void note_end(struct parent *p, pid_t pid, int status)
{
	for (unsigned int i = 0; i < p->count; i++) {
		if (p->children[i].pid != pid)
			continue;
		p->children[i].pid = 0;
		p->alive--;
		if (WIFEXITED(status)) {
			worsen(p, WEXITSTATUS(status));
		} else {
			log_error(p->log, "instance %u: %s", i, strsignal(WTERMSIG(status)));
			worsen(p, CMD_FAILED);
		}
	}
}

static void handle_signal(struct parent *p)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD) {
		service_notify("STOPPING=1");
		stop_all(p, (int)info.ssi_signo);
		return;
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		note_end(p, pid, status);
}

/* Tells the service manager that all that are alive have shown it since it was told last. */
static void pass_beat(struct parent *p)
{
	for (unsigned int i = 0; i < p->count; i++) {
		if (p->children[i].pid && !p->children[i].beaten)
			return;
	}
	service_notify("WATCHDOG=1");
	for (unsigned int i = 0; i < p->count; i++)
		p->children[i].beaten = false;
}

static void handle_told(struct parent *p)
{
	unsigned int told[64];
	ssize_t n = read(p->tell_fds[0], told, sizeof(told));

	for (ssize_t at = 0; at < n / (ssize_t)sizeof(told[0]); at++) {
		struct child *c = told[at] < p->count ? &p->children[told[at]] : NULL;

		if (!c)
			continue;
		c->beaten = true;
		if (c->ready)
			continue;
		c->ready = true;
		if (++p->ready == p->count) {
			service_notify("READY=1");
			service_notify("STATUS=all instances serve");
		}
	}
	if (p->beat > 0)
		pass_beat(p);
}

static void wait_all(struct parent *p)
{
	while (p->alive > 0) {
		struct pollfd fds[] = {
			{.fd = p->signal_fd, .events = POLLIN},
			{.fd = p->tell_fds[0], .events = POLLIN},
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents & POLLIN)
			handle_told(p);
		if (fds[0].revents & POLLIN)
			handle_signal(p);
	}
}

/* In the child, where the signals the parent passes on stay blocked: it ends with its parent, whatever kills that. */
static void become_child(struct parent *p, pid_t parent)
{
	sigset_t set;

	close(p->signal_fd);
	close(p->tell_fds[0]);
	service_close();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
}

/* Signals as readable data, and the pipe the children tell on. */
static int open_fds(struct parent *p, sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	/* One that is ignored (nohup) is no data either. */
	sigaddset(&set, SIGHUP);
	if (pipe2(p->tell_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (p->signal_fd < 0) {
		int ret = -errno;

		close(p->tell_fds[0]);
		close(p->tell_fds[1]);
		return ret;
	}
	sigprocmask(SIG_BLOCK, &set, before);
	return 0;
}

/* Starts instance i.  Returns 0 or -errno. */
static int start_child(struct parent *p, unsigned int i, int (*serve)(void *arg, const struct instance *self),
		       void *arg)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		const struct instance self = {.i = i, .fd = p->tell_fds[1], .beat = p->beat};

		become_child(p, parent);
		exit(serve(arg, &self));
	}
	if (pid < 0)
		return -errno;
	p->children[i].pid = pid;
	p->alive++;
	return 0;
}

int instances_run(struct log *l, unsigned int count, const struct sandbox_opts *opts,
		  int (*serve)(void *arg, const struct instance *self), void *arg)
{
	struct parent p = {.log = l, .count = count, .beat = service_watchdog()};
	sigset_t before;
	int ret;

	p.children = calloc(count, sizeof(*p.children));
	ret = p.children ? open_fds(&p, &before) : -ENOMEM;
	if (ret < 0) {
		log_error(l, "%u instances: %s", count, strerror(-ret));
		free(p.children);
		return CMD_FAILED;
	}
	for (unsigned int i = 0; i < count; i++) {
		ret = start_child(&p, i, serve, arg);
		if (ret < 0) {
			log_error(l, "instance %u: fork: %s", i, strerror(-ret));
			worsen(&p, CMD_FAILED);
			stop_all(&p, SIGTERM);
			break;
		}
	}
	if (ret == 0 && drop_parent(&p, opts) < 0) {
		worsen(&p, CMD_FAILED);
		stop_all(&p, SIGTERM);
	}
	wait_all(&p);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(p.signal_fd);
	close(p.tell_fds[0]);
	close(p.tell_fds[1]);
	free(p.children);
	return p.worst;
}
