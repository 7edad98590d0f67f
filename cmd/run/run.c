/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run.c - `vdevd run`: many devices from one file, a process each; see run.h.
 */
#include "cmd/run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/inherit.h"
#include "core/opt.h"
#include "core/service.h"

#define SOCKET_DIR "/run/vdevd"

struct run_call {
	struct run run;
	const char *control_path;
	struct control *control;
	struct ev_signal terminate, interrupt, hangup, child;
	struct ev_timer beat;
	struct log log;
	bool check, help;
};

const struct opt run_opts[] = {
	{.name = "check", .type = OPT_FLAG, .off = offsetof(struct run_call, check), .help = "look at the file and its devices' options alone"},
	{.name = "socket-dir",
	 .type = OPT_TEXT,
	 .off = offsetof(struct run_call, run.dir),
	 .arg = "DIR",
	 .def = SOCKET_DIR,
	 .help = "where sockets are that no line names"},
	{.name = "control",
	 .type = OPT_SOCKET,
	 .off = offsetof(struct run_call, control_path),
	 .arg = "PATH",
	 .help = "for vdevd status [DIR/run.ctl]"},
	{.name = "help", .letter = 'h', .type = OPT_FLAG, .off = offsetof(struct run_call, help), .help = "show this and exit"},
	{0},
};

/* ---- what processes say */

static void on_notify(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct run *r = container_of(w, struct run, notify);
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char text[1024];
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct run_proc *p = NULL;
	struct ucred who;
	ssize_t n = recvmsg(r->notify_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return;
	text[n] = '\0';
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&msg); cm; cm = CMSG_NXTHDR(&msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&who, CMSG_DATA(cm), sizeof(who));
		p = run_find(r, who.pid);
	}
	if (p)
		run_proc_says(p, text);
}

/*
 * The socket on which processes tell that they are ready, under a name that the kernel has chosen: one that can be guessed can be
 * taken.  Returns 0 or -errno.
 */
static int open_notify(struct run *r)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(addr);
	const int on = 1;

	r->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->notify_fd < 0)
		return -errno;
	if (setsockopt(r->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(r->notify_fd, (struct sockaddr *)&addr, sizeof(addr.sun_family)) < 0 ||
	    getsockname(r->notify_fd, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	snprintf(r->notify_name, sizeof(r->notify_name), "@%.*s", (int)(len - offsetof(struct sockaddr_un, sun_path) - 1),
		 addr.sun_path + 1);
	ev_io_init(&r->notify, on_notify, r->notify_fd, EV_READ);
	ev_io_start(r->loop, &r->notify);
	return 0;
}

/* ---- the beginning, one after the other */

static void patience_ends(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct run *r = container_of(w, struct run, patience);

	log_warn(r->log, "%s: is not ready; the next ones are started", r->starting->line->name);
	run_next(r);
}

/* Starts the next one, and the service manager is told when that was the last. */
static void start_child(struct run *r, struct run_child *c)
{
	ev_timer_stop(r->loop, &r->patience);
	/* One that came by a file read again has begun already. */
	while (c && c->device.state != RUN_IDLE)
		c = c->next;
	r->starting = c;
	if (!c) {
		service_notify("READY=1");
		service_notify("STATUS=all devices are started");
		return;
	}
	ev_timer_init(&r->patience, patience_ends, RUN_PATIENCE, 0.);
	ev_timer_start(r->loop, &r->patience);
	run_child_start(c);
}

void run_next(struct run *r)
{
	if (r->starting)
		start_child(r, r->starting->next);
}

/* ---- the end */

void run_look(struct run *r)
{
	if (!r->ending)
		return;
	for (struct run_child *c = r->children; c; c = c->next) {
		if (run_child_alive(c))
			return;
	}
	ev_break(r->loop, EVBREAK_ALL);
}

static void on_end(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	struct run *r = ev_userdata(loop);

	if (!r->ending)
		service_notify("STOPPING=1");
	r->ending = true;
	r->starting = NULL;
	ev_timer_stop(r->loop, &r->patience);
	for (struct run_child *c = r->children; c; c = c->next)
		run_child_stop(c);
	run_look(r);
}

/* As PID 1 there are orphans of others, too. */
static void on_child(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	struct run *r = ev_userdata(loop);
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct run_proc *p = run_find(r, pid);

		if (p)
			run_proc_ended(p, status);
	}
}

/* The service manager hears of the parent; a device that hangs is the parent's business. */
static void on_beat(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	service_notify("WATCHDOG=1");
}

static void on_hangup(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	struct run *r = ev_userdata(loop);

	if (!r->ending && run_reload(r) == 0)
		log_info(r->log, "%s: read again", r->path);
}

static void signal_start(struct run_call *c, struct ev_signal *w, void (*cb)(struct ev_loop *, struct ev_signal *, int), int sig)
{
	ev_signal_init(w, cb, sig);
	ev_signal_start(c->run.loop, w);
}

/* The signals are somebody else's from now on: those of a new process are its own loop's. */
static void leave(struct run *r)
{
	struct run_call *c = container_of(r, struct run_call, run);

	ev_signal_stop(r->loop, &c->terminate);
	ev_signal_stop(r->loop, &c->interrupt);
	ev_signal_stop(r->loop, &c->hangup);
	ev_signal_stop(r->loop, &c->child);
	ev_timer_stop(r->loop, &c->beat);
}

/* ---- the run */

/* Makes what all devices need.  Returns 0 or -errno after a line. */
static int prepare(struct run_call *c)
{
	struct run *r = &c->run;
	static char path[UNIX_PATH_LEN + 1];
	int err;

	if (mkdir(r->dir, 0755) < 0 && errno != EEXIST) {
		err = -errno;
		log_error(r->log, "--socket-dir=%s: %s", r->dir, strerror(errno));
		return err;
	}
	if (!c->control_path && snprintf(path, sizeof(path), "%s/run.ctl", r->dir) < (int)sizeof(path))
		c->control_path = path;
	err = c->control_path ? control_open(c->control_path, r->log, r->loop, &c->control) : -ENAMETOOLONG;
	if (err) {
		log_error(r->log, "--control=%s: %s", c->control_path ? c->control_path : "", strerror(-err));
		return err;
	}
	control_add(c->control, run_commands, r);
	err = open_notify(r);
	if (err)
		log_error(r->log, "a socket for the devices to say that they are ready: %s", strerror(-err));
	return err;
}

/* Makes the devices of the file.  Returns 0 or -errno after a line. */
static int make_children(struct run *r, struct run_file *f)
{
	for (unsigned int i = 0; i < f->nlines; i++) {
		if (!run_child_new(r, &f->lines[i]))
			return -EIO;
	}
	return 0;
}

/* Runs the devices until a signal comes.  Returns the exit status. */
static int run_file_devices(struct run_call *c, struct run_file *f)
{
	struct run *r = &c->run;
	int err;

	r->loop = inherit_loop(r->log);
	if (!r->loop)
		return CMD_FAILED;
	ev_set_userdata(r->loop, r);
	r->leave = leave;
	r->notify_fd = -1;
	service_open();
	signal(SIGPIPE, SIG_IGN);
	signal_start(c, &c->terminate, on_end, SIGTERM);
	signal_start(c, &c->interrupt, on_end, SIGINT);
	signal_start(c, &c->hangup, on_hangup, SIGHUP);
	signal_start(c, &c->child, on_child, SIGCHLD);
	ev_timer_init(&c->beat, on_beat, 0., service_watchdog());
	if (c->beat.repeat > 0)
		ev_timer_again(r->loop, &c->beat);
	err = prepare(c);
	if (!err)
		err = make_children(r, f);
	if (!err) {
		start_child(r, r->children);
		ev_run(r->loop, 0);
	}
	while (r->children)
		run_child_free(r->children);
	control_close(c->control);
	if (r->notify_fd >= 0) {
		ev_io_stop(r->loop, &r->notify);
		close(r->notify_fd);
	}
	leave(r);
	ev_loop_destroy(r->loop);
	return err ? CMD_FAILED : CMD_OK;
}

/* What the words of the call ask for, but for the run itself.  Returns CMD_OK where that is to come. */
static int read_call(struct run_call *c, int argc, char **argv, const struct opt_group *groups)
{
	int next = opt_parse(groups, false, argc, argv);

	if (next < 0)
		return CMD_USAGE;
	if (c->help)
		return CMD_OK;
	if (argc - next != 1) {
		log_usage(&c->log, "one file is wanted, a device a line: vdevd run FILE");
		return CMD_USAGE;
	}
	c->run.path = argv[next];
	return CMD_OK;
}

int cmd_run(int argc, char **argv)
{
	struct run_call c = {.log = {.prefix = "run"}, .run = {.notify_fd = -1}};
	const struct opt_group groups[] = {{"Options", run_opts, &c}, {0}};
	struct run_file file;
	int status;

	c.run.log = &c.log;
	opt_defaults(groups);
	status = read_call(&c, argc, argv, groups);
	if (status != CMD_OK)
		return status;
	if (c.help) {
		puts("Usage: vdevd run [OPTION]... FILE\n"
		     "Serves the devices of a file, a process each; holds their sockets, and starts\n"
		     "again what fails.  A line is [NAME [relay] [restart=N]:] DEVICE [OPTION]...");
		opt_print_help(stdout, groups, false);
		return CMD_OK;
	}
	status = run_file_read(c.run.path, c.run.dir, &c.log, &file);
	if (status)
		return status == -EINVAL ? CMD_USAGE : CMD_FAILED;
	if (!run_file_ok(&file, c.run.path, &c.log))
		status = CMD_USAGE;
	else if (!c.check)
		status = run_file_devices(&c, &file);
	run_file_free(&file);
	return status;
}
