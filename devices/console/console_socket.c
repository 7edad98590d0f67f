/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * console_socket.c - a port whose other side is a socket: one that others connect to, unix(7) or tcp(7), or a Unix socket that others
 * listen at.  One connection at a time; others wait in the backlog.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/listener.h"
#include "core/loop.h"
#include "core/unix_socket.h"
#include "core/words.h"
#include "devices/console/console_stream.h"

#define BACKLOG	    8
#define RETRY_FIRST .05 /* s; each is twice the one before it */
#define RETRY_MOST  1.

struct sock {
	struct console_side s;
	struct listener door;
	struct unix_listener at; /* of unix */
	int listening;		 /* of tcp; -1 */
	int fd;			 /* the connection; -1 */
	struct hangup hangup;	 /* the end of one that sends nothing more */
	struct ev_timer retry;	 /* of unix-connect */
	ev_tstamp retry_after, since; /* s; when the connection began */
	bool connects, complained;
};

static struct sock *to_sock(struct console_side *s)
{
	return container_of(s, struct sock, s);
}

static void connection_begin(struct sock *k, int fd)
{
	k->fd = fd;
	k->since = ev_now(k->s.args->d->loop);
	if (hangup_open(&k->hangup, fd) < 0)
		log_guest(&k->s.args->d->log, "port %u: the end of a connection is not watched for", k->s.args->port);
	console_stream_begin(&k->s, fd, fd, true);
}

static void connection_close(struct sock *k, bool tell)
{
	console_stream_end(&k->s, tell);
	if (k->fd < 0)
		return;
	hangup_close(&k->hangup, k->s.args->d->loop);
	close(k->fd);
	k->fd = -1;
}

/* Who listened may do so again soon, or not for long.  One who hangs up at once is not called more often than one who is not there. */
static void retry_start(struct sock *k)
{
	if (k->since > 0. && ev_now(k->s.args->d->loop) - k->since > RETRY_MOST)
		k->retry_after = RETRY_FIRST;
	k->since = 0.;
	ev_timer_set(&k->retry, k->retry_after, 0.);
	ev_timer_start(k->s.args->d->loop, &k->retry);
	k->retry_after = k->retry_after * 2 < RETRY_MOST ? k->retry_after * 2 : RETRY_MOST;
}

static void sock_ended(struct console_side *s)
{
	struct sock *k = to_sock(s);

	connection_close(k, true);
	if (k->connects)
		retry_start(k);
	else
		listener_resume(&k->door);
}

/* The other side sends nothing more, and may still read. */
static void sock_half_ended(struct console_side *s)
{
	hangup_watch(&to_sock(s)->hangup, s->args->d->loop);
}

static void hung_up(struct hangup *h)
{
	sock_ended(&container_of(h, struct sock, hangup)->s);
}

static void accepted(struct listener *l, int fd)
{
	struct sock *k = container_of(l, struct sock, door);

	listener_pause(l);
	connection_begin(k, fd);
}

static void retry_due(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct sock *k = container_of(w, struct sock, retry);
	int fd = unix_connect(k->s.args->value);

	if (fd >= 0) {
		k->complained = false;
		connection_begin(k, fd);
		return;
	}
	if (!k->complained)
		log_warn(&k->s.args->d->log, "unix-connect:%s: %s; tried again every second", k->s.args->value, strerror(-fd));
	k->complained = true;
	retry_start(k);
}

static struct sock *sock_new(const struct console_side_args *args)
{
	struct sock *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	console_stream_init(&k->s, args, sock_ended);
	k->s.half_ended = sock_half_ended;
	k->retry_after = RETRY_FIRST;
	k->door = (struct listener){.accepted = accepted, .log = &args->d->log, .name = args->value};
	k->at.fd = k->listening = k->fd = -1;
	hangup_init(&k->hangup, hung_up);
	ev_timer_init(&k->retry, retry_due, 0., 0.);
	return k;
}

static void sock_stop(struct console_side *s)
{
	struct sock *k = to_sock(s);

	connection_close(k, false);
	ev_timer_stop(s->args->d->loop, &k->retry);
	listener_stop(&k->door);
	if (k->at.fd >= 0)
		unix_listener_close(&k->at);
	if (k->listening >= 0)
		close(k->listening);
	free(k);
}

/* ---- unix */

static const char *unix_check(const char *value)
{
	return unix_path_fits(value) ? NULL : "the path of a Unix socket is wanted, of at most 107 bytes";
}

static void unix_needs(const struct console_side_args *args, struct sandbox *s)
{
	sandbox_calls(s, console_stream_calls);
	unix_listener_needs(args->value, s);
}

static int unix_start(const struct console_side_args *args, struct console_side **out)
{
	struct sock *k = sock_new(args);
	int err;

	if (!k)
		return -ENOMEM;
	*out = &k->s;
	err = unix_listen(&k->at, args->value, UINT64_MAX, BACKLOG);
	if (err)
		k->at.fd = -1;
	else
		err = listener_start(&k->door, args->d->loop, k->at.fd);
	if (err)
		log_error(&args->d->log, "unix:%s: %s%s", args->value, strerror(-err),
			  err == -EADDRINUSE ? " (another process serves it, or it is no socket)" : "");
	return err;
}

static void unix_connect_needs(const struct console_side_args *args, struct sandbox *s)
{
	sandbox_calls(s, console_stream_calls);
	sandbox_calls(s, unix_connect_calls);
	sandbox_folder(s, args->value, SANDBOX_CONNECT, "the socket a port is connected to");
}

static int unix_connect_start(const struct console_side_args *args, struct console_side **out)
{
	struct sock *k = sock_new(args);

	if (!k)
		return -ENOMEM;
	*out = &k->s;
	k->connects = true;
	ev_timer_start(args->d->loop, &k->retry);
	return 0;
}

/* ---- tcp */

static const char *tcp_parse(const char *value, struct sockaddr_in *at)
{
	struct word addr = word_of(value), port;
	char text[INET_ADDRSTRLEN];
	uint64_t number;

	*at = (struct sockaddr_in){.sin_family = AF_INET};
	if (!word_cut(&addr, ':', &port) || !word_copy(&addr, text, sizeof(text)) || inet_pton(AF_INET, text, &at->sin_addr) != 1 ||
	    word_number(&port, &number) || !number || number > UINT16_MAX)
		return "an IPv4 address and a TCP port are wanted: tcp:127.0.0.1:12345";
	at->sin_port = htons((uint16_t)number);
	return NULL;
}

static const char *tcp_check(const char *value)
{
	struct sockaddr_in at;

	return tcp_parse(value, &at);
}

static void tcp_needs(const struct console_side_args *args, struct sandbox *s)
{
	sandbox_calls(s, console_stream_calls);
	sandbox_calls(s, unix_accept_calls);
}

/* The port can be had again at once when a vdevd before has ended. */
static int tcp_listen(struct sock *k)
{
	const int one = 1;
	struct sockaddr_in at;

	tcp_parse(k->s.args->value, &at);
	k->listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k->listening < 0 || setsockopt(k->listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(k->listening, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(k->listening, BACKLOG) < 0)
		return -errno;
	/* A connection that is accepted has it from here. */
	if (setsockopt(k->listening, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		return -errno;
	return listener_start(&k->door, k->s.args->d->loop, k->listening);
}

static int tcp_start(const struct console_side_args *args, struct console_side **out)
{
	struct sock *k = sock_new(args);
	int err;

	if (!k)
		return -ENOMEM;
	*out = &k->s;
	err = tcp_listen(k);
	if (err)
		log_error(&args->d->log, "tcp:%s: %s", args->value, strerror(-err));
	return err;
}

#define SOCK_OPS                                                                                                       \
	.stop = sock_stop, .read = console_stream_read, .write = console_stream_write, .want_read = console_stream_want_read, \
	.want_write = console_stream_want_write

const struct console_side_ops console_unix = {
	.kind = "unix",
	.check = unix_check,
	.needs = unix_needs,
	.start = unix_start,
	SOCK_OPS,
};

const struct console_side_ops console_unix_connect = {
	.kind = "unix-connect",
	.check = unix_check,
	.needs = unix_connect_needs,
	.start = unix_connect_start,
	SOCK_OPS,
};

const struct console_side_ops console_tcp = {
	.kind = "tcp",
	.check = tcp_check,
	.needs = tcp_needs,
	.start = tcp_start,
	SOCK_OPS,
};
