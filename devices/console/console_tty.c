/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_tty.c - a port whose other side is a serial line of the host, termios(3).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/words.h"
#include "devices/console/console_stream.h"

struct tty_value {
	char path[PATH_MAX];
	speed_t speed;
	char parity, flow; /* n, o, e; r, x, or 0 */
	unsigned int bits;
};

struct tty {
	struct console_side s;
	int fd;
	struct termios before;
	bool set; /* to be set back */
};

static const struct {
	uint64_t baud;
	speed_t speed;
} speeds[] = {
	{300, B300},	     {600, B600},	  {1200, B1200},       {2400, B2400},	    {4800, B4800},
	{9600, B9600},	     {19200, B19200},	  {38400, B38400},     {57600, B57600},	    {115200, B115200},
	{230400, B230400},   {460800, B460800},	  {500000, B500000},   {576000, B576000},   {921600, B921600},
	{1000000, B1000000}, {1500000, B1500000}, {2000000, B2000000}, {3000000, B3000000}, {4000000, B4000000},
};

static bool speed_of(const struct word *w, speed_t *speed)
{
	uint64_t baud;

	if (word_number(w, &baud))
		return false;
	for (unsigned int i = 0; i < ARRAY_SIZE(speeds); i++) {
		if (speeds[i].baud != baud)
			continue;
		*speed = speeds[i].speed;
		return true;
	}
	return false;
}

/* "115200n8r", as the kernel's console= has it. */
static bool line_parse(const struct word *w, struct tty_value *v)
{
	size_t digits = 0;
	const char *at;

	while (digits < w->len && w->text[digits] >= '0' && w->text[digits] <= '9')
		digits++;
	if (!speed_of(&(struct word){w->text, digits}, &v->speed))
		return false;
	at = w->text + digits;
	if (digits == w->len)
		return true;
	if (w->len - digits < 2 || w->len - digits > 3 || (at[0] != 'n' && at[0] != 'o' && at[0] != 'e') || at[1] < '5' || at[1] > '8')
		return false;
	v->parity = at[0];
	v->bits = (unsigned int)(at[1] - '0');
	if (w->len - digits == 3)
		v->flow = at[2];
	return !v->flow || v->flow == 'r' || v->flow == 'x';
}

static const char *tty_parse(const char *value, struct tty_value *v)
{
	const char *rest = value;
	struct word w;

	*v = (struct tty_value){.speed = B115200, .parity = 'n', .bits = 8};
	if (!word_next(&rest, ',', &w) || !w.len || !word_copy(&w, v->path, sizeof(v->path)))
		return "the path of a serial line is wanted: tty:/dev/ttyS1,115200n8";
	if (rest && (!word_next(&rest, ',', &w) || !line_parse(&w, v) || rest))
		return "speed, parity, bits and flow control are wanted behind the path: 9600, 115200n8, 19200e7r";
	return NULL;
}

static const char *tty_check(const char *value)
{
	struct tty_value v;

	return tty_parse(value, &v);
}

static void tty_settings(const struct tty_value *v, struct termios *t)
{
	static const tcflag_t bits[] = {CS5, CS6, CS7, CS8};

	cfmakeraw(t);
	cfsetispeed(t, v->speed);
	cfsetospeed(t, v->speed);
	t->c_cflag &= ~(tcflag_t)(CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS);
	t->c_cflag |= bits[v->bits - 5] | CREAD | CLOCAL;
	t->c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY);
	if (v->parity != 'n')
		t->c_cflag |= PARENB | (v->parity == 'o' ? PARODD : 0);
	if (v->flow == 'r')
		t->c_cflag |= CRTSCTS;
	if (v->flow == 'x')
		t->c_iflag |= IXON | IXOFF;
}

static void tty_needs(const struct console_side_args *args, struct sandbox *s)
{
	sandbox_calls(s, console_stream_calls);
	sandbox_calls(s, console_restore_calls);
}

static int tty_set(struct tty *t, const struct tty_value *v)
{
	struct termios want, is;

	if (tcgetattr(t->fd, &t->before) < 0)
		return -errno;
	want = t->before;
	tty_settings(v, &want);
	t->set = true;
	/* It says that it is done when a part of it could be done. */
	if (tcsetattr(t->fd, TCSANOW, &want) < 0 || tcgetattr(t->fd, &is) < 0)
		return -errno;
	if (cfgetospeed(&is) != v->speed || (is.c_cflag & (CSIZE | PARENB | CRTSCTS)) != (want.c_cflag & (CSIZE | PARENB | CRTSCTS)))
		return -ENOTSUP;
	return fd_prepare(t->fd);
}

/* The line was unplugged. */
static void tty_ended(struct console_side *s)
{
	log_guest(&s->args->d->log, "port %u: its serial line has gone", s->args->port);
	console_stream_end(s, true);
}

static void tty_free(struct tty *t)
{
	if (t->set)
		tcsetattr(t->fd, TCSANOW, &t->before);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

static int tty_start(const struct console_side_args *args, struct console_side **out)
{
	struct tty *t = calloc(1, sizeof(*t));
	struct tty_value v;
	int err;

	if (!t)
		return -ENOMEM;
	console_stream_init(&t->s, args, tty_ended);
	tty_parse(args->value, &v);
	t->fd = open(v.path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	err = t->fd < 0 ? -errno : tty_set(t, &v);
	if (err) {
		log_error(&args->d->log, "tty:%s: %s%s", args->value, strerror(-err),
			  err == -ENOTSUP  ? " (the line cannot be set so)"
			  : err == -ENOTTY ? " (a serial line is wanted)"
					   : "");
		tty_free(t);
		return err;
	}
	console_stream_begin(&t->s, t->fd, t->fd, true);
	*out = &t->s;
	return 0;
}

static void tty_stop(struct console_side *s)
{
	console_stream_end(s, false);
	tty_free(container_of(s, struct tty, s));
}

const struct console_side_ops console_tty = {
	.kind = "tty",
	.check = tty_check,
	.needs = tty_needs,
	.start = tty_start,
	.stop = tty_stop,
	.read = console_stream_read,
	.write = console_stream_write,
	.want_read = console_stream_want_read,
	.want_write = console_stream_want_write,
};
