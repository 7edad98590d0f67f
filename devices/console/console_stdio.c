/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_stdio.c - a port whose other side is the terminal vdevd runs in, or whatever standard input and output are.
 *
 * The terminal is set back when the device is closed, and when the process exits or dies of a fault without that.  A process that is killed (SIGKILL)
 * cannot.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "core/loop.h"
#include "devices/console/console_stream.h"

/* TCSETS2 and TCGETS2 of asm-generic/ioctls.h, whose headers do not go together with termios.h. */
#define TCSETS2_REQUEST 0x402c542bu
#define TCGETS2_REQUEST 0x802c542au

#define ESCAPE 0x01 /* ctrl-a */

struct stdio {
	struct console_side s;
	bool raw, escaped, sized;
	bool in_open;
	struct ev_signal winch;
};

/* For signal handlers, which get no argument: how the terminal was. */
static struct termios before;
static volatile sig_atomic_t changed;

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGQUIT};

const struct sandbox_call console_restore_calls[] = {
	/* TCSETS, and TCSETS2 of newer C libraries. */
	{.name = "ioctl", .why = "the terminal as it was, at the end", .checks = {{1, SANDBOX_IS, TCSETS}}},
	{.name = "ioctl", .why = "the terminal as it was, at the end", .checks = {{1, SANDBOX_IS, TCSETS2_REQUEST}}},
	/* The C library looks whether it was done. */
	{.name = "ioctl", .why = "how the terminal is", .checks = {{1, SANDBOX_IS, TCGETS}}},
	{.name = "ioctl", .why = "how the terminal is", .checks = {{1, SANDBOX_IS, TCGETS2_REQUEST}}},
	{0},
};

static const struct sandbox_call stdio_calls[] = {
	{.name = "ioctl", .why = "the size of the terminal", .checks = {{1, SANDBOX_IS, TIOCGWINSZ}}},
	{.name = "rt_sigaction", .why = "a fault's own way, when the terminal is as it was"},
	{0},
};

static void terminal_restore(void)
{
	if (!changed)
		return;
	changed = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void fault(int sig)
{
	terminal_restore();
	/* SA_RESETHAND: it is the default's now. */
	raise(sig);
}

/* A handler that somebody has already, as that for memory that is cut short, keeps its place. */
static void catch_faults(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(faults); i++) {
		struct sigaction act = {.sa_handler = fault, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)}, old;

		if (sigaction(faults[i], NULL, &old) < 0 || old.sa_flags & SA_SIGINFO || old.sa_handler != SIG_DFL)
			continue;
		sigaction(faults[i], &act, NULL);
	}
}

static int terminal_raw(struct stdio *t)
{
	static bool registered;
	struct termios raw;

	if (!isatty(STDIN_FILENO))
		return 0;
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	if (!registered && atexit(terminal_restore) != 0)
		return -ENOMEM;
	registered = true;
	catch_faults();
	raw = before;
	cfmakeraw(&raw);
	/* Lines of the log are on it, too. */
	raw.c_oflag |= OPOST;
	t->raw = true;
	changed = 1;
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0 ? -errno : 0;
}

static void tell_size(struct stdio *t)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col && w.ws_row)
		t->s.args->ops->resized(t->s.args->user, w.ws_col, w.ws_row);
}

static void winch_came(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	tell_size(container_of(w, struct stdio, winch));
}

static const char *stdio_check(const char *value)
{
	return *value ? "stdio has no value" : NULL;
}

static void stdio_needs(const struct console_side_args *args, struct sandbox *s)
{
	sandbox_calls(s, console_stream_calls);
	sandbox_calls(s, console_restore_calls);
	sandbox_calls(s, stdio_calls);
}

static void stdio_ended(struct console_side *s)
{
	console_stream_end(s, true);
}

/* Standard input has ended; output goes on. */
static void stdio_half_ended(struct console_side *s)
{
	log_info(&s->args->d->log, "port %u: end of standard input", s->args->port);
}

static int stdio_start(const struct console_side_args *args, struct console_side **out)
{
	struct stdio *t = calloc(1, sizeof(*t));
	int in, err;

	if (!t)
		return -ENOMEM;
	console_stream_init(&t->s, args, stdio_ended);
	t->s.half_ended = stdio_half_ended;
	*out = &t->s;
	in = fd_check_watchable(STDIN_FILENO);
	err = fd_check_watchable(STDOUT_FILENO);
	ev_signal_init(&t->winch, winch_came, SIGWINCH);
	if (err) {
		log_error(&args->d->log, "stdio: standard output: %s (a terminal, a pipe or a socket is wanted; file:PATH is for files)",
			  strerror(-err));
		return err;
	}
	if (in)
		log_warn(&args->d->log, "stdio: standard input: %s; nothing is read from it", strerror(-in));
	err = terminal_raw(t);
	if (err) {
		log_error(&args->d->log, "stdio: the terminal cannot be set: %s", strerror(-err));
		return err;
	}
	if (t->raw) {
		ev_signal_start(args->d->loop, &t->winch);
		ev_unref(args->d->loop);
		t->sized = true;
		tell_size(t);
	}
	console_stream_begin(&t->s, in ? -1 : STDIN_FILENO, STDOUT_FILENO, true);
	return 0;
}

static void stdio_stop(struct console_side *s)
{
	struct stdio *t = container_of(s, struct stdio, s);

	console_stream_end(s, false);
	if (t->sized) {
		ev_ref(s->args->d->loop);
		ev_signal_stop(s->args->d->loop, &t->winch);
	}
	if (t->raw)
		terminal_restore();
	free(t);
}

/* ctrl-a x ends the process, ctrl-a ctrl-a is one; ctrl-a and another byte are both. */
static ssize_t stdio_read(struct console_side *s, void *buf, size_t len)
{
	struct stdio *t = container_of(s, struct stdio, s);
	uint8_t *bytes = buf, in[256];
	size_t done = 0;
	ssize_t n;

	if (!t->raw || s->args->no_escape)
		return console_stream_read(s, buf, len);
	/* Each byte may become two. */
	n = console_stream_read(s, in, len < 2 ? 1 : min_size(len / 2, sizeof(in)));
	for (ssize_t i = 0; i < n; i++) {
		bool was = t->escaped;

		t->escaped = !was && in[i] == ESCAPE;
		if (was && in[i] == 'x')
			ev_break(s->args->d->loop, EVBREAK_ALL);
		else if (was && in[i] != ESCAPE && len > 1)
			bytes[done++] = ESCAPE;
		if (!t->escaped && !(was && in[i] == 'x'))
			bytes[done++] = in[i];
	}
	if (n < 0)
		return n;
	return done ? (ssize_t)done : -EAGAIN;
}

const struct console_side_ops console_stdio = {
	.kind = "stdio",
	.check = stdio_check,
	.needs = stdio_needs,
	.start = stdio_start,
	.stop = stdio_stop,
	.read = stdio_read,
	.write = console_stream_write,
	.want_read = console_stream_want_read,
	.want_write = console_stream_want_write,
};
