/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * instances.c - several instances under one parent that only waits and passes signals on.
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

struct parent {
	struct log *log;
	pid_t *children; /* 0: has ended */
	unsigned int count, alive, ready;
	int signal_fd;
	int ready_fds[2]; /* pipe */
	bool stopping;
	int worst; /* exit status */
};

static void worsen(struct parent *p, int status)
{
	if (status > p->worst)
		p->worst = status;
}

static void stop_all(struct parent *p, int sig)
{
	p->stopping = true;
	for (unsigned int i = 0; i < p->count; i++) {
		if (p->children[i] > 0)
			kill(p->children[i], sig);
	}
}

static void note_end(struct parent *p, pid_t pid, int status)
{
	for (unsigned int i = 0; i < p->count; i++) {
		if (p->children[i] != pid)
			continue;
		p->children[i] = 0;
		p->alive--;
		if (WIFEXITED(status)) {
			worsen(p, WEXITSTATUS(status));
		} else if (!p->stopping) {
			/* While stopping, a child that had not come to its signal handlers is no failure. */
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

static void handle_ready(struct parent *p)
{
	char bytes[64];
	ssize_t n = read(p->ready_fds[0], bytes, sizeof(bytes));

	if (n > 0)
		p->ready += (unsigned int)n;
	if (p->ready == p->count)
		service_notify("READY=1");
}

static void wait_all(struct parent *p)
{
	while (p->alive > 0) {
		struct pollfd fds[] = {
			{.fd = p->signal_fd, .events = POLLIN},
			{.fd = p->ready < p->count ? p->ready_fds[0] : -1, .events = POLLIN},
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents & POLLIN)
			handle_ready(p);
		if (fds[0].revents & POLLIN)
			handle_signal(p);
	}
}

/* In the child: it ends with its parent, whatever kills that. */
static void become_child(struct parent *p, pid_t parent, const sigset_t *mask)
{
	close(p->signal_fd);
	close(p->ready_fds[0]);
	free(p->children);
	unsetenv("NOTIFY_SOCKET");
	sigprocmask(SIG_SETMASK, mask, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);
}

/* Signals as readable data, and the pipe the children say ready on. */
static int open_fds(struct parent *p, sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	if (pipe2(p->ready_fds, O_CLOEXEC) < 0)
		return -errno;
	p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (p->signal_fd < 0) {
		int ret = -errno;

		close(p->ready_fds[0]);
		close(p->ready_fds[1]);
		return ret;
	}
	sigprocmask(SIG_BLOCK, &set, before);
	return 0;
}

int instances_run(struct log *l, unsigned int count, int (*serve)(void *arg, unsigned int i, int ready), void *arg)
{
	struct parent p = {.log = l, .count = count};
	pid_t parent = getpid();
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
		pid_t pid = fork();

		if (pid == 0) {
			become_child(&p, parent, &before);
			exit(serve(arg, i, p.ready_fds[1]));
		}
		if (pid < 0) {
			log_error(l, "instance %u: fork: %s", i, strerror(errno));
			worsen(&p, CMD_FAILED);
			stop_all(&p, SIGTERM);
			break;
		}
		p.children[i] = pid;
		p.alive++;
	}
	wait_all(&p);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(p.signal_fd);
	close(p.ready_fds[0]);
	close(p.ready_fds[1]);
	free(p.children);
	return p.worst;
}
