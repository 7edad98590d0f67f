/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_pty.c - a port whose other side is a pseudo-terminal, pty(7), perhaps with a symbolic link to it.
 *
 * vdevd keeps the terminal's end open, too: otherwise reading fails for as long as nobody has it open, and its settings are lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "core/loop.h"
#include "devices/console/console_stream.h"

struct pty {
	struct console_side s;
	int master, slave;
	bool linked;
	char name[64]; /* /dev/pts/N */
};

static struct pty *to_pty(struct console_side *s)
{
	return container_of(s, struct pty, s);
}

static const char *pty_check(const char *value)
{
	return strlen(value) < PATH_MAX ? NULL : "a shorter path is wanted";
}

static const struct sandbox_call link_calls[] = {
	{.name = "readlink", .why = "whether the link is still its own"},
	{.name = "readlinkat", .why = "whether the link is still its own"},
	{.name = "unlink", .why = "the link is removed at the end"},
	{0},
};

static void pty_needs(const struct console_side_args *args, struct sandbox *s)
{
	sandbox_calls(s, console_stream_calls);
	if (!*args->value)
		return;
	sandbox_calls(s, link_calls);
	sandbox_folder(s, args->value, SANDBOX_MAKE, "the link to a pseudo-terminal is removed at the end");
}

/* Puts the link in its place.  One that was left by another is replaced; what is no link stays. */
static int link_make(struct pty *p, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0) {
		if (!S_ISLNK(st.st_mode))
			return -EEXIST;
		if (unlink(path) < 0)
			return -errno;
	}
	if (symlink(p->name, path) < 0)
		return -errno;
	p->linked = true;
	return 0;
}

static void link_remove(struct pty *p, const char *path)
{
	char to[sizeof(p->name)];
	ssize_t n = p->linked ? readlink(path, to, sizeof(to)) : -1;

	if (n > 0 && (size_t)n == strlen(p->name) && !memcmp(to, p->name, (size_t)n))
		unlink(path);
}

static int pty_make(struct pty *p)
{
	struct termios t;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->master < 0 || grantpt(p->master) < 0 || unlockpt(p->master) < 0)
		return -errno;
	if (ptsname_r(p->master, p->name, sizeof(p->name)) != 0)
		return -errno;
	p->slave = open(p->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->slave < 0 || tcgetattr(p->slave, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	if (tcsetattr(p->slave, TCSANOW, &t) < 0)
		return -errno;
	return fd_prepare(p->master);
}

static void pty_free(struct pty *p)
{
	if (p->master >= 0)
		close(p->master);
	if (p->slave >= 0)
		close(p->slave);
	free(p);
}

/* It never ends while its other end is open here. */
static void pty_ended(struct console_side *s)
{
	console_stream_end(s, true);
}

static int pty_start(const struct console_side_args *args, struct console_side **out)
{
	struct pty *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->master = p->slave = -1;
	console_stream_init(&p->s, args, pty_ended);
	err = pty_make(p);
	if (!err && *args->value)
		err = link_make(p, args->value);
	if (err) {
		log_error(&args->d->log, "pty%s%s: %s%s", *args->value ? ":" : "", args->value, strerror(-err),
			  err == -EEXIST ? " (the path of a symbolic link, or of nothing, is wanted)" : "");
		pty_free(p);
		return err;
	}
	log_info(&args->d->log, "port %u is at %s", args->port, p->name);
	console_stream_begin(&p->s, p->master, p->master, true);
	*out = &p->s;
	return 0;
}

static void pty_stop(struct console_side *s)
{
	struct pty *p = to_pty(s);

	console_stream_end(s, false);
	link_remove(p, s->args->value);
	pty_free(p);
}

const struct console_side_ops console_pty = {
	.kind = "pty",
	.check = pty_check,
	.needs = pty_needs,
	.start = pty_start,
	.stop = pty_stop,
	.read = console_stream_read,
	.write = console_stream_write,
	.want_read = console_stream_want_read,
	.want_write = console_stream_want_write,
};
