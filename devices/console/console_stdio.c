/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_stdio.c - a port whose other side is the terminal vdevd runs in, or whatever standard input and output are.
 *
 * The terminal is set back when the device is closed, when the process is stopped (and raw again when it goes on), and when the
 * process exits or dies of a signal without that.  A process that is killed (SIGKILL, or by the sandbox) cannot.
 *
 * What is typed is read at once, whether a guest reads it or not, for the escape is among it: who started vdevd for a guest that
 * never comes, or has died, has no other way out.  It waits here for the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "core/loop.h"
#include "devices/console/console_ring.h"
#include "devices/console/console_stream.h"

/* TCSETS2 and TCGETS2 of asm-generic/ioctls.h, whose headers do not go together with termios.h. */
#define TCSETS2_REQUEST 0x402c542bu
#define TCGETS2_REQUEST 0x802c542au

#define ESCAPE 0x01  /* ctrl-a */
#define TYPED  16384 /* bytes that wait for the guest; with more, the terminal holds back who types */

struct stdio {
	struct console_side s;
	bool raw, escaped;
	bool wants_typed, over;    /* over: nothing more is typed */
	int out;		   /* the terminal opened once more; -1: standard output itself */
	bool bytewise;
	struct console_ring typed; /* without the escapes; no room where nobody looks for them */
	struct ev_io keys;
	struct ev_signal winch, stopped;
};

/* For signal handlers, which get no argument: how the terminal was, and is while it is changed. */
static struct termios before, raw;
static volatile sig_atomic_t changed;

/* What ends a process that does nothing about it. */
static const int deaths[] = {SIGSEGV, SIGBUS,  SIGILL,	SIGFPE,	   SIGABRT, SIGSYS, SIGQUIT, SIGTRAP,	SIGALRM,
			     SIGUSR1, SIGUSR2, SIGXCPU, SIGVTALRM, SIGPROF, SIGIO,  SIGPWR,  SIGXFSZ};

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
	{.name = "rt_sigaction", .why = "a signal's own way, when the terminal is as it was"},
	{0},
};

static void terminal_restore(void)
{
	if (!changed)
		return;
	changed = 0;
	/* In the background, too: otherwise the process stops here. */
	signal(SIGTTOU, SIG_IGN);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void death(int sig)
{
	terminal_restore();
	/* SA_RESETHAND: it is the default's now. */
	raise(sig);
}

/* A handler that somebody has already, as that for memory that is cut short, keeps its place. */
static void catch_deaths(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(deaths); i++) {
		struct sigaction act = {.sa_handler = death, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)}, old;

		if (sigaction(deaths[i], NULL, &old) < 0 || old.sa_flags & SA_SIGINFO || old.sa_handler != SIG_DFL)
			continue;
		sigaction(deaths[i], &act, NULL);
	}
}

/* In the background it stops the process until that is in the foreground. */
static int terminal_change(void)
{
	signal(SIGTTOU, SIG_DFL);
	changed = 1;
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0 ? -errno : 0;
}

static int terminal_raw(struct stdio *t)
{
	static bool registered;

	if (!isatty(STDIN_FILENO))
		return 0;
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	if (!registered && atexit(terminal_restore) != 0)
		return -ENOMEM;
	registered = true;
	catch_deaths();
	raw = before;
	cfmakeraw(&raw);
	t->raw = true;
	return terminal_change();
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

/* SIGTSTP: somebody wants the terminal for a while. */
static void stop_came(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	struct stdio *t = container_of(w, struct stdio, stopped);

	terminal_restore();
	raise(SIGSTOP);
	/* Here it goes on. */
	if (terminal_change() < 0)
		log_guest(&t->s.args->d->log, "port %u: the terminal cannot be set", t->s.args->port);
	tell_size(t);
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

static void keys_stop(struct stdio *t)
{
	ev_io_stop(t->s.args->d->loop, &t->keys);
}

static void stdio_ended(struct console_side *s)
{
	keys_stop(container_of(s, struct stdio, s));
	console_stream_end(s, true);
}

/* Standard input has ended; output goes on. */
static void stdio_half_ended(struct console_side *s)
{
	log_info(&s->args->d->log, "port %u: end of standard input", s->args->port);
}

/* ctrl-a x ends the process, ctrl-a ctrl-a is one; ctrl-a and another byte are both. */
static void typed_take(struct stdio *t, const uint8_t *bytes, size_t n)
{
	static const uint8_t escape = ESCAPE;

	for (size_t i = 0; i < n; i++) {
		bool was = t->escaped;

		t->escaped = !was && bytes[i] == ESCAPE;
		if (t->escaped)
			continue;
		if (was && bytes[i] == 'x') {
			ev_break(t->s.args->d->loop, EVBREAK_ALL);
			continue;
		}
		if (was && bytes[i] != ESCAPE)
			console_ring_put(&t->typed, &escape, 1);
		console_ring_put(&t->typed, &bytes[i], 1);
	}
}

static void typed_tell(struct stdio *t)
{
	if (!t->wants_typed || !t->typed.used)
		return;
	t->wants_typed = false;
	t->s.args->ops->readable(t->s.args->user);
}

static void keys_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct stdio *t = container_of(w, struct stdio, keys);
	/* Each byte may become two. */
	size_t room = console_ring_room(&t->typed) / 2;
	uint8_t bytes[256];
	ssize_t n;

	if (!room) {
		keys_stop(t);
		return;
	}
	n = fd_read_now(STDIN_FILENO, bytes, min_size(sizeof(bytes), room));
	if (n > 0)
		typed_take(t, bytes, (size_t)n);
	t->over = !n || (n < 0 && n != -EAGAIN && n != -EINTR);
	if (t->over) {
		keys_stop(t);
		stdio_half_ended(&t->s);
	}
	typed_tell(t);
}

static void keys_start(struct stdio *t)
{
	if (t->s.out >= 0 && t->typed.size && !t->over)
		ev_io_start(t->s.args->d->loop, &t->keys);
}

/*
 * A terminal that is ready takes a byte, perhaps no second one, and write(2) waits for it: so one of our own is wanted that does
 * not block.  The flag of standard output is others', too.
 */
static int out_open(struct stdio *t)
{
	if (!isatty(STDOUT_FILENO))
		return STDOUT_FILENO;
	t->out = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	t->bytewise = t->out < 0;
	return t->out < 0 ? STDOUT_FILENO : t->out;
}

/* The escape is looked for in what is typed at a terminal. */
static int typed_open(struct stdio *t)
{
	if (!t->raw || t->s.args->no_escape)
		return 0;
	t->typed.bytes = malloc(TYPED);
	if (!t->typed.bytes)
		return -ENOMEM;
	t->typed.size = TYPED;
	return 0;
}

static int stdio_open(struct stdio *t)
{
	const struct console_side_args *args = t->s.args;
	int in = fd_check_watchable(STDIN_FILENO), err = fd_check_watchable(STDOUT_FILENO);

	if (err) {
		log_error(&args->d->log, "stdio: standard output: %s (a terminal, a pipe or a socket is wanted; file:PATH is for files)",
			  strerror(-err));
		return err;
	}
	if (in)
		log_warn(&args->d->log, "stdio: standard input: %s; nothing is read from it", strerror(-in));
	err = in ? 0 : terminal_raw(t);
	if (!err)
		err = typed_open(t);
	if (err) {
		log_error(&args->d->log, "stdio: the terminal cannot be set: %s", strerror(-err));
		return err;
	}
	console_stream_begin(&t->s, in || t->typed.size ? -1 : STDIN_FILENO, out_open(t), true);
	return 0;
}

static int stdio_start(const struct console_side_args *args, struct console_side **out)
{
	struct stdio *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	console_stream_init(&t->s, args, stdio_ended);
	t->s.half_ended = stdio_half_ended;
	t->out = -1;
	ev_io_init(&t->keys, keys_ready, STDIN_FILENO, EV_READ);
	ev_signal_init(&t->winch, winch_came, SIGWINCH);
	ev_signal_init(&t->stopped, stop_came, SIGTSTP);
	*out = &t->s;
	err = stdio_open(t);
	if (err || !t->raw)
		return err;
	ev_signal_start(args->d->loop, &t->winch);
	ev_unref(args->d->loop);
	ev_signal_start(args->d->loop, &t->stopped);
	ev_unref(args->d->loop);
	tell_size(t);
	keys_start(t);
	return 0;
}

static void signal_end(struct ev_loop *loop, struct ev_signal *w)
{
	if (!ev_is_active(w))
		return;
	ev_ref(loop);
	ev_signal_stop(loop, w);
}

static void stdio_stop(struct console_side *s)
{
	struct stdio *t = container_of(s, struct stdio, s);

	keys_stop(t);
	console_stream_end(s, false);
	signal_end(s->args->d->loop, &t->winch);
	signal_end(s->args->d->loop, &t->stopped);
	if (t->raw)
		terminal_restore();
	if (t->out >= 0)
		close(t->out);
	free(t->typed.bytes);
	free(t);
}

static ssize_t stdio_read(struct console_side *s, void *buf, size_t len)
{
	struct stdio *t = container_of(s, struct stdio, s);
	size_t n;

	if (!t->typed.size)
		return console_stream_read(s, buf, len);
	n = console_ring_take(&t->typed, buf, len);
	keys_start(t);
	return n ? (ssize_t)n : -EAGAIN;
}

static ssize_t stdio_write(struct console_side *s, const void *buf, size_t len)
{
	return console_stream_write(s, buf, container_of(s, struct stdio, s)->bytewise ? min_size(len, 1) : len);
}

static void stdio_want_read(struct console_side *s)
{
	struct stdio *t = container_of(s, struct stdio, s);

	if (t->typed.size)
		t->wants_typed = true;
	else
		console_stream_want_read(s);
}

const struct console_side_ops console_stdio = {
	.kind = "stdio",
	.check = stdio_check,
	.needs = stdio_needs,
	.start = stdio_start,
	.stop = stdio_stop,
	.read = stdio_read,
	.write = stdio_write,
	.want_read = stdio_want_read,
	.want_write = console_stream_want_write,
};
