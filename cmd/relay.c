/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * relay.c - `vdevd relay`: stands between a front-end that does not reconnect and a back end that may be started again.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/inherit.h"
#include "cmd/manager.h"
#include "cmd/signals.h"
#include "core/control.h"
#include "core/service.h"
#include "core/unix_socket.h"
#include "core/loop.h"
#include "transport/relay/vu_relay.h"

struct relay_call {
	const char *path, *to, *control;
	uint64_t mode;
	struct sandbox_opts sandbox;
	bool help;
};

static int set_mode(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct relay_call *c = obj;

	return common_parse_mode(value, &c->mode, why, why_size);
}

/* --sandbox, --user */
static int set_sandbox(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct relay_call *c = obj;

	return o->kind ? sandbox_parse_user(value, &c->sandbox, why, why_size)
		       : sandbox_parse_layers(value, &c->sandbox, why, why_size);
}

const struct opt relay_opts[] = {
	{.name = "socket-path",
	 .letter = 's',
	 .type = OPT_SOCKET,
	 .off = offsetof(struct relay_call, path),
	 .arg = "PATH",
	 .help = "the front-end's socket, made here; needed"},
	{.name = "socket-mode",
	 .type = OPT_CALL,
	 .set = set_mode,
	 .once = true,
	 .arg = "MODE",
	 .help = "its permissions, octal, instead of the umask's"},
	{.name = "to",
	 .type = OPT_SOCKET,
	 .off = offsetof(struct relay_call, to),
	 .arg = "PATH",
	 .help = "the back end's socket, called again and again"},
	{.name = "control",
	 .type = OPT_SOCKET,
	 .off = offsetof(struct relay_call, control),
	 .arg = "PATH",
	 .help = "listen here for the operator's commands"},
	{.name = "sandbox",
	 .type = OPT_CALL,
	 .set = set_sandbox,
	 .arg = "LIST",
	 .help = "what is taken away before relaying",
	 .def = VDEVD_INSTRUMENTED ? "none" : "all"},
	{.name = "user",
	 .type = OPT_CALL,
	 .set = set_sandbox,
	 .kind = 1,
	 .arg = "USER[:GROUP]",
	 .help = "relay as this user"},
	{.name = "help",
	 .letter = 'h',
	 .type = OPT_FLAG,
	 .off = offsetof(struct relay_call, help),
	 .help = "show this and exit"},
	{0},
};

/* The command "health". */
static int run_health(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct vu_relay *r = arg;
	struct vu_relay_view v;

	vu_relay_look(r, &v);
	control_say(c, "front-end %s", v.front ? "connected" : "none");
	control_say(c, "back-end %s", v.back ? "connected" : "none");
	control_say(c, "back-ends %u", v.backs);
	control_say(c, "log-lost %u", log_lost());
	if (!v.front || v.back)
		return 0;
	snprintf(why, why_size, "the front-end waits for a back end");
	return -ENOTCONN;
}

static const struct control_command relay_commands[] = {
	{"health", "", "shows whether front-end and back end are there; an error: one waits", 0, 0, run_health},
	{0},
};

/* Takes away what a relay does not need.  Returns 0, or -errno after a line. */
static int drop_relay(struct log *log, const struct relay_call *c)
{
	struct sandbox *s = sandbox_new();
	int err;

	if (!s) {
		log_error(log, "out of memory");
		return -ENOMEM;
	}
	sandbox_calls(s, sandbox_process_calls);
	sandbox_calls(s, log_calls);
	sandbox_calls(s, loop_calls);
	service_needs(s);
	vu_relay_needs(c->path, c->to, s);
	if (c->control)
		control_needs(c->control, s);
	err = sandbox_apply(s, &c->sandbox, log);
	sandbox_free(s);
	return err;
}

/* Makes the sockets and relays.  Returns 0, or -errno after a line that says why. */
static int run_relay(struct ev_loop *loop, struct log *log, const struct relay_call *c)
{
	struct control *control = NULL;
	struct manager manager;
	struct vu_relay *r;
	int ret = c->control ? control_open(c->control, log, loop, &control) : 0;

	if (ret < 0) {
		log_error(log, "--control=%s: %s", c->control, strerror(-ret));
		return ret;
	}
	ret = vu_relay_open(loop, log, c->path, c->mode, c->to, &r);
	if (ret == 0) {
		control_add(control, relay_commands, r);
		ret = drop_relay(log, c);
		if (ret == 0) {
			manager_ready(&manager, loop, log, NULL, "STATUS=relaying");
			ev_run(loop, 0);
			manager_end(&manager);
		}
		vu_relay_free(r);
	}
	control_close(control);
	return ret;
}

/* Relays until a signal comes.  Returns the exit status. */
static int run(struct log *log, const struct relay_call *c)
{
	struct ev_loop *loop = inherit_loop(log);
	struct signals signals;
	int ret;

	if (!loop)
		return CMD_FAILED;
	log_never_block();
	service_open(); /* an error is told with what cannot be sent */
	signal(SIGPIPE, SIG_IGN);
	signals_begin(&signals, loop, NULL, NULL);
	ret = run_relay(loop, log, c);
	signals_end(&signals);
	ev_loop_destroy(loop);
	log_end();
	return ret < 0 ? CMD_FAILED : CMD_OK;
}

int cmd_relay(int argc, char **argv)
{
	struct relay_call c = {.mode = UINT64_MAX};
	const struct opt_group groups[] = {{"Options", relay_opts, &c}, {NULL, NULL, NULL}};
	struct log log = {.prefix = "relay"};
	int next;

	sandbox_opts_init(&c.sandbox);
	next = opt_parse(groups, false, argc, argv);
	if (next < 0)
		return CMD_USAGE;
	if (opt_parse_end(groups, argc, argv, next) < 0)
		return CMD_USAGE;
	if (c.help) {
		puts("Usage: vdevd relay --socket-path=PATH --to=PATH\n"
		     "Stands between a front-end that does not reconnect and a vhost-user back end.\n"
		     "When that ends and is started again, the guest goes on: what was in flight is\n"
		     "done.");
		opt_print_help(stdout, groups, false);
		return CMD_OK;
	}
	if (!c.path || !c.to) {
		log_usage(&log, "%s is needed", c.path ? "--to=PATH" : "--socket-path=PATH");
		return CMD_USAGE;
	}
	if (c.control && !unix_path_fits(c.control)) {
		log_usage(&log, "--control=%s: a path of 1 to %d bytes is wanted", c.control, UNIX_PATH_LEN);
		return CMD_USAGE;
	}
	if (strcmp(c.path, c.to) == 0) {
		log_usage(&log, "--to=%s: is the socket made here; the back end's is wanted", c.to);
		return CMD_USAGE;
	}
	return run(&log, &c);
}
