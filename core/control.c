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

#include "core/listener.h"
#include "core/unix_socket.h"

static const struct sandbox_call control_calls[] = {
	{.name = "recvmsg", .why = "a client's commands, and files that come with them"},
	{.name = "send", .why = "answers to a client"},
	{0},
};

void control_needs(const char *path, struct sandbox *s)
{
	sandbox_calls(s, control_calls);
	unix_listener_needs(path, s);
}

#define BACKLOG 8

/* Bytes for answers that a client has at first, and those that are kept for the last line of an answer. */
#define OUT_FIRST 1024
#define OUT_LAST  512


struct control_client {
	struct control *ctl; /* NULL: a free place */
	int fd;
	struct ev_io io;
	bool watching;
	bool skipping;	     /* the rest of a line that was too long */
	bool ending;	     /* the client sends no more */
	unsigned int lost;   /* lines told but not sent, since the last that was */
	unsigned int unsaid; /* lines of the present answer that had no room */
	size_t in_len;
	size_t out_len, out_done, out_room;
	char in[CONTROL_LINE_MAX];
	char *out; /* out_room bytes; grows with an answer, up to CONTROL_OUT_MAX */
	/* Descriptors that came: with the byte of in at this place, or one before it. */
	struct {
		int fd;
		size_t at;
	} fds[CONTROL_FDS];
	unsigned int nfds;
	unsigned int now; /* so many of them came with the line that runs */
	bool fds_lost;	  /* more came than can wait */
};

struct command_table {
	const struct control_command *commands;
	void *arg;
};

struct control {
	struct unix_listener listener;
	struct log *log;
	struct ev_loop *loop;
	struct command_table tables[CONTROL_TABLES + 1]; /* the last is the built-in one */
	unsigned int ntables;
	struct listener door;
	struct control_client *clients[CONTROL_CLIENTS];
};

/* ---- output */

/* Makes room for n more bytes, all of them together at most max.  Returns false when that cannot be had. */
static bool out_reserve(struct control_client *c, size_t n, size_t max)
{
	size_t room = c->out_room;
	char *out;

	if (c->out_done) {
		memmove(c->out, c->out + c->out_done, c->out_len - c->out_done);
		c->out_len -= c->out_done;
		c->out_done = 0;
	}
	if (c->out_len + n > max)
		return false;
	if (c->out_len + n <= room)
		return true;
	while (room < c->out_len + n)
		room = room ? 2 * room : OUT_FIRST;
	out = realloc(c->out, room);
	if (!out)
		return false;
	c->out = out;
	c->out_room = room;
	return true;
}

/* Appends a line.  Returns false, with nothing appended, when max bytes are no room for it. */
PRINTF_LIKE(4, 0)
static bool out_line(struct control_client *c, size_t max, const char *mark, const char *fmt, va_list ap)
{
	size_t n = strlen(mark);
	va_list again;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0 || !out_reserve(c, n + (size_t)len + 1, max))
		return false;
	memcpy(c->out + c->out_len, mark, n);
	c->out_len += n;
	vsnprintf(c->out + c->out_len, (size_t)len + 1, fmt, ap);
	c->out_len += (size_t)len;
	c->out[c->out_len++] = '\n';
	return true;
}

/* Appends a line for which there is always room: the last of an answer, and "lost". */
static void PRINTF_LIKE(3, 4) out_end(struct control_client *c, const char *mark, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	out_line(c, CONTROL_OUT_MAX, mark, fmt, ap);
	va_end(ap);
}

void control_say(struct control_client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->unsaid += c->unsaid || !out_line(c, CONTROL_OUT_MAX - OUT_LAST, "", fmt, ap);
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

/* Closes the first n of the descriptors that wait. */
static void fds_close(struct control_client *c, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		close(c->fds[i].fd);
	c->nfds -= n;
	memmove(c->fds, c->fds + n, c->nfds * sizeof(c->fds[0]));
}

static void client_end(struct control_client *c)
{
	struct control *ctl = c->ctl;

	ev_io_stop(ctl->loop, &c->io);
	close(c->fd);
	fds_close(c, c->nfds);
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		if (ctl->clients[i] == c)
			ctl->clients[i] = NULL;
	}
	free(c->out);
	free(c);
	/* There is a place for one more. */
	listener_resume(&ctl->door);
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
		if (c->out_room > CONTROL_TELL_MAX) {
			free(c->out);
			c->out = NULL;
			c->out_room = 0;
		}
		if (c->lost)
			out_end(c, "! ", "lost %u", c->lost);
		c->lost = 0;
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
		if (c->lost || !out_line(c, CONTROL_TELL_MAX, "! ", fmt, ap))
			c->lost++;
		va_end(ap);
		/* Sent by the watcher: who tells must not find clients gone. */
		client_wait(c);
	}
}

/* ---- commands */

int control_take_fd(struct control_client *c)
{
	int fd;

	if (!c->now)
		return -1;
	fd = c->fds[0].fd;
	c->now--;
	c->nfds--;
	memmove(c->fds, c->fds + 1, c->nfds * sizeof(c->fds[0]));
	return fd;
}

static int run_help(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct control *ctl = arg;

	for (unsigned int i = 0; i < ctl->ntables; i++) {
		for (const struct control_command *cmd = ctl->tables[i].commands; cmd->name; cmd++) {
			int n = (int)strlen(cmd->name) + 1 + (int)strlen(cmd->args);

			control_say(c, "%s %s%*s%s", cmd->name, cmd->args, n < 30 ? 30 - n : 1, "", cmd->help);
		}
	}
	return 0;
}

static int run_watch(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	if (argc == 1 && strcmp(argv[0], "off") != 0) {
		snprintf(why, why_size, "watch [off] is wanted");
		return -EINVAL;
	}
	c->watching = argc == 0;
	return 0;
}

static int run_log_level(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why,
			 size_t why_size)
{
	enum log_level level;

	if (argc == 0) {
		control_say(c, "%s", log_level_names[log_get_level()]);
		return 0;
	}
	if (log_level_parse(argv[0], &level) < 0) {
		snprintf(why, why_size, "'%.40s': error, warn, info or debug is wanted", argv[0]);
		return -EINVAL;
	}
	log_set_level(level);
	return 0;
}

static int run_quit(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct control *ctl = arg;

	/* What waits to be sent is sent before the loop looks whether it is to end. */
	ev_break(ctl->loop, EVBREAK_ALL);
	return 0;
}

static const struct control_command built_in[] = {
	{"log-level", "[LEVEL]", "shows or sets the level: error, warn, info, debug", 0, 1, run_log_level},
	{"watch", "[off]", "shows what happens, as lines that begin with '! '", 0, 1, run_watch},
	{"quit", "", "ends the process, as SIGTERM does", 0, 0, run_quit},
	{"help", "", "shows this", 0, 0, run_help},
	{0},
};

/* Runs the command of these words, of which there is at least one.  Returns 0 or -errno with a reason in why. */
static int run_words(struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	for (unsigned int i = 0; i < c->ctl->ntables; i++) {
		const struct control_command *cmd = c->ctl->tables[i].commands;

		while (cmd->name && strcmp(cmd->name, argv[0]) != 0)
			cmd++;
		if (!cmd->name)
			continue;
		if (argc - 1 >= cmd->min && argc - 1 <= cmd->max)
			return cmd->run(c->ctl->tables[i].arg, c, argc - 1, argv + 1, why, why_size);
		snprintf(why, why_size, *cmd->args ? "%s %s is wanted" : "%s%s goes without more words", cmd->name,
			 cmd->args);
		return -EINVAL;
	}
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
	c->unsaid = 0;
	if (argc > CONTROL_WORDS) {
		snprintf(why, sizeof(why), "more than %d words", CONTROL_WORDS);
		err = -E2BIG;
	} else if (c->fds_lost) {
		snprintf(why, sizeof(why), "descriptors were lost; at most %d can wait for their command", CONTROL_FDS);
		err = -EMFILE;
		c->fds_lost = false;
	} else {
		argv[argc] = NULL;
		err = run_words(c, argc, argv, why, sizeof(why));
	}
	if (err)
		out_end(c, "", "error: %s", why);
	else if (c->unsaid)
		out_end(c, "", "error: the answer was cut: %u lines more", c->unsaid);
	else
		out_end(c, "", "ok");
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
	for (c->now = 0; c->now < c->nfds && c->fds[c->now].at < taken; c->now++)
		;
	for (unsigned int i = c->now; i < c->nfds; i++)
		c->fds[i].at -= taken;
	if (too_long && !c->skipping)
		out_end(c, "", "error: a line of more than %d bytes", CONTROL_LINE_MAX);
	else if (!c->skipping)
		run_line(c, line);
	c->skipping = too_long;
	fds_close(c, c->now);
	c->now = 0;
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

/* Keeps the descriptors of a message whose last byte is at this place of the input; those there is no room for are
 * closed. */
static void fds_keep(struct control_client *c, struct msghdr *msg, size_t at)
{
	int fds[CONTROL_FDS];

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
		for (size_t i = 0; i < n; i++) {
			if (c->nfds == CONTROL_FDS) {
				c->fds_lost = true;
				close(fds[i]);
				continue;
			}
			c->fds[c->nfds].fd = fds[i];
			c->fds[c->nfds++].at = at;
		}
	}
	/* Also where this process may have no more of them. */
	c->fds_lost |= msg->msg_flags & MSG_CTRUNC;
}

/* Reads what there is room for.  Descriptors end a read: so they came with its last byte.  Returns as recvmsg(2). */
static ssize_t client_read(struct control_client *c)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = c->in + c->in_len, .iov_len = sizeof(c->in) - c->in_len};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC);

	if (n > 0) {
		c->in_len += (size_t)n;
		fds_keep(c, &msg, c->in_len - 1);
	}
	return n;
}

static void client_ready(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct control_client *c = container_of(w, struct control_client, io);
	ssize_t n;

	if (revents & EV_READ) {
		n = client_read(c);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			client_end(c);
			return;
		}
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

static void accepted(struct listener *l, int fd)
{
	struct control *ctl = container_of(l, struct control, door);
	struct control_client *c = calloc(1, sizeof(*c));

	if (!c) {
		log_guest(ctl->log, "%s: no memory for a client", l->name);
		close(fd);
		return;
	}
	c->ctl = ctl;
	c->fd = fd;
	ev_io_init(&c->io, client_ready, fd, EV_READ);
	ev_io_start(ctl->loop, &c->io);
	ctl->clients[free_place(ctl)] = c;
	if (free_place(ctl) == CONTROL_CLIENTS)
		listener_pause(l);
}

void control_add(struct control *ctl, const struct control_command *commands, void *arg)
{
	if (!ctl || !commands || ctl->ntables > CONTROL_TABLES)
		return;
	/* The built-in ones stay the last. */
	ctl->tables[ctl->ntables] = ctl->tables[ctl->ntables - 1];
	ctl->tables[ctl->ntables++ - 1] = (struct command_table){.commands = commands, .arg = arg};
}

int control_open(const char *path, struct log *log, struct ev_loop *loop, struct control **out)
{
	struct control *ctl = calloc(1, sizeof(*ctl));
	int err;

	*out = NULL;
	if (!ctl)
		return -ENOMEM;
	ctl->log = log;
	ctl->loop = loop;
	ctl->tables[ctl->ntables++] = (struct command_table){.commands = built_in, .arg = ctl};
	ctl->door = (struct listener){.accepted = accepted, .log = log, .name = path};
	err = unix_listen(&ctl->listener, path, UINT64_MAX, BACKLOG);
	if (!err)
		err = listener_start(&ctl->door, loop, ctl->listener.fd);
	if (err) {
		unix_listener_close(&ctl->listener);
		free(ctl);
		return err;
	}
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
	listener_stop(&ctl->door);
	unix_listener_close(&ctl->listener);
	free(ctl);
}
