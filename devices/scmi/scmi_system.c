/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_system.c - system power management protocol, 0x12: Arm SCMI 3.2, section "System power management protocol".
 *
 * The device cannot switch a machine off: it tells the operator, and does what that has asked for.  A command is run by
 * a process that was forked before the sandbox; it reads requests from a socket, and ends when vdevd does.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/control.h"
#include "devices/scmi/scmi.h"

enum {
	SYSTEM_POWER_STATE_SET = 0x3,
	SYSTEM_POWER_STATE_GET = 0x4,
	SYSTEM_POWER_STATE_NOTIFY = 0x5,
};

enum { STATE_SHUTDOWN = 0, STATE_COLD_RESET = 1, STATE_WARM_RESET = 2, STATE_POWER_UP = 3, STATE_SUSPEND = 4 };

static const char *const states[] = {"shutdown", "cold-reset", "warm-reset", "power-up", "suspend"};

/* What the process with the command is sent. */
struct request {
	uint8_t state, graceful;
};

static void attributes(struct scmi_cmd *c)
{
	scmi_put(c, 0);
}

/* SYSTEM_POWER_STATE_SET: 31 warm reset, 30 suspend. */
static uint32_t message_attributes(const struct scmi *s, unsigned int msg)
{
	return msg == SYSTEM_POWER_STATE_SET ? 3u << 30 : 0;
}

/* Does what --system-power asks for.  Returns 0 or -errno. */
static int act(struct scmi *s, const struct request *r)
{
	if (s->system_power == SCMI_SYSTEM_TELL)
		return 0;
	if (s->system_power == SCMI_SYSTEM_RUN)
		return send(s->system_fd, r, sizeof(*r), MSG_DONTWAIT | MSG_NOSIGNAL) < 0
			       ? (errno == EAGAIN ? -EBUSY : -errno)
			       : 0;
	if (r->state > STATE_WARM_RESET)
		return 0;
	return syscall(SYS_pidfd_send_signal, s->system_fd, r->state == STATE_SHUTDOWN ? SIGTERM : SIGHUP, NULL, 0) < 0
		       ? -errno
		       : 0;
}

static int run_set(struct scmi_cmd *c)
{
	struct scmi *s = c->s;
	uint32_t state = scmi_in(c, 1);
	struct request r = {.graceful = scmi_in(c, 0) & 1};
	int err;

	if (scmi_in(c, 0) > 1 || state >= ARRAY_SIZE(states))
		return SCMI_INVALID_PARAMETERS;
	r.state = (uint8_t)state;
	log_guest_info(&s->d.log, "the guest asks for %s%s", states[state], r.graceful ? ", gracefully" : "");
	control_tell(s->d.control, "system %s%s", states[state], r.graceful ? " graceful" : "");
	err = act(s, &r);
	if (err)
		log_guest(&s->d.log, "--system-power: %s", strerror(-err));
	return scmi_status_of(err);
}

/* Who can ask is up. */
static int run_get(struct scmi_cmd *c)
{
	scmi_put(c, STATE_POWER_UP);
	return SCMI_SUCCESS;
}

static int run_notify(struct scmi_cmd *c)
{
	if (scmi_in(c, 0) > 1)
		return SCMI_INVALID_PARAMETERS;
	c->s->notify_system = scmi_in(c, 0);
	return SCMI_SUCCESS;
}

/* SYSTEM_POWER_STATE_NOTIFIER: agent_id, flags (0: graceful), system_state, timeout in ms (0: none). */
int scmi_system_ask(struct scmi *s, uint32_t state, bool graceful)
{
	const uint32_t words[] = {0, graceful, state, 0};

	if (!s->notify_system || !scmi_p2a(s))
		return -ENOTCONN;
	scmi_tell(s, SCMI_PROTO_SYSTEM, 0, words, ARRAY_SIZE(words));
	return 0;
}

/* ---- the process with the command */

static void command_run(const char *command, const struct request *r)
{
	pid_t pid = fork();

	if (pid == 0) {
		setenv("SCMI_STATE", states[r->state % ARRAY_SIZE(states)], 1);
		setenv("SCMI_GRACEFUL", r->graceful ? "1" : "0", 1);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void command_serve(int fd, const char *command)
{
	sigset_t none;
	struct request r;

	sigemptyset(&none);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Descriptors of vdevd are none of the command's business. */
	if (dup2(fd, 3) < 0)
		_exit(1);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	if (syscall(SYS_close_range, 4u, ~0u, 0) < 0) {
		for (int i = 4; i < 1024; i++)
			close(i);
	}
	while (recv(3, &r, sizeof(r), 0) == (ssize_t)sizeof(r))
		command_run(command, &r);
	_exit(0);
}

/* It is nobody's child, so that nobody has to wait for it. */
static int command_start(struct scmi *s)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		if (fork() == 0)
			command_serve(pair[1], s->system_command);
		_exit(0);
	}
	close(pair[1]);
	s->system_fd = pair[0];
	if (pid < 0)
		return -errno;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int scmi_system_open(struct scmi *s)
{
	int err = 0;

	if (s->system_power == SCMI_SYSTEM_RUN) {
		err = command_start(s);
	} else if (s->system_power == SCMI_SYSTEM_SIGNAL) {
		s->system_fd = (int)syscall(SYS_pidfd_open, (pid_t)s->system_pid, 0);
		err = s->system_fd < 0 ? -errno : 0;
	}
	if (err)
		log_error(&s->d.log, "--system-power: %s", strerror(-err));
	return err;
}

void scmi_system_close(struct scmi *s)
{
	if (s->system_fd >= 0)
		close(s->system_fd);
}

static const struct sandbox_call run_calls[] = {
	{.name = "send", .why = "requests to the process with the command of --system-power"},
	{0},
};

static const struct sandbox_call signal_calls[] = {
	{.name = "pidfd_send_signal", .why = "the signal of --system-power"},
	{0},
};

void scmi_system_needs(const struct scmi *s, struct sandbox *sb)
{
	if (s->system_power == SCMI_SYSTEM_RUN)
		sandbox_calls(sb, run_calls);
	if (s->system_power == SCMI_SYSTEM_SIGNAL) {
		sandbox_calls(sb, signal_calls);
		sandbox_share(sb, SANDBOX_SIGNALS, "the process of --system-power=signal");
	}
}

static const struct scmi_msg msgs[] = {
	{.id = SYSTEM_POWER_STATE_SET, .len = 8, .run = run_set, .name = "SYSTEM_POWER_STATE_SET"},
	{.id = SYSTEM_POWER_STATE_GET, .len = 0, .run = run_get, .name = "SYSTEM_POWER_STATE_GET"},
	{.id = SYSTEM_POWER_STATE_NOTIFY,
	 .len = 4,
	 .p2a = true,
	 .run = run_notify,
	 .name = "SYSTEM_POWER_STATE_NOTIFY"},
};

const struct scmi_proto scmi_system = {
	.id = SCMI_PROTO_SYSTEM,
	.version = 0x20001,
	.kind = SCMI_KINDS,
	.name = "system power",
	.msgs = msgs,
	.nmsgs = ARRAY_SIZE(msgs),
	.attributes = attributes,
	.message_attributes = message_attributes,
};
