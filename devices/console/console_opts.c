/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_opts.c - the console's options, and its ports as they say.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/words.h"
#include "devices/console/console.h"

#define SIDES "stdio, pty[:LINK], unix:PATH, unix-connect:PATH, tcp:ADDR:PORT, tty:PATH,115200n8, file:PATH, null or sim"

const struct console_side_ops *const console_sides[] = {
	&console_stdio, &console_pty,  &console_unix, &console_unix_connect, &console_tcp,
	&console_tty,	&console_file, &console_null, &console_sim,	     NULL,
};

enum { BACKEND_AUTO, BACKEND_SIM, BACKEND_NESTED, BACKEND_NETWORK };

static const char *const backend_words[] = {"auto", "sim", "nested", "network", NULL};
static const char *const overflow_words[] = {"auto", "drop", "hold", NULL};

/* The table of a side, and what stands behind its kind. */
static const struct console_side_ops *side_find(const char *value, const char **rest)
{
	struct word kind = word_of(value), behind;

	word_cut(&kind, ':', &behind);
	*rest = behind.len ? behind.text : "";
	for (unsigned int i = 0; console_sides[i]; i++) {
		if (word_is(&kind, console_sides[i]->kind))
			return console_sides[i];
	}
	return NULL;
}

/* The kinds there can be one of: what they have there is once. */
static bool is_taken(const struct console *n, const struct console_side_ops *ops)
{
	for (unsigned int i = 0; ops == &console_stdio && i < n->ctl.nports; i++) {
		if (n->ports[i].ops == ops)
			return true;
	}
	return false;
}

static int port_add(struct console *n, const char *name, const char *value, bool console, char *why, size_t why_size)
{
	struct console_port *p = &n->ports[n->ctl.nports];
	const struct console_side_ops *ops;
	const char *rest, *wrong;

	if (n->ctl.nports == CONSOLE_PORTS) {
		snprintf(why, why_size, "at most %d ports can be", CONSOLE_PORTS);
		return -EINVAL;
	}
	ops = side_find(value, &rest);
	wrong = !ops ? SIDES " is wanted" : ops->check(rest);
	if (!wrong && is_taken(n, ops))
		wrong = "one port can have the terminal";
	if (wrong) {
		snprintf(why, why_size, "%s", wrong);
		return -EINVAL;
	}
	*p = (struct console_port){.n = n, .id = n->ctl.nports, .ops = ops};
	p->args = (struct console_side_args){.d = &n->d, .value = rest, .port = p->id};
	snprintf(p->name, sizeof(p->name), "%s", name);
	n->ctl.ports[n->ctl.nports++] =
		(struct console_ctl_port){.name = p->name[0] ? p->name : NULL, .console = console};
	return 0;
}

static int set_console(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	return port_add(obj, "", value, true, why, why_size);
}

static bool name_taken(const struct console *n, const char *name)
{
	for (unsigned int i = 0; i < n->ctl.nports; i++) {
		if (!strcmp(n->ports[i].name, name))
			return true;
	}
	return false;
}

/* Letters that can be in a file's name, as the guest makes one of it. */
static bool name_good(const char *name)
{
	return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@")] == '\0';
}

static int set_port(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	char name[CONSOLE_NAME_MAX + 1] = "";
	struct word w = word_of(value), behind;
	const char *colon = strchr(value, ':');

	/* A path may have an equals sign. */
	if (word_cut(&w, '=', &behind) && (!colon || w.text + w.len < colon)) {
		if (!word_copy(&w, name, sizeof(name)) || !name_good(name)) {
			snprintf(why, why_size, "a name of 1 to %d letters, digits or ._-+@ is wanted before the =",
				 CONSOLE_NAME_MAX);
			return -EINVAL;
		}
		if (name_taken(obj, name)) {
			snprintf(why, why_size, "two ports of one name");
			return -EINVAL;
		}
		value = behind.text;
	}
	return port_add(obj, name, value, false, why, why_size);
}

bool console_parse_size(const char *value, uint16_t *cols, uint16_t *rows)
{
	struct word w = word_of(value), behind;
	uint64_t x, y;

	if (!word_cut(&w, 'x', &behind) || word_number(&w, &x) || word_number(&behind, &y) || !x || !y || x > UINT16_MAX ||
	    y > UINT16_MAX)
		return false;
	*cols = (uint16_t)x;
	*rows = (uint16_t)y;
	return true;
}

static int set_size(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct console *n = obj;

	if (console_parse_size(value, &n->ctl.cols, &n->ctl.rows))
		return 0;
	snprintf(why, why_size, "columns and rows are wanted: 80x24");
	return -EINVAL;
}

/* The queues of so many ports. */
static void face_make(struct console *n)
{
	n->d.face.nqueues = 2 * (n->ctl.nports + 1);
	n->d.face.queues = n->queues;
	for (unsigned int q = 0; q < n->d.face.nqueues; q++) {
		n->queues[q] = (struct vdev_queue_desc){.name = n->queue_names[q], .size = 128, .max = 1024};
		if (q == CONTROL_RX || q == CONTROL_TX)
			snprintf(n->queue_names[q], sizeof(n->queue_names[q]), "control %s", q % 2 ? "transmitq" : "receiveq");
		else
			snprintf(n->queue_names[q], sizeof(n->queue_names[q]), "port%u %s", q > CONTROL_TX ? q / 2 - 1 : 0,
				 q % 2 ? "transmitq" : "receiveq");
	}
}

/* The backends of vhost-device-console are ports of ours; instance i of several has a TCP port of its own. */
static int backend_port(struct console *n, unsigned int i)
{
	static const char *const sides[] = {
		[BACKEND_SIM] = "sim", [BACKEND_NESTED] = "stdio", [BACKEND_NETWORK] = "tcp"};
	char why[CONTROL_WHY_MAX];
	const char *value = sides[n->backend];

	if (n->backend == BACKEND_NETWORK) {
		if (n->tcp_port + i > UINT16_MAX) {
			log_usage(&n->d.log, "--tcp-port=%llu: a TCP port below %d is wanted", (unsigned long long)n->tcp_port,
				  UINT16_MAX + 1);
			return -EINVAL;
		}
		snprintf(n->tcp_value, sizeof(n->tcp_value), "tcp:127.0.0.1:%u", (unsigned int)n->tcp_port + i);
		value = n->tcp_value;
	}
	return port_add(n, "", value, true, why, sizeof(why));
}

/* vhost-device-console: without a port it is the terminal. */
int console_fit(struct vdev *d, unsigned int i, unsigned int count)
{
	struct console *n = container_of(d, struct console, d);

	if (n->ctl.nports && count == 1)
		return 0;
	if (n->ctl.nports || (count > 1 && n->backend != BACKEND_NETWORK)) {
		log_usage(&d->log, "--socket-count=%u: several sockets go with --backend=network only", count);
		return -EINVAL;
	}
	if (n->backend == BACKEND_AUTO)
		n->backend = BACKEND_NESTED;
	return backend_port(n, i);
}

int console_check(struct vdev *d)
{
	struct console *n = container_of(d, struct console, d);

	if (!n->ctl.nports && n->backend != BACKEND_AUTO && backend_port(n, 0) < 0)
		return -EINVAL;
	if (!n->ctl.nports) {
		log_usage(&d->log, "no port: --console=pty is wanted, or another side, or --backend=sim");
		return -EINVAL;
	}
	for (unsigned int i = 0; i < n->ctl.nports; i++)
		n->ports[i].args.no_escape = n->no_escape;
	face_make(n);
	return 0;
}

const struct opt console_opts[] = {
	{
		.name = "console",
		.type = OPT_CALL,
		.arg = "SIDE",
		.help = "a console (hvc) and who uses it: stdio, pty, ...",
		.man = MAN(
			"A console of the guest, and who is at its other side; repeatable.\n"
			"\n"
			"stdio: the terminal vdevd runs in, without echo and signals; ctrl-a x ends the process, whether a guest is there "
			"or not, ctrl-a ctrl-a is one ctrl-a.  16K of what is typed wait for the guest.  The size follows the window's.  "
			"The terminal is set back at the end, and while the process is stopped, but not where it is killed by SIGKILL or by "
			"the sandbox.  Bytes of the guest are not changed on their way; so lines of the log on the same terminal begin where "
			"the last one ended: send them elsewhere (2>file).\n"
			"\n"
			"pty, pty:LINK: a pseudo-terminal; LINK becomes a symbolic link to it, and is removed at the end.\n"
			"\n"
			"unix:PATH: a Unix socket that others connect to.  unix-connect:PATH: one that others listen at; it is tried every "
			"second until somebody does.\n"
			"\n"
			"tcp:ADDR:PORT: a TCP port of this IPv4 address that others connect to.  Whoever can reach it is at the console: "
			"127.0.0.1 is wise.\n"
			"\n"
			"tty:PATH, tty:PATH,115200n8r: a serial line with its speed, parity (n, o, e), bits (5 to 8) and, with r, flow "
			"control by RTS and CTS, or with x by XON and XOFF.  Without, it is 115200n8.\n"
			"\n"
			"file:PATH, file:PATH,size=1M,keep=3: what the guest writes is appended; a file of that size is renamed to PATH.1, "
			"that to PATH.2, and so on, and a fresh one begun.  Nothing is read from it.\n"
			"\n"
			"null: nobody is there.  sim: the control socket types and reads.  sim:echo: what the guest writes comes back to it."),
		.set = set_console,
	},
	{
		.name = "port",
		.type = OPT_CALL,
		.arg = "[NAME=]SIDE",
		.help = "a serial port, perhaps with a name",
		.man = MAN("A serial port of the guest, and who is at its other side, as with --console; repeatable.  The guest finds it by its "
			   "name in /dev/virtio-ports.  Ports have their numbers in the order of --console and --port, from 0 on."),
		.set = set_port,
	},
	{
		.name = "buffer",
		.type = OPT_BYTES,
		.off = offsetof(struct console, buffer),
		.arg = "N",
		.def = "64K",
		.min = 256,
		.max = CONSOLE_BUFFER_MAX,
		.help = "bytes that wait for a port's other side at most",
		.man = MAN("How many bytes of the guest wait for the other side of each port, from 256 to 128K."),
	},
	{
		.name = "overflow",
		.type = OPT_WORD,
		.off = offsetof(struct console, overflow),
		.words = overflow_words,
		.arg = "WHAT",
		.def = "auto",
		.help = "when they are more: drop the oldest, hold, auto",
		.man = MAN("What happens when more bytes than that wait.  drop: the oldest are lost, and counted (\"ports\" on the control "
			   "socket).  hold: the guest waits; a kernel that writes to its console stands still then.  auto: drop for consoles, hold "
			   "for ports."),
	},
	{
		.name = "size",
		.type = OPT_CALL,
		.arg = "COLSxROWS",
		.help = "size of the consoles: 80x24",
		.man = MAN("The size of the consoles in characters until something else says another: the terminal of stdio, or resize on the "
			   "control socket.  Without the option the guest is told 0x0: not known."),
		.once = true,
		.set = set_size,
	},
	{
		.name = "no-escape",
		.type = OPT_FLAG,
		.off = offsetof(struct console, no_escape),
		.help = "ctrl-a goes to the guest as any other byte",
		.man = MAN("With stdio, ctrl-a is a byte as any other: the process ends by a signal alone."),
	},
	{
		.name = "rows-first",
		.type = OPT_FLAG,
		.off = offsetof(struct console, rows_first),
		.help = "a new size is told as Linux before 6.15 reads it",
		.man = MAN("A new size is told with rows before columns, as Linux before 6.15 reads it.  Its long-term "
			   "kernels read it as the standard says since January 2026 (5.10 to 6.12)."),
	},
	{
		.name = "backend",
		.type = OPT_WORD,
		.off = offsetof(struct console, backend),
		.words = backend_words,
		.arg = "NAME",
		.def = "auto",
		.help = "sim: one simulated console",
		.man = MAN("Where no --console and no --port is given: sim is --console=sim, nested is --console=stdio, network is "
			   "--console=tcp:127.0.0.1:12345."),
		.compat = "b,backend",
	},
	{
		.name = "tcp-port",
		.type = OPT_UINT,
		.off = offsetof(struct console, tcp_port),
		.arg = "N",
		.def = "12345",
		.min = 1,
		.max = 65535,
		.help = "with --backend=network, as vhost-device-console",
		.man = MAN("The port of --backend=network; each socket of several has the next one."),
		.compat = "p,tcp-port",
		.rare = true,
	},
	{
		.name = "max-queue-size",
		.type = OPT_UINT,
		.off = offsetof(struct console, max_queue_size),
		.arg = "N",
		.def = "128",
		.min = 1,
		.max = 32768,
		.help = "taken as vhost-device-console does; no effect",
		.man = MAN("Taken as vhost-device-console takes it, and without effect: queues have up to 1024 entries."),
		.compat = "q,max-queue-size",
		.rare = true,
	},
	{0},
};
