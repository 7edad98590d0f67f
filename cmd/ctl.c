/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ctl.c - `vdevd ctl`: gives a running vdevd one command over its control socket (core/control.h), and shows the
 * answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/ctl.h"
#include "core/control.h"
#include "core/unix_socket.h"

struct ctl_call {
	int fds[CONTROL_FDS]; /* --fd */
	unsigned int nfds;
	uint64_t timeout; /* seconds that a vdevd may be silent before its answer is over */
	bool help;
};

/* A connection to a control socket. */
struct talk {
	struct log log;
	void (*take)(void *arg, char *line); /* each line of the answer but the last */
	void *arg;
	const char *path;
	uint64_t timeout; /* as ctl_call's */
	int sock;
	bool answered; /* the last line of the answer has come: what follows is told, as long as the socket is there */
	int status;    /* of the command */
	size_t len;
	char buf[CONTROL_OUT_MAX];
};

/* --fd */
static int set_fd(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct ctl_call *c = obj;
	uint64_t fd;

	if (opt_parse_number(value, false, &fd) < 0 || fd > INT32_MAX || fcntl((int)fd, F_GETFD) < 0) {
		snprintf(why, why_size, "the number of an open file is wanted");
		return -EINVAL;
	}
	if (c->nfds == CONTROL_FDS) {
		snprintf(why, why_size, "at most %d descriptors can be sent", CONTROL_FDS);
		return -EINVAL;
	}
	c->fds[c->nfds++] = (int)fd;
	return 0;
}

const struct opt ctl_opts[] = {
	{.name = "fd", .type = OPT_CALL, .set = set_fd, .arg = "FD", .help = "send this open file along; repeatable"},
	{.name = "timeout",
	 .type = OPT_UINT,
	 .off = offsetof(struct ctl_call, timeout),
	 .arg = "SECONDS",
	 .def = "10",
	 .min = 1,
	 .max = 86400,
	 .help = "how long to wait for the answer"},
	{.name = "help",
	 .letter = 'h',
	 .type = OPT_FLAG,
	 .off = offsetof(struct ctl_call, help),
	 .help = "show this and exit"},
	{0},
};

/* Makes one line of the words.  Returns its length, or -EINVAL after a line on stderr. */
static int make_line(struct log *log, int argc, char **argv, char line[static CONTROL_LINE_MAX])
{
	size_t len = 0;

	for (int i = 0; i < argc; i++) {
		size_t n = strlen(argv[i]);

		if (n == 0 || strpbrk(argv[i], " \t\r\n")) {
			log_usage(log, "'%s': a word without blanks is wanted", argv[i]);
			return -EINVAL;
		}
		if (len + n + 1 > CONTROL_LINE_MAX) {
			log_usage(log, "the command has more than %d bytes", CONTROL_LINE_MAX);
			return -EINVAL;
		}
		memcpy(line + len, argv[i], n);
		len += n;
		line[len++] = ' ';
	}
	line[len - 1] = '\n';
	return (int)len;
}

/* Waits until the socket is ready for the events.  Returns 0 or -errno. */
static int wait_for(const struct talk *t, short events)
{
	struct pollfd p = {.fd = t->sock, .events = events};
	int n = poll(&p, 1, t->answered ? -1 : (int)t->timeout * 1000);

	if (n < 0 && errno != EINTR)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

/* Sends the line; the descriptors go with all of it, or the other side would not know whose they are. */
static int send_line(const struct talk *t, const struct ctl_call *c, char *line, size_t len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = line, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (c->nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(c->nfds * sizeof(int));
		struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);

		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(c->nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), c->fds, c->nfds * sizeof(int));
	}
	n = sendmsg(t->sock, &msg, MSG_NOSIGNAL);
	/* A new socket has room for a line. */
	return n < 0 ? -errno : (size_t)n < len ? -EIO : 0;
}

/* Shows one line of what came. */
static void take_line(struct talk *t, char *line)
{
	static const char error[] = "error: ";

	bool answer = !t->answered && strncmp(line, "! ", 2) != 0;

	if (answer && strcmp(line, "ok") == 0) {
		t->answered = true;
	} else if (answer && strncmp(line, error, strlen(error)) == 0) {
		t->answered = true;
		t->status = CMD_FAILED;
		log_error(&t->log, "%s", line + strlen(error));
	} else {
		t->take(t->arg, line);
	}
}

/* Shows the whole lines that came. */
static void take_lines(struct talk *t)
{
	char *at = t->buf, *end;

	while ((end = memchr(at, '\n', t->len - (size_t)(at - t->buf)))) {
		*end = '\0';
		take_line(t, at);
		at = end + 1;
	}
	t->len -= (size_t)(at - t->buf);
	memmove(t->buf, at, t->len);
}

/* Shows what comes until the answer is over; with watch, until the other side ends.  Returns 0 or -errno. */
static int listen_to(struct talk *t, bool watch)
{
	while (!t->answered || (watch && t->status == CMD_OK)) {
		int err = wait_for(t, POLLIN);
		ssize_t n;

		if (err)
			return err;
		n = recv(t->sock, t->buf + t->len, sizeof(t->buf) - t->len, 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n == 0)
			return t->answered ? 0 : -ECONNRESET;
		t->len += n > 0 ? (size_t)n : 0;
		take_lines(t);
		if (t->len == sizeof(t->buf))
			return -EMSGSIZE;
		if (fflush(stdout) != 0)
			return -errno;
	}
	return 0;
}

/* Gives the command.  Returns the exit status. */
static int talk(struct talk *t, const struct ctl_call *c, char *line, size_t len)
{
	bool watch = strcmp(line, "watch\n") == 0;
	int err;

	t->sock = unix_connect(t->path);
	err = t->sock < 0 ? t->sock : send_line(t, c, line, len);
	if (!err)
		err = listen_to(t, watch);
	if (t->sock >= 0)
		close(t->sock);
	if (err == -ETIMEDOUT)
		log_error(&t->log, "%s: no answer within %u seconds", t->path, (unsigned int)t->timeout);
	else if (err)
		log_error(&t->log, "%s: %s", t->path, strerror(-err));
	return err ? CMD_FAILED : t->status;
}

/* Shows a line. */
static void show_line(void *arg, char *line)
{
	puts(line);
}

int ctl_ask(const char *prefix, const char *path, const char *command, void (*take)(void *arg, char *line), void *arg)
{
	static struct talk t; /* large, and so not of the file */
	const struct ctl_call c = {0};
	char line[CONTROL_LINE_MAX + 1];
	int len = snprintf(line, sizeof(line), "%s\n", command);

	t = (struct talk){.log = {.prefix = prefix}, .take = take, .arg = arg, .path = path, .timeout = 10};
	return talk(&t, &c, line, (size_t)len);
}

static void print_ctl_help(const struct opt_group *groups)
{
	puts("Usage: vdevd ctl [OPTION]... PATH WORD...\n"
	     "Gives the vdevd whose --control is PATH a command, and shows the answer: help\n"
	     "lists the commands there are. The exit status is 0 when the answer is ok, and 1\n"
	     "when it is an error.");
	opt_print_help(stdout, groups, false);
}

int cmd_ctl(int argc, char **argv)
{
	static struct talk t; /* large, and so not of the file */
	struct ctl_call c = {0};
	const struct opt_group groups[] = {{"Options", ctl_opts, &c}, {NULL, NULL, NULL}};
	char line[CONTROL_LINE_MAX + 1];
	int next, len;

	t.log.prefix = "ctl";
	t.take = show_line;
	opt_defaults(groups);
	next = opt_parse(groups, false, argc, argv);
	if (next < 0)
		return CMD_USAGE;
	if (c.help) {
		print_ctl_help(groups);
		return CMD_OK;
	}
	if (argc - next < 2) {
		log_usage(&t.log, "the path of a control socket and a command are wanted: vdevd ctl PATH help");
		return CMD_USAGE;
	}
	t.path = argv[next];
	t.timeout = c.timeout;
	if (!unix_path_fits(t.path)) {
		log_usage(&t.log, "'%s': a path of 1 to %d bytes is wanted", t.path, UNIX_PATH_LEN);
		return CMD_USAGE;
	}
	len = make_line(&t.log, argc - next - 1, argv + next + 1, line);
	if (len < 0)
		return CMD_USAGE;
	line[len] = '\0';
	return talk(&t, &c, line, (size_t)len);
}
