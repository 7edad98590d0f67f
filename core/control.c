/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * control.c - commands to a running device: a Unix stream socket that takes lines of text; see control.h.
 *
 * A command is run only when the answer to the one before has left for the socket, so that an answer has the
 * whole buffer to itself, and a client that does not read stops being served.
 */
#include "core/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/unix_socket.h"

#define BACKLOG 8

/* How long until another look when there were no descriptors left, seconds. */
#define ACCEPT_RETRY 1.0

struct control_client {
	struct control *ctl; /* NULL: a free place */
	int fd;
	struct ev_io io;
	bool watching;
	bool skipping;       /* the rest of a line that was too long */
	bool ending;         /* the client sends no more */
	unsigned int lost;   /* lines told but not sent, since the last that was */
	size_t in_len;
	size_t out_len, out_done;
	char in[CONTROL_LINE_MAX];
	char out[CONTROL_OUT_MAX];
};

struct control {
	struct unix_listener listener;
	struct log *log;
	struct ev_loop *loop;
	const struct control_command *commands;
	void *arg;
	struct ev_io accept_io;
	struct ev_timer retry;
	struct control_client *clients[CONTROL_CLIENTS];
};

/* ---- output */

/* Appends a line.  Returns false, with nothing appended, when there is no room for it. */
static bool out_line(struct control_client *c, const char *mark, const char *fmt, va_list ap)
{
	size_t room, n = strlen(mark);
	int len;

	if (c->out_done) {
		memmove(c->out, c->out + c->out_done, c->out_len - c->out_done);
		c->out_len -= c->out_done;
		c->out_done = 0;
	}
	room = sizeof(c->out) - c->out_len;
	if (room <= n)
		return false;
	len = vsnprintf(c->out + c->out_len + n, room - n, fmt, ap);
	if (len < 0 || (size_t)len + n + 1 > room)
		return false;
	memcpy(c->out + c->out_len, mark, n);
	c->out_len += n + (size_t)len;
	c->out[c->out_len++] = '\n';
	return true;
}

static bool PRINTF_LIKE(3, 4) out_printf(struct control_client *c, const char *mark, const char *fmt, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = out_line(c, mark, fmt, ap);
	va_end(ap);
	return ok;
}

void control_say(struct control_client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->lost += !out_line(c, "", fmt, ap);
	va_end(ap);
}

/* Waits for what the client is to do next: read our lines, or send us some. */
static void client_wait(struct control_client *c)
{
	int events = c->out_len ? EV_WRITE : EV_READ;

	if (ev_is_active(&c->io) && c->io.events == events)
		return;
	ev_io_stop(c->ctl->loop, &c->io);
	ev_io_set(&c->io, c->fd, events);
	ev_io_start(c->ctl->loop, &c->io);
}

static void client_end(struct control_client *c)
{
	struct control *ctl = c->ctl;

	ev_io_stop(ctl->loop, &c->io);
	close(c->fd);
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		if (ctl->clients[i] == c)
			ctl->clients[i] = NULL;
	}
	free(c);
	/* There is a place for one more. */
	if (!ev_is_active(&ctl->retry))
		ev_io_start(ctl->loop, &ctl->accept_io);
}

/* Sends what the socket takes.  Returns 0, or -errno when the connection is over. */
static int client_flush(struct control_client *c)
{
	while (c->out_done < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_done, c->out_len - c->out_done, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		c->out_done += (size_t)n;
		if (c->out_done < c->out_len)
			continue;
		c->out_done = c->out_len = 0;
		if (c->lost) {
			out_printf(c, "! ", "lost %u", c->lost);
			c->lost = 0;
		}
	}
	return 0;
}

bool control_watched(const struct control *ctl)
{
	for (unsigned int i = 0; ctl && i < CONTROL_CLIENTS; i++) {
		if (ctl->clients[i] && ctl->clients[i]->watching)
			return true;
	}
	return false;
}

void control_tell(struct control *ctl, const char *fmt, ...)
{
	for (unsigned int i = 0; ctl && i < CONTROL_CLIENTS; i++) {
		struct control_client *c = ctl->clients[i];
		va_list ap;

		if (!c || !c->watching)
			continue;
		va_start(ap, fmt);
		if (c->lost || !out_line(c, "! ", fmt, ap))
			c->lost++;
		va_end(ap);
		/* Sent by the watcher: who tells must not find clients gone. */
		client_wait(c);
	}
}

/* ---- commands */

static void say_help(struct control_client *c)
{
	static const struct control_command own[] = {
		{.name = "watch", .args = "[off]", .help = "shows what happens, as lines that begin with '! '"},
		{.name = "help", .args = "", .help = "shows this"},
		{0},
	};
	const struct control_command *tables[] = {c->ctl->commands, own};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (const struct control_command *cmd = tables[i]; cmd->name; cmd++) {
			int n = (int)strlen(cmd->name) + 1 + (int)strlen(cmd->args);

			control_say(c, "%s %s%*s%s", cmd->name, cmd->args, n < 30 ? 30 - n : 1, "", cmd->help);
		}
	}
}

static int run_watch(struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	if (argc > 1 || (argc == 1 && strcmp(argv[0], "off") != 0)) {
		snprintf(why, why_size, "watch [off] is wanted");
		return -EINVAL;
	}
	c->watching = argc == 0;
	return 0;
}

/* Runs the command of these words, of which there is at least one.  Returns 0 or -errno with a reason in why. */
static int run_words(struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	const struct control_command *cmd = c->ctl->commands;

	while (cmd->name && strcmp(cmd->name, argv[0]) != 0)
		cmd++;
	if (cmd->name) {
		if (argc - 1 >= cmd->min && argc - 1 <= cmd->max)
			return cmd->run(c->ctl->arg, c, argc - 1, argv + 1, why, why_size);
		snprintf(why, why_size, "%s %s is wanted", cmd->name, cmd->args);
		return -EINVAL;
	}
	if (strcmp(argv[0], "help") == 0) {
		say_help(c);
		return 0;
	}
	if (strcmp(argv[0], "watch") == 0)
		return run_watch(c, argc - 1, argv + 1, why, why_size);
	snprintf(why, why_size, "'%.40s': no such command; help lists them", argv[0]);
	return -EINVAL;
}

/* Runs one line, which is taken to pieces.  An empty line and a comment (#) have no answer. */
static void run_line(struct control_client *c, char *line)
{
	char why[CONTROL_WHY_MAX] = "failed", *argv[CONTROL_WORDS + 1], *rest = NULL;
	unsigned int argc = 0;
	int err;

	for (char *word = strtok_r(line, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest)) {
		argv[argc++] = word;
		if (argc > CONTROL_WORDS)
			break;
	}
	if (argc == 0 || argv[0][0] == '#')
		return;
	if (argc > CONTROL_WORDS) {
		snprintf(why, sizeof(why), "more than %d words", CONTROL_WORDS);
		err = -E2BIG;
	} else {
		argv[argc] = NULL;
		err = run_words(c, argc, argv, why, sizeof(why));
	}
	if (err)
		control_say(c, "error: %s", why);
	else
		control_say(c, "ok");
}

/* Takes the next whole line out of the input and runs it.  Returns false when there is none. */
static bool client_step(struct control_client *c)
{
	char line[CONTROL_LINE_MAX + 1], *end = memchr(c->in, '\n', c->in_len);
	size_t n = end ? (size_t)(end - c->in) : c->in_len, taken = end ? n + 1 : n;
	bool too_long = !end && n == sizeof(c->in);

	if (!end && !too_long && !(c->ending && n))
		return false;
	memcpy(line, c->in, n);
	line[n] = '\0';
	c->in_len -= taken;
	memmove(c->in, c->in + taken, c->in_len);
	if (too_long && !c->skipping)
		control_say(c, "error: a line of more than %d bytes", CONTROL_LINE_MAX);
	else if (!c->skipping)
		run_line(c, line);
	c->skipping = too_long;
	return true;
}

/* Runs the lines that came, as far as the client reads the answers; then waits for it, or ends the connection. */
static void client_serve(struct control_client *c)
{
	int err = client_flush(c);

	while (!err && !c->out_len && client_step(c))
		err = client_flush(c);
	if (err || (c->ending && !c->out_len))
		client_end(c);
	else
		client_wait(c);
}

/* ---- connections */

static void client_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct control_client *c = container_of(w, struct control_client, io);
	ssize_t n;

	if (revents & EV_READ) {
		n = read(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			client_end(c);
			return;
		}
		c->in_len += n > 0 ? (size_t)n : 0;
		c->ending |= n == 0;
	}
	client_serve(c);
}

/* The index of a free place, or CONTROL_CLIENTS. */
static unsigned int free_place(const struct control *ctl)
{
	unsigned int i = 0;

	while (i < CONTROL_CLIENTS && ctl->clients[i])
		i++;
	return i;
}

static void accept_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct control *ctl = container_of(w, struct control, accept_io);
	unsigned int place = free_place(ctl);
	struct control_client *c;
	int fd;

	if (place == CONTROL_CLIENTS) {
		ev_io_stop(loop, w);
		return;
	}
	fd = accept4(ctl->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	c = fd < 0 ? NULL : calloc(1, sizeof(*c));
	if (!c) {
		log_warn(ctl->log, "%s: cannot accept a client: %s", ctl->listener.path, strerror(errno));
		if (fd >= 0)
			close(fd);
		ev_io_stop(loop, w);
		ev_timer_set(&ctl->retry, ACCEPT_RETRY, 0.);
		ev_timer_start(loop, &ctl->retry);
		return;
	}
	c->ctl = ctl;
	c->fd = fd;
	ev_io_init(&c->io, client_ready, fd, EV_READ);
	ev_io_start(loop, &c->io);
	ctl->clients[place] = c;
}

static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	ev_io_start(loop, &container_of(w, struct control, retry)->accept_io);
}

int control_open(const char *path, struct log *log, struct ev_loop *loop, const struct control_command *commands,
		 void *arg, struct control **out)
{
	struct control *ctl = calloc(1, sizeof(*ctl));
	int err;

	if (!ctl)
		return -ENOMEM;
	ctl->log = log;
	ctl->loop = loop;
	ctl->commands = commands;
	ctl->arg = arg;
	err = unix_listen(&ctl->listener, path, UINT64_MAX, BACKLOG);
	if (err) {
		free(ctl);
		return err;
	}
	ev_init(&ctl->retry, retry_due);
	ev_io_init(&ctl->accept_io, accept_ready, ctl->listener.fd, EV_READ);
	ev_io_start(loop, &ctl->accept_io);
	*out = ctl;
	return 0;
}

void control_close(struct control *ctl)
{
	if (!ctl)
		return;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		if (ctl->clients[i])
			client_end(ctl->clients[i]);
	}
	ev_io_stop(ctl->loop, &ctl->accept_io);
	ev_timer_stop(ctl->loop, &ctl->retry);
	unix_listener_close(&ctl->listener);
	free(ctl);
}
