/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_cmd.c - the console's commands on the control socket.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "devices/console/console.h"

static struct console_port *port_of(struct console *n, const char *text, char *why, size_t why_size)
{
	uint64_t id;

	if (opt_parse_number(text, false, &id) == 0 && id < n->ctl.nports)
		return &n->ports[id];
	snprintf(why, why_size, "'%.40s': the number of a port is wanted, from 0 to %u", text, n->ctl.nports - 1);
	return NULL;
}

static int run_ports(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct console *n = arg;

	control_say(c, "size %ux%u", n->ctl.cols, n->ctl.rows);
	for (unsigned int i = 0; i < n->ctl.nports; i++) {
		const struct console_port *p = &n->ports[i];
		const struct console_ctl_port *port = &n->ctl.ports[i];

		control_say(c,
			    "port %u %s%s%s %s: guest %s, host %s, tx %llu, written %llu, waiting %zu, dropped %llu, rx %llu, emergency %llu",
			    i, port->console ? "console" : "port", p->name[0] ? " " : "", p->name, p->ops->kind,
			    !port->plugged	? "unplugged"
			    : port->guest_open	? "open"
						: "closed",
			    port->host_open ? "open" : "closed", (unsigned long long)p->count.tx,
			    (unsigned long long)p->count.written, p->out.used, (unsigned long long)p->count.dropped,
			    (unsigned long long)p->count.rx, (unsigned long long)p->count.emergency);
	}
	return 0;
}

static int run_resize(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	char text[24];
	uint16_t cols, rows;

	snprintf(text, sizeof(text), "%.10sx%.10s", argv[0], argv[1]);
	if (!console_parse_size(text, &cols, &rows)) {
		snprintf(why, why_size, "columns and rows are wanted, from 1 to 65535: resize 80 24");
		return -EINVAL;
	}
	console_resize(arg, cols, rows);
	return 0;
}

static int plug(struct console *n, const char *text, bool plugged, char *why, size_t why_size)
{
	struct console_port *p = port_of(n, text, why, why_size);

	if (!p)
		return -EINVAL;
	if (events_waiting(&n->events) > CONTROL_ROOM / 2 + CONSOLE_PORTS) {
		snprintf(why, why_size, "the driver has not taken earlier messages");
		return -EAGAIN;
	}
	if (!console_ctl_plug(&n->ctl, p->id, plugged))
		return 0;
	snprintf(why, why_size, "port %u is %splugged already", p->id, plugged ? "" : "un");
	return -EALREADY;
}

static int run_plug(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	return plug(arg, argv[0], true, why, why_size);
}

static int run_unplug(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	return plug(arg, argv[0], false, why, why_size);
}

/* ---- simulated ports */

static int hex(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* One byte of text as it is typed: \n \r \t \s (a space) \\ \x1b.  Returns the characters it has, 0: it is none. */
static size_t unescape(const char *text, char *byte)
{
	static const char from[] = "nrts\\", to[] = "\n\r\t \\";
	const char *at;

	*byte = text[0];
	if (text[0] != '\\')
		return 1;
	if (text[1] == 'x' && hex(text[2]) >= 0 && hex(text[3]) >= 0) {
		*byte = (char)(hex(text[2]) << 4 | hex(text[3]));
		return 4;
	}
	at = text[1] ? strchr(from, text[1]) : NULL;
	if (!at)
		return 0;
	*byte = to[at - from];
	return 2;
}

static struct console_port *sim_of(struct console *n, const char *text, char *why, size_t why_size)
{
	struct console_port *p = port_of(n, text, why, why_size);

	if (!p || p->ops == &console_sim)
		return p;
	snprintf(why, why_size, "port %u is not simulated: it is a %s", p->id, p->ops->kind);
	return NULL;
}

static int run_type(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct console_port *p = sim_of(arg, argv[0], why, why_size);
	char bytes[CONTROL_LINE_MAX];
	size_t len = 0;

	if (!p)
		return -EINVAL;
	for (unsigned int i = 1; i < argc; i++) {
		size_t n;

		if (i > 1)
			bytes[len++] = ' ';
		for (const char *at = argv[i]; *at; at += n) {
			n = unescape(at, &bytes[len++]);
			if (n)
				continue;
			snprintf(why, why_size, "'%.40s': \\n, \\r, \\t, \\s, \\\\ or \\x1b is wanted", at);
			return -EINVAL;
		}
	}
	if (console_sim_type(p->side, bytes, len) == len)
		return 0;
	snprintf(why, why_size, "there was not room for all: the guest does not read");
	return -EAGAIN;
}

/* A line's worth: printable bytes as they are, others as type takes them. */
static void say_bytes(struct control_client *c, const uint8_t *bytes, size_t len)
{
	char text[4 * 256 + 1];
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n')
			at += (size_t)snprintf(text + at, sizeof(text) - at, "\\n");
		else if (bytes[i] == '\\')
			at += (size_t)snprintf(text + at, sizeof(text) - at, "\\\\");
		else if (bytes[i] < ' ' || bytes[i] > '~')
			at += (size_t)snprintf(text + at, sizeof(text) - at, "\\x%02x", bytes[i]);
		else
			text[at++] = (char)bytes[i];
	}
	text[at] = '\0';
	control_say(c, "%s", text);
}

static int run_read(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct console_port *p = sim_of(arg, argv[0], why, why_size);
	uint8_t bytes[256];
	size_t n, all = 0;

	if (!p)
		return -EINVAL;
	/* An answer has its bound. */
	while (all < 16384 && (n = console_sim_take(p->side, bytes, sizeof(bytes))) > 0) {
		say_bytes(c, bytes, n);
		all += n;
	}
	return 0;
}

const struct control_command console_commands[] = {
	{"ports", "", "shows the ports with their counters, in bytes", 0, 0, run_ports},
	{"resize", "COLS ROWS", "the consoles have this size", 2, 2, run_resize},
	{"unplug", "PORT", "takes a port away from the guest", 1, 1, run_unplug},
	{"plug", "PORT", "gives it back", 1, 1, run_plug},
	{"type", "PORT TEXT...", "types at a simulated port: \\n, \\r, \\t, \\s, \\\\, \\x1b are bytes", 2, CONTROL_WORDS, run_type},
	{"read", "PORT", "shows and takes what the guest has written to a simulated port", 1, 1, run_read},
	{0},
};
