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
#include "cmd/signals.h"
#include "core/service.h"
#include "transport/relay/vu_relay.h"

struct relay_call {
	const char *path, *to;
	uint64_t mode;
	bool help;
};

static int set_mode(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct relay_call *c = obj;

	return common_parse_mode(value, &c->mode, why, why_size);
}

static const struct opt relay_opts[] = {
	{.name = "socket-path",
	 .letter = 's',
	 .type = OPT_TEXT,
	 .off = offsetof(struct relay_call, path),
	 .arg = "PATH",
	 .help = "the front-end's socket, made here; needed"},
	{.name = "socket-mode",
	 .type = OPT_CALL,
	 .set = set_mode,
	 .arg = "MODE",
	 .help = "its permissions, octal, instead of the umask's"},
	{.name = "to",
	 .type = OPT_TEXT,
	 .off = offsetof(struct relay_call, to),
	 .arg = "PATH",
	 .help = "the back end's socket, called again and again"},
	{.name = "help",
	 .letter = 'h',
	 .type = OPT_FLAG,
	 .off = offsetof(struct relay_call, help),
	 .help = "show this and exit"},
	{0},
};

/* Relays until a signal comes.  Returns the exit status. */
static int run(struct log *log, const struct relay_call *c)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct signals signals;
	struct vu_relay *r;
	int ret;

	if (!loop) {
		log_error(log, "no event loop: %s", strerror(errno));
		return CMD_FAILED;
	}
	signal(SIGPIPE, SIG_IGN);
	signals_begin(&signals, loop);
	ret = vu_relay_open(loop, log, c->path, c->mode, c->to, &r);
	if (ret == 0) {
		ret = service_notify("READY=1");
		if (ret < 0)
			log_warn(log, "NOTIFY_SOCKET: %s", strerror(-ret));
		ev_run(loop, 0);
		service_notify("STOPPING=1");
		vu_relay_free(r);
		ret = 0;
	}
	signals_end(&signals);
	ev_loop_destroy(loop);
	return ret < 0 ? CMD_FAILED : CMD_OK;
}

int cmd_relay(int argc, char **argv)
{
	struct relay_call c = {.mode = UINT64_MAX};
	const struct opt_group groups[] = {{"Options", relay_opts, &c}, {NULL, NULL, NULL}};
	struct log log = {.prefix = "relay"};
	int next = opt_parse(groups, false, argc, argv);

	if (next < 0)
		return CMD_USAGE;
	if (next < argc) {
		log_usage(&log, "%s: an argument too many", argv[next]);
		return CMD_USAGE;
	}
	if (c.help) {
		puts("Usage: vdevd relay --socket-path=PATH --to=PATH\n"
		     "Stands between a front-end that does not reconnect and a vhost-user back end.\n"
		     "When that ends and is started again, the guest goes on: what was in flight is\n"
		     "done.");
		opt_print_help(stdout, groups);
		return CMD_OK;
	}
	if (!c.path || !c.to) {
		log_usage(&log, "%s is needed", c.path ? "--to=PATH" : "--socket-path=PATH");
		return CMD_USAGE;
	}
	if (strcmp(c.path, c.to) == 0) {
		log_usage(&log, "--to=%s: is the socket made here; the back end's is wanted", c.to);
		return CMD_USAGE;
	}
	return run(&log, &c);
}
